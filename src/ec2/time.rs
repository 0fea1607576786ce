//! Times: as they are kept, and as AWS writes them. Knows no clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// A time in milliseconds since 1970, as it is kept on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// How long ago `earlier` was; zero if it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The time `ago` before this one, 1970 at the earliest.
    #[must_use]
    pub fn before(self, ago: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl From<SystemTime> for UnixMillis {
    fn from(at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<UnixMillis> for SystemTime {
    fn from(at: UnixMillis) -> Self {
        UNIX_EPOCH + Duration::from_millis(at.0)
    }
}

/// `20150830T123600Z`, as in `X-Amz-Date`; times before 1970 are 1970.
pub fn amz_date(at: SystemTime) -> String {
    let at = utc(at);
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// `2015-08-30T12:36:00.000Z`, as EC2 writes times (ISO 8601); times before 1970 are 1970.
pub fn iso8601(at: SystemTime) -> String {
    let at = utc(at);
    let (date, time) = (at.date(), at.time());
    // `Date` is written as 2015-08-30
    format!("{date}T{:02}:{:02}:{:02}.{:03}Z", time.hour(), time.minute(), time.second(), time.millisecond())
}

/// The time in `20150830T123600Z`; `None` if it is none, or before 1970.
pub fn parse_amz_date(text: &str) -> Option<SystemTime> {
    let octets = text.as_bytes();
    let number = |from: usize, to: usize| {
        let digits = octets.get(from..to)?;
        digits.iter().try_fold(0, |sum, octet| octet.is_ascii_digit().then(|| sum * 10 + u16::from(octet - b'0')))
    };
    let two = |from: usize| number(from, from + 2).and_then(|number| u8::try_from(number).ok());
    let date = Date::from_calendar_date(i32::from(number(0, 4)?), Month::try_from(two(4)?).ok()?, two(6)?).ok()?;
    let time = Time::from_hms(two(9)?, two(11)?, two(13)?).ok()?;
    let at = SystemTime::from(PrimitiveDateTime::new(date, time).assume_utc());
    // what stands between the numbers, and years before 1970, come out otherwise
    (amz_date(at) == text).then_some(at)
}

fn utc(at: SystemTime) -> OffsetDateTime {
    // a year beyond 9999 has no such form; nobody's clock says so
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    OffsetDateTime::UNIX_EPOCH.saturating_add(time::Duration::try_from(since).unwrap_or(time::Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Seconds from `date -u +%s`.
    #[test]
    fn times_are_written_and_read() {
        for (text, seconds) in [
            ("19700101T000000Z", 0),
            ("19991231T235959Z", 946_684_799),
            ("20000229T120000Z", 951_825_600),
            ("20150830T123600Z", 1_440_938_160),
            ("20240229T235959Z", 1_709_251_199),
            ("20240301T000000Z", 1_709_251_200),
            ("21000228T235959Z", 4_107_542_399),
            ("21000301T000000Z", 4_107_542_400),
        ] {
            assert_eq!(amz_date(at(seconds)), text);
            assert_eq!(parse_amz_date(text), Some(at(seconds)), "{text}");
        }
        let later = at(1_504_642_481) + Duration::from_millis(240);
        assert_eq!(iso8601(later), "2017-09-05T20:14:41.240Z");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "20150830T123600",
            "20150830T123600z",
            "2015-08-30T12:36Z",
            "20150229T000000Z",
            "20151301T000000Z",
            "20150001T000000Z",
            "20150100T000000Z",
            "20150830T240000Z",
            "20150830T126000Z",
            "+0150830T123600Z",
            "19691231T235959Z",
            "2015083\u{e9}123600Z",
        ] {
            assert_eq!(parse_amz_date(text), None, "{text}");
        }
    }
}
