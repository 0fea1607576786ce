//! Lookups with an upstream that does as it is told, and a clock that is turned by hand.

use std::net::SocketAddr;

use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

use super::*;
use crate::dns::DnsName;
use crate::forward::{Failure, Tried};
use crate::model::Upstream;

const UPSTREAM: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 53);

/// What an upstream says to its question number n, and after how long.
type ExchangeScript = dyn Fn(usize) -> (Duration, Result<u32, u8>) + Send + Sync;

/// Answers with one address, which is the number of the question, and the TTL or the error of the script; code 255:
/// not at all, 254: it could not be asked.
struct ScriptedExchange {
    script: Mutex<Box<ExchangeScript>>,
    asked: Mutex<Vec<(String, bool)>>,
    /// Why nobody can be asked.
    refusal: Mutex<Option<ForwardError>>,
}

impl Exchange for ScriptedExchange {
    async fn exchange(
        &self,
        question: &Outbound<'_>,
        _: &Arc<[Upstream]>,
        _: &Repeated,
    ) -> Result<Vec<u8>, ForwardError> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((
                DnsName::from_wire(question.name).unwrap().to_string(),
                question.edns && question.authentic_data,
            ));
            asked.len()
        };
        let (after, said) = self.script.lock().unwrap()(number);
        sleep(after).await;
        let head = |flags: u8, answers: u8| [0, 0, 0x81, flags, 0, 1, 0, answers, 0, 0, 0, 0];
        let question = [question.name, &[0, 1, 0, 1]].concat();
        match said {
            Ok(ttl) => {
                let record =
                    [&[0xc0, 12, 0, 1, 0, 1], &ttl.to_be_bytes()[..], &[0, 4, 192, 0, 2, number as u8]].concat();
                Ok([&head(0x80, 1)[..], &question, &record].concat())
            }
            Err(code @ 254..) => {
                let failure = if code == 255 { Failure::TimedOut } else { Failure::Local("no port".to_owned()) };
                Err(ForwardError { tried: vec![Tried { upstream: UPSTREAM.into(), failure, over_tcp: false }] })
            }
            Err(code) => Ok([&head(0x80 | code, 0)[..], &question].concat()),
        }
    }

    fn refusal(&self, _: &[u8], _: &[Upstream]) -> Option<ForwardError> {
        self.refusal.lock().unwrap().clone()
    }
}

struct LookupBench {
    lookup: Arc<Lookup<ScriptedExchange>>,
    set: Arc<UpstreamSet>,
}

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

impl LookupBench {
    fn new(script: impl Fn(usize) -> (Duration, Result<u32, u8>) + Send + Sync + 'static) -> Self {
        Self::with(&Limits::default(), script)
    }

    fn with(limits: &Limits, script: impl Fn(usize) -> (Duration, Result<u32, u8>) + Send + Sync + 'static) -> Self {
        let upstream = ScriptedExchange {
            script: Mutex::new(Box::new(script)),
            asked: Mutex::default(),
            refusal: Mutex::default(),
        };
        let lookup = Arc::new(Lookup::new(upstream, Arc::new(Cache::new(limits)), limits));
        let set = lookup.cache().upstreams(&Arc::from([UPSTREAM.into()]), false);
        Self { lookup, set }
    }

    fn says(&self, script: impl Fn(usize) -> (Duration, Result<u32, u8>) + Send + Sync + 'static) {
        *self.lookup.upstream.script.lock().unwrap() = Box::new(script);
    }

    fn asked(&self) -> usize {
        self.lookup.upstream.asked.lock().unwrap().len()
    }

    /// Asks in a task, as a client does: at once if that can be, and else in time.
    fn ask(&self, name: &str) -> JoinHandle<Answer> {
        let (lookup, set, name) = (self.lookup.clone(), self.set.clone(), name.parse::<DnsName>().unwrap());
        tokio::spawn(async move {
            let wanted = LookupQuestion {
                spelled: name.wire(),
                name: name.wire(),
                rtype: Rtype::A,
                dnssec_ok: false,
                checking_disabled: false,
                upstreams: &set,
                recorder: None,
            };
            let began = Instant::now();
            let now = lookup.now();
            let found = match lookup.find(&wanted, now).or_else(|| lookup.refuse(&wanted, now)) {
                Some(found) => found,
                None => lookup.resolve(&wanted).await,
            };
            let octets = found.entry.message(found.age, Rtype::A);
            let number = if found.entry.kind() == ReplyKind::Positive { octets.get(octets.len() - 12) } else { None };
            Answer {
                number: number.copied(),
                stale: matches!(found.age, Age::Stale(_)),
                after: began.elapsed(),
                text: String::from_utf8_lossy(&octets).into_owned(),
            }
        })
    }
}

#[derive(Debug)]
struct Answer {
    /// The number of the question to which this is the reply; none in a failure.
    number: Option<u8>,
    stale: bool,
    after: Duration,
    text: String,
}

impl Answer {
    fn what(&self) -> (Option<u8>, bool, u64) {
        (self.number, self.stale, u64::try_from(self.after.as_millis()).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn one_question_for_all_who_wait() {
    for ttl in [60, 0] {
        let bench = LookupBench::new(move |_| (ms(100), Ok(ttl)));
        let all: Vec<_> = (0..50).map(|_| bench.ask("www.example")).collect();
        let other = bench.ask("other.example");
        for one in all {
            assert_eq!(one.await.unwrap().what(), (Some(1), false, 100));
        }
        assert_eq!(other.await.unwrap().number, Some(2));
        // a TTL of 0 is for those who waited
        let (number, after) = if ttl == 0 { (3, 100) } else { (1, 0) };
        assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(number), false, after));
        let done = bench.lookup.counts();
        assert_eq!((done.misses, done.shared), (52 - u64::from(ttl > 0), 49));
        assert_eq!(done.forwarded, done.misses);
        assert!(bench.lookup.in_flight().is_empty());
        assert!(bench.lookup.upstream.asked.lock().unwrap().iter().all(|(_, edns_and_ad)| *edns_and_ad));
    }
}

#[tokio::test(start_paused = true)]
async fn who_asked_first_may_go_away() {
    let bench = LookupBench::new(|_| (ms(100), Ok(60)));
    let first = bench.ask("www.example");
    tokio::task::yield_now().await;
    let others = [bench.ask("www.example"), bench.ask("www.example")];
    tokio::task::yield_now().await;
    advance(ms(50)).await;
    first.abort();
    for other in others {
        assert_eq!(other.await.unwrap().what(), (Some(2), false, 150));
    }
    assert_eq!(bench.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_waits_so_long_and_no_longer_for_what_is_stale() {
    let bench = LookupBench::new(|number| (ms(if number == 1 { 0 } else { 3000 }), Ok(60)));
    assert_eq!(bench.ask("www.example").await.unwrap().number, Some(1));
    advance(Duration::from_secs(61)).await;
    assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(1), true, 1800));
    assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(1), true, 0), "one has waited for all");
    sleep(ms(1300)).await;
    assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(2), false, 0), "the refresh went on");
    assert_eq!(bench.asked(), 2);
    // an upstream that answers in time is waited for
    bench.says(|_| (ms(1000), Ok(60)));
    advance(Duration::from_secs(61)).await;
    assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(3), false, 1000));
    // and one that fails is not waited for any longer
    bench.says(|_| (ms(500), Err(2)));
    advance(Duration::from_secs(61)).await;
    assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(3), true, 500));
    assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(3), true, 0));
}

#[tokio::test(start_paused = true)]
async fn how_long_a_client_waits_is_a_setting() {
    for (wait, after) in [(700, 700), (0, 0)] {
        let script = |number| (ms(if number == 1 { 0 } else { 3000 }), Ok(60));
        let bench = LookupBench::with(&Limits { stale_wait: ms(wait), ..Limits::default() }, script);
        bench.ask("www.example").await.unwrap();
        advance(Duration::from_secs(61)).await;
        assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(1), true, after));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_fetched_before_it_runs_out() {
    let bench = LookupBench::new(|_| (ms(10), Ok(100)));
    bench.ask("www.example").await.unwrap();
    bench.ask("unloved.example").await.unwrap();
    advance(Duration::from_secs(91)).await;
    for _ in 0..5 {
        assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(1), false, 0));
    }
    sleep(ms(20)).await;
    assert_eq!((bench.asked(), bench.lookup.counts().prefetches), (3, 1));
    advance(Duration::from_secs(60)).await;
    assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(3), false, 0));
}

#[tokio::test(start_paused = true)]
async fn who_asks_after_a_change_does_not_join_who_asked_before() {
    let bench = LookupBench::new(|number| (ms(if number == 1 { 1000 } else { 10 }), Ok(60)));
    let before = bench.ask("www.example");
    tokio::task::yield_now().await;
    bench.lookup.cache().forget_below(&["example".parse().unwrap()]);
    assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(2), false, 10));
    assert_eq!(before.await.unwrap().what(), (Some(1), false, 1000));
    // what the first was told was asked before the change, and is not kept
    assert_ne!(bench.ask("www.example").await.unwrap().number, Some(1));
}

/// Refreshes that nobody waits for are few; names that have run out are many, and their clients wait.
#[tokio::test(start_paused = true)]
async fn however_many_have_run_out_none_is_stale_while_the_upstream_answers() {
    let bench = LookupBench::new(|_| (ms(100), Ok(60)));
    let names: Vec<String> = (0..3 * REFRESHES).map(|n| format!("n{n}.example")).collect();
    for seconds in [0, 61, 61] {
        advance(Duration::from_secs(seconds)).await;
        let all: Vec<_> = names.iter().chain(&names).map(|name| bench.ask(name)).collect();
        for one in all {
            let answer = one.await.unwrap();
            assert_eq!((answer.stale, answer.after), (false, ms(100)), "{answer:?}");
        }
    }
    assert_eq!(bench.asked(), 3 * names.len(), "once for both who ask");
}

#[tokio::test(start_paused = true)]
async fn what_is_our_own_fault_is_not_remembered() {
    let bench = LookupBench::new(|_| (ms(10), Err(254)));
    let failed = bench.ask("www.example").await.unwrap();
    assert!(failed.number.is_none() && failed.text.contains("could not be asked: no port"), "{failed:?}");
    bench.says(|_| (ms(10), Ok(100)));
    assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(2), false, 10));
    bench.says(|_| (ms(10), Err(254)));
    for (seconds, stale) in [(95, false), (10, true)] {
        advance(Duration::from_secs(seconds)).await;
        for _ in 0..2 {
            assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(2), stale, if stale { 10 } else { 0 }));
            sleep(ms(20)).await;
        }
    }
    assert_eq!(bench.asked(), 6, "each time anew, in the last tenth and after it");
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_be_asked_nobody_waits() {
    let bench = LookupBench::new(|_| (ms(10), Ok(60)));
    assert_eq!(bench.ask("www.example").await.unwrap().number, Some(1));
    let down = Tried { upstream: UPSTREAM.into(), failure: Failure::Down, over_tcp: false };
    *bench.lookup.upstream.refusal.lock().unwrap() = Some(ForwardError { tried: vec![down] });
    for (seconds, stale) in [(0, false), (61, true)] {
        advance(Duration::from_secs(seconds)).await;
        assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(1), stale, 0));
    }
    let failed = bench.ask("new.example").await.unwrap();
    assert!(failed.text.contains("127.0.0.1:53 is down"), "{failed:?}");
    let counts = bench.lookup.counts();
    assert_eq!((failed.what(), bench.asked(), counts.misses), ((None, false, 0), 1, 2));
    assert_eq!(counts.forwarded, 1, "what is refused is not forwarded");
    *bench.lookup.upstream.refusal.lock().unwrap() = None;
    assert_eq!(bench.ask("www.example").await.unwrap().what(), (Some(2), false, 10));
    assert_eq!(bench.ask("new.example").await.unwrap().what(), (Some(3), false, 10), "nothing is remembered of it");
    assert_eq!(bench.lookup.counts().forwarded, 3, "a stale reply that is refreshed counts, too");
}

/// Five minutes without an upstream: what is cached goes on, what is not fails at once and says why, and after its
/// return all is as it was.
#[tokio::test(start_paused = true)]
async fn an_outage() {
    const DEADLINE: Duration = Duration::from_secs(5);
    let bench = LookupBench::new(|_| (ms(10), Ok(60)));
    let cached: Vec<String> = (0..20).map(|n| format!("cached{n}.example")).collect();
    for name in &cached {
        assert_eq!(bench.ask(name).await.unwrap().after, ms(10));
    }
    bench.says(|_| (DEADLINE, Err(255)));
    let went = Instant::now();
    let (mut waits, mut failures) = (vec![0; cached.len()], 0);
    while went.elapsed() < Duration::from_secs(300) {
        for (waits, name) in waits.iter_mut().zip(&cached) {
            let answer = bench.ask(name).await.unwrap();
            assert!(answer.number.is_some(), "{name} at {:?}: {answer:?}", went.elapsed());
            assert!(answer.after <= ms(1800));
            *waits += usize::from(!answer.after.is_zero());
        }
        let failed = bench.ask("new.example").await.unwrap();
        assert_eq!(failed.number, None);
        assert!(failed.text.contains("127.0.0.1:53 timed out"), "{failed:?}");
        failures += usize::from(!failed.after.is_zero());
        advance(ms(700)).await;
    }
    // once in half a minute, one client of each name waits for the patience of one
    assert!(waits.iter().all(|waits| *waits <= 10), "{waits:?}");
    assert!(failures <= 9, "the time for which a failure is kept grows: {failures}");

    bench.says(|_| (ms(10), Ok(60)));
    assert_eq!(bench.ask("newer.example").await.unwrap().what(), (Some(bench.asked() as u8), false, 10));
    for name in cached.iter().map(String::as_str).chain(["new.example"]) {
        let mut answer = bench.ask(name).await.unwrap();
        if answer.stale && !answer.after.is_zero() {
            // it had joined a question that was asked while nobody answered
            answer = bench.ask(name).await.unwrap();
        }
        assert_eq!((answer.number.is_some(), answer.stale, answer.after), (true, false, ms(10)), "{name}: {answer:?}");
    }
}
