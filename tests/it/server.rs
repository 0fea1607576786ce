//! The whole server in this process: ask it, change what it reads, see the change, stop it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use vpcedns::config::{Settings, Upstreams};
use vpcedns::server::Server;

const VPC: &str = "[[vpc]]\nvpc_id = \"vpc-ec43eb89\"\nregion = \"us-east-1\"\ncidr_blocks = [\"127.0.0.0/8\"]\n\
                   enable_dns_hostnames = true\n";

fn zone(address: &str) -> String {
    format!(
        "{VPC}[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-ec43eb89\"]\n\
         records = [{{ name = \"db\", type = \"A\", ttl = 60, values = [\"{address}\"] }}]\n"
    )
}

pub(super) fn settings(zones: &Path) -> Settings {
    Settings {
        zones: vec![zones.to_owned()],
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        forward: Upstreams::None,
        http: Some("127.0.0.1:0".parse().unwrap()),
        // beside the zones, which are a directory of this test's own
        socket: zones.with_extension("sock"),
        ..Settings::default()
    }
}

pub(super) fn start(settings: Settings) -> Server {
    Server::start(settings).unwrap_or_else(|problems| panic!("{}", crate::common::lines(&problems)))
}

/// The addresses of a name, or the code of the refusal.
pub(super) fn ask(server: SocketAddr, name: &str) -> Result<Vec<String>, ResponseCode> {
    let mut question = Message::query();
    question.metadata.id = 7;
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.send_to(&question.to_vec().unwrap(), server).unwrap();
    let mut octets = [0; 1232];
    let length = socket.recv(&mut octets).unwrap();
    let reply = Message::from_vec(&octets[..length]).unwrap();
    match reply.metadata.response_code {
        ResponseCode::NoError => Ok(reply.answers.iter().map(|record| record.data.to_string()).collect()),
        code => Err(code),
    }
}

/// The status code and the body of a page.
pub(super) fn get(server: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(server).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// Waits until something holds; a server that never gets there fails the test.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The ready line for programs says the addresses that the kernel chose, by the keys of the settings.
#[test]
fn what_is_ready_is_told_to_programs() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.toml"), zone("10.0.0.9")).unwrap();
    let forward = Upstreams::These(vec!["127.0.0.1:9".parse().unwrap()]);
    let server = start(Settings { forward, ..settings(dir.path()) });
    let line = server.ready().to_json();
    assert!(!line.contains('\n'), "{line}");
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let listen: SocketAddr = said["listen"][0].as_str().unwrap().parse().unwrap();
    assert_eq!(ask(listen, "db.corp.example"), Ok(vec!["10.0.0.9".to_owned()]));
    let http: SocketAddr = said["http"].as_str().unwrap().parse().unwrap();
    assert_eq!(get(http, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!((&said["vpcs"], &said["endpoints"]), (&1.into(), &0.into()), "{line}");
    assert_eq!((&said["forward"], &said["ec2_api"]), (&serde_json::json!(["127.0.0.1:9"]), &serde_json::Value::Null));
    server.stop().unwrap_or_else(|problems| panic!("{}", crate::common::lines(&problems)));
}

#[test]
fn a_server_answers_follows_a_change_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.toml");
    fs::write(&file, zone("10.0.9.9")).unwrap();
    let server = start(settings(dir.path()));
    let (dns, http) = (server.ready().plain[0], server.ready().http.unwrap());
    assert_eq!((server.ready().vpcs, server.ready().endpoints), (1, 0));
    assert_eq!(ask(dns, "db.corp.example."), Ok(vec!["10.0.9.9".to_owned()]));
    assert_eq!(ask(dns, "x.corp.example."), Err(ResponseCode::NXDomain));

    fs::write(&file, zone("10.0.9.10")).unwrap();
    until("the change of the file is served", || ask(dns, "db.corp.example.") == Ok(vec!["10.0.9.10".to_owned()]));

    fs::write(&file, "[[vpc]]\nvpc_id = 7\n").unwrap();
    until("the error is told", || get(http, "/readyz").0 == 503);
    let (_, text) = get(http, "/readyz");
    assert!(text.contains("a.toml:2") && text.contains("\nfiles: failing, the last good state is served"), "{text}");
    assert_eq!(ask(dns, "db.corp.example."), Ok(vec!["10.0.9.10".to_owned()]), "the last good state is served");

    fs::write(&file, zone("10.0.9.11")).unwrap();
    until("it is ready again", || get(http, "/readyz").0 == 200);
    let (_, text) = get(http, "/readyz");
    assert!(text.starts_with("ready\nfiles: ready, last good "), "{text}");
    let (_, metrics) = get(http, "/metrics");
    assert!(metrics.contains("vpcedns_source_good{source=\"files\"} 1"), "{metrics}");
    server.stop().unwrap();
    assert!(UdpSocket::bind(dns).is_ok(), "the address is free again");
}

#[test]
fn half_a_file_is_never_published() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.toml"), dir.path().join("b.toml"));
    fs::write(&a, zone("10.0.9.9")).unwrap();
    let server = start(settings(dir.path()));
    let dns = server.ready().plain[0];
    let other = |address: &str| zone(address).replace(VPC, "").replace("corp", "other");
    let whole = zone("10.0.9.10");
    let (first, rest) = whole.split_at(VPC.len());
    // an editor that truncates, writes a first half that is good by itself, and takes its time
    let mut writer = fs::File::create(&a).unwrap();
    writer.write_all(first.as_bytes()).unwrap();
    writer.flush().unwrap();
    for address in ["10.0.8.1", "10.0.8.2"] {
        fs::write(&b, other(address)).unwrap();
        until("another file is served", || ask(dns, "db.other.example.") == Ok(vec![address.to_owned()]));
        assert_eq!(ask(dns, "db.corp.example."), Ok(vec!["10.0.9.9".to_owned()]), "what was last complete");
    }
    server.handle().reload();
    fs::write(&b, other("10.0.8.3")).unwrap();
    until("another file is served", || ask(dns, "db.other.example.") == Ok(vec!["10.0.8.3".to_owned()]));
    assert_eq!(ask(dns, "db.corp.example."), Ok(vec!["10.0.9.9".to_owned()]), "asked to load, too");
    writer.write_all(rest.as_bytes()).unwrap();
    drop(writer);
    until("the whole file is served", || ask(dns, "db.corp.example.") == Ok(vec!["10.0.9.10".to_owned()]));
    server.stop().unwrap();
}

#[test]
fn a_handle_reloads_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.toml"), VPC).unwrap();
    let server = start(settings(dir.path()));
    let handle = server.handle();
    let before = handle.status().loads().0;
    handle.reload();
    until("it has loaded again", || handle.status().loads().0 > before);
    let running = std::thread::spawn(move || server.run());
    handle.stop();
    running.join().unwrap().unwrap();
    assert!(handle.status().is_draining());
}

#[test]
fn the_usual_directory_may_be_missing_where_there_is_another_source() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("zones");
    let Err(problems) = Server::start(settings(&missing)) else { panic!("it was named, and is the only source") };
    assert!(crate::common::lines(&problems).contains("cannot be read: No such file"), "{problems:?}");
    // the tests run in the repository's directory: what is not there is another directory's `zones`
    let (api, state) = (Some("127.0.0.1:0".parse().unwrap()), dir.path().join("state"));
    let named = Settings { ec2_api: api, ec2_state: state.clone(), ..settings(&missing) };
    assert!(Server::start(named).is_err(), "it was named");
}

#[test]
fn sources_are_listed_with_the_api() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("zones")).unwrap();
    let (api, state) = (Some("127.0.0.1:0".parse().unwrap()), dir.path().join("state"));
    let server = start(Settings { ec2_api: api, ec2_state: state, ..settings(&dir.path().join("zones")) });
    let ids: Vec<String> = server.handle().status().sources().iter().map(|source| source.id.to_string()).collect();
    assert_eq!(ids, ["ec2-api", "files"]);
    assert!(server.handle().status().sources().iter().all(|source| source.is_good() && source.age().is_some()));
    server.stop().unwrap();
}
