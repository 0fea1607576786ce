//! What the fuzz targets call, and what `tests/it/replay.rs` calls with every seed and corpus file.
//!
//! Each function takes any octets and panics if something does that must not happen: a reply that is no DNS message,
//! a reply that is too long, a reply to a response.

mod clients;
mod document;
mod files;
mod streams;
mod validation;
mod watch;
mod xml;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use hickory_proto::op::Message;
use quick_xml::events::Event;
use vpcedns::config::{AccessKey, ActionPattern, Limits, Secret};
use vpcedns::dns::{self, ExtendedError, InfoCode};
use vpcedns::ec2::auth::guard::guard;
use vpcedns::ec2::auth::sigv4::Request;
use vpcedns::ec2::auth::{AccessKeys, AccessPolicy, OPEN_ACCOUNT, authorize as authorize_request};
use vpcedns::ec2::call::Caller;
use vpcedns::ec2::error::ApiError;
use vpcedns::ec2::filter::{Filters, ResultPage};
use vpcedns::ec2::params::Params;
use vpcedns::ec2::xml::Xml;
use vpcedns::ec2::{ApiSettings, Engine, StateSource, Store};
use vpcedns::forward::cache::{Age, CachedReply, Times};
use vpcedns::forward::relay::{Requestor, relay as relay_reply};
use vpcedns::model::{Broken, Model};
use vpcedns::observe::Counters;
use vpcedns::publish::Publisher;
use vpcedns::resolve::{Incoming, Outcome, Resolve, Resolver};
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::{Declared, FileText, Files, Sources, read_json_set, read_toml};
use vpcedns::wire::{CookieSecret, Transport};

/// What a target does with an input; it panics where the input shows a fault.
pub type Target = fn(&[u8]);

/// Every target: its name, that of its directory in `fuzz/corpus/`, and its function.
pub const TARGETS: &[(&str, Target)] = &[
    ("access_keys", files::access_keys),
    ("authorize", authorize),
    ("call", call),
    ("client_subnet", clients::client_subnet),
    ("document", document::document),
    ("doh", streams::doh),
    ("form", form),
    ("json", json),
    ("json_set", files::json_set),
    ("packet", packet),
    ("proxy", clients::proxy),
    ("relay", relay),
    ("resolv_conf", files::resolv_conf),
    ("rest", xml::rest),
    ("settings", files::settings),
    ("stream", streams::stream),
    ("sync_xml", xml::sync_xml),
    ("toml", toml),
    ("validation", validation::validation),
    ("watch", watch::watch),
    ("zone_file", files::zone_file),
];

/// A zone with every kind of answer in it.
pub const ZONE: &str = include_str!("../zone.toml");

fn resolver() -> &'static Resolver {
    static RESPONDER: OnceLock<Resolver> = OnceLock::new();
    RESPONDER.get_or_init(|| {
        let model = apply(read_toml(&"zone.toml".into(), ZONE)).expect("the zone has no errors");
        let snapshot = Snapshot::compile(model, Policy::default(), 1);
        let snapshots = ServedSnapshot::fixed(snapshot);
        Resolver::new(snapshots, Limits::default(), CookieSecret::new([7; 16]), Arc::new(Counters::default()))
    })
}

fn apply(loaded: Declared) -> Option<Model> {
    let broken = Broken { ids: loaded.broken.into_iter().collect(), incomplete: loaded.incomplete };
    let applied = Model::default().apply(&[], &loaded.inputs, &broken, &|_| None);
    // a violation that is an error leaves no model
    let errors = loaded.problems.iter().any(vpcedns::problem::Problem::is_error);
    applied.model.filter(|_| !errors)
}

/// Any packet gets silence, a whole DNS message that is not too long, or an upstream would be asked.
pub fn packet(packet: &[u8]) {
    let local: SocketAddr = "127.0.0.1:53".parse().expect("an address");
    let resolver = resolver();
    let batch = resolver.batch();
    // in a VPC with private DNS, on this machine, and unknown
    let stranger: SocketAddr = "198.51.100.7:4711".parse().expect("an address");
    for peer in ["10.1.0.5:4711", "127.0.0.9:4711", "198.51.100.7:4711"] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let peer: SocketAddr = peer.parse().expect("an address");
            let mut out = vec![0xaa; usize::from(u16::MAX)];
            let outcome =
                resolver.try_resolve(&batch, Incoming { packet, peer, local, transport, vpc: None }, &mut out);
            let is_request = packet.len() >= 12 && packet[2] & 0x80 == 0;
            match outcome {
                // strangers are told a few times a second that they are refused
                Outcome::Silent if transport == Transport::Udp && peer == stranger => {}
                Outcome::Silent => assert!(!is_request, "a request got no reply"),
                Outcome::Pending => assert!(is_request),
                Outcome::Reply(len) => {
                    assert!(is_request, "a reply to what is no request");
                    assert!(transport == Transport::Tcp || len <= 1232, "{len} octets");
                    let reply = &out[..len];
                    let message = Message::from_vec(reply).unwrap_or_else(|e| panic!("{e}: {reply:02x?}"));
                    assert_eq!(reply[..2], packet[..2], "the id");
                    assert_eq!(reply[2] & 0x80, 0x80, "QR");
                    assert_eq!(usize::from(u16::from_be_bytes([reply[6], reply[7]])), message.answers.len());
                    let walked = dns::Message::parse(reply).expect("our own reader agrees");
                    assert_eq!(walked.records().last().map_or(len, |record| record.range.end), len, "octets behind");
                }
            }
        }
    }
}

/// Any text is either loaded and served, or refused with problems.
pub fn toml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    serve(read_toml(&"fuzz.toml".into(), &text));
}

/// Any text in the place of the AWS CLI's output.
pub fn json(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    serve(read_json_set(&[FileText { path: "fuzz.json".into(), text }]));
}

fn serve(loaded: Declared) {
    let errors = loaded.problems.iter().filter(|problem| problem.is_error()).count();
    assert!(!loaded.incomplete || errors > 0, "something could not be read, and nobody said so");
    for problem in &loaded.problems {
        assert!(!problem.what.is_empty() && !problem.to_string().is_empty());
    }
    if let Some(model) = apply(loaded) {
        let snapshot = Snapshot::compile(model, Policy::default(), 1);
        let client = snapshot.client("127.0.0.1:53".parse().expect("an address"), [127, 0, 0, 1].into());
        assert!(client.access.is_served());
    }
}

/// What the cache makes of the same octets is a whole message too, whatever its age, or nothing.
fn cached(reply: &[u8], client: &Requestor<'_>) {
    let Ok(entry) = CachedReply::new(reply, client.question, &Times::new(&Limits::default()), 0) else { return };
    let rtype = client.question.last_chunk().map(|[high, low, _, _]| u16::from_be_bytes([*high, *low]));
    let rtype = rtype.map(dns::Rtype::new).expect("a question has a type");
    for age in [Age::Fresh(7), Age::Stale(30)] {
        let mut out = vec![0; client.limit];
        if let Some(len) = entry.write(client, age, &mut out) {
            let message = dns::Message::parse(&out[..len]).expect("a cached reply is a message");
            assert_eq!((message.header().id, message.question()), (client.id, client.question));
            assert_eq!(message.opt().is_some(), client.edns.is_some());
        }
        let whole = relay_reply(&entry.message(age, rtype), client).expect("an entry can be relayed");
        assert!(whole.len() <= client.limit, "{} octets of {}", whole.len(), client.limit);
    }
}

/// Any octets in the place of an upstream's reply become a whole message that is not too long, or an error.
pub fn relay(reply: &[u8]) {
    // the question that a relay goes with is the reply's own, where there is one to be read
    let own = dns::Message::parse(reply).map(|message| message.question().to_vec());
    let question = own.ok().filter(|question| !question.is_empty());
    let question = question.unwrap_or_else(|| b"\x01a\x07example\0\0\x01\0\x01".to_vec());
    for (edns, limit, ede) in [
        (None, 512, None),
        (Some(false), 512, Some(ExtendedError { code: InfoCode::OTHER, text: "because" })),
        (Some(true), 1232, None),
        (Some(true), usize::from(u16::MAX), Some(ExtendedError { code: InfoCode::NETWORK_ERROR, text: "é" })),
    ] {
        let client = Requestor {
            id: 0x1234,
            question: &question,
            recursion_desired: true,
            checking_disabled: false,
            authentic_data: true,
            keep_authoritative: false,
            edns,
            cookie: edns.map(|_| [9; 24]),
            payload: 1232,
            limit,
            ede,
        };
        cached(reply, &client);
        let Ok(out) = relay_reply(reply, &client) else { continue };
        assert!(out.len() <= limit, "{} octets of {limit}", out.len());
        let message = dns::Message::parse(&out).expect("a relayed reply is a message");
        assert_eq!((message.header().id, message.question()), (0x1234, &question[..]));
        assert_eq!(message.opt().is_some(), edns.is_some(), "OPT is there exactly if the client sent one");
    }
}

/// Any request to the API has a caller or a refusal, and none has the caller's key once its body is another.
///
/// The octets are an HTTP request with line feeds, as in the seeds; lines that are no header are left out.
pub fn authorize(data: &[u8]) {
    // 2015-08-30T12:36:00Z, when the seeds were signed
    let now = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    let text = String::from_utf8_lossy(data);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let (first, lines) = head.split_once('\n').unwrap_or((head, ""));
    let (method, target) = first.split_once(' ').unwrap_or((first, "/"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in lines.lines().filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.trim().parse::<HeaderValue>()) {
            headers.append(name, value);
        }
    }
    let keys = AccessKeys::new([AccessKey {
        access_key_id: "AKREADER".into(),
        secret_access_key: Secret::new("secret of AKREADER"),
        account_id: "111111111111".into(),
        actions: vec![ActionPattern::parse("Describe*").expect("a pattern")],
    }]);
    let request = Request { method, path, query, headers: &headers, body: body.as_bytes() };
    match authorize_request(&AccessPolicy::Keys(keys.clone()), &request, now) {
        Ok(caller) => {
            assert_eq!(
                (caller.access_key_id.as_deref(), caller.account_id.as_str()),
                (Some("AKREADER"), "111111111111")
            );
            assert!(caller.may_call("DescribeVpcs").is_ok() && caller.may_call("DeleteVpc").is_err());
            let changed = [body, "&"].concat();
            let changed = Request { body: changed.as_bytes(), ..request };
            assert!(authorize_request(&AccessPolicy::Keys(keys), &changed, now).is_err(), "a body that nobody signed");
        }
        Err(refusal) => {
            assert!((400..=403).contains(&refusal.status) && !refusal.code.is_empty());
            assert!(!refusal.message.contains("secret of"), "{refusal:?}");
        }
    }
    let open = authorize_request(&AccessPolicy::Open, &request, now).expect("an open API refuses nobody");
    assert_eq!(open.account_id, OPEN_ACCOUNT);
    if guard(&headers, &Uri::from_static("/"), &["ec2.corp.example".to_owned()]).is_ok() {
        assert!(headers.contains_key("host") && !headers.contains_key("origin"));
    }
}

/// Any form of a call of the EC2 API is taken apart or refused, and whatever it says can be said in an answer: a reader
/// of XML gets the very text back.
pub fn form(data: &[u8]) {
    let mut params = match Params::decode(data) {
        Ok(params) => params,
        Err(error) => return answers(&error),
    };
    let mut said = Vec::new();
    for mut structure in params.structures("TagSpecification") {
        said.extend(structure.optional("ResourceType"));
        for mut tag in structure.structures("Tag") {
            said.extend(tag.optional("Key"));
            said.extend(tag.optional("Value"));
        }
        structure.finish().err().iter().for_each(answers);
    }
    said.extend(params.list("SubnetId"));
    said.extend(params.structure("DnsOptions").optional("DnsRecordIpType"));
    match Filters::take(&mut params, &["tag", "tag-key", "vpc-id"], "InvalidFilter") {
        Ok(filters) => {
            let tags = said.iter().map(|text| (text.clone(), text.clone())).collect();
            for filter in filters.iter() {
                let _ = filter.takes_tags(&tags) || said.iter().any(|text| filter.takes(text));
            }
        }
        Err(error) => answers(&error),
    }
    match ResultPage::take(&mut params, 5) {
        Ok(page) => {
            let (part, next) = page.cut(&said, |text| (*text).clone());
            assert!(part.len() <= said.len() && next.is_none_or(|next| next.bytes().all(|b| b.is_ascii_hexdigit())));
        }
        Err(error) => answers(&error),
    }
    params.flag("DryRun").err().iter().for_each(answers);
    params.parsed::<u32>("MaxResults", "Expected an integer.").err().iter().for_each(answers);
    params.required("VpcId").err().iter().for_each(answers);
    params.finish().err().iter().for_each(answers);
    let mut answer = Xml::new();
    answer.texts("said", &said);
    let read = texts(&answer.response("Say", "r"));
    assert!(read.iter().filter(|text| **text != "r").eq(said.iter().filter(|text| !text.is_empty() && **text != "r")));
}

/// An error is written so that it can be read.
fn answers(error: &ApiError) {
    let read = texts(&Xml::error(error, "r"));
    assert_eq!(read, [error.code.as_ref(), &error.message, "r"]);
}

/// Every text of an XML document, as a reader understands it (XML 1.0 2.11: a line end is one line feed).
fn texts(xml: &str) -> Vec<String> {
    let (_declaration, document) = xml.split_once('\n').expect("a declaration");
    // XML 1.0 2.2; quick-xml lets others pass
    let is_char = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    assert!(document.chars().all(is_char), "{document:?}");
    let mut reader = quick_xml::Reader::from_str(document);
    let (mut all, mut text) = (Vec::new(), String::new());
    loop {
        match reader.read_event().expect("an answer is XML") {
            Event::Text(part) => text.push_str(&part.replace("\r\n", "\n").replace('\r', "\n")),
            Event::GeneralRef(name) => {
                text.push_str(&quick_xml::escape::unescape(&format!("&{};", &*name)).expect("a known reference"));
            }
            Event::Eof => return all,
            _ if !text.is_empty() => all.push(std::mem::take(&mut text)),
            _ => {}
        }
    }
}

/// Any form that is sent to the API is answered by a well-formed document; nothing is changed by it.
pub fn call(form: &[u8]) {
    let caller =
        Caller { account: OPEN_ACCOUNT.to_owned(), region: "us-east-1".parse().expect("a region"), chooses_ids: true };
    let answer = |form: &[u8]| match engine().call(form, &caller, "r-1") {
        Ok(body) => (true, body),
        Err(error) => {
            assert!(!error.code.is_empty() && (400..600).contains(&error.status), "{error:?}");
            (false, Xml::error(&error, "r-1"))
        }
    };
    let (done, body) = answer(&[form, b"&DryRun=true"].concat());
    assert!(!done, "a dry run changes nothing: {body}");
    texts(&body);
    let mut pairs = form.split(|octet| *octet == b'&');
    let action = pairs.find_map(|pair| std::str::from_utf8(pair.strip_prefix(b"Action=")?).ok());
    if action.is_some_and(|action| !Engine::changes(action)) {
        texts(&answer(form).1);
    }
}

/// The API over the zone, with a state of its own.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let dir = std::env::temp_dir().join(format!("vpcedns-call-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let zone = dir.join("zone.toml");
        std::fs::write(&zone, ZONE).expect("a file");
        let (store, state) = Store::open(&dir.join("state")).expect("a store");
        let loader =
            Sources::new(vec![Box::new(StateSource::new(&state)), Box::new(Files::new(vec![zone]))], Vec::new());
        let Ok((publisher, _)) = Publisher::start(loader, Policy::default(), &|_, _| {}) else {
            panic!("the zone has no errors");
        };
        // open files need no name
        let _ = std::fs::remove_dir_all(&dir);
        Engine::new(store, state, Arc::new(Mutex::new(publisher)), ApiSettings::default())
    })
}
