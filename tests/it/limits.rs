//! Limits that a whole server has to keep, each reached; and that no limit is without a test that sets it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use vpcedns::config::{Limits, Settings, Upstreams};
use vpcedns::server::Server;

use crate::common::rust_source;

const PATIENCE: Duration = Duration::from_secs(5);
const HOUR: Duration = Duration::from_secs(3600);

struct Served {
    server: Server,
    dir: tempfile::TempDir,
}

impl Served {
    /// A server with these limits: DNS, HTTP and the EC2-compatible API.
    fn new(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let values: Vec<String> = (1..=60).map(|host| format!("\"10.0.0.{host}\"")).collect();
        let zone = format!(
            "[[vpc]]\nvpc_id = \"vpc-ec43eb89\"\nregion = \"us-east-1\"\ncidr_blocks = [\"127.0.0.0/8\"]\n\
             enable_dns_hostnames = true\n\
             [[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-ec43eb89\"]\n\
             records = [{{ name = \"many\", type = \"A\", ttl = 60, values = [{}] }}]\n",
            values.join(", ")
        );
        fs::create_dir(dir.path().join("zones")).unwrap();
        fs::write(dir.path().join("zones/a.toml"), zone).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let settings = Settings {
            zones: vec![dir.path().join("zones")],
            listen: vec![any],
            forward: Upstreams::None,
            http: Some(any),
            socket: dir.path().join("control.sock"),
            ec2_api: Some(any),
            ec2_state: dir.path().join("state"),
            limits,
            ..Settings::default()
        };
        let server = Server::start(settings).unwrap_or_else(|problems| panic!("{}", crate::common::lines(&problems)));
        Self { server, dir }
    }

    fn api(&self) -> SocketAddr {
        self.server.ready().ec2_api.unwrap()
    }

    fn http(&self) -> SocketAddr {
        self.server.ready().http.unwrap()
    }

    /// The answer of the EC2-compatible API to a form.
    fn call(&self, form: &str) -> String {
        let address = self.api();
        let mut stream = TcpStream::connect(address).unwrap();
        let length = form.len();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// What stands between the first `<name>` and its end in the answer to a call.
    fn made(&self, form: &str, name: &str) -> String {
        let text = self.call(form);
        let found = text.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once('<'));
        found.unwrap_or_else(|| panic!("{form}: no {name} in {text}")).0.to_owned()
    }

    fn vpc(&self) -> String {
        self.made("Action=CreateVpc&CidrBlock=10.1.0.0/16", "vpcId")
    }

    fn endpoint(&self, vpc: &str) -> String {
        self.made(&create(vpc), "vpcEndpointId")
    }

    /// The state of the only endpoint; `None` where it is not listed.
    fn state(&self) -> Option<String> {
        let text = self.call("Action=DescribeVpcEndpoints");
        text.split_once("<state>").and_then(|(_, rest)| Some(rest.split_once('<')?.0.to_owned()))
    }
}

fn create(vpc: &str) -> String {
    format!(
        "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId={vpc}&ServiceName=com.amazonaws.us-east-1.sqs\
         &PrivateDnsEnabled=false"
    )
}

/// Whether the server closes this connection, on which nothing more is sent, before patience ends.
fn is_closed(mut stream: TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(0) => true,
        Ok(_) => is_closed(stream),
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_udp_reply_is_as_large_as_the_setting_allows() {
    for (udp_payload, is_cut) in [(512, true), (1232, false)] {
        let served = Served::new(Limits { udp_payload, ..Limits::default() });
        let mut question = hickory_proto::op::Message::query();
        question.add_query(hickory_proto::op::Query::query(
            "many.corp.example.".parse().unwrap(),
            hickory_proto::rr::RecordType::A,
        ));
        question.edns.get_or_insert_with(hickory_proto::op::Edns::new).set_max_payload(4096);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send_to(&question.to_vec().unwrap(), served.server.ready().plain[0]).unwrap();
        let mut octets = [0; 4096];
        let length = socket.recv(&mut octets).unwrap();
        let reply = hickory_proto::op::Message::from_vec(&octets[..length]).unwrap();
        assert!(length <= usize::from(udp_payload), "{length}");
        assert_eq!(reply.metadata.response_code, hickory_proto::op::ResponseCode::NoError);
        assert_eq!(reply.metadata.truncation, is_cut);
        assert_eq!(reply.edns.unwrap().max_payload(), udp_payload, "what it takes itself");
        served.server.stop().unwrap();
    }
}

#[test]
fn connections_beyond_the_bound_take_the_place_of_the_longest_idle() {
    let served = Served::new(Limits { http_connections: 1, ec2_connections: 1, ..Limits::default() });
    for address in [served.http(), served.api()] {
        let first = TcpStream::connect(address).unwrap();
        let _second = TcpStream::connect(address).unwrap();
        assert!(is_closed(first), "{address}");
    }
    served.server.stop().unwrap();
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let served = Served::new(Limits { http_head: Duration::from_millis(100), ..Limits::default() });
    for address in [served.http(), served.api()] {
        let mut slow = TcpStream::connect(address).unwrap();
        slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").unwrap();
        assert!(is_closed(slow), "{address}");
    }
    served.server.stop().unwrap();
}

#[test]
fn an_endpoint_is_in_each_state_for_as_long_as_is_set() {
    for (pending, deleting, deleted, made, gone) in [
        (Duration::ZERO, Duration::ZERO, Duration::ZERO, "available", None),
        (HOUR, HOUR, Duration::ZERO, "pending", Some("deleting")),
        (Duration::ZERO, Duration::ZERO, HOUR, "available", Some("deleted")),
    ] {
        let served = Served::new(Limits {
            ec2_pending: pending,
            ec2_deleting: deleting,
            ec2_deleted: deleted,
            ..Limits::default()
        });
        let endpoint = served.endpoint(&served.vpc());
        assert_eq!(served.state().as_deref(), Some(made));
        served.call(&format!("Action=DeleteVpcEndpoints&VpcEndpointId.1={endpoint}"));
        assert_eq!(served.state().as_deref(), gone);
        served.server.stop().unwrap();
        drop(served.dir);
    }
}

#[test]
fn a_vpc_has_no_more_endpoints_than_its_quota() {
    let served = Served::new(Limits { ec2_endpoints_per_vpc: 1, ..Limits::default() });
    let vpc = served.vpc();
    served.endpoint(&vpc);
    let refused = served.call(&create(&vpc));
    assert!(refused.contains("<Code>VpcEndpointLimitExceeded</Code>"), "{refused}");
    served.server.stop().unwrap();
}

#[test]
fn a_caller_has_so_many_calls_a_second() {
    let served = Served::new(Limits { ec2_calls_per_second: 1, ..Limits::default() });
    let is_refused = || served.call("Action=DescribeVpcs").contains("<Code>RequestLimitExceeded</Code>");
    assert!((0..100).any(|_| is_refused()), "100 calls, and two at once are allowed");
    served.server.stop().unwrap();
}

/// Whoever adds a limit adds a test that reaches it: its field stands in test code.
#[test]
fn each_limit_has_a_test_that_sets_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = String::new();
    for path in [root.join("src"), root.join("tests/it")].iter().flat_map(|dir| rust_source::paths(dir)) {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.display().to_string();
        let is_test = name.contains("/tests/") || name.ends_with("tests.rs") || name.ends_with("testing.rs");
        // within a file of the library, tests come last
        let from = if is_test { Some(0) } else { text.find("#[cfg(test)]") };
        tests.push_str(from.map_or("", |from| &text[from..]));
    }
    let is_set = |field: &str| {
        tests.match_indices(field).any(|(at, _)| {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let after = &tests[at + field.len()..];
            !tests[..at].ends_with(is_part) && (after.starts_with(": ") || after.starts_with(','))
        })
    };
    let without: Vec<&str> = Limits::TABLE.iter().map(|limit| limit.field).filter(|field| !is_set(field)).collect();
    assert!(without.is_empty(), "limits that no test sets: {}", without.join(", "));
}
