//! DNS over TLS with clients of all manners, and what all encrypted listeners share.

use std::fs;
use std::time::Duration;

use rustls::ProtocolVersion;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::config::Limits;
use crate::serve::testing::{PATIENCE, STRANGER, Scripted, certificate, connect_tls, encrypted, limits};

fn frame(packet: &str) -> Vec<u8> {
    [&u16::try_from(packet.len()).unwrap().to_be_bytes(), packet.as_bytes()].concat()
}

/// Every transport that is encrypted has a kind, and the setting by whose flag a kind goes opens that kind and no other.
#[test]
fn each_kind_is_opened_by_its_own_flag() {
    for transport in Transport::ALL.into_iter().filter(|transport| transport.is_encrypted()) {
        let kind =
            kinds::<Resolver>().find(|kind| kind.transport == transport).unwrap_or_else(|| panic!("{transport:?}"));
        let setting = Settings::TABLE.iter().find(|setting| format!("--{}", setting.flag()) == kind.flag);
        let setting = setting.unwrap_or_else(|| panic!("{} is no setting", kind.flag));
        let mut settings = Settings::default();
        setting.set(&mut settings, &[setting.example]).unwrap();
        let opened: Vec<Transport> = Address::wanted(&settings).iter().map(|wanted| wanted.transport).collect();
        assert_eq!(opened, [transport], "{}", kind.flag);
    }
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let read = async {
        let len = stream.read_u16().await.unwrap();
        let mut reply = vec![0; len.into()];
        stream.read_exact(&mut reply).await.unwrap();
        reply
    };
    timeout(PATIENCE, read).await.unwrap()
}

async fn ask(stream: &mut TlsStream<TcpStream>, packet: &str) -> String {
    stream.write_all(&frame(packet)).await.unwrap();
    String::from_utf8(read(stream).await).unwrap()
}

/// Asserts that the server ends the connection, whatever TLS says before.
async fn ended(stream: &mut (impl AsyncReadExt + Unpin)) {
    // a reset is as good as an end
    let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.unwrap();
}

/// A stranger may say later who it is, but not from two connections of one network.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_have_one_connection_a_network() {
    let server = encrypted(&Scripted::new(), &limits(), &[Transport::Tls]);
    let connect = async || {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((STRANGER, 0).into()).unwrap();
        socket.connect(server.addresses[0]).await.unwrap()
    };
    let mut first = connect().await;
    // shakes no hands, and holds the one connection that its network may have
    first.write_all(&[22]).await.unwrap();
    ended(&mut connect().await).await;
    let mut client = connect_tls(server.addresses[0], &server.cert, &[b"dot"]).await.unwrap();
    assert_eq!(ask(&mut client, "x").await, "x");
    // two seconds, in place of the five that clients have
    ended(&mut first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_answered_however_large_its_replies_are() {
    let server = encrypted(&Scripted::new(), &limits(), &[Transport::Tls]);
    let mut stream = connect_tls(server.addresses[0], &server.cert, &[b"dot"]).await.unwrap();
    // nothing is read until all is asked, so that replies wait in every buffer there is
    let all: Vec<u8> = (0..300).flat_map(|number| [frame(&format!("{number}")), frame("big:60000")].concat()).collect();
    let (mut reads, mut writes) = tokio::io::split(&mut stream);
    let ask = async {
        writes.write_all(&all).await.unwrap();
        writes.flush().await.unwrap();
    };
    let listen = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        for number in 0..300 {
            assert_eq!(read(&mut reads).await, number.to_string().into_bytes());
            assert_eq!(read(&mut reads).await, vec![7; 60000]);
        }
    };
    tokio::join!(ask, listen);
    assert_eq!(ask_local(&mut stream).await, server.addresses[0].to_string());
}

async fn ask_local(stream: &mut TlsStream<TcpStream>) -> String {
    ask(stream, "local:").await
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_answers_follow_and_a_goodbye_is_said() {
    let scripted = Scripted::new();
    let server = encrypted(&scripted, &limits(), &[Transport::Tls]);
    let mut stream = connect_tls(server.addresses[0], &server.cert, &[]).await.unwrap();
    stream.write_all(&frame("slow:1")).await.unwrap();
    assert_eq!(ask(&mut stream, "fast").await, "fast");
    let stopped = tokio::spawn(server.listeners.stop());
    scripted.gate.add_permits(1);
    assert_eq!(read(&mut stream).await, b"slow:1");
    // an end that TLS knows of, and no cut
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0; 8])).await.unwrap().unwrap(), 0);
    assert!(stopped.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stalls_in_the_handshake_holds_up_nobody() {
    let brief = Limits { tls_handshake: Duration::from_millis(200), ..limits() };
    for transport in [Transport::Tls, Transport::Https] {
        let server = encrypted(&Scripted::new(), &brief, &[transport]);
        let mut stalled = Vec::new();
        for _ in 0..50 {
            let mut stream = TcpStream::connect(server.addresses[0]).await.unwrap();
            // the head of a record that announces more than follows
            stream.write_all(&[22, 3, 1, 1, 0, 1]).await.unwrap();
            stalled.push(stream);
        }
        connect_tls(server.addresses[0], &server.cert, &[]).await.unwrap();
        for stream in &mut stalled {
            ended(stream).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_handshakes() {
    let scripted = Scripted::new();
    let patient = Limits { tls_handshake: 2 * PATIENCE, drain: PATIENCE, ..limits() };
    let server = encrypted(&scripted, &patient, &[Transport::Tls]);
    let mut stalled = TcpStream::connect(server.addresses[0]).await.unwrap();
    assert_eq!(connect_tls(server.addresses[0], &server.cert, &[]).await.unwrap().get_ref().1.alpn_protocol(), None);
    assert!(server.listeners.stop().await);
    ended(&mut stalled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_its_connection_and_no_other() {
    let server = encrypted(&Scripted::new(), &limits(), &[Transport::Tls]);
    let mut good = connect_tls(server.addresses[0], &server.cert, &[]).await.unwrap();
    for garbage in
        [&b"\0\x1d\0\x01\x01\0\0\x01\0\0\0\0\0\0"[..], b"GET /dns-query HTTP/1.1\r\n\r\n", &vec![0xff; 20_000]]
    {
        let mut stream = TcpStream::connect(server.addresses[0]).await.unwrap();
        // the server may hang up before it has read all of it
        let _ = stream.write_all(garbage).await;
        ended(&mut stream).await;
    }
    assert_eq!(ask(&mut good, "a").await, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_are_turned_away() {
    let server = encrypted(&Scripted::new(), &limits(), &[Transport::Tls, Transport::Https]);
    let [tls, https] = server.addresses[..] else { panic!() };
    for (address, alpn, good) in [
        (tls, &b"dot"[..], true),
        (tls, b"h2", false),
        (https, b"h2", true),
        (https, b"http/1.1", true),
        (https, b"dot", false),
    ] {
        let connected = connect_tls(address, &server.cert, &[alpn]).await;
        assert_eq!(connected.is_ok(), good, "{}", String::from_utf8_lossy(alpn));
        if let Ok(stream) = connected {
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
            assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_for_new_connections() {
    let server = encrypted(&Scripted::new(), &limits(), &[Transport::Tls]);
    let address = server.addresses[0];
    let mut old = connect_tls(address, &server.cert, &[]).await.unwrap();
    let (cert, key) = certificate(crate::serve::testing::NAME);
    fs::write(server.dir.path().join("cert.pem"), &cert).unwrap();
    assert!(server.certificates.reload().is_err(), "the key is still the old one");
    assert_eq!(ask(&mut connect_tls(address, &server.cert, &[]).await.unwrap(), "a").await, "a");
    let follow = tokio::spawn(Arc::clone(&server.certificates).follow(Duration::from_millis(5)));
    fs::write(server.dir.path().join("key.pem"), &key).unwrap();
    let new = async {
        loop {
            match connect_tls(address, &cert, &[]).await {
                Ok(stream) => return stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let mut new = timeout(PATIENCE, new).await.unwrap();
    assert_eq!((ask(&mut new, "b").await, ask(&mut old, "c").await), ("b".to_owned(), "c".to_owned()));
    assert!(connect_tls(address, &server.cert, &[]).await.is_err(), "who trusts the old one only");
    follow.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn caps_are_for_all_encrypted_listeners_together() {
    let one = Limits { tcp_connections_per_client: 1, ..limits() };
    let server = encrypted(&Scripted::new(), &one, &[Transport::Tls, Transport::Https]);
    let [tls, https] = server.addresses[..] else { panic!() };
    let mut first = connect_tls(tls, &server.cert, &[]).await.unwrap();
    assert!(connect_tls(https, &server.cert, &[]).await.is_err());
    assert_eq!(ask(&mut first, "a").await, "a");
    first.shutdown().await.unwrap();
    ended(&mut first).await;
    drop(first);
    let again = async { while connect_tls(https, &server.cert, &[]).await.is_err() {} };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_opened_is_named_with_its_flag() {
    let mut server = encrypted(&Scripted::new(), &limits(), &[Transport::Tls, Transport::Quic]);
    for (transport, address) in [(Transport::Https, server.addresses[0]), (Transport::Quic, server.addresses[1])] {
        let wanted = Address { transport, address };
        let problems = server.listeners.encrypt(&[wanted], &server.certificates);
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(problem.what.contains("in use") && problem.hint.contains(wanted.flag()), "{problem}");
    }
    assert_eq!(server.listeners.encrypted().len(), 2);
}
