//! hickory-server with `embed` says what our own front says: every section, code, flag and OPT.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};

use crate::common::entry::ZONE;
use crate::common::hickory::{Client, HickoryServer};
use crate::common::{cases, question_octets, wire_name};
use crate::replay::{as_packets, files};
use crate::server::{settings, start};
use crate::wire::{Flat, NAMES, TYPES, any_asked, flat, owner};
use hickory_proto::op::{Edns, Message, MessageType, Metadata, Query};
use hickory_proto::rr::Record;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::Request;
use proptest::prelude::*;
use vpcedns::embed::{Builder, PrivateDns, Refuse};
use vpcedns::server::Server;
use vpcedns::snapshot::Policy;

/// Clients of a VPC with private names, of one without the attribute for them, of one that is not served, and of none.
const CLIENTS: [Ipv4Addr; 4] =
    [Ipv4Addr::new(127, 1, 0, 5), Ipv4Addr::new(127, 2, 0, 5), Ipv4Addr::new(127, 3, 0, 5), Ipv4Addr::LOCALHOST];

/// The codes of options (RFC 7873 4, RFC 6891 6.1.2).
const COOKIE: u16 = 10;

/// Both servers on the same files, and a client at each address for each of them.
struct Pair {
    clients: Vec<(Client, Client)>,
    /// Questions that hickory answers by itself.
    undecoded: Cell<usize>,
    /// Replies that fit a datagram of ours, and not of hickory's.
    too_long: Cell<usize>,
    ours: Option<Server>,
    _theirs: HickoryServer<PrivateDns<Refuse>>,
    _dir: tempfile::TempDir,
}

impl Pair {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut text = "[[vpc]]\nvpc_id = \"vpc-00000003\"\nregion = \"us-east-1\"\ncidr_blocks = [\"127.3.0.0/16\"]\n\
                        enable_dns_support = false\n"
            .to_owned();
        text += &ZONE.replace("\"10.1.0.0/16\"", "\"10.1.0.0/16\", \"127.1.0.0/16\"");
        std::fs::write(
            dir.path().join("zone.toml"),
            text.replace("\"10.2.0.0/16\"", "\"10.2.0.0/16\", \"127.2.0.0/16\""),
        )
        .unwrap();
        let ours = start(settings(dir.path()));
        let zones = Builder::from_dir(dir.path()).policy(Policy::default()).build().unwrap();
        let theirs = HickoryServer::start(zones.in_front_of(Refuse));
        let pair = |from| (Client::new(ours.ready().plain[0], from), Client::new(theirs.address, from));
        let clients = CLIENTS.map(pair).into();
        let none = Cell::default;
        Self { clients, undecoded: none(), too_long: none(), ours: Some(ours), _theirs: theirs, _dir: dir }
    }

    /// Asks both.
    fn check(&self, client: usize, is_stream: bool, packet: &[u8]) -> Result<(), TestCaseError> {
        let (ours, theirs) = &self.clients[client];
        match Request::from_bytes(packet.to_vec(), SocketAddr::from((CLIENTS[client], 53)), Protocol::Udp) {
            // it does not come as far as our handler; neither server answers responses
            Err(_) => {
                self.undecoded.set(self.undecoded.get() + 1);
                return Ok(());
            }
            Ok(request) if request.metadata.message_type == MessageType::Response => return Ok(()),
            Ok(_) => {}
        }
        let ask = |client: &Client| if is_stream { client.ask_tcp(packet) } else { client.ask_udp(packet) };
        let (ours, theirs) = (ask(ours), ask(theirs));
        let (said, wanted) = (Said::of(&theirs), Said::of(&ours));
        if said.metadata.truncation && !wanted.metadata.truncation {
            // hickory names the question a second time
            let again = packet.len() - 12;
            prop_assert!(!is_stream && ours.len() + again > 512, "truncated: {wanted:?}");
            self.too_long.set(self.too_long.get() + 1);
            return Ok(());
        }
        prop_assert_eq!(said, wanted, "client {}, stream {}, {:02x?}", CLIENTS[client], is_stream, packet);
        Ok(())
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.clients.clear();
        self.ours.take().map(Server::stop);
    }
}

/// A reply: addresses go round, so that records are sorted, and a server's half of a cookie is its own.
#[derive(Debug, PartialEq)]
struct Said {
    metadata: Metadata,
    queries: Vec<Query>,
    sections: [Vec<(Vec<u8>, Flat)>; 3],
    edns: Option<FlatEdns>,
}

impl Said {
    fn of(octets: &[u8]) -> Self {
        let message = Message::from_vec(octets).unwrap_or_else(|error| panic!("{error}: {octets:02x?}"));
        let sorted = |records: &[Record]| {
            let mut all: Vec<_> = records.iter().map(|record| (owner(record), flat(record))).collect();
            all.sort();
            all
        };
        Self {
            metadata: message.metadata,
            queries: message.queries.clone(),
            sections: [&message.answers, &message.authorities, &message.additionals].map(|records| sorted(records)),
            edns: message.edns.as_ref().map(edns),
        }
    }
}

/// Version, payload, DO, and options by code.
type FlatEdns = (u8, u16, bool, Vec<(u16, Vec<u8>)>);

fn edns(edns: &Edns) -> FlatEdns {
    let options = edns.options().as_ref().iter().map(|(code, option)| {
        let mut data = Vec::<u8>::try_from(option).unwrap();
        let code = u16::from(*code);
        if code == COOKIE {
            data[8..].fill(0);
        }
        (code, data)
    });
    (edns.version(), edns.max_payload(), edns.flags().dnssec_ok, options.collect())
}

/// What a client adds to its question: flags of the header, and an OPT.
fn forms() -> Vec<(u16, Vec<u8>)> {
    let opt = |payload: u16, ttl: [u8; 4], options: &[u8]| {
        let length = (options.len() as u16).to_be_bytes();
        [&[0, 0, 41], &payload.to_be_bytes()[..], &ttl, &length, options].concat()
    };
    let cookie = b"\0\x0a\0\x08ABCDEFGH";
    vec![
        (0x0100, Vec::new()),
        (0x0000, Vec::new()),
        (0x0130, opt(1232, [0; 4], b"")),
        (0x0100, opt(512, [0, 0, 0x80, 0], cookie)),
        (0x0000, opt(65_535, [0; 4], b"\0\x03\0\0")),
        // another version
        (0x0100, opt(1232, [0, 1, 0, 0], b"")),
        // a client subnet, and padding
        (0x0100, opt(1232, [0; 4], b"\0\x08\0\x07\0\x01\x18\0\x0a\x01\0\0\x0c\0\x04\0\0\0\0")),
        // opcodes STATUS and NOTIFY
        (0x1000, Vec::new()),
        (0x2000, opt(1232, [0; 4], b"")),
    ]
}

#[test]
fn each_name_and_type_in_each_form() {
    let pair = Pair::start();
    let mut asked = 0;
    for (form, (flags, opt)) in forms().into_iter().enumerate() {
        // a name and type comes from each client, in one form or another
        let all = (0..).zip(NAMES).flat_map(|(at, name)| TYPES.map(|rtype| (at + usize::from(rtype), name, rtype)));
        for (turn, name, rtype) in all {
            let head = [0x1234, flags, 1, 0, 0, u16::from(!opt.is_empty())].map(u16::to_be_bytes).concat();
            let packet = [head, question_octets(&wire_name(name), rtype.into()), opt.clone()].concat();
            asked += 1;
            pair.check((form + turn) % CLIENTS.len(), asked % 7 == 0, &packet).unwrap();
        }
    }
    assert_eq!(pair.undecoded.get(), 0);
    println!("{asked} questions, {} too long for a datagram of hickory's", pair.too_long.get());
    assert!(pair.too_long.get() * 100 < asked);
}

#[test]
fn corpora_and_seeds() {
    let pair = Pair::start();
    let mut packets = 0;
    for (path, octets) in files("tests/corpora").into_iter().chain(files("fuzz/corpus/packet")) {
        println!("{}", path.display());
        // what either server drops is below 12 octets
        for packet in as_packets(&octets).iter().filter(|packet| packet.len() >= 12) {
            packets += 1;
            for client in 0..CLIENTS.len() {
                pair.check(client, false, packet).unwrap();
                pair.check(client, true, packet).unwrap();
            }
        }
    }
    println!("{packets} packets, {} of them not decoded by hickory", pair.undecoded.get() / 8);
    assert!(pair.undecoded.get() / 8 < packets, "hickory decodes nothing of it");
}

#[test]
fn any_question() {
    let pair = Pair::start();
    let asked = (any_asked(), 0..CLIENTS.len());
    let mut runner = proptest::test_runner::TestRunner::new(cases(4000));
    runner.run(&asked, |(asked, client)| pair.check(client, asked.stream, &asked.packet())).unwrap();
}
