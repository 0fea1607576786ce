//! The clock, against what others say: cookies (RFC 9018 4.3 has the server's time in them), signatures (RFC 4034 3.1.5).
//!
//! None of it is signed for us, so that a finding names its witness. Certificates have their own check.

use super::certificate::days;
use crate::doctor::facts::{HostFacts, ServerFacts};
use crate::doctor::finding::Finding;
use crate::doctor::reply::ReplyFacts;

const CHECK: &str = "clock";
/// Clocks this far apart are not worth a word: a round trip, and two clocks that drift.
const NOTICED_SECONDS: i64 = 30;
/// AWS refuses calls that were signed more than 5 minutes ago or ahead (AWS General Reference, SigV4), and RFC 9018 4.3
/// takes no cookie from so far ahead.
const HARMFUL_SECONDS: i64 = 300;
const REMEDY: &str = "`timedatectl`, `chronyc tracking` and a second server show which clock is wrong; AWS refuses calls signed 5 \
                      minutes off, and DNSSEC and TLS need the time";

pub(super) fn check(host: &HostFacts) -> Vec<Finding> {
    let replies = || {
        host.servers.iter().flat_map(|server| {
            [&server.plain, &server.edns, &server.dnssec, &server.tcp]
                .into_iter()
                .filter_map(move |asked| Some((server, asked.as_ref()?.as_ref().ok()?)))
        })
    };
    let skews: Vec<(&ServerFacts, i64)> =
        replies().filter_map(|(server, reply)| Some((server, skew(reply, host.now)?))).collect();
    if let Some((server, skew)) =
        skews.iter().max_by_key(|(_, skew)| skew.abs()).filter(|(_, skew)| skew.abs() > NOTICED_SECONDS)
    {
        let way = if *skew > 0 { "behind" } else { "ahead of" };
        let found =
            format!("this host's clock is {} {way} that of {}, by its cookie", seconds(skew.abs()), server.server);
        return vec![if skew.abs() > HARMFUL_SECONDS {
            Finding::problem(CHECK, found, REMEDY)
        } else {
            Finding::warning(CHECK, found, REMEDY)
        }];
    }
    let signed: Vec<(&ServerFacts, (u32, u32))> =
        replies().filter_map(|(server, reply)| Some((server, reply.signed?))).collect();
    if let Some((server, (from, to))) = signed.iter().find(|(_, signed)| !is_within(*signed, host.now)) {
        let found = format!(
            "signatures that {} hands on hold from {} to {}, and this host's clock says {}",
            server.server,
            date(i64::from(*from)),
            date(i64::from(*to)),
            date(host.now)
        );
        return vec![Finding::problem(CHECK, found, REMEDY)];
    }
    let now = date(host.now);
    vec![Finding::ok(
        CHECK,
        match (skews.first(), signed.first()) {
            (Some((server, skew)), _) => {
                format!("{now}, within {} of {}, by its cookie", seconds(skew.abs().max(1)), server.server)
            }
            (None, Some((server, _))) => {
                format!("{now}, within the time of the signatures that {} hands on", server.server)
            }
            (None, None) => format!("{now}; no reply had a clock or a signature to compare it with"),
        },
    )]
}

/// How far the server's clock is ahead of ours, in seconds; 32 bits of time wrap (RFC 1982).
fn skew(reply: &ReplyFacts, now: i64) -> Option<i64> {
    Some(difference(reply.cookie_time?, now))
}

fn is_within((from, to): (u32, u32), now: i64) -> bool {
    difference(from, now) <= 0 && difference(to, now) >= 0
}

fn difference(time: u32, now: i64) -> i64 {
    let now = now.rem_euclid(1 << 32) as u32;
    i64::from(time.wrapping_sub(now).cast_signed())
}

fn seconds(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => days(seconds),
    }
}

/// `2026-11-26 12:00:00 UTC`
pub(crate) fn date(unix: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(unix).map_or_else(
        |_| format!("{unix} s after 1970"),
        |at| {
            let (year, month, day) = at.to_calendar_date();
            let (hour, minute, second) = at.to_hms();
            format!("{year}-{:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC", u8::from(month))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::testing::{NOON, reply, shown, sound, upstream};

    #[test]
    fn witnesses_are_named() {
        let said = |cookie: Option<i64>, signed: Option<(i64, i64)>| {
            let at = |seconds: i64| u32::try_from(NOON + seconds).unwrap();
            let mut server = upstream("10.9.9.9:53");
            server.edns = Some(Ok(ReplyFacts {
                cookie_time: cookie.map(at),
                signed: signed.map(|(from, to)| (at(from), at(to))),
                ..reply()
            }));
            shown(&check(&HostFacts { servers: vec![server], ..sound() })).join("\n")
        };
        for (cookie, signed, words) in [
            (None, None, "ok clock: 2026-11-26 12:00:00 UTC; no reply had a clock"),
            (Some(2), Some((-9, 9)), "ok clock: 2026-11-26 12:00:00 UTC, within 2 s of 10.9.9.9:53, by its cookie"),
            (Some(-60), None, "WARNING clock: this host's clock is 60 s ahead of that of 10.9.9.9:53"),
            (Some(7200), None, "PROBLEM clock: this host's clock is 2 h behind that of 10.9.9.9:53"),
            (None, Some((-86_400, 86_400)), "ok clock: 2026-11-26 12:00:00 UTC, within the time of the signatures"),
            (
                None,
                Some((-86_400, -3600)),
                "hold from 2026-11-25 12:00:00 UTC to 2026-11-26 11:00:00 UTC, and this host's clock says",
            ),
        ] {
            let said = said(cookie, signed);
            assert!(said.contains(words), "{said}");
        }
        // past 2106 the 32 bits begin anew
        assert_eq!(difference(5, (1 << 32) + 3), 2);
    }
}
