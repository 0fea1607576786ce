//! The scenarios of a forwarder's life, each with an upstream that behaves so.

use std::sync::Mutex;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};

use super::*;
use crate::config::Limits;
use crate::forward::testing::{
    AtomicOnce, Over, Say, ScriptedUpstream, address, ask, error, good, limits, question, reply, say, silent,
};

/// An address at which nobody listens.
fn nobody() -> Upstream {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().into()
}

/// An upstream that always says the same.
async fn always(code: ResponseCode) -> ScriptedUpstream {
    ScriptedUpstream::start(move |query, _| say(&error(query, code))).await
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
    let upstream = ScriptedUpstream::start(|query, _| {
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
    assert_eq!(address(&ask(upstream.alone()).await.unwrap()), "192.0.2.1");
    assert_eq!(upstream.asked(Over::Udp), 1, "it waited on");
}

#[tokio::test]
async fn a_truncated_reply_is_none() {
    for (tcp_says, why) in [(false, "timed out over TCP"), (true, "sent a truncated reply over TCP")] {
        let upstream = ScriptedUpstream::start(move |query, over| {
            let mut cut = reply(query, [192, 0, 2, 1]);
            cut.metadata.truncation = true;
            if over == Over::Udp || tcp_says { say(&cut) } else { Vec::new() }
        })
        .await;
        let error = ask(upstream.alone()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{} {why}", upstream.address));
        let second = good().await;
        let reply = ask(&[upstream.address.clone(), second.address.clone()]).await.unwrap();
        assert!(!reply.metadata.truncation && address(&reply) == "192.0.2.1", "another may have the whole");
    }
}

/// What an upstream has against our EDNS or cookie is no answer, and another is asked.
#[tokio::test]
async fn codes_between_neighbours_are_no_answers() {
    for code in [ResponseCode::BADVERS, ResponseCode::BADCOOKIE] {
        let upstream = ScriptedUpstream::start(move |query, _| {
            let mut reply = error(query, code);
            reply.edns = Some(hickory_proto::op::Edns::new());
            say(&reply)
        })
        .await;
        let second = good().await;
        let reply = ask(&[upstream.address.clone(), second.address.clone()]).await.unwrap();
        assert_eq!((reply.metadata.response_code, second.asked(Over::Udp)), (ResponseCode::NoError, 1), "{code}");
    }
}

#[tokio::test]
async fn another_answer_by_tcp_is_none() {
    let upstream = ScriptedUpstream::start(|query, over| {
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
    let error = ask(upstream.alone()).await.unwrap_err();
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
    let upstream = ScriptedUpstream::start(
        move |query, _| if count.first() { Vec::new() } else { say(&reply(query, [192, 0, 2, 1])) },
    )
    .await;
    assert_eq!(address(&ask(upstream.alone()).await.unwrap()), "192.0.2.1");
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
    let error = brief.ask(&question(), &upstreams).await.unwrap_err();
    assert!((1..=2).contains(&error.tried.len()), "{error}");
}

#[tokio::test]
async fn a_malformed_reply_is_no_reply() {
    let upstream = ScriptedUpstream::start(|query, _| {
        let mut octets = reply(query, [192, 0, 2, 1]).to_vec().unwrap();
        octets.truncate(octets.len() - 3);
        vec![Say::Octets(octets)]
    })
    .await;
    let second = good().await;
    assert_eq!(address(&ask(&[upstream.address.clone(), second.address.clone()]).await.unwrap()), "192.0.2.1");
    let error = ask(upstream.alone()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} sent a malformed reply", upstream.address.clone()));
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
        ask(upstream.alone()).await.unwrap();
    }
    let mut ids = upstream.ids.lock().unwrap().clone();
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() >= 18, "{ids:?}");
}

/// The reply to the first attempt is heard although a second was made.
#[tokio::test]
async fn a_late_reply_is_still_a_reply() {
    let first = Mutex::new(None);
    let upstream = ScriptedUpstream::start(move |query, _| match &mut *first.lock().unwrap() {
        Some(first) => say(&reply(first, [192, 0, 2, 1])),
        first => {
            *first = Some(query.clone());
            Vec::new()
        }
    })
    .await;
    // on one socket, as the upstream answers the one that it was asked from last
    let forwarder = Forwarder::new(&Limits { forward_sockets: 1, ..limits() });
    let reply = forwarder.ask(&question(), upstream.alone()).await.unwrap();
    assert_eq!(address(&Message::from_vec(&reply).unwrap()), "192.0.2.1");
    assert_eq!(upstream.asked(Over::Udp), 2);
}
