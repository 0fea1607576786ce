//! The EC2 API over HTTP: who gets through to the actions, and who does not.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderValue};
use vpcedns::config::{AccessKey, ActionPattern, Secret};
use vpcedns::ec2::auth::rate::RateLimits;
use vpcedns::ec2::auth::sigv4::{Credentials, Request, sign};
use vpcedns::ec2::auth::{AccessKeys, AccessPolicy};
use vpcedns::ec2::{ApiSettings, Engine, Front, StateSource, Store, serve};
use vpcedns::observe::FrontLimits;
use vpcedns::publish::Publisher;
use vpcedns::snapshot::Policy;
use vpcedns::source::{Files, Sources};

const FORM: &str = "Action=DescribeVpcs&Version=2016-11-15";
const CREATE: &str = "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.1.0.0/16";

/// A server that ends with the test.
struct Server {
    address: SocketAddr,
    _stop: tokio::sync::watch::Sender<bool>,
    _runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start(access: AccessPolicy, rate: RateLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, state) = Store::open(dir.path()).unwrap();
        let loader =
            Sources::new(vec![Box::new(StateSource::new(&state)), Box::new(Files::new(Vec::new()))], Vec::new());
        let started = Publisher::start(loader, Policy::default(), &|_, _| {});
        let (publisher, _) = started.unwrap_or_else(|problems| panic!("{}", crate::common::lines(&problems)));
        let engine = Arc::new(Engine::new(store, state, Arc::new(Mutex::new(publisher)), ApiSettings::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let hosts = vec!["ec2.corp.example".to_owned()];
        let connections = FrontLimits { connections: 64, head: Duration::from_secs(10) };
        let front = Front { engine, access, hosts, rate, connections, counters: Arc::default() };
        let (stop, stopped) = tokio::sync::watch::channel(false);
        runtime.spawn(serve(listener, front, stopped));
        Self { address, _stop: stop, _runtime: runtime, _dir: dir }
    }

    fn open() -> Self {
        Self::start(AccessPolicy::Open, RateLimits::default())
    }

    fn with_keys() -> Self {
        let key = |id: &str, account: &str, actions: &str| AccessKey {
            access_key_id: id.to_owned(),
            secret_access_key: Secret::new(format!("secret of {id}")),
            account_id: account.to_owned(),
            actions: vec![ActionPattern::parse(actions).unwrap()],
        };
        let keys = [key("ALL", "111111111111", "*"), key("READS", "222222222222", "Describe*")];
        Self::start(AccessPolicy::Keys(AccessKeys::new(keys)), RateLimits::default())
    }

    /// Status and body of the answer to what is sent.
    fn send(&self, head: &str, headers: &HeaderMap, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut text = format!("{head} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            write!(text, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
        }
        // a server that refuses a long body may not read all of it
        let _ = stream.write_all(format!("{text}\r\n{body}").as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_str(&self.address.to_string()).unwrap());
        headers
    }

    fn post(&self, body: &str) -> (u16, String) {
        self.send("POST /", &self.headers(), body)
    }

    /// A form that is signed with the key `id` and its secret, and sent with `body`.
    fn signed(&self, id: &str, form: &str, body: &str) -> (u16, String) {
        let mut headers = self.headers();
        let secret = Secret::new(format!("secret of {id}"));
        let credentials = Credentials { access_key_id: id.to_owned(), secret_access_key: secret, session_token: None };
        let request =
            Request { method: "POST", path: "/", query: "", headers: &headers.clone(), body: form.as_bytes() };
        headers.extend(sign(&request, &credentials, "eu-west-1", "ec2", SystemTime::now()).unwrap());
        self.send("POST /", &headers, body)
    }
}

/// The code of an error's body.
fn code(answer: &(u16, String)) -> (u16, &str) {
    let code = answer.1.split("<Code>").nth(1).and_then(|rest| rest.split("</Code>").next());
    (answer.0, code.unwrap_or(&answer.1))
}

#[test]
fn a_call_is_a_form_or_a_url() {
    let server = Server::open();
    let (status, body) = server.post(CREATE);
    assert_eq!(status, 200, "{body}");
    assert!(
        body.contains("<CreateVpcResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>"),
        "{body}"
    );
    let url = format!("GET /?{FORM}&X-Amz-Credential=x%2F20150830%2Fus-east-1%2Fec2%2Faws4_request");
    let (status, body) = server.send(&url, &server.headers(), "");
    assert_eq!((status, body.matches("<vpcId>").count()), (200, 1), "{body}");
    assert_eq!(code(&server.post("Action=Fly")), (400, "InvalidAction"));
    assert_eq!(code(&server.post("")), (400, "MissingAction"));
    assert!(server.post("Action=Fly").1.contains("<RequestID>"));
}

#[test]
fn browsers_and_foreign_names_are_refused() {
    let server = Server::open();
    let with = |name: &'static str, value: &str| {
        let mut headers = server.headers();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        server.send("POST /", &headers, CREATE)
    };
    assert_eq!(code(&with("origin", "http://evil.example")), (403, "UnauthorizedOperation"));
    assert_eq!(code(&with("host", "evil.example")), (403, "UnauthorizedOperation"));
    assert_eq!(server.post(FORM).1.matches("<vpcId>").count(), 0);
    assert_eq!(with("host", "ec2.corp.example:4566").0, 200);
}

#[test]
fn with_keys_only_those_who_sign_get_through() {
    let server = Server::with_keys();
    assert_eq!(code(&server.post(FORM)), (400, "MissingParameter"));
    assert_eq!(code(&server.signed("NOBODY", FORM, FORM)), (401, "AuthFailure"));
    assert_eq!(code(&server.signed("ALL", FORM, CREATE)), (403, "SignatureDoesNotMatch"));
    let (status, body) = server.signed("ALL", CREATE, CREATE);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("<ownerId>111111111111</ownerId>"), "{body}");
    // another account does not see it, and may not make one
    assert_eq!(server.signed("ALL", FORM, FORM).1.matches("<vpcId>").count(), 1);
    assert_eq!(server.signed("READS", FORM, FORM).1.matches("<vpcId>").count(), 0);
    assert_eq!(code(&server.signed("READS", CREATE, CREATE)), (403, "UnauthorizedOperation"));
    // the region is that of the signature
    let zones = "Action=DescribeAvailabilityZones&ZoneName.1=eu-west-1a";
    assert_eq!(server.signed("READS", zones, zones).0, 200);
}

#[test]
fn large_and_frequent_requests_are_refused() {
    let server = Server::start(AccessPolicy::Open, RateLimits { per_second: 1, burst: 3, callers: 10 });
    let large = format!("Action=DescribeVpcs&a={}", "x".repeat(1 << 20));
    assert_eq!(code(&server.post(&large)), (413, "RequestEntityTooLarge"));
    assert_eq!(server.post(FORM).0, 200);
    let refused = (0..100).map(|_| server.post(FORM)).find(|(status, _)| *status != 200).expect("a bound");
    assert_eq!(code(&refused), (503, "RequestLimitExceeded"));
}

#[test]
fn calls_for_other_services_are_told_so_before_their_keys_are_looked_at() {
    let server = Server::with_keys();
    let mut headers = server.headers();
    headers.insert("x-amz-target", HeaderValue::from_static("DynamoDB_20120810.ListTables"));
    headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.0"));
    let (status, body) = server.send("POST /", &headers, "{}");
    assert_eq!(status, 400);
    assert!(body.starts_with(r#"{"Message":"DynamoDB is not a service of this server"#), "{body}");
    assert!(
        body.contains(r#""__type":"UnknownOperationException""#) && body.contains("AWS_ENDPOINT_URL_EC2"),
        "{body}"
    );
    // a page of the web learns nothing in any protocol
    headers.insert("origin", HeaderValue::from_static("http://evil.example"));
    let (status, body) = server.send("POST /", &headers, "{}");
    assert!(status == 403 && body.contains("UnauthorizedOperation"), "{status} {body}");
}

/// A connection outlives such a call: it is read to its end before it is answered.
#[test]
fn a_call_for_another_service_leaves_its_connection_to_the_next() {
    let server = Server::open();
    let mut stream = TcpStream::connect(server.address).unwrap();
    let mut buffer = [0; 4096];
    let foreign =
        "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-amz-target: DynamoDB_20120810.ListTables\r\ncontent-length: 2\r\n\r\n";
    stream.write_all(foreign.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(stream.read(&mut buffer).is_err(), "no answer to half a call");
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let ours = format!("POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {}\r\n\r\n{FORM}", FORM.len());
    for (sent, status) in [("{}", "HTTP/1.1 400"), (&ours, "HTTP/1.1 200")] {
        stream.write_all(sent.as_bytes()).unwrap();
        let len = stream.read(&mut buffer).unwrap();
        assert!(buffer[..len].starts_with(status.as_bytes()), "{}", String::from_utf8_lossy(&buffer[..len]));
    }
}
