//! The certificate of --tls, --https and --quic: whether it is in force, and for which names.

use crate::doctor::facts::{CertificateFacts, HostFacts};
use crate::doctor::finding::Finding;
use crate::serve::certificates::DUE_SECONDS;

const CHECK: &str = "certificate";
const DAY: i64 = 86_400;

pub(super) fn check(host: &HostFacts) -> Vec<Finding> {
    let Some(certificate) = &host.certificate else { return Vec::new() };
    let CertificateFacts { file, flag, names, valid } = certificate;
    if names.is_empty() {
        // RFC 9525 2: the common name is no longer looked at
        let found = format!("{file}: names nobody (no subjectAltName): no client takes it");
        return vec![Finding::problem(
            CHECK,
            found,
            "request one whose subjectAltName has the server's name or address",
        )];
    }
    let names = names.join(", ");
    let Some((from, to)) = *valid else {
        return vec![Finding::warning(
            CHECK,
            format!("{file}: its validity cannot be read"),
            "`openssl x509 -noout -dates -in FILE` shows it",
        )];
    };
    let left = to - host.now;
    let renew = format!("renew it: {flag} reads the files again as soon as they change");
    vec![if host.now < from {
        let found =
            format!("{file}: is valid in {} only: its issuer's clock, or this host's, is wrong", days(from - host.now));
        Finding::problem(CHECK, found, "set the clock right, or wait")
    } else if left < 0 {
        Finding::problem(CHECK, format!("{file}: ended {} ago, for {names}", days(-left)), renew)
    } else if left < DUE_SECONDS {
        Finding::warning(CHECK, format!("{file}: ends in {}, for {names}", days(left)), renew)
    } else {
        Finding::ok(CHECK, format!("{file}: for {names}, ends in {}", days(left)))
    }]
}

/// `12 days`, or hours below two.
pub(super) fn days(seconds: i64) -> String {
    if seconds < 2 * DAY { format!("{} h", seconds / 3600) } else { format!("{} days", seconds / DAY) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::testing::{NOON, shown, sound};

    #[test]
    fn validity_and_names_are_judged() {
        let said = |names: &[&str], valid: Option<(i64, i64)>| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let certificate = CertificateFacts { file: "cert.pem".to_owned(), flag: "--tls", names, valid };
            shown(&check(&HostFacts { certificate: Some(certificate), ..sound() })).join("\n")
        };
        let names = &["dns.corp.example", "10.0.0.2"];
        for (names, valid, words) in [
            (
                &names[..],
                Some((NOON - DAY, NOON + 90 * DAY)),
                "ok certificate: cert.pem: for dns.corp.example, 10.0.0.2, ends in 90 days",
            ),
            (names, Some((NOON - 90 * DAY, NOON - 3600)), "PROBLEM certificate: cert.pem: ended 1 h ago"),
            (names, Some((NOON - 90 * DAY, NOON + 3 * DAY)), "WARNING certificate: cert.pem: ends in 3 days"),
            (names, Some((NOON + 3600, NOON + 90 * DAY)), "PROBLEM certificate: cert.pem: is valid in 1 h only"),
            (names, None, "WARNING certificate"),
            (&[], Some((0, NOON * 2)), "PROBLEM certificate: cert.pem: names nobody"),
        ] {
            let said = said(names, valid);
            assert!(said.contains(words), "{said}");
        }
    }
}
