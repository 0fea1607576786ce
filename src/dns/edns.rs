//! EDNS: the OPT record and its options (RFC 6891).

use super::class::Class;
use super::info_code::{ExtendedError, MAX_EXTRA_TEXT, cut_text};
use super::octets::u16_at;
use super::option_code::OptionCode;
use super::rcode::Rcode;
use super::rtype::Rtype;
use super::writer::Writer;

/// Octets of an OPT record without options (RFC 6891 6.1.2).
pub const OPT_LEN: usize = 11;
/// Octets of an option before its data: code and length (RFC 6891 6.1.2).
pub const OPTION_HEAD: usize = 4;
/// Octets of a datagram that pass everywhere in one piece (DNS flag day 2020): the payload size that upstreams are told.
/// Clients are told `udp_payload` of the settings.
pub const SAFE_PAYLOAD: u16 = 1232;
/// DO among the lower sixteen bits of an OPT record's TTL (RFC 3225 3).
const DNSSEC_OK: u16 = 0x8000;

/// What an OPT record says beside its options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opt {
    /// The largest datagram that its sender takes, in octets (RFC 6891 6.2.3).
    pub payload: u16,
    /// The upper eight bits of the response code (RFC 6891 6.1.3).
    pub upper_rcode: u8,
    /// The version of EDNS (RFC 6891 6.1.3).
    pub version: u8,
    /// DO: its sender wants DNSSEC records (RFC 3225 3).
    pub dnssec_ok: bool,
}

impl Opt {
    /// What an OPT record of this class and TTL says.
    pub fn of(class: Class, ttl: u32) -> Self {
        let [upper_rcode, version, f0, f1] = ttl.to_be_bytes();
        let dnssec_ok = u16::from_be_bytes([f0, f1]) & DNSSEC_OK != 0;
        Self { payload: class.number(), upper_rcode, version, dnssec_ok }
    }

    /// Our own, of version 0.
    pub fn ours(payload: u16, rcode: Rcode, dnssec_ok: bool) -> Self {
        Self { payload, upper_rcode: rcode.in_opt(), version: 0, dnssec_ok }
    }

    /// The record up to its options, of which there are `options_len` octets.
    pub fn octets(self, options_len: u16) -> [u8; OPT_LEN] {
        let [t0, t1] = Rtype::OPT.octets();
        let [p0, p1] = self.payload.to_be_bytes();
        let [f0, f1] = if self.dnssec_ok { DNSSEC_OK.to_be_bytes() } else { [0, 0] };
        let [l0, l1] = options_len.to_be_bytes();
        // the owner is the root
        [0, t0, t1, p0, p1, self.upper_rcode, self.version, f0, f1, l0, l1]
    }
}

/// EDNS options, each with its code and its data (RFC 6891 6.1.2); ends at the first that is malformed.
pub fn each_option(mut options: &[u8]) -> impl Iterator<Item = (OptionCode, &[u8])> {
    std::iter::from_fn(move || {
        let (code, len) = (u16_at(options, 0)?, usize::from(u16_at(options, 2)?));
        let data = options.get(OPTION_HEAD..OPTION_HEAD + len)?;
        options = options.get(OPTION_HEAD + len..)?;
        Some((OptionCode::new(code), data))
    })
}

/// The data of the extended errors among EDNS options.
pub fn extended_errors(options: &[u8]) -> impl Iterator<Item = &[u8]> {
    each_option(options)
        .filter(|(code, data)| *code == OptionCode::EXTENDED_ERROR && data.len() >= 2)
        .map(|(_, data)| data)
}

/// Octets of a client's cookie (RFC 7873 4).
pub const CLIENT_COOKIE: usize = 8;

/// The cookies among EDNS options: the client's, and the server's behind it (RFC 7873 4).
pub fn cookie_in(options: &[u8]) -> Option<&[u8]> {
    each_option(options).find(|(code, _)| *code == OptionCode::COOKIE).map(|(_, data)| data)
}

/// Appends an option to a list of them.
pub fn push_option(options: &mut Vec<u8>, code: OptionCode, data: &[u8]) {
    options.extend_from_slice(&code.octets());
    options.extend_from_slice(&(data.len() as u16).to_be_bytes());
    options.extend_from_slice(data);
}

/// Writes an option whose data is in two pieces; nothing of it, returning false, where it does not fit.
pub fn put_option(writer: &mut Writer<'_>, code: OptionCode, [front, back]: [&[u8]; 2]) -> bool {
    let before = writer.len();
    let len = (front.len() + back.len()) as u16;
    let fits = writer.put(&code.octets()) && writer.put_u16(len) && writer.put(front) && writer.put(back);
    if !fits {
        writer.truncate(before);
    }
    fits
}

/// Writes an extended error as an option; nothing of it where it does not fit.
pub fn put_extended_error(writer: &mut Writer<'_>, error: ExtendedError<'_>) -> bool {
    let text = cut_text(error.text, MAX_EXTRA_TEXT);
    put_option(writer, OptionCode::EXTENDED_ERROR, [&error.code.octets(), text.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::InfoCode;

    #[test]
    fn an_opt_record_is_read_as_it_was_written() {
        let opt = Opt::ours(1400, Rcode::BADVERS, true);
        let octets = opt.octets(7);
        assert_eq!(octets, *b"\0\0\x29\x05\x78\x01\0\x80\0\0\x07");
        assert_eq!(Opt::of(Class::new(1400), 0x0100_8000), opt);
        assert_eq!(Opt::of(Class::new(512), 0x0001_7fff), Opt { payload: 512, version: 1, ..Opt::default() });
    }

    #[test]
    fn options_are_walked_until_one_is_malformed() {
        let mut options = Vec::new();
        push_option(&mut options, OptionCode::COOKIE, b"01234567");
        push_option(&mut options, OptionCode::EXTENDED_ERROR, b"\0\x0f");
        push_option(&mut options, OptionCode::EXTENDED_ERROR, b"\0");
        let whole = options.len();
        options.extend_from_slice(b"\0\x0a\0\x05abc");
        assert_eq!(each_option(&options).count(), 3);
        assert_eq!(cookie_in(&options), Some(&b"01234567"[..]));
        assert_eq!(extended_errors(&options).collect::<Vec<_>>(), [b"\0\x0f"]);
        assert_eq!(each_option(&options[..whole]).count(), 3);
    }

    #[test]
    fn an_option_is_written_whole_or_not_at_all() {
        let mut buffer = [0; 20];
        let mut writer = Writer::new(&mut buffer, 20);
        assert!(put_extended_error(&mut writer, ExtendedError { code: InfoCode::BLOCKED, text: "why" }));
        assert!(!put_option(&mut writer, OptionCode::PADDING, [&[0; 4], &[0; 4]]));
        assert_eq!(writer.written(), b"\0\x0f\0\x05\0\x0fwhy");
    }
}
