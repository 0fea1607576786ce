//! What happens to one question on its way out, for whoever wants to see it (`vpcedns trace`).
//!
//! The code that answers questions tells a recorder where one came along with the question. Without one, which is always but for
//! a trace, nothing is looked up, formatted or allocated for it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Keeps what happens to a question, in order.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    events: Mutex<Vec<RecordedEvent>>,
}

/// Something that happened, and when.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct RecordedEvent {
    /// Milliseconds since the question was asked.
    pub at_ms: f64,
    /// What it was.
    #[serde(flatten)]
    pub what: LiveEvent,
}

/// Something that happened to a question. `Display` gives it in one line.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum LiveEvent {
    /// The rules decided about a name.
    Decided {
        /// The name.
        name: String,
        /// The type.
        #[serde(rename = "type")]
        rtype: String,
        /// What was looked at, in order.
        steps: Vec<String>,
        /// The response code of an answer out of the zones; none: others are asked.
        rcode: Option<String>,
        /// The rule that decided.
        reason: String,
    },
    /// An alias in a reply leads to a name.
    Alias {
        /// The name.
        name: String,
        /// What the client is told of it.
        outcome: String,
        /// What was looked at, in order.
        steps: Vec<String>,
    },
    /// The cache was looked into.
    Cache {
        /// The name.
        name: String,
        /// The type.
        #[serde(rename = "type")]
        rtype: String,
        /// What it holds.
        #[serde(flatten)]
        found: CacheFinding,
    },
    /// Another client's question is the same, and its reply is awaited.
    Shared,
    /// What is known of an upstream at this moment.
    Upstream {
        /// The upstream.
        upstream: String,
        /// `up`, `doubtful` or `down`.
        state: String,
        /// Its smoothed round trip, once there was a reply.
        rtt_ms: Option<f64>,
        /// Why it is in this state.
        why: String,
        /// Whether the question may go there now.
        asked: bool,
    },
    /// No reply has come in the time in which one was to be expected: the question goes on beside it.
    Late {
        /// The upstream.
        upstream: String,
        /// Milliseconds since it was asked.
        after_ms: f64,
    },
    /// An upstream's reply.
    Reply {
        /// The upstream.
        upstream: String,
        /// Milliseconds since it was asked.
        took_ms: f64,
        /// Whether TCP was needed, as the reply by UDP was truncated.
        over_tcp: bool,
        /// The response code.
        rcode: String,
        /// Records of the answer section.
        answers: u16,
    },
    /// An upstream gave no reply.
    NoReply {
        /// The upstream.
        upstream: String,
        /// Milliseconds since it was asked.
        took_ms: f64,
        /// Whether it was asked by TCP, as its reply by UDP was truncated.
        over_tcp: bool,
        /// Why there is none.
        why: String,
    },
    /// What came of DNSSEC validation.
    Validated {
        /// `secure`, `insecure`, `bogus`, or `off` where the question is not validated although that is wanted.
        verdict: String,
        /// The reason, where there is one.
        why: Option<String>,
        /// Whether it is what was found when the reply was stored.
        cached: bool,
    },
    /// What came of the question is stored.
    Kept {
        /// Seconds for which it is.
        seconds: u64,
    },
    /// No upstream answered in time: the reply whose time is over is given.
    Stale,
    /// Name servers to which a zone is delegated are asked.
    Referral {
        /// The zone.
        zone: String,
        /// Its name servers.
        servers: Vec<String>,
    },
    /// An answer is made of other records (DNS64).
    Translated {
        /// The records.
        from: String,
    },
    /// The reply is not handed on.
    Withheld {
        /// Why.
        why: String,
    },
}

/// What the cache holds for a question.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(tag = "found", rename_all = "snake_case")]
pub enum CacheFinding {
    /// Nothing.
    Nothing,
    /// A reply.
    Fresh {
        /// Seconds since it was stored.
        age_s: u64,
        /// Seconds for which it holds yet.
        left_s: u64,
        /// Whether it is fetched anew in the background, as its time is nearly over.
        refresh: bool,
    },
    /// A reply whose time is over.
    Stale {
        /// Seconds since it was stored.
        age_s: u64,
        /// Whether the upstreams are asked again; else that failed a short while ago.
        refresh: bool,
    },
    /// That there was no reply, or an error.
    Failure {
        /// Seconds since then.
        age_s: u64,
        /// Seconds before the upstreams are asked again.
        left_s: u64,
    },
}

impl Recorder {
    /// Of a question that is asked now.
    #[expect(clippy::new_without_default, reason = "its time begins here")]
    pub fn new() -> Self {
        Self { began: Instant::now(), events: Mutex::default() }
    }

    /// Keeps what happens now.
    pub fn record(&self, what: LiveEvent) {
        let at_ms = milliseconds(self.began.elapsed());
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(RecordedEvent { at_ms, what });
    }

    /// Keeps what is known of the alias to a name, once: several rules look at it.
    pub fn alias(&self, name: &str, what: impl FnOnce() -> LiveEvent) {
        let is_known =
            |event: &RecordedEvent| matches!(&event.what, LiveEvent::Alias { name: known, .. } if known == name);
        if !self.events.lock().unwrap_or_else(PoisonError::into_inner).iter().any(is_known) {
            self.record(what());
        }
    }

    /// All that happened, and the time since the question was asked, in milliseconds.
    pub fn end(&self) -> (Vec<RecordedEvent>, f64) {
        let took = milliseconds(self.began.elapsed());
        (std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner)), took)
    }
}

/// Tells a recorder what happens, where there is one.
#[inline]
pub fn record(recorder: Option<&Arc<Recorder>>, what: impl FnOnce() -> LiveEvent) {
    if let Some(recorder) = recorder {
        recorder.record(what());
    }
}

/// To the microsecond.
pub fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

impl fmt::Display for LiveEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = |over_tcp: bool| if over_tcp { " over TCP" } else { "" };
        match self {
            Self::Decided { name, rtype, rcode: Some(rcode), reason, .. } => {
                write!(f, "{name} {rtype}: answered here, {rcode}: {reason}")
            }
            Self::Decided { name, rtype, reason, .. } => write!(f, "{name} {rtype}: others are asked: {reason}"),
            Self::Alias { name, outcome, .. } => write!(f, "an alias leads to {name}: {outcome}"),
            Self::Cache { name, rtype, found } => write!(f, "cache, {name} {rtype}: {found}"),
            Self::Shared => f.write_str("another client has just asked the same: its reply is awaited"),
            Self::Upstream { upstream, state, rtt_ms, why, asked } => {
                write!(f, "{upstream} is {state}")?;
                if let Some(rtt) = rtt_ms {
                    write!(f, ", {rtt:.1} ms")?;
                }
                write!(f, ": {why}{}", if *asked { "" } else { "; not asked" })
            }
            Self::Late { upstream, after_ms } => write!(f, "{upstream}: no reply after {after_ms:.1} ms"),
            Self::Reply { upstream, took_ms, over_tcp, rcode, answers } => {
                let records = if *answers == 1 { "record" } else { "records" };
                write!(f, "{upstream} replied{} after {took_ms:.1} ms: {rcode}, {answers} {records}", over(*over_tcp))
            }
            Self::NoReply { upstream, took_ms, over_tcp, why } => {
                write!(f, "{upstream} {why}{} after {took_ms:.1} ms", over(*over_tcp))
            }
            Self::Validated { verdict, why, cached } => {
                write!(f, "DNSSEC: {verdict}")?;
                why.iter().try_for_each(|why| write!(f, ": {why}"))?;
                f.write_str(if *cached { ", when it was stored" } else { "" })
            }
            Self::Kept { seconds } => write!(f, "cache: kept for {seconds} s"),
            Self::Stale => f.write_str("no upstream answered in time: the reply whose time is over is given"),
            Self::Referral { zone, servers } => write!(f, "{zone} is delegated to {}", servers.join(", ")),
            Self::Translated { from } => write!(f, "DNS64: made of {from}"),
            Self::Withheld { why } => write!(f, "the reply is not handed on: {why}"),
        }
    }
}

impl fmt::Display for CacheFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing is stored"),
            Self::Fresh { age_s, left_s, refresh } => {
                let refresh = if *refresh { "; it is fetched anew in the background" } else { "" };
                write!(f, "a reply {age_s} s old, good for another {left_s} s{refresh}")
            }
            Self::Stale { age_s, refresh: true } => write!(f, "a reply {age_s} s old, whose time is over: asked again"),
            Self::Stale { age_s, .. } => {
                write!(f, "a reply {age_s} s old, whose time is over: no upstream answered a short while ago")
            }
            Self::Failure { age_s, left_s } => {
                write!(f, "a failure {age_s} s old; the upstreams are asked again in {left_s} s")
            }
        }
    }
}
