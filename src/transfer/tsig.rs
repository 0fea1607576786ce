//! Signatures of messages: TSIG (RFC 8945).
//!
//! | section | what |
//! |---|---|
//! | 4.2 | the record: `TsigRecord::of`, `TsigKey::sign` |
//! | 4.3 | what is digested: the prior MAC, the message, the variables; of later messages the timers alone |
//! | 5.2 | a request is checked for its key, then its MAC, then its time: `TsigKey::check` |
//! | 5.3.1 | each message of a transfer is signed over the MAC of the one before |
//!
//! Time is an argument. The secret is in [`TsigKey`] only, which prints its name and nothing else.

use std::fmt;

use data_encoding::BASE64;
use ring::hmac;

use crate::config::{TransferKey, TsigAlgorithm};
use crate::dns::{Class, DnsName, HEADER_LEN, Header, Message, Rtype, Section, u16_at};

/// Seconds by which two clocks may differ: the value that RFC 8945 10 recommends.
pub(super) const FUDGE: u16 = 300;
/// Octets of the record behind its owner: type, class, TTL and the length of its data.
const RECORD_HEAD: usize = 10;

/// A key with its secret.
#[derive(Clone)]
pub(super) struct TsigKey {
    name: DnsName,
    algorithm: TsigAlgorithm,
    hmac: hmac::Key,
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TsigKey({})", self.name)
    }
}

/// What a TSIG record says is wrong (RFC 8945 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TsigFault {
    /// BADSIG: the MAC is not that of the message.
    Signature,
    /// BADKEY: there is no such key, or not with this algorithm.
    Key,
    /// BADTIME: the clocks differ by more than the fudge.
    Time,
    /// BADTRUNC: the MAC is cut short.
    Truncated,
}

impl TsigFault {
    /// Its number among the extended response codes.
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::Signature => 16,
            Self::Key => 17,
            Self::Time => 18,
            Self::Truncated => 22,
        }
    }

    /// The fault of this number; `None`: it is none, or another's.
    pub(super) fn of(number: u16) -> Option<Self> {
        [Self::Signature, Self::Key, Self::Time, Self::Truncated].into_iter().find(|fault| fault.number() == number)
    }
}

/// The TSIG record of a message, whose last record it is.
#[derive(Clone, Debug)]
pub(super) struct TsigRecord<'p> {
    /// Where it begins.
    start: usize,
    /// The name of its key.
    pub(super) name: DnsName,
    algorithm: DnsName,
    /// When it was signed, in seconds since 1970.
    pub(super) time: u64,
    fudge: u16,
    pub(super) mac: &'p [u8],
    original_id: u16,
    /// What the other side says is wrong; 0: nothing.
    pub(super) error: u16,
    other: &'p [u8],
}

impl<'p> TsigRecord<'p> {
    /// That of `message`; `Ok(None)`: there is none. An error where it stands in another place, where there are several, or
    /// its data is none (RFC 8945 5.2: FORMERR).
    pub(super) fn of(message: &Message<'p>) -> Result<Option<Self>, NotTsig> {
        let octets = message.octets();
        let mut records = message.records();
        let Some(record) = records.find(|record| record.rtype == Rtype::TSIG) else { return Ok(None) };
        let is_last = records.next().is_none() && record.range.end == octets.len();
        if !is_last || record.section != Section::Additional || record.class != Class::ANY || record.ttl != 0 {
            return Err(NotTsig);
        }
        let name = DnsName::from_wire(message.owner(&record).wire()).ok_or(NotTsig)?;
        let data = octets.get(record.rdata.clone()).unwrap_or_default();
        Self::of_data(record.range.start, name, data).map(Some).ok_or(NotTsig)
    }

    fn of_data(start: usize, name: DnsName, data: &'p [u8]) -> Option<Self> {
        // the algorithm is not compressed (RFC 8945 4.2)
        let mut end = 0;
        while let len @ 1.. = usize::from(*data.get(end)?) {
            end += 1 + len;
        }
        let (algorithm, rest) = data.split_at_checked(end + 1)?;
        let algorithm = DnsName::from_wire(algorithm)?;
        let (time, rest) = rest.split_first_chunk::<6>()?;
        let time = time.iter().fold(0, |time, octet| time << 8 | u64::from(*octet));
        let (fudge, rest) = take_u16(rest)?;
        let (mac_len, rest) = take_u16(rest)?;
        let (mac, rest) = rest.split_at_checked(usize::from(mac_len))?;
        let (original_id, rest) = take_u16(rest)?;
        let (error, rest) = take_u16(rest)?;
        let (other_len, other) = take_u16(rest)?;
        let is_whole = other.len() == usize::from(other_len);
        is_whole.then_some(Self { start, name, algorithm, time, fudge, mac, original_id, error, other })
    }

    /// A record that says what is wrong with this one, for the reply, which nobody signs (RFC 8945 5.3.2).
    pub(super) fn put_unsigned(&self, reply: &mut Vec<u8>, fault: TsigFault) {
        let fields = TsigFields { time: self.time, fudge: self.fudge, error: fault.number(), other: &[] };
        put_record(reply, &self.name, self.algorithm.wire(), &fields, &[]);
    }
}

/// What looks like a TSIG record is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotTsig;

fn take_u16(octets: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = octets.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*number), rest))
}

/// The variables of a signature beside the names (RFC 8945 4.3.3).
struct TsigFields<'a> {
    time: u64,
    fudge: u16,
    error: u16,
    other: &'a [u8],
}

impl TsigFields<'_> {
    /// The timers: 48 bits of time, and the fudge.
    fn timers(&self) -> [u8; 8] {
        let [_, _, t0, t1, t2, t3, t4, t5] = self.time.to_be_bytes();
        let [f0, f1] = self.fudge.to_be_bytes();
        [t0, t1, t2, t3, t4, t5, f0, f1]
    }
}

/// What of the variables is digested.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Digested {
    All,
    /// Of the messages behind the first (RFC 8945 5.3.1).
    Timers,
}

impl TsigKey {
    /// The key of a setting; `None` where its secret is not base64.
    pub(super) fn new(key: &TransferKey) -> Option<Self> {
        let secret = BASE64.decode(key.secret.reveal().as_bytes()).ok()?;
        let algorithm = match key.algorithm {
            TsigAlgorithm::Sha256 => hmac::HMAC_SHA256,
            TsigAlgorithm::Sha384 => hmac::HMAC_SHA384,
            TsigAlgorithm::Sha512 => hmac::HMAC_SHA512,
        };
        let hmac = hmac::Key::new(algorithm, &secret);
        Some(Self { name: key.name.clone(), algorithm: key.algorithm, hmac })
    }

    /// Checks a message that came with `tsig`; `prior`: the MAC of the request that it answers.
    pub(super) fn check(
        &self,
        packet: &[u8],
        tsig: &TsigRecord<'_>,
        prior: Option<&[u8]>,
        now: u64,
    ) -> Result<(), TsigFault> {
        if tsig.name != self.name || tsig.algorithm.wire() != self.algorithm.wire() {
            return Err(TsigFault::Key);
        }
        let length = self.hmac.algorithm().digest_algorithm().output_len();
        if tsig.mac.len() != length {
            // one that is too short for what it may be cut down to is no MAC at all (RFC 8945 5.2.2.1)
            let is_cut = (length / 2..length).contains(&tsig.mac.len());
            return Err(if is_cut { TsigFault::Truncated } else { TsigFault::Signature });
        }
        let fields = TsigFields { time: tsig.time, fudge: tsig.fudge, error: tsig.error, other: tsig.other };
        let mut digested = Vec::with_capacity(packet.len() + 256);
        self.put_digested(&mut digested, prior, packet.get(..tsig.start).unwrap_or_default(), &fields, Digested::All);
        // as the message was before the record was added: its own id, and one record less (RFC 8945 5.1)
        let at = prior.map_or(0, |prior| 2 + prior.len());
        if let Some(octets) = digested.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<HEADER_LEN>) {
            let header = Header::of(octets).unwrap_or_default();
            *octets = Header { id: tsig.original_id, additional: header.additional.wrapping_sub(1), ..header }.octets();
        }
        hmac::verify(&self.hmac, &digested, tsig.mac).map_err(|_| TsigFault::Signature)?;
        // only a signature that holds says anything about clocks (RFC 8945 5.2.3)
        if now.abs_diff(tsig.time) > u64::from(tsig.fudge) { Err(TsigFault::Time) } else { Ok(()) }
    }

    /// Signs a request; returns its MAC.
    pub(super) fn sign_request(&self, message: &mut Vec<u8>, now: u64) -> Vec<u8> {
        let fields = TsigFields { time: now, fudge: FUDGE, error: 0, other: &[] };
        self.sign(message, None, &fields, Digested::All)
    }

    /// Signs the first message of a reply to a request with this MAC; returns the reply's.
    pub(super) fn sign_reply(&self, message: &mut Vec<u8>, request: &[u8], now: u64) -> Vec<u8> {
        let fields = TsigFields { time: now, fudge: FUDGE, error: 0, other: &[] };
        self.sign(message, Some(request), &fields, Digested::All)
    }

    /// Signs a message behind the first, over the MAC of the one before; returns its own.
    pub(super) fn sign_next(&self, message: &mut Vec<u8>, before: &[u8], now: u64) -> Vec<u8> {
        let fields = TsigFields { time: now, fudge: FUDGE, error: 0, other: &[] };
        self.sign(message, Some(before), &fields, Digested::Timers)
    }

    /// Signs the reply to a request whose clock is off: with its time, and ours (RFC 8945 5.2.3).
    pub(super) fn sign_bad_time(&self, message: &mut Vec<u8>, request: &TsigRecord<'_>, now: u64) {
        let now = now.to_be_bytes();
        let other = now.get(2..).unwrap_or_default();
        let fields = TsigFields { time: request.time, fudge: request.fudge, error: TsigFault::Time.number(), other };
        self.sign(message, Some(request.mac), &fields, Digested::All);
    }

    fn sign(
        &self,
        message: &mut Vec<u8>,
        prior: Option<&[u8]>,
        fields: &TsigFields<'_>,
        digested: Digested,
    ) -> Vec<u8> {
        let mut octets = Vec::with_capacity(message.len() + 256);
        self.put_digested(&mut octets, prior, message, fields, digested);
        let mac = hmac::sign(&self.hmac, &octets).as_ref().to_vec();
        put_record(message, &self.name, self.algorithm.wire(), fields, &mac);
        mac
    }

    /// RFC 8945 4.3: the MAC before it with its length, the message, and the variables.
    fn put_digested(
        &self,
        octets: &mut Vec<u8>,
        prior: Option<&[u8]>,
        message: &[u8],
        fields: &TsigFields<'_>,
        digested: Digested,
    ) {
        if let Some(prior) = prior {
            octets.extend((prior.len() as u16).to_be_bytes());
            octets.extend(prior);
        }
        octets.extend(message);
        if digested == Digested::All {
            octets.extend(self.name.wire());
            octets.extend(Class::ANY.octets());
            octets.extend([0; 4]);
            octets.extend(self.algorithm.wire());
        }
        octets.extend(fields.timers());
        if digested == Digested::All {
            octets.extend(fields.error.to_be_bytes());
            octets.extend((fields.other.len() as u16).to_be_bytes());
            octets.extend(fields.other);
        }
    }

    /// Octets of the record that signing adds.
    pub(super) fn record_len(&self) -> usize {
        let mac = self.hmac.algorithm().digest_algorithm().output_len();
        self.name.wire().len() + RECORD_HEAD + self.algorithm.wire().len() + 16 + mac
    }
}

/// Adds the record, and counts it in the header.
fn put_record(message: &mut Vec<u8>, name: &DnsName, algorithm: &[u8], fields: &TsigFields<'_>, mac: &[u8]) {
    let original_id = u16_at(message, 0).unwrap_or_default();
    let additional = u16_at(message, 10).unwrap_or_default().wrapping_add(1);
    if let Some(count) = message.get_mut(10..12) {
        count.copy_from_slice(&additional.to_be_bytes());
    }
    message.extend(name.wire());
    message.extend(Rtype::TSIG.octets());
    message.extend(Class::ANY.octets());
    message.extend([0; 4]);
    message.extend(((algorithm.len() + 16 + mac.len() + fields.other.len()) as u16).to_be_bytes());
    message.extend(algorithm);
    message.extend(fields.timers());
    message.extend((mac.len() as u16).to_be_bytes());
    message.extend(mac);
    message.extend(original_id.to_be_bytes());
    message.extend(fields.error.to_be_bytes());
    message.extend((fields.other.len() as u16).to_be_bytes());
    message.extend(fields.other);
}

#[cfg(test)]
mod tests;
