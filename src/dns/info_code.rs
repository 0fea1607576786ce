//! Extended errors: why an answer is what it is (IANA "Extended DNS Error Codes").

use super::registry::registry;

registry! {
    /// The INFO-CODE of an extended error (RFC 8914 2, 4).
    InfoCode, otherwise "EDE";
    /// None of the others (RFC 8914 4.1).
    OTHER = 0, "Other Error";
    /// The answer is older than its TTL (RFC 8914 4.4).
    STALE_ANSWER = 3, "Stale Answer";
    /// Nothing says whether the answer's signatures are right (RFC 8914 4.6).
    DNSSEC_INDETERMINATE = 5, "DNSSEC Indeterminate";
    /// The answer's signatures are wrong (RFC 8914 4.7).
    DNSSEC_BOGUS = 6, "DNSSEC Bogus";
    /// "Due to an internal security policy imposed by the operator of the server" (RFC 8914 4.16).
    BLOCKED = 15, "Blocked";
    /// The client may not ask this server (RFC 8914 4.19).
    PROHIBITED = 18, "Prohibited";
    /// The name did not exist, and the answer is older than its TTL (RFC 8914 4.20).
    STALE_NXDOMAIN_ANSWER = 19, "Stale NXDOMAIN Answer";
    /// The server knows nothing of the name and asks nobody (RFC 8914 4.21).
    NOT_AUTHORITATIVE = 20, "Not Authoritative";
    /// No upstream can be reached (RFC 8914 4.23).
    NO_REACHABLE_AUTHORITY = 22, "No Reachable Authority";
    /// An upstream cannot be talked to (RFC 8914 4.24).
    NETWORK_ERROR = 23, "Network Error";
    /// No record has the type that was asked for (IANA "Extended DNS Error Codes" 30).
    INVALID_QUERY_TYPE = 30, "Invalid Query Type";
}

/// Longest EXTRA-TEXT of ours in octets (RFC 8914 2).
///
/// With the longest name, header, question, OPT and cookies it makes 507 octets of the 512 that every client takes.
pub const MAX_EXTRA_TEXT: usize = 190;

/// An extended error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedError<'a> {
    /// What kind of error it is.
    pub code: InfoCode,
    /// The EXTRA-TEXT for people, cut at [`MAX_EXTRA_TEXT`] when it is written.
    pub text: &'a str,
}

/// The beginning of `text` that has at most `limit` octets, cut between characters: EXTRA-TEXT is UTF-8 (RFC 8914 2).
pub fn cut_text(text: &str, limit: usize) -> &str {
    (0..=limit.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut_text("short", MAX_EXTRA_TEXT), "short");
        assert_eq!(cut_text(&"x".repeat(300), MAX_EXTRA_TEXT).len(), 190);
        assert_eq!(cut_text("aé", 2), "a");
        assert_eq!(cut_text("é", 0), "");
    }
}
