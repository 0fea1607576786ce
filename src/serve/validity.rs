//! When an X.509 certificate begins and ends: the one field that rustls does not hand out (RFC 5280 4.1.2.5).

use time::{Date, Month, PrimitiveDateTime, Time};

/// Tags of DER (X.690 8).
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The first and the last second of a certificate in DER (Unix time); `None` where they cannot be read.
pub(super) fn validity(certificate: &[u8]) -> Option<(i64, i64)> {
    let (_, certificate, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut rest, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    // version, serial number, algorithm, issuer
    for wanted in [VERSION, INTEGER, SEQUENCE, SEQUENCE] {
        let (tag, _, after) = element(rest)?;
        match tag == wanted {
            true => rest = after,
            // version 1 is not said
            false if wanted == VERSION => {}
            false => return None,
        }
    }
    let (_, validity, _) = element(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (from_tag, from, after) = element(validity)?;
    let (to_tag, to, _) = element(after)?;
    Some((moment(from_tag, from)?, moment(to_tag, to)?))
}

/// The tag and content of the first element, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // so many octets of length follow
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// `YYMMDDHHMMSSZ`, of 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn moment(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = text.split_at_checked(match tag {
        UTC_TIME => 2,
        GENERALIZED_TIME => 4,
        _ => return None,
    })?;
    let year: i32 = year.parse().ok()?;
    let year = match tag {
        UTC_TIME if year < 50 => 2000 + year,
        UTC_TIME => 1900 + year,
        _ => year,
    };
    let mut pairs = rest.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok()?.parse::<u8>().ok());
    let mut pair = || pairs.next().flatten();
    let date = Date::from_calendar_date(year, Month::try_from(pair()?).ok()?, pair()?).ok()?;
    let time = Time::from_hms(pair()?, pair()?, pair()?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_certificate_are_read() {
        for (year, month, day, want) in [(2031, 2, 3, 1_927_843_200), (2060, 12, 31, 2_871_676_800)] {
            let mut params = rcgen::CertificateParams::new(vec!["dns.example".to_owned()]).unwrap();
            params.not_before = rcgen::date_time_ymd(2026, 1, 1);
            params.not_after = rcgen::date_time_ymd(year, month, day);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            assert_eq!(validity(certificate.der()), Some((1_767_225_600, want)), "{year}");
            // whatever is cut off or changed: no panic
            let der = certificate.der().to_vec();
            for length in 0..der.len() {
                validity(&der[..length]);
                let mut broken = der.clone();
                broken[length] ^= 0x7f;
                validity(&broken);
            }
        }
    }

    #[test]
    fn both_forms_of_a_time_are_read() {
        for (tag, text, want) in [
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "991331000000Z", None),
            (UTC_TIME, "9912310000", None),
            (SEQUENCE, "991231000000Z", None),
        ] {
            assert_eq!(moment(tag, text.as_bytes()), want, "{text}");
        }
    }
}
