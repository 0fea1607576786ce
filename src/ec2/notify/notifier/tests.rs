//! A notifier, an outbox in memory, and servers that play SNS and the webhook.

use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::time::UNIX_EPOCH;

use super::super::testing::{Got, HANGS, HandClock, MemoryOutbox, never, next, reply, serve};
use super::*;
use crate::config::{AccessKey, Secret};
use crate::ec2::auth::sigv4::{Credentials, Request, parameters};
use crate::ec2::auth::{AccessKeys, AccessPolicy, Principal, Refusal, authorize_for};
use crate::ec2::notify::TopicArn;
use crate::ec2::notify::notice::{Event, Notice};
use crate::ec2::notify::target::{Sns, Webhook};

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:VpceNotification";

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_504_642_481)
}

fn delivery(id: u64, target: Target) -> Delivery {
    let notice = Notice {
        event: Event::Connect,
        notification_id: "vpce-nfn-1".into(),
        vpc_endpoint_id: format!("vpce-{id}"),
        account_id: "123456789012".into(),
        service_id: None,
        service_name: "com.amazonaws.eu-west-1.ec2".into(),
        time: start(),
    };
    notice.delivery(id, target, TopicArn::parse(TOPIC).unwrap())
}

fn credentials() -> Credentials {
    Credentials { access_key_id: "AKPUBLISHER".into(), secret_access_key: Secret::new("hush"), session_token: None }
}

fn sns(url: impl std::fmt::Display) -> Targets {
    Targets { sns: Some(Sns::new(&url.to_string(), credentials()).unwrap()), webhook: None }
}

/// Polls so seldom that a test moves only when it is woken, and waits for answers on a machine however busy.
fn limits() -> NotifyLimits {
    NotifyLimits { poll: Duration::from_secs(3600), timeout: HANGS, ..NotifyLimits::default() }
}

/// A notifier that is running.
struct Running {
    waker: Waker,
    shared: Arc<NotifierState>,
    clock: HandClock,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn on(outbox: &Arc<MemoryOutbox>, targets: Targets, limits: NotifyLimits) -> Self {
        let clock = HandClock::at(start());
        let read = clock.clone();
        let outbox: Arc<dyn Outbox> = outbox.clone();
        let notifier = Notifier::with_clock(outbox, targets, limits, Arc::new(move || read.now())).unwrap();
        let (stop, stopped) = watch::channel(false);
        let (waker, shared) = (notifier.waker(), Arc::clone(&notifier.shared));
        Self { waker, shared, clock, stop, task: tokio::spawn(notifier.run(stopped)) }
    }

    /// Delivered, failed, given up.
    fn counts(&self) -> (u64, u64, u64) {
        let NotifyCounters { delivered, failed, given_up } = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(delivered), read(failed), read(given_up))
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
    }
}

/// Whether the server would take it for a request of the publisher.
fn verify(got: &Got, at: SystemTime) -> Result<Principal, Refusal> {
    let keys = AccessKeys::new([AccessKey {
        access_key_id: "AKPUBLISHER".into(),
        secret_access_key: Secret::new("hush"),
        account_id: "123456789012".into(),
        actions: vec![],
    }]);
    let Got { method, path, query, headers, body } = got;
    let request = Request { method, path, query, headers, body: body.as_bytes() };
    authorize_for(&["sns"], &AccessPolicy::Keys(keys), &request, at)
}

fn form(got: &Got) -> Vec<(String, String)> {
    let text = |octets| String::from_utf8(octets).unwrap();
    parameters(&got.body).map(|(key, value)| (text(key), text(value))).collect()
}

#[tokio::test]
async fn sns_gets_a_signed_publish() {
    let outbox = MemoryOutbox::new([delivery(1, Target::Sns)]);
    let (address, mut requests) = serve(|_| reply(200, "<PublishResponse/>")).await;
    let running =
        Running::on(&outbox, sns(format!("http://{address}/base path%2F/?x=1&a").replace(' ', "%20")), limits());
    let got = next(&mut requests).await;
    outbox.until_empty().await;
    let caller = verify(&got, start()).unwrap();
    assert_eq!(caller.region.as_deref(), Some("eu-west-1"), "the topic's region, not the endpoint's");
    assert_eq!((got.method.as_str(), got.path.as_str(), got.query.as_str()), ("POST", "/base%20path%2F/", "x=1&a"));
    assert_eq!(got.headers["content-type"], "application/x-www-form-urlencoded; charset=utf-8");
    let sent = delivery(1, Target::Sns);
    let expected = [
        ("Action", "Publish"),
        ("Version", "2010-03-31"),
        ("TopicArn", TOPIC),
        ("Subject", "VPC endpoint vpce-1: Connect"),
        ("Message", &sent.body),
    ];
    assert_eq!(form(&got), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(running.counts(), (1, 0, 0));
    running.stop().await;
}

#[tokio::test]
async fn the_webhook_gets_the_notice() {
    let outbox = MemoryOutbox::new([delivery(1, Target::Webhook)]);
    let (address, mut requests) = serve(|_| reply(204, "")).await;
    let webhook = Webhook::new(&format!("http://{address}/hook?token=1")).unwrap();
    let running = Running::on(&outbox, Targets { sns: None, webhook: Some(webhook) }, limits());
    let got = next(&mut requests).await;
    outbox.until_empty().await;
    assert_eq!(
        (got.path.as_str(), got.query.as_str(), &got.body),
        ("/hook", "token=1", &delivery(1, Target::Sns).body)
    );
    assert_eq!(got.headers["content-type"], "application/json");
    assert_eq!(got.headers["host"], address.to_string());
    running.stop().await;
}

#[tokio::test]
async fn what_fails_is_tried_again_later_until_it_is_taken() {
    let outbox = MemoryOutbox::new([delivery(1, Target::Sns)]);
    let failures = Arc::new(AtomicU32::new(3));
    let (address, mut requests) = serve(move |_| {
        let fails = failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        if fails { reply(503, "<Error>\n  <Code>Busy</Code>\n</Error>") } else { reply(200, "") }
    })
    .await;
    let running = Running::on(&outbox, sns(format!("http://{address}")), limits());
    for attempt in 1..=3 {
        next(&mut requests).await;
        outbox.until(|entries| entries[&1].delivery.attempts == attempt).await;
        let entry = outbox.entry(1);
        assert_eq!(entry.error, "503 Service Unavailable: <Error> <Code>Busy</Code> </Error>");
        let pause = entry.due.duration_since(running.clock.now()).unwrap();
        let whole = Duration::from_secs(1 << (attempt - 1));
        assert!((whole / 2..=whole).contains(&pause), "attempt {attempt}: {pause:?}");
        // nothing is due before
        let before = entry.due - Duration::from_millis(1);
        assert_eq!(outbox.due(Target::Sns, before, 9).unwrap(), []);
        running.clock.set(entry.due);
        running.waker.wake();
    }
    let got = next(&mut requests).await;
    outbox.until_empty().await;
    assert!(verify(&got, running.clock.now()).is_ok(), "signed anew");
    assert_eq!(running.counts(), (1, 3, 0));
    assert!(requests.try_recv().is_err(), "what is delivered is not sent again");
    running.stop().await;
}

#[tokio::test]
async fn what_nobody_takes_in_time_is_given_up() {
    let outbox = MemoryOutbox::new([delivery(1, Target::Sns)]);
    let (address, mut requests) = serve(|_| reply(403, "")).await;
    let running = Running::on(&outbox, sns(format!("http://{address}")), limits());
    next(&mut requests).await;
    outbox.until(|entries| entries[&1].delivery.attempts == 1).await;
    running.clock.set(start() + limits().backoff.max_age);
    running.waker.wake();
    next(&mut requests).await;
    outbox.until_empty().await;
    assert_eq!(running.counts(), (0, 2, 1));
    running.stop().await;
}

#[tokio::test]
async fn what_was_under_way_is_sent_again_after_a_restart() {
    let outbox = MemoryOutbox::new([delivery(1, Target::Sns)]);
    let (address, mut requests) = serve(|_| never()).await;
    let running = Running::on(&outbox, sns(format!("http://{address}")), limits());
    next(&mut requests).await;
    // waits for no answer
    running.stop().await;
    assert_eq!(outbox.entry(1).delivery.attempts, 0);
    let (address, mut requests) = serve(|_| reply(200, "")).await;
    let running = Running::on(&outbox, sns(format!("http://{address}")), limits());
    let got = next(&mut requests).await;
    outbox.until_empty().await;
    assert!(got.body.contains("vpce-1"));
    running.stop().await;
}

#[tokio::test]
async fn a_target_that_hangs_holds_up_no_other() {
    let deliveries = (0..100).map(|id| delivery(id, if id < 50 { Target::Webhook } else { Target::Sns }));
    let outbox = MemoryOutbox::new(deliveries);
    let (hanging, _requests) = serve(|_| never()).await;
    let (address, _taken) = serve(|_| reply(200, "")).await;
    let targets = Targets {
        webhook: Some(Webhook::new(&format!("http://{hanging}")).unwrap()),
        ..sns(format!("http://{address}"))
    };
    let running = Running::on(&outbox, targets, limits());
    outbox.until(|entries| entries.keys().all(|id| *id < 50)).await;
    assert_eq!((running.counts(), outbox.queued().unwrap()), ((50, 0, 0), 50));
    running.stop().await;
}

#[tokio::test]
async fn a_request_that_hangs_holds_up_no_other() {
    let outbox = MemoryOutbox::new((0..20).map(|id| delivery(id, Target::Sns)));
    let (address, _requests) = serve(|got| if got.body.contains("vpce-0%22") { never() } else { reply(200, "") }).await;
    let running = Running::on(&outbox, sns(format!("http://{address}")), NotifyLimits { concurrency: 2, ..limits() });
    outbox.until(|entries| entries.keys().eq(&[0])).await;
    running.stop().await;
}

#[tokio::test]
async fn so_many_are_under_way_and_each_once() {
    let outbox = MemoryOutbox::new((0..12).map(|id| delivery(id, Target::Sns)));
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, opened) = watch::channel(false);
    let counted = Arc::clone(&most);
    let (address, mut requests) = serve(move |_| {
        counted.fetch_max(1 + open.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        let (open, mut opened) = (Arc::clone(&open), opened.clone());
        Box::pin(async move {
            opened.wait_for(|opened| *opened).await.unwrap();
            open.fetch_sub(1, Ordering::SeqCst);
            (http::StatusCode::OK, String::new())
        })
    })
    .await;
    let running = Running::on(&outbox, sns(format!("http://{address}")), NotifyLimits { concurrency: 3, ..limits() });
    let mut bodies = HashSet::new();
    for _ in 0..3 {
        bodies.insert(next(&mut requests).await.body);
    }
    // asked again while three are under way, it sends none of them twice and no fourth
    running.waker.wake();
    running.waker.wake();
    gate.send(true).unwrap();
    outbox.until_empty().await;
    while let Ok(got) = requests.try_recv() {
        assert!(bodies.insert(got.body), "sent twice");
    }
    assert_eq!((bodies.len(), most.load(Ordering::SeqCst)), (12, 3));
    running.stop().await;
}

#[tokio::test]
async fn an_outbox_that_cannot_be_written_loses_nothing() {
    let outbox = MemoryOutbox::new([delivery(1, Target::Sns)]);
    outbox.fail_next(1);
    let (address, mut requests) = serve(|_| reply(200, "")).await;
    let pause = Duration::from_millis(1);
    let running = Running::on(&outbox, sns(format!("http://{address}")), NotifyLimits { pause, ..limits() });
    let first = next(&mut requests).await;
    let second = next(&mut requests).await;
    assert_eq!(form(&first), form(&second));
    outbox.until_empty().await;
    running.stop().await;
}

/// The reason that the outbox keeps of a delivery that failed.
async fn reason(url: &str, timeout: Duration) -> String {
    let outbox = MemoryOutbox::new([delivery(1, Target::Sns)]);
    let running = Running::on(&outbox, sns(url), NotifyLimits { timeout, ..limits() });
    outbox.until(|entries| entries[&1].delivery.attempts == 1).await;
    running.stop().await;
    outbox.entry(1).error
}

#[tokio::test]
async fn reasons_are_told() {
    let long = Duration::from_secs(10);
    let (address, _requests) = serve(|_| reply(307, "else\u{1b}[31m\nwhere")).await;
    assert_eq!(reason(&format!("http://{address}"), long).await, "307 Temporary Redirect: else\u{fffd}[31m where");
    let (address, _requests) = serve(|_| never()).await;
    let told = reason(&format!("http://{address}"), Duration::from_millis(50)).await;
    assert_eq!(told, "no response within 50 ms");
    // bound, and nobody listens
    let closed = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    closed.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let closed_at = closed.local_addr().unwrap().as_socket().unwrap();
    let told = reason(&format!("http://{closed_at}"), long).await;
    assert!(told.to_lowercase().contains("connection refused"), "{told}");
    // longer than is read, and longer than is told
    let (address, _requests) = serve(|_| reply(500, &"x".repeat(1 << 20))).await;
    let told = reason(&format!("http://{address}"), long).await;
    assert!(told.starts_with("500 Internal Server Error: ") && told.len() < 400, "{} octets", told.len());
}

#[tokio::test]
async fn metrics_count_what_is_done_and_what_waits() {
    let outbox = MemoryOutbox::new([delivery(1, Target::Sns), delivery(2, Target::Webhook)]);
    let (address, _requests) = serve(|_| reply(200, "")).await;
    let notifier = Notifier::new(outbox.clone(), sns(format!("http://{address}")), limits()).unwrap();
    let metrics = notifier.metrics();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(notifier.run(stopped));
    outbox.until(|entries| entries.len() == 1).await;
    let mut out = Exposition::default();
    metrics(&mut out);
    let text = out.text().unwrap();
    for line in [
        "vpcedns_notifications_delivered_total 1",
        "vpcedns_notifications_failed_total 0",
        "vpcedns_notifications_given_up_total 0",
        "vpcedns_notifications_queued 1",
    ] {
        assert!(text.lines().any(|said| said == line), "{line} is not in\n{text}");
    }
}
