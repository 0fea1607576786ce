//! A connection with clients of all manners.

use std::net::Shutdown;

use tokio::net::TcpStream;

use super::*;
use crate::config::Limits;
use crate::serve::listeners::Listeners;
use crate::serve::testing::{PATIENCE, Scripted, limits, listen};

fn frame(packet: impl AsRef<[u8]>) -> Vec<u8> {
    let packet = packet.as_ref();
    [&u16::try_from(packet.len()).unwrap().to_be_bytes(), packet].concat()
}

async fn reply(stream: &mut TcpStream) -> String {
    let read = async {
        let len = stream.read_u16().await.unwrap();
        let mut reply = vec![0; len.into()];
        stream.read_exact(&mut reply).await.unwrap();
        String::from_utf8(reply).unwrap()
    };
    timeout(PATIENCE, read).await.unwrap()
}

/// Asserts that the server closes the connection without another word.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // a reset is as good as an end
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"");
}

async fn connect(scripted: &Arc<Scripted>, limits: &Limits) -> (Listeners<Scripted>, TcpStream) {
    let (listeners, addresses) = listen(scripted, limits, &["127.0.0.1:0"]);
    (listeners, TcpStream::connect(addresses[0]).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_do_not_matter() {
    let (_listeners, mut stream) = connect(&Scripted::new(), &limits()).await;
    let all: Vec<u8> = (0..300).flat_map(|number| frame(format!("question {number}"))).collect();
    stream.write_all(&all).await.unwrap();
    for number in 0..300 {
        assert_eq!(reply(&mut stream).await, format!("question {number}"));
    }
    for octet in [frame("drip"), frame(""), frame("drop")].concat() {
        stream.write_all(&[octet]).await.unwrap();
    }
    for want in ["drip", "", "drop"] {
        assert_eq!(reply(&mut stream).await, want);
    }
    let long = "x".repeat(MESSAGE);
    stream.write_all(&[frame(&long), frame("silent"), frame("short")].concat()).await.unwrap();
    assert!(reply(&mut stream).await == long);
    assert_eq!(reply(&mut stream).await, "short");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_read_is_one_batch() {
    let scripted = Scripted::new();
    let (client, server) = tokio::io::duplex(1 << 20);
    let shared = Arc::new(ServeContext::new(
        Arc::clone(&scripted),
        limits(),
        Arc::default(),
        tokio::runtime::Handle::current(),
        crate::descriptors::Descriptors::default(),
        crate::serve::Identities::default(),
    ));
    let address = "127.0.0.1:1".parse().unwrap();
    let from = Origin {
        peer: address,
        local: address,
        transport: crate::wire::Transport::Tcp,
        is_stranger: false,
        heartbeat: crate::serve::connections::Heartbeat::default(),
    };
    let (mut read, mut write) = tokio::io::split(client);
    write.write_all(&frame("x").repeat(100)).await.unwrap();
    let task = tokio::spawn(serve(server, from, shared, Stopped::never()));
    let mut replies = vec![0; 300];
    read.read_exact(&mut replies).await.unwrap();
    assert_eq!(scripted.batches.load(std::sync::atomic::Ordering::Relaxed), 1);
    write.shutdown().await.unwrap();
    task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_answers_follow_out_of_order_and_are_bounded() {
    let scripted = Scripted::new();
    let (_listeners, mut stream) = connect(&scripted, &Limits { tcp_pipeline: 2, ..limits() }).await;
    let all = ["slow:1", "fast", "slow:2", "slow:3", "waits"].map(frame).concat();
    stream.write_all(&all).await.unwrap();
    assert_eq!(reply(&mut stream).await, "fast");
    scripted.gate.add_permits(3);
    let mut rest = Vec::new();
    for _ in 0..4 {
        rest.push(reply(&mut stream).await);
    }
    rest.sort();
    assert_eq!(rest, ["slow:1", "slow:2", "slow:3", "waits"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slow_lane_of_all_can_be_full() {
    let scripted = Scripted::new();
    let (_listeners, mut stream) = connect(&scripted, &Limits { forward_in_flight: 1, ..limits() }).await;
    stream.write_all(&["slow:1", "slow:2"].map(frame).concat()).await.unwrap();
    assert_eq!(reply(&mut stream).await, "overloaded");
    scripted.gate.add_permits(1);
    assert_eq!(reply(&mut stream).await, "slow:1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_said_all_still_gets_its_answers() {
    let scripted = Scripted::new();
    let (_listeners, stream) = connect(&scripted, &limits()).await;
    let stream = stream.into_std().unwrap();
    io::Write::write_all(&mut &stream, &["slow:1", "fast"].map(frame).concat()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut stream = TcpStream::from_std(stream).unwrap();
    assert_eq!(reply(&mut stream).await, "fast");
    scripted.gate.add_permits(1);
    assert_eq!(reply(&mut stream).await, "slow:1");
    closed(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_dripping_end_a_connection() {
    let brief = Limits { tcp_idle: Duration::from_millis(50), ..limits() };
    let (_listeners, mut silent) = connect(&Scripted::new(), &brief).await;
    closed(&mut silent).await;
    let (_listeners, mut dripping) = connect(&Scripted::new(), &brief).await;
    // a message that never ends
    while dripping.write_all(&[1]).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_given_up() {
    let brief = Limits { tcp_idle: Duration::from_millis(100), ..limits() };
    let (listeners, mut stream) = connect(&Scripted::new(), &brief).await;
    let ask = async { while stream.write_all(&frame("big:65000").repeat(100)).await.is_ok() {} };
    timeout(PATIENCE, ask).await.expect("the server does not take questions for ever");
    assert!(listeners.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_connections_are_turned_away() {
    let one = Limits { tcp_connections_per_client: 1, ..limits() };
    let (_listeners, addresses) = listen(&Scripted::new(), &one, &["127.0.0.1:0"]);
    let mut first = TcpStream::connect(addresses[0]).await.unwrap();
    first.write_all(&frame("a")).await.unwrap();
    assert_eq!(reply(&mut first).await, "a");
    closed(&mut TcpStream::connect(addresses[0]).await.unwrap()).await;
    first.write_all(&frame("b")).await.unwrap();
    assert_eq!(reply(&mut first).await, "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_was_asked_and_closes() {
    let scripted = Scripted::new();
    let (listeners, mut stream) = connect(&scripted, &limits()).await;
    stream.write_all(&frame("slow:1")).await.unwrap();
    stream.write_all(&frame("fast")).await.unwrap();
    assert_eq!(reply(&mut stream).await, "fast");
    stream.write_all(&frame("last").repeat(2000)).await.unwrap();
    let stopped = tokio::spawn(listeners.stop());
    for _ in 0..2000 {
        assert_eq!(reply(&mut stream).await, "last");
    }
    scripted.gate.add_permits(1);
    assert_eq!(reply(&mut stream).await, "slow:1");
    closed(&mut stream).await;
    assert!(stopped.await.unwrap());
}
