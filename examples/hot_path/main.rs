//! The answering path alone, without sockets: for instruction counts and profiles.
//!
//! ```text
//! hot_path [ENDPOINTS [QUESTIONS]]        default 10000 1000000
//! valgrind --tool=callgrind target/release/examples/hot_path 10000 20000
//! ```
//!
//! The mix is the one of `bench/run`: 85 % A of regional and zonal names, 10 % AAAA (NODATA), 5 % NXDOMAIN.

#[allow(dead_code, reason = "`endpoint` alone is for the benchmarks")]
mod zones;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use vpcedns::config::Limits;
use vpcedns::model::{Broken, Model};
use vpcedns::observe::Counters;
use vpcedns::resolve::{Incoming, Outcome, Resolve, Resolver};
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::read_toml;
use vpcedns::wire::CookieSecret;
use vpcedns::wire::Transport;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>());
    let (Ok(endpoints), Ok(questions)) = (args.next().unwrap_or(Ok(10_000)), args.next().unwrap_or(Ok(1_000_000)))
    else {
        eprintln!("usage: hot_path [ENDPOINTS [QUESTIONS]]");
        return ExitCode::from(2);
    };
    let loaded = read_toml(&"generated.toml".into(), &zones::zones(endpoints));
    let applied = Model::default().apply(&[], &loaded.inputs, &Broken::default(), &|_| None);
    let Some(model) = applied.model else {
        eprintln!("{:#?}", applied.violations.first());
        return ExitCode::FAILURE;
    };
    let packets = zones::packets(endpoints);
    let snapshots = ServedSnapshot::fixed(Snapshot::compile(model, Policy::default(), 1));
    let resolver =
        Resolver::new(snapshots, Limits::default(), CookieSecret::new([7; 16]), Arc::new(Counters::default()));
    let began = Instant::now();
    let octets = ask(&resolver, &packets, questions);
    let ns = began.elapsed().as_nanos() / questions.max(1) as u128;
    println!("{endpoints} endpoints, {questions} questions, {octets} octets: {ns} ns a question");
    ExitCode::SUCCESS
}

/// Asks in batches of 64, as a socket does under load; returns how many octets the replies have.
#[inline(never)]
fn ask(resolver: &Resolver, packets: &[Vec<u8>], questions: usize) -> usize {
    let peer: SocketAddr = ([127, 0, 0, 1], 53000).into();
    let local: SocketAddr = ([127, 0, 0, 1], 53).into();
    let mut out = vec![0; 1232];
    let mut octets = 0;
    let mut packets = packets.iter().cycle();
    for _ in 0..questions.div_ceil(64) {
        let batch = resolver.batch();
        packets.clone().take(64).for_each(|packet| resolver.prefetch(&batch, packet));
        for packet in packets.by_ref().take(64) {
            let incoming = Incoming { packet, peer, local, transport: Transport::Udp, vpc: None };
            if let Outcome::Reply(len) = resolver.try_resolve(&batch, incoming, &mut out) {
                octets += len;
            }
        }
    }
    octets
}
