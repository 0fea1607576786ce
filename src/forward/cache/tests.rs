use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::dns::Rtype;

const WWW: &[u8] = b"\x03www\x07example\0";

/// A reply to `name` A with one address; a TTL in seconds, or the code of an error.
fn reply(name: &[u8], said: Result<u32, u8>) -> Vec<u8> {
    let (flags, count): (u8, u8) = said.map_or_else(|code| (0x80 | code, 0), |_| (0x80, 1));
    let mut reply = [&[0, 1, 0x81, flags, 0, 1, 0, count, 0, 0, 0, 0], name, &[0, 1, 0, 1]].concat();
    if let Ok(ttl) = said {
        reply.extend_from_slice(&[&[0xc0, 12, 0, 1, 0, 1], &ttl.to_be_bytes()[..], &[0, 4, 192, 0, 2, 1]].concat());
    }
    reply
}

fn question(name: &[u8]) -> Vec<u8> {
    [name, &[0, 1, 0, 1]].concat()
}

struct Bench {
    cache: Cache,
    set: Arc<UpstreamSet>,
}

impl Bench {
    fn new(limits: &Limits) -> Self {
        let cache = Cache::new(limits);
        let set = cache.upstreams(&Arc::from([SocketAddr::from(([127, 0, 0, 1], 53)).into()]), false);
        Self { cache, set }
    }

    fn key<'a>(&'a self, name: &'a [u8]) -> CacheKey<'a> {
        CacheKey { name, rtype: Rtype::A, dnssec_ok: false, checking_disabled: false, upstreams: &self.set }
    }

    fn store(&self, name: &[u8], said: Result<u32, u8>, now: u64) {
        let entry = CachedReply::new(&reply(name, said), &question(name), self.cache.times(), now).unwrap();
        self.cache.store(&self.key(name), entry, self.cache.known(&self.set), now);
    }

    fn find(&self, name: &[u8], now: u64) -> Option<(Age, bool)> {
        self.cache.find(&self.key(name), now).map(|found| (found.age, found.refresh))
    }
}

const FRESH: Option<(Age, bool)> = Some((Age::Fresh(0), false));

#[test]
fn everything_that_shapes_an_answer_is_in_the_key() {
    let bench = Bench::new(&Limits::default());
    bench.store(WWW, Ok(60), 0);
    let key = bench.key(WWW);
    let other = bench.cache.upstreams(&Arc::from([SocketAddr::from(([127, 0, 0, 2], 53)).into()]), false);
    for key in [
        CacheKey { name: b"\x03wwx\x07example\0", ..key },
        CacheKey { rtype: Rtype::AAAA, ..key },
        CacheKey { dnssec_ok: true, ..key },
        CacheKey { checking_disabled: true, ..key },
        CacheKey { upstreams: &other, ..key },
    ] {
        assert!(bench.cache.find(&key, 0).is_none(), "{key:?}");
    }
    assert_eq!(bench.find(WWW, 0), FRESH);
    let same = bench.cache.upstreams(&Arc::from([SocketAddr::from(([127, 0, 0, 1], 53)).into()]), false);
    assert!(bench.cache.find(&CacheKey { upstreams: &same, ..key }, 0).is_some(), "another list of the same upstreams");
}

#[test]
fn fresh_then_prefetched_then_stale_then_gone() {
    let limits = Limits { stale: Duration::from_secs(100), ..Limits::default() };
    let bench = Bench::new(&limits);
    bench.store(WWW, Ok(60), 1000);
    assert_eq!(bench.find(WWW, 54_999), Some((Age::Fresh(53), false)));
    assert_eq!(bench.find(WWW, 55_000), Some((Age::Fresh(54), true)), "the last tenth");
    assert_eq!(bench.find(WWW, 55_000), Some((Age::Fresh(54), false)), "one is enough");
    assert_eq!(bench.find(WWW, 60_999), Some((Age::Fresh(59), false)));
    assert_eq!(bench.find(WWW, 61_000), Some((Age::Stale(30), true)));
    assert_eq!(bench.find(WWW, 160_999), Some((Age::Stale(30), true)));
    assert_eq!(bench.find(WWW, 161_000), None);
    assert_eq!(bench.cache.held().entries, 0, "what is of no use is not kept");
    for limits in [Limits { stale: Duration::ZERO, ..limits.clone() }, Limits { prefetch_percent: 0, ..limits }] {
        let bench = Bench::new(&limits);
        bench.store(WWW, Ok(60), 0);
        assert_eq!(bench.find(WWW, 59_999), Some((Age::Fresh(59), limits.prefetch_percent > 0)));
        assert_eq!(bench.find(WWW, 60_000).is_some(), !limits.stale.is_zero());
    }
}

#[test]
fn zero_means_zero() {
    let bench = Bench::new(&Limits::default());
    bench.store(WWW, Ok(60), 0);
    bench.store(WWW, Ok(0), 1);
    assert_eq!(bench.find(WWW, 1), None, "and what was there before is out of date");
    let off = Bench::new(&Limits { cache_size: 0, ..Limits::default() });
    off.store(WWW, Ok(60), 0);
    assert_eq!((off.find(WWW, 0), off.cache.held()), (None, CacheUsage::default()));
}

#[test]
fn failures_are_kept_for_longer_each_time() {
    let bench = Bench::new(&Limits::default());
    let mut now = 0;
    for seconds in [5, 10, 20, 40, 60, 60] {
        bench.store(WWW, Err(2), now);
        assert!(bench.find(WWW, now + seconds * 1000 - 1).is_some(), "{seconds}");
        now += seconds * 1000;
        assert_eq!(bench.find(WWW, now), None, "{seconds}");
    }
    bench.store(WWW, Ok(1), now);
    assert_eq!(bench.find(WWW, now), FRESH, "an answer takes the place of a failure");
    now += 100_000_000;
    bench.store(WWW, Err(2), now);
    assert_eq!(bench.find(WWW, now + 5000), None, "and counting begins anew");
}

#[test]
fn the_times_of_failures_and_stale_answers_are_settings() {
    let seconds = Duration::from_secs;
    let limits = Limits {
        cache_failure: seconds(1),
        cache_failure_most: seconds(3),
        stale_ttl: seconds(7),
        stale_retry: seconds(2),
        ..Limits::default()
    };
    let bench = Bench::new(&limits);
    let mut now = 0;
    for seconds in [1, 2, 3, 3] {
        bench.store(WWW, Err(2), now);
        assert!(bench.find(WWW, now + seconds * 1000 - 1).is_some(), "{seconds}");
        now += seconds * 1000;
        assert_eq!(bench.find(WWW, now), None, "{seconds}");
    }
    let bench = Bench::new(&limits);
    bench.store(WWW, Ok(60), 0);
    bench.store(WWW, Err(2), 61_000);
    assert_eq!(bench.find(WWW, 62_999), Some((Age::Stale(7), false)));
    assert_eq!(bench.find(WWW, 63_000), Some((Age::Stale(7), true)));
}

#[test]
fn a_failure_leaves_the_answer_that_was_there() {
    let bench = Bench::new(&Limits::default());
    bench.store(WWW, Ok(60), 0);
    bench.store(WWW, Err(5), 61_000);
    assert_eq!(bench.find(WWW, 61_000), Some((Age::Stale(30), false)), "at once, as nobody could say better");
    assert_eq!(bench.find(WWW, 90_999), Some((Age::Stale(30), false)));
    assert_eq!(bench.find(WWW, 91_000), Some((Age::Stale(30), true)), "time to try again");
    // a prefetch that fails is tried again, but not at once
    bench.store(WWW, Ok(60), 100_000);
    assert_eq!(bench.find(WWW, 155_000), Some((Age::Fresh(55), true)));
    bench.store(WWW, Err(2), 155_001);
    assert_eq!(bench.find(WWW, 159_000), Some((Age::Fresh(59), false)));
}

#[test]
fn the_end_of_an_outage_ends_its_failures() {
    let bench = Bench::new(&Limits::default());
    let names: Vec<Vec<u8>> = (b'a'..b'h').map(|letter| vec![1, letter, 0]).collect();
    bench.store(WWW, Ok(1), 0);
    bench.store(WWW, Err(2), 10_000);
    for name in &names {
        bench.store(name, Err(2), 10_000);
    }
    assert_eq!(bench.find(&names[0], 10_001), FRESH);
    assert_eq!(bench.find(WWW, 10_001), Some((Age::Stale(30), false)));
    bench.store(b"\x04good\0", Ok(60), 10_002);
    assert_eq!(bench.find(&names[0], 10_003), None, "it may succeed now");
    assert_eq!(bench.find(WWW, 10_003), Some((Age::Stale(30), true)));
    bench.store(&names[0], Err(2), 10_004);
    assert_eq!(bench.find(&names[0], 15_003), Some((Age::Fresh(4), false)));
    assert_eq!(bench.find(&names[0], 15_004), None, "a failure after the outage is a first one");

    // what was asked during an outage and fails after it says nothing about now
    for name in &names {
        bench.store(name, Err(2), 20_000);
    }
    let asked = bench.cache.known(&bench.set);
    bench.store(b"\x04good\0", Ok(60), 20_001);
    for name in [WWW, &names[1]] {
        let late = CachedReply::new(&reply(name, Err(2)), &question(name), bench.cache.times(), 20_002).unwrap();
        bench.cache.store(&bench.key(name), late, asked, 20_002);
        assert!(bench.find(name, 20_003).is_none_or(|(_, refresh)| refresh), "{name:?}");
    }
}

#[test]
fn a_change_of_hands_drops_what_is_from_before_and_nothing_else() {
    let bench = Bench::new(&Limits::default());
    let other: &[u8] = b"\x05other\0";
    bench.store(WWW, Ok(60), 0);
    bench.store(other, Ok(60), 0);
    let asked = bench.cache.known(&bench.set);
    bench.cache.forget_below(&["example".parse().unwrap()]);
    assert_eq!(bench.find(WWW, 0), None);
    assert_eq!(bench.find(other, 0), FRESH);
    // the reply to a question that was asked before the change comes in after it
    let late = CachedReply::new(&reply(WWW, Ok(60)), &question(WWW), bench.cache.times(), 1).unwrap();
    bench.cache.store(&bench.key(WWW), late, asked, 1);
    assert_eq!(bench.find(WWW, 1), None);
    bench.store(WWW, Ok(60), 2);
    assert!(bench.find(WWW, 2).is_some());
    // no names, no change
    let before = bench.cache.known(&bench.set);
    bench.cache.forget_below(&[]);
    assert_eq!(bench.cache.known(&bench.set), before);
}

#[test]
fn flushing_says_how_many_went() {
    let bench = Bench::new(&Limits::default());
    let name = |text: &str| text.parse::<DnsName>().unwrap();
    let fill = || {
        for text in ["example", "www.example", "a.www.example", "xexample"] {
            bench.store(name(text).wire(), Ok(60), 0);
        }
        // an alias that leads to it shows its records
        let alias = [&question(b"\x05alias\0")[..], b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x0d", WWW].concat();
        let alias = [&[0, 1, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0], &alias[..]].concat();
        let alias = [&alias[..], WWW, &[0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]].concat();
        let entry = CachedReply::new(&alias, &question(b"\x05alias\0"), bench.cache.times(), 0).unwrap();
        bench.cache.store(&bench.key(b"\x05alias\0"), entry, bench.cache.known(&bench.set), 0);
    };
    for (flush, gone, kept) in [
        (Flush::Name(name("www.example")), 2, "a.www.example"),
        (Flush::Zone(name("www.example")), 3, "example"),
        (Flush::Zone(name("example")), 4, "xexample"),
        (Flush::Name(name("nothing.example")), 0, "www.example"),
        (Flush::All, 5, ""),
    ] {
        fill();
        assert_eq!(bench.cache.flush(&flush), gone, "{flush:?}");
        assert_eq!(bench.cache.held().entries, 5 - gone as u64);
        assert!(kept.is_empty() || bench.find(name(kept).wire(), 0).is_some(), "{flush:?}");
    }
    let asked = bench.cache.known(&bench.set);
    bench.cache.flush(&Flush::Name(name("www.example")));
    let late = CachedReply::new(&reply(WWW, Ok(60)), &question(WWW), bench.cache.times(), 0).unwrap();
    bench.cache.store(&bench.key(WWW), late, asked, 0);
    assert_eq!(bench.find(WWW, 0), None, "what was asked before");
}

#[test]
fn memory_is_bounded_and_a_scan_leaves_what_is_used() {
    let bench = Bench::new(&Limits { cache_size: 1 << 20, ..Limits::default() });
    let name = |number: usize| [&[8], format!("{number:08}").as_bytes(), &[0]].concat();
    for number in 0..100 {
        bench.store(&name(number), Ok(60), 0);
    }
    for number in 100..50_000 {
        bench.store(&name(number), Ok(60), 0);
        let _ = bench.find(&name(number % 100), 0);
    }
    let held = bench.cache.held();
    assert!(held.octets <= 1 << 20 && held.octets > 1 << 19, "{held:?}");
    assert!(held.evictions > 40_000, "{held:?}");
    let kept = (0..100).filter(|number| bench.find(&name(*number), 0).is_some()).count();
    assert!(kept > 90, "{kept} of 100 names in use outlived a scan");
}

/// A reply to `name` with this code and an SOA of 60 s.
fn negative(bench: &Bench, key: &CacheKey<'_>, code: u8, now: u64) {
    let soa = b"\x07example\0\0\x06\0\x01\0\0\0\x3c\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x3c";
    let question = [key.name, &key.rtype.octets(), &[0, 1]].concat();
    let reply = [&[0, 1, 0x81, 0x80 | code, 0, 1, 0, 0, 0, 1, 0, 0][..], &question, soa].concat();
    let entry = CachedReply::new(&reply, &question, bench.cache.times(), now).unwrap();
    bench.cache.store(key, entry, bench.cache.known(&bench.set), now);
}

fn kind(bench: &Bench, key: &CacheKey<'_>, now: u64) -> Option<(ReplyKind, Age)> {
    bench.cache.find(key, now).map(|found| (found.entry.kind(), found.age))
}

/// RFC 2308 5: what does not exist has records of no type.
#[test]
fn a_name_that_does_not_exist_has_nothing_of_any_type() {
    let bench = Bench::new(&Limits::default());
    let [a, aaaa] = [Rtype::A, Rtype::AAAA].map(|rtype| CacheKey { rtype, ..bench.key(WWW) });
    let gone = |age| Some((ReplyKind::NoName, Age::Fresh(age)));
    negative(&bench, &a, 3, 0);
    assert_eq!((kind(&bench, &a, 0), kind(&bench, &aaaa, 2000)), (gone(0), gone(2)));
    let message = bench.cache.find(&aaaa, 0).unwrap().entry.message(Age::Fresh(0), Rtype::AAAA);
    assert_eq!(message[12..29], *b"\x03www\x07example\0\0\x1c\0\x01", "it is the reply to the question at hand");
    assert_eq!(kind(&bench, &CacheKey { dnssec_ok: true, ..aaaa }, 0), None, "signatures are another question");
    assert_eq!(bench.cache.held().entries, 1);

    negative(&bench, &aaaa, 0, 3000);
    assert_eq!(kind(&bench, &aaaa, 3000), Some((ReplyKind::NoData, Age::Fresh(0))));
    assert_eq!(kind(&bench, &a, 3000), None, "since then it exists");
    negative(&bench, &a, 3, 4000);
    negative(&bench, &aaaa, 3, 5000);
    assert_eq!((kind(&bench, &a, 5000), kind(&bench, &aaaa, 5000)), (gone(0), gone(0)));
    assert_eq!(bench.cache.held().entries, 1, "it took the place of all others");
}

#[test]
fn what_is_known_of_a_name_is_weighed_against_what_is_known_of_a_type() {
    let bench = Bench::new(&Limits::default());
    let [a, aaaa] = [Rtype::A, Rtype::AAAA].map(|rtype| CacheKey { rtype, ..bench.key(WWW) });
    bench.store(WWW, Ok(10), 0);
    negative(&bench, &aaaa, 3, 5000);
    assert_eq!(kind(&bench, &a, 6000).unwrap().0, ReplyKind::Positive, "until its time is over");
    assert_eq!(kind(&bench, &a, 11_000).unwrap().0, ReplyKind::NoName, "what is fresh is better than what is stale");
    assert_eq!(kind(&bench, &a, 70_000), Some((ReplyKind::NoName, Age::Stale(30))), "of two that are stale the newer");
    bench.store(WWW, Err(2), 71_000);
    assert_eq!(kind(&bench, &a, 71_000).unwrap().0, ReplyKind::NoName, "a failure takes the place of no answer");

    let bench = Bench::new(&Limits::default());
    let [a, aaaa] = [Rtype::A, Rtype::AAAA].map(|rtype| CacheKey { rtype, ..bench.key(WWW) });
    bench.store(WWW, Err(2), 0);
    negative(&bench, &aaaa, 3, 1000);
    assert_eq!(kind(&bench, &a, 1000).unwrap().0, ReplyKind::NoName, "what is known is better than a failure");
    bench.cache.forget_below([&"example".parse().unwrap()]);
    assert_eq!(kind(&bench, &a, 1000), None);
}

/// RFC 8020 2, where the settings say so.
#[test]
fn nothing_is_below_a_name_that_does_not_exist() {
    let deep: &[u8] = b"\x01a\x01b\x03www\x07example\0";
    for cut in [0, 1] {
        let bench = Bench::new(&Limits { cache_nxdomain_cut: cut, ..Limits::default() });
        negative(&bench, &bench.key(WWW), 3, 0);
        let below = bench.cache.find(&CacheKey { rtype: Rtype::TXT, ..bench.key(deep) }, 7000);
        assert_eq!(below.is_some(), cut > 0);
        assert_eq!(kind(&bench, &bench.key(b"\x04www2\x07example\0"), 0), None, "beside it");
        assert_eq!(kind(&bench, &bench.key(b"\x07example\0"), 0), None, "above it");
        if let Some(CacheHit { entry, age, .. }) = below {
            let message = hickory_proto::op::Message::from_vec(&entry.message(age, Rtype::TXT)).unwrap();
            assert_eq!(message.queries[0].to_string(), "a.b.www.example. IN TXT");
            assert_eq!(
                (message.metadata.response_code.low(), message.authorities[0].ttl),
                (3, 53),
                "what is left of it"
            );
            assert_eq!(message.authorities[0].name.to_string(), "example.");
            assert_eq!(kind(&bench, &bench.key(deep), 60_000), None, "only while it is fresh");
            bench.cache.forget_below([&"b.www.example".parse().unwrap()]);
            assert!(kind(&bench, &bench.key(deep), 7000).is_none(), "it changed hands");
            assert!(kind(&bench, &bench.key(b"\x01c\x03www\x07example\0"), 7000).is_some());
        }
    }
    let bench = Bench::new(&Limits { cache_nxdomain_cut: 1, ..Limits::default() });
    negative(&bench, &bench.key(WWW), 0, 0);
    assert_eq!(kind(&bench, &bench.key(deep), 0), None, "no data is not no name");
}
