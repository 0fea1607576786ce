//! DNS over HTTPS with clients of all manners, over both versions of HTTP.

use std::time::Duration;

use http_body_util::combinators::BoxBody;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::connection::STREAMS;
use super::*;
use crate::config::Limits;
use crate::serve::testing::{Encrypted, PATIENCE, Scripted, VPC, connect_tls, encrypted, limits};
use crate::wire::Transport;

type Body = BoxBody<Bytes, Infallible>;

/// A client's connection.
enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

impl Sender {
    async fn connect(server: &Encrypted, alpn: &[u8]) -> Self {
        let stream = TokioIo::new(connect_tls(server.addresses[0], &server.cert, &[alpn]).await.unwrap());
        if alpn == b"h2" {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(connection);
            Self::Two(sender)
        } else {
            let (sender, connection) = http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            Self::One(sender)
        }
    }

    async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<hyper::body::Incoming>> {
        let sent = async {
            match self {
                Self::One(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Self::Two(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        timeout(PATIENCE, sent).await.unwrap()
    }

    /// Status, header `name`, and body of the response.
    async fn ask(&mut self, request: Request<Body>, name: &str) -> (u16, String, Vec<u8>) {
        let response = self.send(request).await.unwrap();
        let status = response.status().as_u16();
        let header = response.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let body = timeout(PATIENCE, response.into_body().collect()).await.unwrap().unwrap().to_bytes();
        (status, header, body.to_vec())
    }
}

fn request(method: &str, path: &str, body: impl Into<Bytes>) -> Request<Body> {
    let uri = format!("https://dns.example{path}");
    let request = Request::builder().method(method).uri(uri).header("host", "dns.example");
    request.header("content-type", "application/dns-message").body(Full::new(body.into()).boxed()).unwrap()
}

fn get(packet: impl AsRef<[u8]>) -> Request<Body> {
    request("GET", &format!("{PATH}?dns={}", URL_SAFE_NO_PAD.encode(packet)), "")
}

const BOTH: [&[u8]; 2] = [b"http/1.1", b"h2"];

#[tokio::test(flavor = "multi_thread")]
async fn every_request_gets_its_status() {
    let server = encrypted(&Scripted::new(), &limits(), &[Transport::Https]);
    let text = |kind: &str| {
        let mut request = request("POST", PATH, "a");
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        request
    };
    for alpn in BOTH {
        let mut client = Sender::connect(&server, alpn).await;
        let (long, sevens) = (vec![b'x'; MESSAGE], vec![7; MESSAGE]);
        for (request, status, body) in [
            (get("question"), 200, &b"question"[..]),
            (get([0xff; 70]), 200, &[0xff; 70]),
            (request("GET", "/dns-query?ct=x&dns=YQ&random=1", ""), 200, b"a"),
            (request("POST", PATH, "question"), 200, b"question"),
            (request("POST", "/dns-query?dns=unused", "b"), 200, b"b"),
            (request("POST", PATH, long.clone()), 200, &long),
            (text("Application/DNS-Message; charset=x"), 200, b"a"),
            (request("POST", &format!("{PATH}/{VPC}"), "c"), 200, b"c"),
            (request("GET", &format!("{PATH}/{VPC}?dns=ZA"), ""), 200, b"d"),
            (request("POST", PATH, "big:65535"), 200, &sevens),
            (request("GET", PATH, ""), 400, b""),
            (request("GET", "/dns-query?dns=Y", ""), 400, b""),
            (request("GET", "/dns-query?dns=YQ%3D%3D", ""), 400, b""),
            (request("GET", "/dns-query?dns=%00", ""), 400, b""),
            (get("silent"), 400, b""),
            (request("POST", PATH, "silent"), 400, b""),
            (request("GET", "/", ""), 404, b""),
            (request("GET", "/dns-query2?dns=YQ", ""), 404, b""),
            (request("POST", "/dns-query/", "a"), 404, b""),
            (request("POST", "/dns-query/vpc-00000002", "a"), 404, b""),
            (request("POST", "/dns-query/no-vpc", "a"), 404, b""),
            (request("PUT", PATH, "a"), 405, b""),
            (request("OPTIONS", PATH, ""), 405, b""),
            (request("POST", PATH, vec![0; MESSAGE + 1]), 413, b""),
            (text("application/dns-json"), 415, b""),
            (text("text/plain"), 415, b""),
            (get("after all that"), 200, b"after all that"),
        ] {
            let what = format!("{} {} over {}", request.method(), request.uri(), String::from_utf8_lossy(alpn));
            // a body that is too long may cost the connection
            if status == 413 {
                client = Sender::connect(&server, alpn).await;
            }
            let (got, kind, reply) = client.ask(request, "content-type").await;
            assert_eq!(got, status, "{what}");
            if status == 200 {
                assert_eq!(kind, DNS_MESSAGE, "{what}");
                assert!(reply == body, "{what}");
            } else {
                assert!(kind.starts_with("text/plain") && reply.ends_with(b"\n"), "{what} is explained");
                client = Sender::connect(&server, alpn).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_say_what_they_should() {
    let server = encrypted(&Scripted::new(), &limits(), &[Transport::Https]);
    for alpn in BOTH {
        let mut client = Sender::connect(&server, alpn).await;
        let head = request("HEAD", "/dns-query?dns=YWJj", "");
        assert_eq!(client.ask(head, "content-length").await, (200, "3".to_owned(), Vec::new()));
        // what the script says is no DNS message, and so not worth keeping
        assert_eq!(client.ask(get("a"), "cache-control").await.1, "private, max-age=0");
        assert_eq!(client.ask(request("DELETE", PATH, ""), "allow").await.1, "GET, HEAD, POST");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_answered_side_by_side() {
    let scripted = Scripted::new();
    let server = encrypted(&scripted, &Limits { tcp_pipeline: 8, ..limits() }, &[Transport::Https]);
    let mut first = Sender::connect(&server, b"h2").await;
    // with the first reply the client has heard how many streams it may open, and keeps to that
    assert_eq!(first.ask(get("first"), "x").await.2, b"first");
    let Sender::Two(client) = first else { panic!() };
    let ask = |packet: String| {
        let mut client = Sender::Two(client.clone());
        tokio::spawn(async move { client.ask(get(packet), "x").await.2 })
    };
    let slow = ask("slow:".to_owned());
    let fast: Vec<_> = (0..2 * STREAMS).map(|number| ask(number.to_string())).collect();
    for (number, reply) in fast.into_iter().enumerate() {
        assert_eq!(reply.await.unwrap(), number.to_string().into_bytes());
    }
    scripted.gate.add_permits(1);
    assert_eq!(slow.await.unwrap(), b"slow:");
}

/// However much longer it is: the client reads its status before it is told to stop (RFC 9113 8.1).
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_ends_with_its_413() {
    let server = encrypted(&Scripted::new(), &limits(), &[Transport::Https]);
    let mut client = Sender::connect(&server, b"h2").await;
    for octets in [MESSAGE + 1, DISCARDED, DISCARDED + MESSAGE + 1, 8 * DISCARDED, 64 * DISCARDED] {
        let (status, kind, text) = client.ask(request("POST", PATH, vec![0; octets]), "content-type").await;
        assert_eq!((status, text.is_empty()), (413, false), "{octets} octets, {kind}");
    }
    assert_eq!(client.ask(get("after all that"), "x").await.0, 200, "the connection lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_end_is_given_up() {
    let server =
        encrypted(&Scripted::new(), &Limits { tcp_idle: Duration::from_millis(100), ..limits() }, &[Transport::Https]);
    for alpn in BOTH {
        let mut client = Sender::connect(&server, alpn).await;
        let mut request = request("POST", PATH, "");
        *request.body_mut() = Endless(Some("beginning")).boxed();
        assert_eq!(client.ask(request, "x").await.0, 408);
    }
}

/// A body that begins and does not end.
struct Endless(Option<&'static str>);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |beginning| Poll::Ready(Some(Ok(Frame::data(beginning.into())))))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends_a_connection() {
    let brief = Limits { tcp_idle: Duration::from_millis(500), ..limits() };
    let server = encrypted(&Scripted::new(), &brief, &[Transport::Https]);
    // the first says nothing, the second half a head, the third half a preface, the others ask once
    for said in [&b""[..], b"GET /dns-query HTTP/1.1\r\nHo", b"PRI * HTTP/2.0\r\n"] {
        let mut stream = connect_tls(server.addresses[0], &server.cert, &[]).await.unwrap();
        // on a slow machine it may be closed before it has said so much
        let _ = stream.write_all(said).await;
        let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("it is closed");
    }
    for alpn in BOTH {
        let mut client = Sender::connect(&server, alpn).await;
        let _ = client.send(get("a")).await;
        let closed = async {
            loop {
                match &client {
                    Sender::One(sender) if sender.is_closed() => break,
                    Sender::Two(sender) if sender.is_closed() => break,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        timeout(PATIENCE, closed).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_heads_without_end_are_turned_away() {
    let server = encrypted(&Scripted::new(), &limits(), &[Transport::Https]);
    let endless = [&b"GET /dns-query?dns="[..], &vec![b'A'; 40_000]].concat();
    for (garbage, status) in [(&b"\0\x1d\0\x01\x01\0\0\x01\0\0\0\0\0\0\r\n\r\n"[..], "400"), (&endless, "431")] {
        let mut stream = connect_tls(server.addresses[0], &server.cert, &[]).await.unwrap();
        let _ = stream.write_all(garbage).await;
        let mut reply = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut reply)).await.unwrap();
        let reply = String::from_utf8_lossy(&reply).into_owned();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{reply}");
    }
    let mut client = Sender::connect(&server, b"h2").await;
    assert_eq!(client.ask(get(vec![b'A'; 30_000]), "x").await.0, 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_was_asked() {
    for alpn in BOTH {
        let scripted = Scripted::new();
        let server = encrypted(&scripted, &Limits { drain: PATIENCE, ..limits() }, &[Transport::Https]);
        let mut client = Sender::connect(&server, alpn).await;
        let mut idle = Sender::connect(&server, alpn).await;
        assert_eq!(idle.ask(get("a"), "x").await.2, b"a");
        let asked = tokio::spawn(async move { client.ask(get("slow:"), "x").await.2 });
        // its semaphore has one permit less as soon as the question has come in
        crate::serve::testing::until(|| server.listeners.waiting() == 1).await;
        let stopped = tokio::spawn(server.listeners.stop());
        scripted.gate.add_permits(1);
        assert_eq!(asked.await.unwrap(), b"slow:");
        assert!(stopped.await.unwrap());
        drop(idle);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_said_all_still_gets_its_answer() {
    let scripted = Scripted::new();
    let server = encrypted(&scripted, &limits(), &[Transport::Https]);
    let mut stream = connect_tls(server.addresses[0], &server.cert, &[]).await.unwrap();
    let question = URL_SAFE_NO_PAD.encode("slow:");
    let asked = format!("GET {PATH}?dns={question} HTTP/1.1\r\nhost: dns.example\r\n\r\n");
    stream.write_all(asked.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    crate::serve::testing::until(|| server.listeners.waiting() == 1).await;
    scripted.gate.add_permits(1);
    let mut reply = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut reply)).await.unwrap().unwrap();
    assert!(reply.starts_with(b"HTTP/1.1 200 OK\r\n") && reply.ends_with(b"\r\n\r\nslow:"));
}
