//! DNS over QUIC with clients of all manners.

use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ApplicationClose, ClientConfig, Connection, ConnectionError, ReadError, ReadToEndError};

use super::*;
use crate::serve::testing::{Encrypted, NAME, PATIENCE, Scripted, client_tls, encrypted, limits, until};
use crate::wire::Transport;

/// `text` as a message whose id is 0, with its length.
fn frame(text: &str) -> Vec<u8> {
    let message = [&[0, 0], text.as_bytes()].concat();
    [&(message.len() as u16).to_be_bytes(), &message[..]].concat()
}

fn client(server: &Encrypted, alpn: &[u8]) -> Endpoint {
    let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let tls = QuicClientConfig::try_from(client_tls(&server.cert, &[alpn])).unwrap();
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(tls)));
    endpoint
}

async fn connect(server: &Encrypted) -> Result<Connection, ConnectionError> {
    let connecting = client(server, ALPN).connect(server.addresses[0], NAME).unwrap();
    timeout(PATIENCE, connecting).await.unwrap()
}

/// Sends `octets` on a stream of their own, and reads what comes back to the end.
async fn exchange(connection: &Connection, octets: &[u8]) -> Result<Vec<u8>, ReadToEndError> {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    // the server may close before it has read all
    let _ = send.write_all(octets).await;
    let _ = send.finish();
    timeout(PATIENCE, recv.read_to_end(1 << 17)).await.unwrap()
}

/// The code with which the server closes the connection.
async fn closed_with(connection: &Connection) -> u64 {
    match timeout(PATIENCE, connection.closed()).await.unwrap() {
        ConnectionError::ApplicationClosed(ApplicationClose { error_code, .. }) => error_code.into(),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_stream_has_its_answer() {
    let scripted = Scripted::new();
    let server = encrypted(&scripted, &Limits { tcp_pipeline: 8, ..limits() }, &[Transport::Quic]);
    let connection = connect(&server).await.unwrap();
    let ask = |text: String| {
        let connection = connection.clone();
        tokio::spawn(async move { (exchange(&connection, &frame(&text)).await.unwrap(), frame(&text)) })
    };
    let slow = ask("slow:".to_owned());
    for asked in (0..100).map(|number| ask(number.to_string())).collect::<Vec<_>>() {
        let (got, want) = asked.await.unwrap();
        assert_eq!(got, want);
    }
    scripted.gate.add_permits(1);
    let (got, want) = slow.await.unwrap();
    assert_eq!(got, want);
    let long = "x".repeat(65_533);
    assert!(exchange(&connection, &frame(&long)).await.unwrap() == frame(&long));
    // octets that drip in, and a length that comes apart
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    for octet in frame("drip") {
        send.write_all(&[octet]).await.unwrap();
        tokio::task::yield_now().await;
    }
    send.finish().unwrap();
    assert_eq!(recv.read_to_end(100).await.unwrap(), frame("drip"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_protocol_ends_the_connection() {
    // a question for the root with edns-tcp-keepalive
    let keepalive = b"\0\0\x01\0\0\x01\0\0\0\0\0\x01\0\0\x01\0\x01\0\0\x29\x10\0\0\0\0\0\0\x04\0\x0b\0\0";
    let keepalive = [&[0, keepalive.len() as u8], &keepalive[..]].concat();
    let server = encrypted(&Scripted::new(), &limits(), &[Transport::Quic]);
    for (octets, what) in [
        (b"\0\x08\0\x01a word".to_vec(), "an id other than 0"),
        (b"\0\x02\x01\0".to_vec(), "the other octet of the id"),
        (frame("silent"), "no question"),
        (Vec::new(), "nothing"),
        (b"\0".to_vec(), "half a length"),
        (b"\0\x05\0\0ab".to_vec(), "half a message"),
        ([frame("a"), frame("b")].concat(), "two messages"),
        ([frame("a"), vec![0]].concat(), "an octet too many"),
        (vec![0xff; 65_538], "more than any message"),
        (keepalive, "edns-tcp-keepalive"),
    ] {
        let connection = connect(&server).await.unwrap();
        assert!(exchange(&connection, &octets).await.is_err(), "{what}");
        assert_eq!(closed_with(&connection).await, 2, "{what}");
    }
    let connection = connect(&server).await.unwrap();
    assert_eq!(exchange(&connection, &frame("still there")).await.unwrap(), frame("still there"));
    assert!(
        timeout(Duration::from_millis(50), connection.open_uni()).await.is_err(),
        "no unidirectional stream is open"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_that_fails_is_one_stream() {
    let brief = Limits { tcp_idle: Duration::from_millis(300), ..limits() };
    let server = encrypted(&Scripted::new(), &brief, &[Transport::Quic]);
    let connection = connect(&server).await.unwrap();
    // a question that does not end, two that are long at one time, and one that is given up
    let (mut endless, mut reply) = connection.open_bi().await.unwrap();
    endless.write_all(&vec![0xff; 5000]).await.unwrap();
    let (mut second, mut refused) = connection.open_bi().await.unwrap();
    let (mut given_up, _) = connection.open_bi().await.unwrap();
    given_up.write_all(&frame("slow:")).await.unwrap();
    given_up.reset(VarInt::from_u32(3)).unwrap();
    second.write_all(&vec![0xff; 5000]).await.unwrap();
    let code = |error| match error {
        ReadToEndError::Read(ReadError::Reset(code)) => code.into_inner(),
        other => panic!("{other}"),
    };
    let read = |recv: quinn::RecvStream| async move {
        let mut recv = recv;
        timeout(PATIENCE, recv.read_to_end(100)).await.unwrap().unwrap_err()
    };
    let _ = (&mut reply, &mut refused);
    let mut codes = [code(read(reply).await), code(read(refused).await)];
    codes.sort_unstable();
    assert_eq!(codes, [4, 5], "which of the two long ones came first is the network's choice");
    assert_eq!(exchange(&connection, &frame("a")).await.unwrap(), frame("a"));
    assert_eq!(closed_with(&connection).await, 0, "and silence ends it in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_and_too_many_connections_are_turned_away() {
    let one = Limits { tcp_connections_per_client: 1, ..limits() };
    let server = encrypted(&Scripted::new(), &one, &[Transport::Quic]);
    let other = client(&server, b"h3").connect(server.addresses[0], NAME).unwrap();
    assert!(timeout(PATIENCE, other).await.unwrap().is_err());
    let first = async {
        loop {
            // the one before may not be quite gone
            if let Ok(connection) = connect(&server).await {
                return connection;
            }
        }
    };
    let first = timeout(PATIENCE, first).await.unwrap();
    assert!(connect(&server).await.is_err());
    assert_eq!(exchange(&first, &frame("a")).await.unwrap(), frame("a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_handshakes_that_stall_hold_up_nobody() {
    let server = encrypted(&Scripted::new(), &limits(), &[Transport::Quic]);
    // first packets of clients that never go on, caught on the way to a server which is none
    let endpoint = client(&server, ALPN);
    let mut stalled = Vec::new();
    for _ in 0..RETRY_FROM + 8 {
        let nobody = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let _connecting = endpoint.connect(nobody.local_addr().unwrap(), NAME).unwrap();
        let mut first = [0; 2048];
        let len = timeout(PATIENCE, nobody.recv(&mut first)).await.unwrap().unwrap();
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(&first[..len], server.addresses[0]).await.unwrap();
        let mut reply = [0; 2048];
        timeout(PATIENCE, socket.recv(&mut reply)).await.unwrap().unwrap();
        // the two bits of a long header's type (RFC 9000 17.2)
        stalled.push((reply[0] & 0x30 == 0x30, socket));
    }
    let retries = stalled.iter().filter(|(retry, _)| *retry).count();
    assert!(retries >= 1, "from {RETRY_FROM} on, an address has to be shown to be the client's own");
    assert!(!stalled[0].0, "but before that nobody is asked to go round once more");
    let connection = connect(&server).await.unwrap();
    assert_eq!(exchange(&connection, &frame("a")).await.unwrap(), frame("a"));
    let garbage = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for octet in 0..=255 {
        garbage.send_to(&[octet; 1200], server.addresses[0]).await.unwrap();
    }
    assert_eq!(exchange(&connection, &frame("b")).await.unwrap(), frame("b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_was_asked_and_closes() {
    let scripted = Scripted::new();
    let server = encrypted(&scripted, &Limits { drain: PATIENCE, ..limits() }, &[Transport::Quic]);
    let connection = connect(&server).await.unwrap();
    let idle = connect(&server).await.unwrap();
    let asked = connection.clone();
    let asked = tokio::spawn(async move { exchange(&asked, &frame("slow:")).await });
    until(|| server.listeners.waiting() == 1).await;
    let stopped = tokio::spawn(server.listeners.stop());
    assert_eq!(closed_with(&idle).await, 0);
    scripted.gate.add_permits(1);
    assert_eq!(asked.await.unwrap().unwrap(), frame("slow:"));
    assert_eq!(closed_with(&connection).await, 0);
    assert!(stopped.await.unwrap());
}
