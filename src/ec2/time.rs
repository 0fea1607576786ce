//! Times: as they are kept, and as AWS writes them. Knows no clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

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

const DAY: u64 = 86_400;

/// `20150830T123600Z`, as in `X-Amz-Date`; times before 1970 are 1970.
pub fn amz_date(at: SystemTime) -> String {
    let CivilTime { year, month, day, hour, minute, second, .. } = CivilTime::of(at);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// `2015-08-30T12:36:00.000Z`, as EC2 writes times (ISO 8601); times before 1970 are 1970.
pub fn iso8601(at: SystemTime) -> String {
    let CivilTime { year, month, day, hour, minute, second, millisecond } = CivilTime::of(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// The time in `20150830T123600Z`; `None` if it is none, or before 1970.
pub fn parse_amz_date(text: &str) -> Option<SystemTime> {
    let octets = text.as_bytes();
    let shape = octets.len() == 16 && octets.get(8) == Some(&b'T') && octets.get(15) == Some(&b'Z');
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    if !shape || year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_1970(year, month, day);
    let at = UNIX_EPOCH + Duration::from_secs(days * DAY + hour * 3600 + minute * 60 + second);
    // a day that is not in the month comes out as another
    (amz_date(at) == text).then_some(at)
}

struct CivilTime {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    millisecond: u32,
}

impl CivilTime {
    fn of(at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs();
        let (year, month, day) = date(seconds / DAY);
        let of_day = seconds % DAY;
        Self {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            millisecond: since.subsec_millis(),
        }
    }
}

/// Days in 400 years, after which the Gregorian calendar repeats.
const ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: u64 = 719_468;

/// Year, month and day of a day counted from 1970-01-01. The year begins in March, so that a leap day ends it.
fn date(day: u64) -> (u64, u64, u64) {
    let day = day + EPOCH;
    let (era, of_era) = (day / ERA, day % ERA);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let next = u64::from(month >= 10);
    (era * 400 + year + next, month + 3 - 12 * next, of_month)
}

/// The inverse of `date`, for years from 1970 on.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + of_year;
    // day counts from 1
    days.saturating_sub(EPOCH + 1)
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

    /// Every day of 140 years comes back.
    #[test]
    fn every_day_is_one_day() {
        for day in 0..51_000 {
            let (year, month, of_month) = date(day);
            assert_eq!(days_since_1970(year, month, of_month), day);
        }
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
