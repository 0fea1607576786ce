//! The answering path alone, without sockets: for instruction counts and profiles.
//!
//! ```text
//! hot_path [ENDPOINTS [QUESTIONS]]        default 10000 1000000
//! valgrind --tool=callgrind target/release/examples/hot_path 10000 20000
//! ```
//!
//! The mix is the one of `bench/run`: 85 % A of regional and zonal names, 10 % AAAA (NODATA), 5 % NXDOMAIN.

use std::fmt::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use vpcedns::config::Limits;
use vpcedns::model::{Broken, Model};
use vpcedns::naming::Suffix;
use vpcedns::observe::Counters;
use vpcedns::serve::respond::{Incoming, Outcome, Responder, Transport};
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::read_toml;
use vpcedns::wire::CookieSecret;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>());
    let (Ok(endpoints), Ok(questions)) = (args.next().unwrap_or(Ok(10_000)), args.next().unwrap_or(Ok(1_000_000)))
    else {
        eprintln!("usage: hot_path [ENDPOINTS [QUESTIONS]]");
        return ExitCode::from(2);
    };
    let loaded = read_toml(&"generated.toml".into(), &zones(endpoints));
    let applied = Model::default().apply(&[], &loaded.inputs, &Broken::default(), &|_| None);
    let Some(model) = applied.model else {
        eprintln!("{:#?}", applied.problems.first());
        return ExitCode::FAILURE;
    };
    let packets = packets(&model, endpoints);
    let snapshots = Arc::new(ArcSwap::from_pointee(Snapshot::compile(model, Policy::default(), 1)));
    let responder =
        Responder::new(snapshots, Limits::default(), CookieSecret::new([7; 16]), Arc::new(Counters::default()));
    let began = Instant::now();
    let octets = ask(&responder, &packets, questions);
    let ns = began.elapsed().as_nanos() / questions.max(1) as u128;
    println!("{endpoints} endpoints, {questions} questions, {octets} octets: {ns} ns a question");
    ExitCode::SUCCESS
}

/// Asks in batches of 64, as a socket does under load; returns how many octets the replies have.
#[inline(never)]
fn ask(responder: &Responder, packets: &[Vec<u8>], questions: usize) -> usize {
    let peer: SocketAddr = ([127, 0, 0, 1], 53000).into();
    let local: SocketAddr = ([127, 0, 0, 1], 53).into();
    let mut out = vec![0; 1232];
    let mut octets = 0;
    let mut packets = packets.iter().cycle();
    for _ in 0..questions.div_ceil(64) {
        let batch = responder.batch();
        for packet in packets.by_ref().take(64) {
            let incoming = Incoming { packet, peer, local, transport: Transport::Udp };
            if let Outcome::Reply(len) = batch.respond(incoming, &mut out) {
                octets += len;
            }
        }
    }
    octets
}

fn zones(endpoints: usize) -> String {
    let mut text = String::new();
    for vpc in 0..endpoints.div_ceil(1000) {
        let _ = writeln!(text, "[[vpc]]\nvpc_id = \"vpc-{vpc:08x}\"\nregion = \"us-east-1\"");
        let _ = writeln!(text, "cidr_blocks = [\"10.{vpc}.0.0/16\"]\nenable_dns_hostnames = true");
        for zone in 0..3 {
            let _ =
                writeln!(text, "[[subnet]]\nsubnet_id = \"subnet-{:08x}\"\nvpc_id = \"vpc-{vpc:08x}\"", vpc * 3 + zone);
            let letter = char::from(b'a' + zone as u8);
            let _ = writeln!(
                text,
                "availability_zone = \"us-east-1{letter}\"\ncidr_block = \"10.{vpc}.{}.0/18\"",
                zone * 64
            );
        }
    }
    for endpoint in 0..endpoints {
        let vpc = endpoint / 1000;
        let _ = writeln!(text, "[[vpc_endpoint]]\nvpc_endpoint_id = \"{}\"\nvpc_id = \"vpc-{vpc:08x}\"", id(endpoint));
        let _ = writeln!(
            text,
            "service_name = \"com.amazonaws.us-east-1.ec2\"\nprivate_dns_enabled = false\nnetwork_interfaces = ["
        );
        for zone in 0..3 {
            let host = endpoint % 1000 + 10;
            let _ = writeln!(
                text,
                "{{ network_interface_id = \"eni-{:08x}\", subnet_id = \"subnet-{:08x}\", private_ip_address = \"10.{vpc}.{}.{}\" }},",
                endpoint * 3 + zone,
                vpc * 3 + zone,
                zone * 64 + host / 250,
                host % 250
            );
        }
        text.push_str("]\n");
    }
    text
}

fn id(endpoint: usize) -> String {
    format!("vpce-0{:016x}", (endpoint as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn packets(model: &Model, endpoints: usize) -> Vec<Vec<u8>> {
    let question = |number: usize| {
        let endpoint = number.wrapping_mul(7919) % endpoints;
        let id = id(endpoint);
        let suffix = id.parse().map(Suffix::derive).map(|suffix| suffix.to_string()).unwrap_or_default();
        let zone = ["", "-us-east-1a", "-us-east-1b", "-us-east-1c"][number % 4];
        let (zone, rtype) = match number % 20 {
            0 => ("-us-east-1f", 1u16),
            1 | 2 => (zone, 28),
            _ => (zone, 1),
        };
        let name = format!("{id}-{suffix}{zone}.ec2.us-east-1.vpce.amazonaws.com");
        let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            packet.push(label.len() as u8);
            packet.extend_from_slice(label.as_bytes());
        }
        packet.extend_from_slice(&[0, (rtype >> 8) as u8, rtype as u8, 0, 1]);
        packet
    };
    assert_eq!(model.endpoint_count(), endpoints);
    (0..40_000.min(endpoints * 4)).map(question).collect()
}
