//! The answering path alone, without sockets: for instruction counts and profiles.
//!
//! ```text
//! hot_path [ENDPOINTS [QUESTIONS [BATCH]]]        default 10000 1000000 64
//! valgrind --tool=callgrind target/release/examples/hot_path 10000 20000
//! ```
//!
//! What the metrics of these answers cost is measured alone, too: the same counts, and nothing else.
//!
//! The mix is the one of `bench/run`: 85 % A of regional and zonal names, 10 % AAAA (NODATA), 5 % NXDOMAIN.

#[allow(dead_code, reason = "`endpoint` alone is for the benchmarks")]
mod zones;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vpcedns::answer::Topic;
use vpcedns::config::{Limits, Metric};
use vpcedns::dns::{Rcode, rcode_of};
use vpcedns::model::{Broken, Model};
use vpcedns::observe::{Answered, Counters};
use vpcedns::resolve::{Incoming, Outcome, Resolve, Resolver};
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::{Policy, Snapshot, ViewClass};
use vpcedns::source::read_toml;
use vpcedns::wire::CookieSecret;
use vpcedns::wire::Transport;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>());
    let mut number = |default: usize| args.next().unwrap_or(Ok(default));
    let (Ok(endpoints), Ok(questions), Ok(batch @ 1..)) = (number(10_000), number(1_000_000), number(64)) else {
        eprintln!("usage: hot_path [ENDPOINTS [QUESTIONS [BATCH]]]");
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
    let counters = Arc::new(Counters::default());
    let resolver = Resolver::new(snapshots, Limits::default(), CookieSecret::new([7; 16]), Arc::clone(&counters));
    let rcodes = rcodes(&resolver, &packets);
    // what was counted so far is not of the answers that are measured
    let before = counters.totals();
    let began = Instant::now();
    let octets = ask(&resolver, &packets, questions, batch);
    let took = began.elapsed();
    let again = Counters::default();
    let began = Instant::now();
    count(&again, &rcodes, questions, batch);
    let counting = began.elapsed();
    for metric in [Metric::Packets, Metric::Replies, Metric::Questions] {
        let (after, before, again) = (counters.totals(), before, again.totals());
        let counted = after.of(metric).iter().zip(before.of(metric)).map(|(after, before)| after - before);
        assert!(counted.eq(again.of(metric).iter().copied()), "{metric:?} is not counted as answers count it");
    }
    // tenths of a nanosecond
    let tenths = |took: Duration| took.as_nanos() * 10 / questions.max(1) as u128;
    let (answer, counting) = (tenths(took) / 10, tenths(counting));
    println!(
        "{endpoints} endpoints, {questions} questions, {octets} octets, batches of {batch}: {answer} ns a question, \
         {}.{} ns of that for metrics",
        counting / 10,
        counting % 10
    );
    ExitCode::SUCCESS
}

/// The response code of each packet's reply.
fn rcodes(resolver: &Resolver, packets: &[Vec<u8>]) -> Vec<Rcode> {
    let (batch, mut out) = (resolver.batch(), vec![0; 1232]);
    let answered = packets.iter().map(|packet| {
        resolver.try_resolve(&batch, incoming(packet), &mut out);
        rcode_of(&out)
    });
    answered.collect()
}

/// Counts what [`ask`] counts with the same arguments, and does nothing else.
#[inline(never)]
fn count(counters: &Counters, rcodes: &[Rcode], questions: usize, batch: usize) {
    let mut rcodes = rcodes.iter().cycle();
    for first in (0..questions).step_by(batch) {
        let (tally, began) = (counters.tally(), Instant::now());
        for rcode in rcodes.by_ref().take(batch.min(questions - first)) {
            tally.packet(Transport::Udp);
            tally.question(ViewClass::Outside, Topic::Endpoint);
            tally.reply(*rcode);
        }
        if let (replies @ 1.., transport) = tally.answered() {
            counters.took(transport, Answered::AtOnce, began.elapsed(), replies);
        }
    }
}

/// A packet as it comes in.
fn incoming(packet: &[u8]) -> Incoming<'_> {
    let peer: SocketAddr = ([127, 0, 0, 1], 53000).into();
    let local: SocketAddr = ([127, 0, 0, 1], 53).into();
    Incoming { packet, peer, local, transport: Transport::Udp, vpc: None }
}

/// Asks in batches, of 64 as a socket does under load; returns how many octets the replies have.
#[inline(never)]
fn ask(resolver: &Resolver, packets: &[Vec<u8>], questions: usize, size: usize) -> usize {
    let mut out = vec![0; 1232];
    let mut octets = 0;
    let mut packets = packets.iter().cycle();
    for first in (0..questions).step_by(size) {
        let size = size.min(questions - first);
        let batch = resolver.batch();
        packets.clone().take(size).for_each(|packet| resolver.prefetch(&batch, packet));
        for packet in packets.by_ref().take(size) {
            if let Outcome::Reply(len) = resolver.try_resolve(&batch, incoming(packet), &mut out) {
                octets += len;
            }
        }
    }
    octets
}
