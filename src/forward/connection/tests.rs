//! Encrypted upstreams, each with a server of its kind that has a certificate for `dns.example`.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hickory_proto::op::Message;
use quinn::crypto::rustls::QuicServerConfig;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::config::Limits;
use crate::dns::{Class, Rtype};
use crate::forward::testing::reply;
use crate::forward::{Forwarder, Options, Outbound, Trust};
use crate::model::{Protocol, Upstream};

/// A server, and whom its certificate is from.
struct ScriptedUpstream {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// The addresses that they came from.
    peers: Peers,
    trust: Trust,
}

type Peers = Arc<Mutex<Vec<IpAddr>>>;

const ALL: [Protocol; 3] = [Protocol::Tls, Protocol::Https, Protocol::Quic];

fn alpn(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Plain => b"",
        Protocol::Tls => b"dot",
        Protocol::Https => b"h2",
        Protocol::Quic => b"doq",
    }
}

/// What it says to a query; `id` is what the protocol wants it to have, if it does.
fn answer(query: &[u8], id: Option<u16>) -> Vec<u8> {
    let (octets, query) = (query.len(), Message::from_vec(query).unwrap());
    // after a silence it is asked whether it leads back here, by the plainest question there is (see `loops`)
    let is_own = query.queries[0].name().iter().nth(1) == Some(b"vpcedns-loop");
    assert!(is_own || octets % 128 == 0, "padded");
    assert!(id.is_none_or(|id| query.metadata.id == id));
    reply(&query, [192, 0, 2, 1]).to_vec().unwrap()
}

/// Serves `names`; with `once`, a connection ends after its first answer.
async fn start(protocol: Protocol, names: &[&str], once: bool) -> ScriptedUpstream {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, certificate.pem()).unwrap();
    let trust = Trust::with_file(&file).unwrap();

    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![alpn(protocol).to_vec()];
    let connections = Arc::new(AtomicUsize::new(0));
    let peers = Peers::default();
    let address = if protocol == Protocol::Quic {
        quic(config, Arc::clone(&connections), Arc::clone(&peers), once)
    } else {
        over_tcp(protocol, config, Arc::clone(&connections), Arc::clone(&peers), once).await
    };
    ScriptedUpstream { address, connections, peers, trust }
}

async fn over_tcp(
    protocol: Protocol,
    config: ServerConfig,
    connections: Arc<AtomicUsize>,
    peers: Peers,
    once: bool,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            peers.lock().unwrap().push(peer.ip());
            let (acceptor, connections) = (acceptor.clone(), Arc::clone(&connections));
            tokio::spawn(async move {
                // a client that does not believe the certificate ends it here
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                connections.fetch_add(1, Ordering::SeqCst);
                if protocol == Protocol::Https {
                    return https(stream, once).await;
                }
                while let Ok(len) = stream.read_u16().await {
                    let mut query = vec![0; len.into()];
                    stream.read_exact(&mut query).await.unwrap();
                    let reply = answer(&query, None);
                    stream.write_all(&(reply.len() as u16).to_be_bytes()).await.unwrap();
                    stream.write_all(&reply).await.unwrap();
                    stream.flush().await.unwrap();
                    if once {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn https(stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>, once: bool) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/dns-query"));
        assert_eq!(request.headers()["content-type"], "application/dns-message");
        let found = request.uri().query() != Some("missing");
        // the connection has to be driven for the body to come
        tokio::spawn(async move {
            let mut body = request.into_body();
            let mut query = Vec::new();
            while let Some(chunk) = body.data().await {
                query.extend_from_slice(&chunk.unwrap());
            }
            let status = if found { 200 } else { 404 };
            let response = http::Response::builder().status(status).header("content-type", "application/dns-message");
            let mut sender = respond.send_response(response.body(()).unwrap(), false).unwrap();
            // the reply in two pieces
            let reply = Bytes::from(answer(&query, Some(0)));
            sender.send_data(reply.slice(..5), false).unwrap();
            sender.send_data(reply.slice(5..), true).unwrap();
        });
        if once {
            connection.graceful_shutdown();
        }
    }
}

fn quic(config: ServerConfig, connections: Arc<AtomicUsize>, peers: Peers, once: bool) -> SocketAddr {
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(config).unwrap()));
    let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = endpoint.local_addr().unwrap();
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            peers.lock().unwrap().push(incoming.remote_address().ip());
            let connections = Arc::clone(&connections);
            tokio::spawn(async move {
                let Ok(connection) = incoming.await else { return };
                connections.fetch_add(1, Ordering::SeqCst);
                while let Ok((mut sender, mut receiver)) = connection.accept_bi().await {
                    let query = receiver.read_to_end(65_537).await.unwrap();
                    assert_eq!(usize::from(query[0]) << 8 | usize::from(query[1]), query.len() - 2);
                    let reply = answer(&query[2..], Some(0));
                    sender.write_all(&(reply.len() as u16).to_be_bytes()).await.unwrap();
                    sender.write_all(&reply).await.unwrap();
                    sender.finish().unwrap();
                    if once {
                        sender.stopped().await.unwrap();
                        connection.close(0_u8.into(), b"");
                    }
                }
            });
        }
    });
    address
}

fn question() -> Outbound<'static> {
    Outbound {
        name: b"\x03Www\x07example\x00",
        rtype: Rtype::A,
        class: Class::IN,
        recursion_desired: true,
        checking_disabled: false,
        authentic_data: false,
        dnssec_ok: true,
        edns: true,
        validated: false,
        recorder: None,
    }
}

fn limits() -> Limits {
    Limits { forward_timeout: Duration::from_secs(5), forward_deadline: Duration::from_secs(20), ..Limits::default() }
}

impl ScriptedUpstream {
    fn named(&self, protocol: Protocol, name: Option<&str>) -> Upstream {
        let path = (protocol == Protocol::Https).then(|| "/dns-query".into());
        Upstream { protocol, address: self.address, name: name.map(Into::into), path, sources: None }
    }

    fn forwarder(&self) -> Forwarder {
        Forwarder::with(&limits(), Options { trust: self.trust.clone(), ..Options::default() })
    }
}

#[tokio::test]
async fn many_questions_share_one_connection() {
    for protocol in ALL {
        let server = start(protocol, &["dns.example"], false).await;
        let forwarder = server.forwarder();
        let upstreams = [server.named(protocol, Some("dns.example"))];
        let question = question();
        let all = (0..50).map(|_| forwarder.ask(&question, &upstreams));
        for reply in futures_util::future::join_all(all).await {
            let reply = Message::from_vec(&reply.unwrap()).unwrap();
            assert_eq!(reply.answers[0].data.to_string(), "192.0.2.1");
        }
        assert_eq!(server.connections.load(Ordering::SeqCst), 1, "{protocol:?}");
        assert!(forwarder.report()[0].rtt.is_some());
    }
}

#[tokio::test]
async fn a_connection_that_was_ended_is_made_anew() {
    for protocol in ALL {
        let server = start(protocol, &["dns.example"], true).await;
        let forwarder = server.forwarder();
        let upstreams = [server.named(protocol, Some("dns.example"))];
        for round in 0..5 {
            let reply = forwarder.ask(&question(), &upstreams).await;
            assert!(reply.is_ok(), "{protocol:?}, question {round}: {reply:?}");
        }
        assert!(server.connections.load(Ordering::SeqCst) > 1, "{protocol:?}");
    }
}

/// An outbound endpoint's addresses on this host, whatever is spoken; of two, each comes in turn as connections are made anew.
#[tokio::test]
async fn connections_leave_from_the_source_addresses_of_the_upstream() {
    let sources = ["127.0.0.41", "127.0.0.42"].map(|ip| ip.parse::<IpAddr>().unwrap());
    // of the documentation ranges (RFC 5737): on no host
    let elsewhere: IpAddr = "192.0.2.41".parse().unwrap();
    for protocol in ALL {
        let server = start(protocol, &["dns.example"], true).await;
        let upstream = server.named(protocol, Some("dns.example"));
        let forwarder = server.forwarder();
        let several = [upstream.clone().asked_from(&[elsewhere, sources[0], sources[1]])];
        let mut rounds = 0;
        while rounds < 8 || !sources.iter().all(|source| server.peers.lock().unwrap().contains(source)) {
            assert!(forwarder.ask(&question(), &several).await.is_ok(), "{protocol:?}");
            rounds += 1;
            assert!(rounds < 200, "{protocol:?}: not every address is used");
        }
        let peers = server.peers.lock().unwrap().clone();
        assert!(peers.iter().all(|peer| sources.contains(peer)), "{protocol:?}: {peers:?}");
        let away = [upstream.asked_from(&[elsewhere])];
        assert!(forwarder.ask(&question(), &away).await.is_ok(), "{protocol:?}");
        let last = *server.peers.lock().unwrap().last().unwrap();
        assert_eq!(last, server.address.ip(), "{protocol:?}: none is on this host, and the system chooses");
    }
}

#[tokio::test]
async fn who_has_no_name_is_known_by_its_address() {
    for protocol in ALL {
        let server = start(protocol, &["127.0.0.1"], false).await;
        assert!(server.forwarder().ask(&question(), &[server.named(protocol, None)]).await.is_ok());
    }
}

/// Nothing is asked of somebody who cannot show who he is, and nothing goes out in the open instead.
#[tokio::test]
async fn who_is_somebody_else_is_refused() {
    for protocol in ALL {
        let server = start(protocol, &["dns.example"], false).await;
        let by_name = [server.named(protocol, Some("other.example"))];
        let by_address = [server.named(protocol, None)];
        for upstreams in [&by_name, &by_address] {
            let error = server.forwarder().ask(&question(), upstreams).await.unwrap_err().to_string();
            let start = format!("{} is not who it should be: ", upstreams[0]);
            assert!(error.starts_with(&start) && error.contains("certificate"), "{error}");
        }
        let unknown = Forwarder::new(&limits());
        let error = unknown.ask(&question(), &[server.named(protocol, Some("dns.example"))]).await.unwrap_err();
        assert!(error.to_string().contains("is not who it should be"), "{error}");
        assert_eq!(server.connections.load(Ordering::SeqCst), 0, "{protocol:?}");
    }
}

#[tokio::test]
async fn another_status_than_200_is_no_reply() {
    let server = start(Protocol::Https, &["dns.example"], false).await;
    let mut upstream = server.named(Protocol::Https, Some("dns.example"));
    upstream.path = Some("/dns-query?missing".into());
    let error = server.forwarder().ask(&question(), &[upstream.clone()]).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{upstream} answered HTTP status 404"));
}

#[test]
fn a_file_without_certificates_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    assert!(Trust::with_file(&file).unwrap_err().starts_with("cannot be read"));
    std::fs::write(&file, "no certificate\n").unwrap();
    assert_eq!(Trust::with_file(&file).unwrap_err(), "holds no certificate");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&file, broken).unwrap();
    assert!(Trust::with_file(&file).unwrap_err().starts_with("holds a certificate that is none"));
}
