//! What questions share: sockets, connections, and what is known about upstreams.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::serialize::binary::BinEncodable;

use super::*;
use crate::forward::testing::{
    Over, Say, ScriptedUpstream, error, forwarder, good, limits, question, reply, say, silent,
};
use crate::forward::{Failure, ForwardError, State};

#[tokio::test]
async fn questions_share_sockets_and_connections() {
    let upstream = ScriptedUpstream::start(|query, over| {
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
    let upstream = ScriptedUpstream::start(|query, over| {
        let mut message = reply(query, [192, 0, 2, 1]);
        message.metadata.truncation = over == Over::Udp;
        let mut all = say(&message);
        all.extend((over == Over::Tcp).then_some(Say::End));
        all
    })
    .await;
    let forwarder = forwarder();
    for _ in 0..5 {
        let reply = forwarder.exchange(&question(), upstream.alone()).await.unwrap();
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
    let error = forwarder.exchange(&question(), upstream.alone()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} has too many questions waiting", upstream.address));
    let reply = forwarder.exchange(&question(), &[upstream.address.clone(), second.address.clone()]).await;
    assert!(reply.is_ok(), "another has room");
    assert!(waiting.await.unwrap().is_err());
    assert_eq!(upstream.asked(Over::Udp), 2, "both tries of the one that waited");
}

/// Down, it costs nobody's time; back, it is used at once.
#[tokio::test]
async fn an_upstream_goes_down_and_comes_back() {
    let alive = Arc::new(AtomicBool::new(false));
    let upstream = ScriptedUpstream::start({
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
    let first = ScriptedUpstream::start({
        let dead = Arc::clone(&dead);
        move |query, _| if dead.load(Ordering::SeqCst) { Vec::new() } else { say(&reply(query, [192, 0, 2, 1])) }
    })
    .await;
    let forwarder = forwarder();
    while forwarder.report().first().is_none_or(|report| report.state != State::Down) {
        let _ = forwarder.exchange(&question(), first.alone()).await;
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

/// An upstream that asks us what it is asked, until it no longer does.
#[tokio::test]
async fn an_upstream_that_leads_back_is_taken_out() {
    let forwarder = forwarder();
    let upstream = ScriptedUpstream::start({
        let forwarder = forwarder.clone();
        move |query, _| {
            let name = query.queries[0].name().to_bytes().unwrap();
            // as our own front would
            assert!(!name.ends_with(b"\x08internal\0") || forwarder.is_own_probe(&name));
            say(&error(query, ResponseCode::ServFail))
        }
    })
    .await;
    let second = good().await;
    forwarder.set_upstreams([&upstream.address, &second.address].into_iter());
    let state = |address: &Upstream| {
        forwarder.report().into_iter().find(|report| report.upstream == *address).map(|report| report.state)
    };
    while state(&upstream.address) != Some(State::Loops) || second.asked(Over::Udp) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(state(&second.address), Some(State::Up));
    let before = upstream.asked(Over::Udp);
    let error = forwarder.exchange(&question(), upstream.alone()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} leads back to this server", upstream.address));
    let both = [upstream.address.clone(), second.address.clone()];
    assert!(forwarder.exchange(&question(), &both).await.is_ok());
    assert_eq!(upstream.asked(Over::Udp), before);
    forwarder.set_upstreams([&second.address].into_iter());
    assert_eq!(state(&upstream.address), None, "what is not used is forgotten");
}
