//! What the fuzz targets call, and what `tests/replay.rs` calls with every seed and corpus file.
//!
//! Each function takes any octets and panics if something does that must not happen: a reply that is no DNS message,
//! a reply that is too long, a reply to a response.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use hickory_proto::op::Message;
use vpcedns::config::Limits;
use vpcedns::forward::cache::{Age, Entry, Times};
use vpcedns::forward::message;
use vpcedns::forward::relay::{Client, Ede, relay as relay_reply};
use vpcedns::model::{Broken, Model};
use vpcedns::observe::Counters;
use vpcedns::serve::respond::{Incoming, Outcome, Responder, Transport};
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::{FileText, Loaded, read_json_set, read_toml};
use vpcedns::wire::CookieSecret;

/// A zone with every kind of answer in it.
pub const ZONE: &str = include_str!("zone.toml");

fn responder() -> &'static Responder {
    static RESPONDER: OnceLock<Responder> = OnceLock::new();
    RESPONDER.get_or_init(|| {
        let model = apply(read_toml(&Arc::from("zone.toml"), ZONE)).expect("the zone has no errors");
        let snapshot = Snapshot::compile(model, Policy::default(), 1);
        let snapshots = Arc::new(ArcSwap::from_pointee(snapshot));
        Responder::new(snapshots, Limits::default(), CookieSecret::new([7; 16]), Arc::new(Counters::default()))
    })
}

fn apply(loaded: Loaded) -> Option<Model> {
    let broken = Broken { ids: loaded.broken.into_iter().collect(), incomplete: loaded.incomplete };
    let applied = Model::default().apply(&[], &loaded.inputs, &broken, &|_| None);
    let errors = loaded.problems.iter().chain(&applied.problems).any(vpcedns::problem::Problem::is_error);
    applied.model.filter(|_| !errors)
}

/// Any packet gets silence, a whole DNS message that is not too long, or an upstream would be asked.
pub fn packet(packet: &[u8]) {
    let local: SocketAddr = "127.0.0.1:53".parse().expect("an address");
    let batch = responder().batch();
    // in a VPC with private DNS, on this machine, and unknown
    for peer in ["10.1.0.5:4711", "127.0.0.9:4711", "198.51.100.7:4711"] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let peer = peer.parse().expect("an address");
            let mut out = vec![0xaa; usize::from(u16::MAX)];
            let outcome = batch.respond(Incoming { packet, peer, local, transport, vpc: None }, &mut out);
            let is_request = packet.len() >= 12 && packet[2] & 0x80 == 0;
            match outcome {
                Outcome::Silent => assert!(!is_request, "a request got no reply"),
                Outcome::Slow => assert!(is_request),
                Outcome::Reply(len) => {
                    assert!(is_request, "a reply to what is no request");
                    assert!(transport == Transport::Tcp || len <= 1232, "{len} octets");
                    let reply = &out[..len];
                    let message = Message::from_vec(reply).unwrap_or_else(|e| panic!("{e}: {reply:02x?}"));
                    assert_eq!(reply[..2], packet[..2], "the id");
                    assert_eq!(reply[2] & 0x80, 0x80, "QR");
                    assert_eq!(usize::from(u16::from_be_bytes([reply[6], reply[7]])), message.answers.len());
                    let walked = message::Message::parse(reply).expect("our own reader agrees");
                    assert_eq!(walked.records().last().map_or(len, |record| record.range.end), len, "octets behind");
                }
            }
        }
    }
}

/// Any text is either loaded and served, or refused with problems.
pub fn toml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    serve(read_toml(&Arc::from("fuzz.toml"), &text));
}

/// Any text in the place of the AWS CLI's output.
pub fn json(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    serve(read_json_set(&[FileText { path: "fuzz.json".into(), text }]));
}

fn serve(loaded: Loaded) {
    let errors = loaded.problems.iter().filter(|problem| problem.is_error()).count();
    assert!(!loaded.incomplete || errors > 0, "something could not be read, and nobody said so");
    for problem in &loaded.problems {
        assert!(!problem.what.is_empty() && !problem.to_string().is_empty());
    }
    if let Some(model) = apply(loaded) {
        let snapshot = Snapshot::compile(model, Policy::default(), 1);
        let client = snapshot.client("127.0.0.1:53".parse().expect("an address"), [127, 0, 0, 1].into());
        assert!(client.access.is_served());
    }
}

/// What the cache makes of the same octets is a whole message too, whatever its age, or nothing.
fn cached(reply: &[u8], client: &Client<'_>) {
    let Ok(entry) = Entry::new(reply, client.question, &Times::new(&Limits::default()), 0) else { return };
    for age in [Age::Fresh(7), Age::Stale(30)] {
        let mut out = vec![0; client.limit];
        if let Some(len) = entry.write(client, age, &mut out) {
            let message = message::Message::parse(&out[..len]).expect("a cached reply is a message");
            assert_eq!((message.id(), message.question()), (client.id, client.question));
            assert_eq!(message.opt().is_some(), client.edns.is_some());
        }
        let whole = relay_reply(&entry.message(age), client).expect("an entry can be relayed");
        assert!(whole.len() <= client.limit, "{} octets of {}", whole.len(), client.limit);
    }
}

/// Any octets in the place of an upstream's reply become a whole message that is not too long, or an error.
pub fn relay(reply: &[u8]) {
    // the question that a relay goes with is the reply's own, where there is one to be read
    let own = message::Message::parse(reply).map(|message| message.question().to_vec());
    let question = own.ok().filter(|question| !question.is_empty());
    let question = question.unwrap_or_else(|| b"\x01a\x07example\0\0\x01\0\x01".to_vec());
    for (edns, limit, ede) in [
        (None, 512, None),
        (Some(false), 512, Some(Ede { code: 0, text: "because" })),
        (Some(true), 1232, None),
        (Some(true), usize::from(u16::MAX), Some(Ede { code: 23, text: "é" })),
    ] {
        let client = Client {
            id: 0x1234,
            question: &question,
            recursion_desired: true,
            checking_disabled: false,
            authentic_data: true,
            keep_authoritative: false,
            edns,
            cookie: edns.map(|_| [9; 24]),
            limit,
            ede,
        };
        cached(reply, &client);
        let Ok(out) = relay_reply(reply, &client) else { continue };
        assert!(out.len() <= limit, "{} octets of {limit}", out.len());
        let message = message::Message::parse(&out).expect("a relayed reply is a message");
        assert_eq!((message.id(), message.question()), (0x1234, &question[..]));
        assert_eq!(message.opt().is_some(), edns.is_some(), "OPT is there exactly if the client sent one");
    }
}
