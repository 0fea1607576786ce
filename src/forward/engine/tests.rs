//! What questions share: sockets, connections, and what is known about upstreams.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::serialize::binary::BinEncodable;

use super::*;
use crate::forward::testing::{
    Over, Say, ScriptedUpstream, error, forwarder, good, limits, question, reply, say, silent,
};
use crate::forward::{Exchange, Failure, ForwardError, Repeated, UpstreamState};

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
        forwarder.ask(&question(), &upstreams).await.unwrap();
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
        let reply = forwarder.ask(&question(), upstream.alone()).await.unwrap();
        assert!(!Message::from_vec(&reply).unwrap().metadata.truncation);
    }
}

#[tokio::test]
async fn too_many_for_one_upstream_are_turned_away() {
    let (upstream, second) = (silent().await, good().await);
    let forwarder = Forwarder::new(&Limits { forward_in_flight_per_upstream: 1, ..limits() });
    let waiting = tokio::spawn({
        let (forwarder, upstreams) = (forwarder.clone(), [upstream.address.clone()]);
        async move { forwarder.ask(&question(), &upstreams).await }
    });
    while upstream.asked(Over::Udp) == 0 {
        tokio::task::yield_now().await;
    }
    let error = forwarder.ask(&question(), upstream.alone()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} has too many questions waiting", upstream.address));
    let reply = forwarder.ask(&question(), &[upstream.address.clone(), second.address.clone()]).await;
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
    while !forwarder.ask(&question(), &upstreams).await.is_err_and(|error| is_down(&error)) {
        tries += 1;
        assert!(tries < 20, "never down");
    }
    assert_eq!(forwarder.report()[0].state, UpstreamState::Down);
    alive.store(true, Ordering::SeqCst);
    let mut tries = 0;
    while forwarder.ask(&question(), &upstreams).await.is_err() {
        sleep(Duration::from_millis(10)).await;
        tries += 1;
        assert!(tries < 1000, "never back");
    }
    let report = &forwarder.report()[0];
    assert_eq!(report.state, UpstreamState::Up);
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
    while forwarder.report().first().is_none_or(|report| report.state != UpstreamState::Down) {
        let _ = forwarder.ask(&question(), first.alone()).await;
    }
    dead.store(false, Ordering::SeqCst);
    let both = [first.address.clone(), second.address.clone()];
    let state = || forwarder.report().into_iter().find(|report| report.upstream == first.address).unwrap().state;
    for _ in 0..1000 {
        assert!(forwarder.ask(&question(), &both).await.is_ok());
        sleep(Duration::from_millis(10)).await;
        if state() == UpstreamState::Up {
            return;
        }
    }
    panic!("never back");
}

/// An upstream that asks us what it is asked for one domain, and answers everything else.
#[tokio::test]
async fn a_question_that_leads_back_is_judged_alone() {
    let forwarder = forwarder();
    let (set, came_back) = (Arc::new(Mutex::new(Vec::<Upstream>::new())), Arc::new(AtomicBool::new(false)));
    let upstream = ScriptedUpstream::start({
        let (forwarder, set, came_back) = (forwarder.clone(), Arc::clone(&set), Arc::clone(&came_back));
        move |query, _| {
            let name = query.queries[0].name().to_bytes().unwrap();
            if forwarder.is_own_probe(&name, &set.lock().unwrap()) {
                came_back.store(true, Ordering::SeqCst);
                return say(&error(query, ResponseCode::ServFail));
            }
            let is_in_loop = name.to_ascii_lowercase().ends_with(question().name.to_ascii_lowercase().as_slice());
            // as one that waits for us, while we wait for it
            if is_in_loop { Vec::new() } else { say(&reply(query, [192, 0, 2, 1])) }
        }
    })
    .await;
    *set.lock().unwrap() = upstream.alone().to_vec();
    let upstreams: Arc<[Upstream]> = Arc::from(upstream.alone());
    let repeated = Repeated::default();
    repeated.note();
    let error = forwarder.exchange(&question(), &upstreams, &repeated).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} leads back to this server", upstream.address));
    assert!(came_back.load(Ordering::SeqCst) && !error.nobody_was_asked());
    let other = question().with_name(b"\x05other\x07example\0");
    assert!(forwarder.ask(&other, &upstreams).await.is_ok(), "another name of the same upstream");
    assert_eq!(forwarder.report()[0].state, UpstreamState::Up);
    let late = forwarder.ask(&question(), &upstreams).await.unwrap_err();
    assert_eq!(
        late.to_string(),
        format!("{} timed out", upstream.address),
        "without a sign of a loop, none is looked for"
    );
    forwarder.set_upstreams([].into_iter());
    assert_eq!(forwarder.report(), [], "what is not used is forgotten");
}

/// Whoever asks for names that are never answered, as often as they like, takes nothing from anybody else.
#[tokio::test]
async fn a_silent_domain_takes_nothing_from_others() {
    let upstream = ScriptedUpstream::start(|query, _| {
        let name = query.queries[0].name().to_string();
        if name.ends_with("evil.example.") { Vec::new() } else { say(&reply(query, [192, 0, 2, 1])) }
    })
    .await;
    let forwarder = Forwarder::new(&Limits { forward_in_flight_per_upstream: 128, ..limits() });
    let mut evil = tokio::task::JoinSet::new();
    let mut refused = 0;
    for round in 0..60_u32 {
        for n in 0..10_u32 {
            let (forwarder, upstreams) = (forwarder.clone(), [upstream.address.clone()]);
            evil.spawn(async move {
                let name =
                    [&b"\x08"[..], format!("{:08}", round * 10 + n).as_bytes(), b"\x04evil\x07example\0"].concat();
                forwarder.ask(&question().with_name(&name), &upstreams).await
            });
        }
        let name = [&b"\x04"[..], format!("{round:04}").as_bytes(), b"\x04good\x07example\0"].concat();
        if round % 4 == 0 {
            refused += usize::from(forwarder.ask(&question().with_name(&name), upstream.alone()).await.is_err());
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(refused, 0, "honest questions that failed");
    assert_ne!(forwarder.report()[0].state, UpstreamState::Down);
    let failed = evil.join_all().await;
    assert_eq!(failed.iter().filter(|reply| reply.is_ok()).count(), 0);
    assert!(
        failed.iter().any(|reply| reply.as_ref().is_err_and(|error| error.tried[0].failure == Failure::SilentDomain))
    );
}
