//! What one question and one change cost, piece by piece: `cargo bench`.
//!
//! The zones are those of `examples/hot_path.rs`; instruction counts of the whole path come from `bench/instructions`.

#[path = "../examples/hot_path/zones.rs"]
mod zones;

use std::cell::LazyCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use divan::{Bencher, black_box};
use vpcedns::answer::{Decision, NoTrace, answer};
use vpcedns::config::Limits;
use vpcedns::dns::{NameBuf, Rtype};
use vpcedns::forward::cache::{Cache, CacheKey, CachedReply};
use vpcedns::forward::relay::Requestor;
use vpcedns::model::{Broken, Model};
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::read_toml;
use vpcedns::wire::{CookieSecret, Frame, Packet, encode, parse};

const SIZES: [usize; 2] = [1_000, 100_000];
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn main() {
    divan::main();
}

fn model(endpoints: usize) -> Model {
    let loaded = read_toml(&"generated.toml".into(), &zones::zones(endpoints));
    let applied = Model::default().apply(&[], &loaded.inputs, &Broken::default(), &|_| None);
    applied.model.expect("generated zones are good")
}

fn frame<'a>(secret: &'a CookieSecret, now: &'a LazyCell<u32>) -> Frame<'a> {
    Frame { limit: 1232, payload: 1232, aa: false, explain: true, secret, peer: PEER, now }
}

/// A packet to a question.
#[divan::bench]
fn packet_to_question(bencher: Bencher<'_, '_>) {
    let packets = zones::packets(1_000);
    let mut name = NameBuf::default();
    let mut at = packets.iter().cycle();
    bencher.bench_local(|| match at.next().map(|packet| parse(black_box(packet), &mut name)) {
        Some(Packet::Query(query)) => query.question_octets.len(),
        _ => 0,
    });
}

/// A question to a decision: the look-up.
#[divan::bench(args = SIZES)]
fn question_to_decision(bencher: Bencher<'_, '_>, endpoints: usize) {
    let snapshot = Snapshot::compile(model(endpoints), Policy::default(), 1);
    let packets = zones::packets(endpoints);
    let mut names: Vec<NameBuf> = vec![NameBuf::default(); packets.len()];
    let questions: Vec<_> = packets
        .iter()
        .zip(&mut names)
        .filter_map(|(packet, name)| match parse(packet, name) {
            Packet::Query(query) => Some(query.question),
            _ => None,
        })
        .collect();
    let client = snapshot.client(SocketAddr::new(PEER, 53), PEER);
    let mut at = questions.iter().cycle();
    bencher.bench_local(|| at.next().map(|question| answer(&snapshot, client, black_box(question), 7, &mut NoTrace)));
}

/// A decision to a reply.
#[divan::bench]
fn decision_to_octets(bencher: Bencher<'_, '_>) {
    let snapshot = Snapshot::compile(model(1_000), Policy::default(), 1);
    let packets = zones::packets(1_000);
    let mut names: Vec<NameBuf> = vec![NameBuf::default(); packets.len()];
    let client = snapshot.client(SocketAddr::new(PEER, 53), PEER);
    let decided: Vec<_> = packets
        .iter()
        .zip(&mut names)
        .filter_map(|(packet, name)| match parse(packet, name) {
            Packet::Query(query) => match answer(&snapshot, client, &query.question, 7, &mut NoTrace) {
                Decision::Reply(reply) => Some((query, reply)),
                Decision::Forward(_) => None,
            },
            _ => None,
        })
        .collect();
    let secret = CookieSecret::new([7; 16]);
    let now: LazyCell<u32> = LazyCell::new(|| 0);
    let mut out = vec![0; 1232];
    let mut at = decided.iter().cycle();
    bencher.bench_local(|| {
        at.next().map(|(query, reply)| encode(query, black_box(reply), &frame(&secret, &now), &mut out))
    });
}

/// A question for others to the cached reply, among so many.
#[divan::bench(args = [9_000, 500_000])]
fn question_to_cached_reply(bencher: Bencher<'_, '_>, names: u32) {
    let cache = Cache::new(&Limits { cache_size: 1 << 30, ..Limits::default() });
    let upstreams = cache.upstreams(&[SocketAddr::new(PEER, 53).into()].into(), false);
    let name = |number: u32| [&[9], format!("n{number:08}").as_bytes(), b"\x07example\0"].concat();
    let key =
        |name| CacheKey { name, rtype: Rtype::A, dnssec_ok: false, checking_disabled: false, upstreams: &upstreams };
    let questions: Vec<Vec<u8>> = (0..names).map(|number| [&name(number)[..], &[0, 1, 0, 1]].concat()).collect();
    for question in &questions {
        let head = [0, 0, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
        let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1];
        let reply = [&head[..], question, &record, &record].concat();
        let entry = CachedReply::new(&reply, question, cache.times(), 0).expect("a reply to the question");
        cache.store(&key(&question[..question.len() - 4]), entry, cache.known(&upstreams), 0);
    }
    let mut out = [0; 1232];
    // not one after the other, as the machine would guess that
    let mut at = (0..questions.len()).cycle().step_by(4_999);
    bencher.bench_local(|| {
        let question = at.next().and_then(|at| questions.get(at))?;
        let found = cache.find(&key(&question[..question.len() - 4]), 1000)?;
        let client = Requestor {
            id: 7,
            question,
            recursion_desired: true,
            checking_disabled: false,
            authentic_data: true,
            keep_authoritative: false,
            edns: Some(false),
            payload: 1232,
            limit: 1232,
            cookie: None,
            ede: None,
        };
        found.entry.write(black_box(&client), found.age, &mut out)
    });
}

/// One changed endpoint: the next model and the next snapshot.
#[divan::bench(args = SIZES)]
fn change_to_snapshot(bencher: Bencher<'_, '_>, endpoints: usize) {
    let model = model(endpoints);
    let snapshot = Snapshot::compile(model.clone(), Policy::default(), 1);
    let one = read_toml(&"one.toml".into(), &zones::endpoint(3, "partial"));
    let removed: Vec<_> = one.inputs.iter().map(vpcedns::model::Input::key).collect();
    bencher.bench_local(|| {
        let applied = model.apply(&removed, black_box(&one.inputs), &Broken::default(), &|_| None);
        applied.model.map(|next| snapshot.next(next, &applied.changes).generation)
    });
}
