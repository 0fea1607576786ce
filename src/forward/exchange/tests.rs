//! The scenarios of a forwarder's life, each with an upstream that behaves so.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;

use super::*;
use crate::config::Limits;
use crate::forward::engine::Options;
use crate::forward::testing::{Over, Say, Server, error, reply, say};

/// Patience enough for loopback, and short enough to wait for.
fn limits() -> Limits {
    let (forward_timeout, forward_deadline) = (Duration::from_millis(200), Duration::from_secs(20));
    Limits { forward_timeout, forward_deadline, ..Limits::default() }
}

fn forwarder() -> Forwarder {
    Forwarder::new(&limits())
}

fn question() -> Outbound<'static> {
    Outbound {
        name: b"\x03Www\x07example\x00",
        rtype: 1,
        class: 1,
        recursion_desired: true,
        checking_disabled: false,
        authentic_data: false,
        dnssec_ok: true,
        edns: true,
    }
}

async fn ask(upstreams: &[Upstream]) -> Result<Message, ForwardError> {
    let reply = forwarder().exchange(&question(), upstreams).await?;
    Ok(Message::from_vec(&reply).unwrap())
}

fn address(reply: &Message) -> String {
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

/// An address at which nobody listens.
fn nobody() -> Upstream {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().into()
}

/// An upstream that always says the same.
async fn always(code: ResponseCode) -> Server {
    Server::start(move |query, _| say(&error(query, code))).await
}

async fn silent() -> Server {
    Server::start(|_, _| Vec::new()).await
}

async fn good() -> Server {
    Server::start(|query, _| say(&reply(query, [192, 0, 2, 1]))).await
}

#[tokio::test]
async fn the_first_upstream_is_enough() {
    let (first, second) = (good().await, good().await);
    let reply = ask(&[first.address.clone(), second.address.clone()]).await.unwrap();
    assert_eq!(address(&reply), "192.0.2.1");
    assert_eq!(reply.queries[0].name().to_string(), "Www.example.");
    assert_eq!((first.asked(Over::Udp), second.asked(Over::Udp), first.asked(Over::Tcp)), (1, 0, 0));
}

#[tokio::test]
async fn what_does_not_belong_is_ignored() {
    let upstream = Server::start(|query, _| {
        let good = reply(query, [192, 0, 2, 1]).to_vec().unwrap();
        let bad = |change: fn(&mut Vec<u8>)| {
            let mut bad = reply(query, [203, 0, 113, 66]).to_vec().unwrap();
            change(&mut bad);
            Say::Octets(bad)
        };
        vec![
            bad(|octets| octets[1] ^= 1),
            bad(|octets| octets[13] ^= 1),
            bad(|octets| octets[2] &= 0x7f),
            bad(|octets| octets.truncate(5)),
            bad(Vec::clear),
            Say::FromElsewhere(reply(query, [203, 0, 113, 66]).to_vec().unwrap()),
            Say::Octets(good.clone()),
            Say::Octets(good),
        ]
    })
    .await;
    assert_eq!(address(&ask(&[upstream.address.clone()]).await.unwrap()), "192.0.2.1");
    assert_eq!(upstream.asked(Over::Udp), 1, "it waited on");
}

#[tokio::test]
async fn guessing_is_shut_out_by_tcp() {
    let upstream = Server::start(|query, over| {
        let mut bad = reply(query, [203, 0, 113, 66]);
        bad.metadata.id = !bad.metadata.id;
        match over {
            Over::Udp => (0..100).flat_map(|_| say(&bad)).collect(),
            Over::Tcp => say(&reply(query, [192, 0, 2, 1])),
        }
    })
    .await;
    assert_eq!(address(&ask(&[upstream.address.clone()]).await.unwrap()), "192.0.2.1");
}

#[tokio::test]
async fn truncation_leads_to_tcp() {
    let upstream = Server::start(|query, over| match over {
        Over::Udp => {
            let mut cut = error(query, ResponseCode::NoError);
            cut.metadata.truncation = true;
            // cut somewhere, as sloppy servers do: the header promises a record
            let mut octets = cut.to_vec().unwrap();
            octets[7] = 1;
            vec![Say::Octets(octets)]
        }
        Over::Tcp => say(&reply(query, [192, 0, 2, 1])),
    })
    .await;
    assert_eq!(address(&ask(&[upstream.address.clone()]).await.unwrap()), "192.0.2.1");
    let ids = upstream.ids.lock().unwrap().clone();
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn a_truncated_reply_is_better_than_none() {
    let upstream = Server::start(|query, over| match over {
        Over::Udp => {
            let mut cut = reply(query, [192, 0, 2, 1]);
            cut.metadata.truncation = true;
            say(&cut)
        }
        Over::Tcp => Vec::new(),
    })
    .await;
    let reply = ask(&[upstream.address.clone()]).await.unwrap();
    assert!(reply.metadata.truncation && address(&reply) == "192.0.2.1");
    let second = good().await;
    let reply = ask(&[upstream.address.clone(), second.address.clone()]).await.unwrap();
    assert!(!reply.metadata.truncation, "but a whole one is better");
}

#[tokio::test]
async fn another_answer_by_tcp_is_none() {
    let upstream = Server::start(|query, over| {
        let mut message = reply(query, [192, 0, 2, 1]);
        message.metadata.truncation = over == Over::Udp;
        message.metadata.id ^= u16::from(over == Over::Tcp);
        let mut octets = message.to_vec().unwrap();
        if over == Over::Udp {
            octets.truncate(octets.len() - 1);
        }
        vec![Say::Octets(octets)]
    })
    .await;
    let error = ask(&[upstream.address.clone()]).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} answered another question over TCP", upstream.address.clone()));
}

#[tokio::test]
async fn the_late_and_the_dead_are_passed_over() {
    let (late, dead, second) = (silent().await, nobody(), good().await);
    assert_eq!(address(&ask(&[late.address.clone(), dead, second.address.clone()]).await.unwrap()), "192.0.2.1");
    assert_eq!((late.asked(Over::Udp), second.asked(Over::Udp)), (1, 1));
}

#[tokio::test]
async fn a_lost_datagram_is_asked_again() {
    let count = AtomicOnce::default();
    let upstream =
        Server::start(move |query, _| if count.first() { Vec::new() } else { say(&reply(query, [192, 0, 2, 1])) })
            .await;
    assert_eq!(address(&ask(&[upstream.address.clone()]).await.unwrap()), "192.0.2.1");
    assert_eq!(upstream.asked(Over::Udp), 2);
}

#[tokio::test]
async fn who_answers_nothing_is_named() {
    let (late, dead) = (silent().await, nobody());
    let error = ask(&[late.address.clone(), dead.clone()]).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} timed out, {dead} refused the connection", late.address.clone()));
    assert_eq!(late.asked(Over::Udp), 2);
    assert_eq!(ask(&[]).await.unwrap_err().to_string(), "no upstream to ask");
}

#[tokio::test]
async fn the_deadline_ends_it_all() {
    let upstreams = [silent().await.address.clone(), silent().await.address.clone(), silent().await.address.clone()];
    let (forward_timeout, forward_deadline) = (Duration::from_millis(50), Duration::from_millis(60));
    let brief = Forwarder::new(&Limits { forward_timeout, forward_deadline, ..limits() });
    let error = brief.exchange(&question(), &upstreams).await.unwrap_err();
    assert!((1..=2).contains(&error.tried.len()), "{error}");
}

#[tokio::test]
async fn a_malformed_reply_is_no_reply() {
    let upstream = Server::start(|query, _| {
        let mut octets = reply(query, [192, 0, 2, 1]).to_vec().unwrap();
        octets.truncate(octets.len() - 3);
        vec![Say::Octets(octets)]
    })
    .await;
    let second = good().await;
    assert_eq!(address(&ask(&[upstream.address.clone(), second.address.clone()]).await.unwrap()), "192.0.2.1");
    let error = ask(&[upstream.address.clone()]).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} sent a malformed reply", upstream.address.clone()));
}

#[tokio::test]
async fn an_upstream_without_edns_is_asked_without() {
    for bare in [false, true] {
        let upstream = Server::start(move |query, _| match &query.edns {
            Some(edns) => {
                assert!(edns.flags().dnssec_ok && edns.max_payload() == 1232);
                let octets = error(query, ResponseCode::FormErr).to_vec().unwrap();
                // servers of the old days send the header alone
                let mut header = octets[..12].to_vec();
                header[5] = 0;
                vec![Say::Octets(if bare { header } else { octets })]
            }
            None => say(&reply(query, [192, 0, 2, 1])),
        })
        .await;
        assert_eq!(address(&ask(&[upstream.address.clone()]).await.unwrap()), "192.0.2.1");
        let ids = upstream.ids.lock().unwrap().clone();
        assert_eq!(ids.len(), 2);
    }
}

#[tokio::test]
async fn an_error_of_one_is_not_the_last_word() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::NotImp] {
        let (first, second) = (always(code).await, good().await);
        assert_eq!(address(&ask(&[first.address.clone(), second.address.clone()]).await.unwrap()), "192.0.2.1");
    }
    let (first, second) = (always(ResponseCode::Refused).await, always(ResponseCode::ServFail).await);
    let reply = ask(&[first.address.clone(), second.address.clone()]).await.unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::Refused, "the first of them, as it is");
    assert_eq!((first.asked(Over::Udp), second.asked(Over::Udp)), (1, 1), "each says its error once");
}

#[tokio::test]
async fn a_denial_is_an_answer() {
    let (first, second) = (always(ResponseCode::NXDomain).await, good().await);
    let reply = ask(&[first.address.clone(), second.address.clone()]).await.unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(second.asked(Over::Udp), 0);
}

#[tokio::test]
async fn ids_and_ports_cannot_be_guessed() {
    let upstream = good().await;
    for _ in 0..20 {
        ask(&[upstream.address.clone()]).await.unwrap();
    }
    let mut ids = upstream.ids.lock().unwrap().clone();
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() >= 18, "{ids:?}");
}

/// True the first time.
#[derive(Default)]
struct AtomicOnce(AtomicBool);

impl AtomicOnce {
    fn first(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }
}

/// What the upstream says comes back octet for octet, whatever it is.
#[tokio::test]
async fn what_is_said_passes_unharmed() {
    let cname = |from: u8, to: u8| [&[1, from, 0, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3, 1][..], &[to, 0]].concat();
    let chain: Vec<u8> = (b'a'..b'a' + 20).flat_map(|from| cname(from, from + 1)).collect();
    let soa = b"\0\0\x06\0\x01\0\0\0\x09\0\x18\x01a\0\x01b\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05";
    let dname =
        b"\xc0\x10\0\x27\0\x01\0\0\0\x09\0\x07\x05other\0\xc0\x0c\0\x05\0\x01\0\0\0\x09\0\x0b\x03Www\x05other\0";
    let unknown = b"\xc0\x0c\xff\x12\0\x01\0\0\0\x09\0\x04\xc0\x0c\xff\xff";
    // the mandatory key (RFC 9460 8) names a key that is not there, and "alpn" holds a length beyond its end
    let svcb = b"\xc0\x0c\0\x40\0\x01\0\0\0\x09\0\x0f\0\x01\0\0\0\0\x02\0\x07\0\x01\0\x02\xff\x00";
    for (what, counts, rcode, records) in [
        ("20 CNAMEs", [20, 0], 0, chain),
        ("a DNAME", [2, 0], 0, dname.to_vec()),
        ("NXDOMAIN behind a CNAME", [1, 1], 3, [cname(b'a', b'b'), soa.to_vec()].concat()),
        ("an unknown type", [1, 0], 0, unknown.to_vec()),
        ("an SVCB that is none", [1, 0], 0, svcb.to_vec()),
    ] {
        let said = Arc::new(Mutex::new(Vec::new()));
        let upstream = Server::start({
            let said = Arc::clone(&said);
            move |query, _| {
                let mut octets = error(query, ResponseCode::NoError).to_vec().unwrap();
                octets[3] |= rcode;
                (octets[7], octets[9]) = (counts[0], counts[1]);
                octets.extend_from_slice(&records);
                said.lock().unwrap().clone_from(&octets);
                vec![Say::Octets(octets)]
            }
        })
        .await;
        let reply = forwarder().exchange(&question(), &[upstream.address]).await.unwrap();
        assert_eq!(reply, *said.lock().unwrap(), "{what}");
    }
}

#[tokio::test]
async fn the_longest_reply_comes_by_tcp() {
    let upstream = Server::start(|query, over| {
        let mut octets = error(query, ResponseCode::NoError).to_vec().unwrap();
        if over == Over::Udp {
            octets[2] |= 2;
        } else {
            let len = (65_535 - octets.len() - 12) as u16;
            octets[7] = 1;
            octets.extend_from_slice(b"\xc0\x0c\xff\x12\0\x01\0\0\0\x09");
            octets.extend_from_slice(&len.to_be_bytes());
            octets.resize(65_535, 7);
        }
        vec![Say::Octets(octets)]
    })
    .await;
    assert_eq!(forwarder().exchange(&question(), &[upstream.address]).await.unwrap().len(), 65_535);
}

/// The reply to the first attempt is heard although a second was made.
#[tokio::test]
async fn a_late_reply_is_still_a_reply() {
    let first = Mutex::new(None);
    let upstream = Server::start(move |query, _| match &mut *first.lock().unwrap() {
        Some(first) => say(&reply(first, [192, 0, 2, 1])),
        first => {
            *first = Some(query.clone());
            Vec::new()
        }
    })
    .await;
    // on one socket, as the upstream answers the one that it was asked from last
    let forwarder = Forwarder::new(&Limits { forward_sockets: 1, ..limits() });
    let reply = forwarder.exchange(&question(), &[upstream.address.clone()]).await.unwrap();
    assert_eq!(address(&Message::from_vec(&reply).unwrap()), "192.0.2.1");
    assert_eq!(upstream.asked(Over::Udp), 2);
}

#[tokio::test]
async fn questions_share_sockets_and_connections() {
    let upstream = Server::start(|query, over| {
        let mut message = reply(query, [192, 0, 2, 1]);
        message.metadata.truncation = over == Over::Udp;
        say(&message)
    })
    .await;
    let forwarder = Forwarder::new(&Limits { forward_sockets: 4, ..limits() });
    let upstreams = [upstream.address.clone()];
    for _ in 0..50 {
        forwarder.exchange(&question(), &upstreams).await.unwrap();
    }
    assert_eq!(upstream.ports.lock().unwrap().len(), 4);
    assert_eq!((upstream.connections.load(Ordering::SeqCst), upstream.asked(Over::Tcp)), (1, 50));
}

#[tokio::test]
async fn a_connection_that_was_closed_is_made_anew() {
    let upstream = Server::start(|query, over| {
        let mut message = reply(query, [192, 0, 2, 1]);
        message.metadata.truncation = over == Over::Udp;
        let mut all = say(&message);
        all.extend((over == Over::Tcp).then_some(Say::End));
        all
    })
    .await;
    let forwarder = forwarder();
    for _ in 0..5 {
        let reply = forwarder.exchange(&question(), &[upstream.address.clone()]).await.unwrap();
        assert!(!Message::from_vec(&reply).unwrap().metadata.truncation);
    }
}

#[tokio::test]
async fn too_many_for_one_upstream_are_turned_away() {
    let (upstream, second) = (silent().await, good().await);
    let forwarder = Forwarder::new(&Limits { forward_in_flight_per_upstream: 1, ..limits() });
    let waiting = tokio::spawn({
        let (forwarder, upstreams) = (forwarder.clone(), [upstream.address.clone()]);
        async move { forwarder.exchange(&question(), &upstreams).await }
    });
    while upstream.asked(Over::Udp) == 0 {
        tokio::task::yield_now().await;
    }
    let error = forwarder.exchange(&question(), &[upstream.address.clone()]).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} has too many questions waiting", upstream.address));
    let reply = forwarder.exchange(&question(), &[upstream.address.clone(), second.address.clone()]).await;
    assert!(reply.is_ok(), "another has room");
    assert!(waiting.await.unwrap().is_err());
    assert_eq!(upstream.asked(Over::Udp), 1, "that of the one that waited");
}

/// Down, it costs nobody's time; back, it is used at once.
#[tokio::test]
async fn an_upstream_goes_down_and_comes_back() {
    let alive = Arc::new(AtomicBool::new(false));
    let upstream = Server::start({
        let alive = Arc::clone(&alive);
        move |query, _| if alive.load(Ordering::SeqCst) { say(&reply(query, [192, 0, 2, 1])) } else { Vec::new() }
    })
    .await;
    let forwarder = forwarder();
    let upstreams = [upstream.address.clone()];
    let is_down = |error: &ForwardError| error.tried.iter().all(|tried| tried.failure == Failure::Down);
    let mut tries = 0;
    while !forwarder.exchange(&question(), &upstreams).await.is_err_and(|error| is_down(&error)) {
        tries += 1;
        assert!(tries < 20, "never down");
    }
    assert_eq!(forwarder.report()[0].state, State::Down);
    alive.store(true, Ordering::SeqCst);
    let mut tries = 0;
    while forwarder.exchange(&question(), &upstreams).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        tries += 1;
        assert!(tries < 1000, "never back");
    }
    let report = &forwarder.report()[0];
    assert_eq!(report.state, State::Up);
    assert!(report.failures > 0 && report.questions > report.failures && report.rtt.is_some());
}

/// The question itself is the probe, beside the upstream that is asked for it.
#[tokio::test]
async fn one_that_is_down_is_probed_while_another_answers() {
    let (dead, second) = (Arc::new(AtomicBool::new(true)), good().await);
    let first = Server::start({
        let dead = Arc::clone(&dead);
        move |query, _| if dead.load(Ordering::SeqCst) { Vec::new() } else { say(&reply(query, [192, 0, 2, 1])) }
    })
    .await;
    let forwarder = forwarder();
    while forwarder.report().first().is_none_or(|report| report.state != State::Down) {
        let _ = forwarder.exchange(&question(), &[first.address.clone()]).await;
    }
    dead.store(false, Ordering::SeqCst);
    let both = [first.address.clone(), second.address.clone()];
    let state = || forwarder.report().into_iter().find(|report| report.upstream == first.address).unwrap().state;
    for _ in 0..1000 {
        assert!(forwarder.exchange(&question(), &both).await.is_ok());
        tokio::time::sleep(Duration::from_millis(10)).await;
        if state() == State::Up {
            return;
        }
    }
    panic!("never back");
}

#[tokio::test]
async fn cookies_are_sent_back_and_wrong_ones_ignored() {
    let upstream = Server::start(|query, _| {
        let Some(sent) = cookie(query) else { return say(&error(query, ResponseCode::FormErr)) };
        let with = |mut message: Message, cookie: &[u8]| {
            let mut edns = hickory_proto::op::Edns::new();
            edns.options_mut().insert(EdnsOption::Unknown(10, cookie.to_vec()));
            message.edns = Some(edns);
            message
        };
        let ours = [&sent[..8], b"server-cookie-16"].concat();
        if sent.len() == 8 {
            // BADCOOKIE (RFC 7873 8)
            return say(&with(error(query, ResponseCode::BADCOOKIE), &ours));
        }
        assert_eq!(sent, ours, "it was sent back");
        let forged = with(reply(query, [203, 0, 113, 66]), b"guessed!server-cookie-16");
        [say(&forged), say(&with(reply(query, [192, 0, 2, 1]), &ours))].into_iter().flatten().collect()
    })
    .await;
    assert_eq!(address(&ask(&[upstream.address.clone()]).await.unwrap()), "192.0.2.1");
    assert_eq!((upstream.asked(Over::Udp), upstream.asked(Over::Tcp)), (2, 0));
}

/// Who has always given cookies and now does not may be somebody else: it has to say so by TCP.
#[tokio::test]
async fn a_reply_that_lost_its_cookie_is_not_believed() {
    let count = AtomicOnce::default();
    let upstream = Server::start(move |query, over| {
        let mut message = reply(query, if over == Over::Tcp { [192, 0, 2, 2] } else { [192, 0, 2, 1] });
        if count.first() {
            let mut edns = hickory_proto::op::Edns::new();
            edns.options_mut().insert(EdnsOption::Unknown(10, [&cookie(query).unwrap()[..8], b"server-8"].concat()));
            message.edns = Some(edns);
        }
        say(&message)
    })
    .await;
    let (forwarder, upstreams) = (forwarder(), [upstream.address.clone()]);
    for want in ["192.0.2.1", "192.0.2.2", "192.0.2.1"] {
        let reply = forwarder.exchange(&question(), &upstreams).await.unwrap();
        assert_eq!(address(&Message::from_vec(&reply).unwrap()), want, "it gave none by TCP: it gives none any more");
    }
}

#[tokio::test]
async fn letters_are_mixed_where_they_come_back() {
    let names = Arc::new(Mutex::new(Vec::new()));
    let seen = |names: &Arc<Mutex<Vec<String>>>, query: &Message| {
        names.lock().unwrap().push(query.queries[0].name().to_string());
    };
    let upstream = Server::start({
        let names = Arc::clone(&names);
        move |query, _| {
            seen(&names, query);
            say(&reply(query, [192, 0, 2, 1]))
        }
    })
    .await;
    let options = Options { mix_case: true, ..Options::default() };
    let forwarder = Forwarder::with(&limits(), options);
    for _ in 0..20 {
        let reply = forwarder.exchange(&question(), &[upstream.address.clone()]).await.unwrap();
        assert_eq!(Message::from_vec(&reply).unwrap().queries[0].name().to_string(), "Www.example.");
    }
    let mut sent = std::mem::take(&mut *names.lock().unwrap());
    sent.sort();
    sent.dedup();
    assert!(sent.len() > 10, "{sent:?}");

    let lowers = Server::start(move |query, _| {
        let mut octets = reply(query, [192, 0, 2, 1]).to_vec().unwrap();
        octets[12..25].make_ascii_lowercase();
        vec![Say::Octets(octets)]
    })
    .await;
    for _ in 0..20 {
        assert!(forwarder.exchange(&question(), &[lowers.address.clone()]).await.is_ok());
    }
    assert!((2..=5).contains(&lowers.asked(Over::Tcp)), "by TCP until it is known: {}", lowers.asked(Over::Tcp));
}

#[tokio::test]
async fn silence_to_edns_is_no_silence() {
    let upstream = Server::start(|query, _| match &query.edns {
        Some(_) => Vec::new(),
        None => say(&reply(query, [192, 0, 2, 1])),
    })
    .await;
    let (forwarder, upstreams) = (forwarder(), [upstream.address.clone()]);
    for _ in 0..5 {
        assert!(forwarder.exchange(&question(), &upstreams).await.is_ok());
    }
    assert_eq!(upstream.asked(Over::Udp), 2 * 3 + 2, "after three times it is known");
}

fn cookie(query: &Message) -> Option<Vec<u8>> {
    let all = query.edns.as_ref()?.options().as_ref().iter();
    let mut cookies = all.filter_map(|(code, option)| (u16::from(*code) == 10).then(|| Vec::<u8>::try_from(option)));
    cookies.next()?.ok()
}
