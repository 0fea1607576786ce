//! One question, the same octets on every transport (invariant I4), and whose client one is over DoH.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;

use crate::common::{endpoint, model, secret, vpc};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::RecordType;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vpcedns::config::{Limits, Metric};
use vpcedns::descriptors::Descriptors;
use vpcedns::observe::Counters;
use vpcedns::problem::{At, Place};
use vpcedns::resolve::Resolver;
use vpcedns::serve::Identities;
use vpcedns::serve::certificates::Certificates;
use vpcedns::serve::encrypted::Address;
use vpcedns::serve::listeners::Listeners;
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::{Access, Policy, Snapshot};
use vpcedns::wire::Transport;

const BOTH: &str = "enable_dns_hostnames = true";
const EC2: &str = "com.amazonaws.us-east-1.ec2";
const PRIVATE: &str = "ec2.us-east-1.amazonaws.com.";
const NAME: &str = "dns.example";

struct Server {
    listeners: Listeners<Resolver>,
    counters: Arc<Counters>,
    plain: SocketAddr,
    tls: SocketAddr,
    https: SocketAddr,
    quic: SocketAddr,
    cert: String,
}

/// A server on this machine, with `zones` and every kind of listener.
fn server(zones: &str) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let paths = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    std::fs::write(&paths[0], made.cert.pem()).unwrap();
    std::fs::write(&paths[1], made.signing_key.serialize_pem()).unwrap();
    let certificates = Arc::new(Certificates::read(&paths[0], &paths[1]).unwrap());

    let snapshots = ServedSnapshot::fixed(Snapshot::compile(model(zones), Policy::default(), 1));
    let counters = Arc::new(Counters::default());
    let limits = Limits { udp_workers: 1, ..Limits::default() };
    let resolver = Resolver::new(snapshots, limits.clone(), secret(), Arc::clone(&counters));
    let mut listeners = Listeners::new(
        Arc::new(resolver),
        &limits,
        Arc::clone(&counters),
        Handle::current(),
        Descriptors::default(),
        Identities::default(),
    );
    let address = SocketAddr::new(HERE, 0);
    assert_eq!(listeners.apply(&[At::new(address, Place::whole("--listen"))]), []);
    let wanted = [Transport::Tls, Transport::Https, Transport::Quic].map(|transport| Address { transport, address });
    assert_eq!(listeners.encrypt(&wanted, &certificates), []);
    let plain = listeners.addresses()[0].actual;
    let [tls, https, quic] = listeners.encrypted()[..] else { panic!() };
    let [tls, https, quic] = [tls, https, quic].map(|open| open.address);
    Server { listeners, counters, plain, tls, https, quic, cert: made.cert.pem() }
}

impl Server {
    fn client(&self, alpn: &[u8]) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        config
    }

    async fn connect(&self, to: SocketAddr, alpn: &[u8]) -> TlsStream<tokio::net::TcpStream> {
        let tcp = tokio::net::TcpStream::connect(to).await.unwrap();
        TlsConnector::from(Arc::new(self.client(alpn))).connect(NAME.try_into().unwrap(), tcp).await.unwrap()
    }

    fn udp(&self, packet: &[u8]) -> Vec<u8> {
        let socket = UdpSocket::bind((HERE, 0)).unwrap();
        socket.send_to(packet, self.plain).unwrap();
        let mut reply = vec![0; 65_535];
        let len = socket.recv(&mut reply).unwrap();
        reply.truncate(len);
        reply
    }

    fn tcp(&self, packet: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.plain).unwrap();
        stream.write_all(&framed(packet)).unwrap();
        let mut len = [0; 2];
        stream.read_exact(&mut len).unwrap();
        let mut reply = vec![0; u16::from_be_bytes(len).into()];
        stream.read_exact(&mut reply).unwrap();
        reply
    }

    async fn tls(&self, packet: &[u8]) -> Vec<u8> {
        let mut stream = self.connect(self.tls, b"dot").await;
        stream.write_all(&framed(packet)).await.unwrap();
        let mut reply = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut reply).await.unwrap();
        reply
    }

    /// The body of the response, and what it says of being kept.
    async fn https(&self, alpn: &[u8], request: Request<Full<Bytes>>) -> (u16, String, Vec<u8>) {
        let stream = TokioIo::new(self.connect(self.https, alpn).await);
        let response = if alpn == b"h2" {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        } else {
            let (mut sender, connection) = http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        };
        let kept = response.headers().get("cache-control").map_or("", |value| value.to_str().unwrap()).to_owned();
        let status = response.status().as_u16();
        (status, kept, response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    async fn quic(&self, packet: &[u8]) -> Vec<u8> {
        let mut endpoint = quinn::Endpoint::client((HERE, 0).into()).unwrap();
        let tls = QuicClientConfig::try_from(self.client(b"doq")).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
        let connection = endpoint.connect(self.quic, NAME).unwrap().await.unwrap();
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(&framed(packet)).await.unwrap();
        send.finish().unwrap();
        let reply = recv.read_to_end(1 << 17).await.unwrap();
        assert_eq!(usize::from(u16::from_be_bytes([reply[0], reply[1]])), reply.len() - 2);
        reply[2..].to_vec()
    }
}

fn framed(packet: &[u8]) -> Vec<u8> {
    [&(packet.len() as u16).to_be_bytes(), packet].concat()
}

fn get(path: &str, packet: &[u8]) -> Request<Full<Bytes>> {
    let uri = format!("https://{NAME}{path}?dns={}", URL_SAFE_NO_PAD.encode(packet));
    Request::get(uri).header("host", NAME).body(Full::default()).unwrap()
}

fn post(path: &str, packet: &[u8]) -> Request<Full<Bytes>> {
    let request = Request::post(format!("https://{NAME}{path}")).header("host", NAME);
    request.header("content-type", "application/dns-message").body(Full::from(packet.to_vec())).unwrap()
}

/// A question whose id is 0, as DoQ wants and DoH likes it.
fn question(name: &str, rtype: RecordType, edns: bool) -> Vec<u8> {
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.queries.push(Query::query(name.parse().unwrap(), rtype));
    if edns {
        let mut edns = Edns::new();
        edns.set_max_payload(1232).set_version(0);
        message.edns = Some(edns);
    }
    message.to_vec().unwrap()
}

fn addresses(reply: &[u8]) -> Vec<String> {
    Message::from_vec(reply).unwrap().answers.iter().map(|record| record.data.to_string()).collect()
}

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[tokio::test(flavor = "multi_thread")]
async fn every_transport_gives_the_same_octets() {
    let zones = [vpc(1, BOTH), endpoint('a', 1, EC2, &["1.17"], "")].concat().replace("10.1.", "127.0.");
    let server = server(&zones);
    let mut asked = 0;
    for (name, rtype, rcode) in [
        (PRIVATE, RecordType::A, ResponseCode::NoError),
        (PRIVATE, RecordType::AAAA, ResponseCode::NoError),
        (PRIVATE, RecordType::SOA, ResponseCode::NoError),
        ("EC2.us-EAST-1.amazonaws.com.", RecordType::A, ResponseCode::NoError),
        ("below.ec2.us-east-1.amazonaws.com.", RecordType::A, ResponseCode::NXDomain),
        ("elsewhere.example.", RecordType::A, ResponseCode::Refused),
        (PRIVATE, RecordType::AXFR, ResponseCode::Refused),
    ] {
        for edns in [false, true] {
            let packet = question(name, rtype, edns);
            let udp = server.udp(&packet);
            let what = format!("{name} {rtype} {edns}");
            assert_eq!(Message::from_vec(&udp).unwrap().metadata.response_code, rcode, "{what}");
            assert_eq!(server.tcp(&packet), udp, "{what} over TCP");
            assert_eq!(server.tls(&packet).await, udp, "{what} over TLS");
            assert_eq!(server.quic(&packet).await, udp, "{what} over QUIC");
            let ttl = match rcode {
                ResponseCode::Refused => 0,
                _ if rtype == RecordType::SOA => 900,
                _ => 60,
            };
            for alpn in [&b"h2"[..], b"http/1.1"] {
                for request in [get("/dns-query", &packet), post("/dns-query", &packet)] {
                    let what = format!("{what}: {} over {}", request.method(), String::from_utf8_lossy(alpn));
                    let (status, kept, reply) = server.https(alpn, request).await;
                    assert_eq!((status, kept), (200, format!("private, max-age={ttl}")), "{what}");
                    assert_eq!(reply, udp, "{what}");
                }
            }
            asked += 1;
        }
    }
    let totals = server.counters.totals();
    assert_eq!(totals.of(Metric::Packets), [asked, asked, asked, 4 * asked, asked]);
    assert!(server.listeners.stop().await);
}

/// Who pads the question gets a padded reply where it is encrypted, and no more octets than before where it is not.
#[tokio::test(flavor = "multi_thread")]
async fn padding_is_for_encrypted_transports() {
    let zones = [vpc(1, BOTH), endpoint('a', 1, EC2, &["1.17"], "")].concat().replace("10.1.", "127.0.");
    let server = server(&zones);
    let plain = question(PRIVATE, RecordType::A, true);
    // its OPT, which is its end, gets 100 octets of padding (RFC 7830 3)
    let packet = [&plain[..plain.len() - 2], &[0, 104, 0, 12, 0, 100], &[0; 100]].concat();
    let short = server.udp(&packet);
    assert_eq!(short, server.udp(&plain));
    assert_eq!(server.tcp(&packet), short);
    let (_, _, https) = server.https(b"h2", post("/dns-query", &packet)).await;
    for padded in [server.tls(&packet).await, https, server.quic(&packet).await] {
        assert_eq!(padded.len(), 468, "RFC 8467 4.1");
        assert_eq!(addresses(&padded), addresses(&short));
    }
}

/// Two VPCs with a private name each, and one whose clients are not served.
fn two_vpcs() -> String {
    let vpcs = [vpc(1, BOTH), vpc(2, BOTH), vpc(3, "enable_dns_support = false")];
    let endpoints = [endpoint('a', 1, EC2, &["1.17"], ""), endpoint('b', 2, EC2, &["1.18"], "")];
    [vpcs.concat(), endpoints.concat()].concat()
}

/// A path that names a VPC makes its caller a client of that VPC, if the address is one that could be.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_names_a_vpc_for_those_who_may() {
    let server = server(&two_vpcs());
    let packet = question(PRIVATE, RecordType::A, true);
    for (path, want) in [("/dns-query/vpc-00000001", "10.1.1.17"), ("/dns-query/vpc-00000002", "10.2.1.18")] {
        for request in [get(path, &packet), post(path, &packet)] {
            let (status, _, reply) = server.https(b"h2", request).await;
            assert_eq!((status, addresses(&reply)), (200, vec![want.to_owned()]), "{path}");
        }
    }
    let rcode = |reply: &[u8]| Message::from_vec(reply).unwrap().metadata.response_code;
    let (status, _, reply) = server.https(b"h2", get("/dns-query/vpc-00000003", &packet)).await;
    assert_eq!((status, rcode(&reply)), (200, ResponseCode::Refused), "enable_dns_support is false there");
    let (status, ..) = server.https(b"h2", get("/dns-query/vpc-00000004", &packet)).await;
    assert_eq!(status, 404);
    // on this machine, but in no VPC: without a path the private name is not seen
    let (status, _, reply) = server.https(b"h2", get("/dns-query", &packet)).await;
    assert_eq!((status, rcode(&reply)), (200, ResponseCode::Refused));
}

/// Naming a VPC does not open it to strangers, nor to clients of another VPC.
#[test]
fn a_vpc_can_be_named_from_its_own_addresses_and_from_those_of_the_allow_list() {
    let policy = Policy { allow: vec!["192.0.2.0/24".parse().unwrap()], ..Policy::default() };
    let snapshot = Snapshot::compile(model(&two_vpcs()), policy, 1);
    for (vpc, peer, want) in [
        ("vpc-00000001", "10.1.0.5", Access::Named),
        ("vpc-00000001", "::ffff:10.1.0.5", Access::Named),
        ("vpc-00000001", "fd00:1::5", Access::Named),
        ("vpc-00000002", "10.1.0.5", Access::Unknown),
        ("vpc-00000002", "127.0.0.1", Access::Named),
        ("vpc-00000002", "::1", Access::Named),
        ("vpc-00000002", "192.0.2.77", Access::Named),
        ("vpc-00000002", "198.51.100.7", Access::Unknown),
        ("vpc-00000003", "10.3.0.5", Access::DnsSupportOff),
        ("vpc-00000003", "10.1.0.5", Access::Unknown),
        ("vpc-00000004", "127.0.0.1", Access::Unknown),
    ] {
        let client = snapshot.client_naming(vpc.parse().unwrap(), peer.parse().unwrap());
        assert_eq!(client.access, want, "{peer} names {vpc}");
        let seen = client.view.vpc.as_ref().map(|vpc| vpc.vpc_id.to_string());
        assert_eq!(seen, (want != Access::Unknown).then(|| vpc.to_owned()), "{peer} names {vpc}");
    }
}
