//! A bounded walk over a DNS message (RFC 1035 4.1).
//!
//! Knows records and nothing of what they mean. A message is checked from end to end once, when it is parsed; whatever octets come in, nothing panics, and no loop is longer than the message: pointers of names lead
//! strictly backwards, and a name has at most 255 octets.

use std::ops::Range;

use super::class::Class;
use super::edns::Opt;
use super::header::{HEADER_LEN, Header, HeaderFlags};
use super::name::{NameBuf, read_name, skip_compressed};
use super::octets::{u16_at, u32_at};
use super::rcode::Rcode;
use super::rtype::Rtype;

/// No DNS message: it breaks off, a name loops, or it has more than one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub struct Malformed;

/// A pointer to the name of the question, which comes right behind the header (RFC 1035 4.1.4).
const TO_QUESTION: [u8; 2] = [0xc0, HEADER_LEN as u8];

/// The three sections after the question (RFC 1035 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// What was asked for.
    Answer,
    /// Who says so, or why there is nothing.
    Authority,
    /// What may help.
    Additional,
}

/// One record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it stands.
    pub section: Section,
    /// Its type.
    pub rtype: Rtype,
    /// Its class; of OPT the payload size.
    pub class: Class,
    /// Its time to live in seconds; of OPT flags and more.
    pub ttl: u32,
    /// Its data, as octets of the message.
    pub rdata: Range<usize>,
    /// All of it, as octets of the message.
    pub range: Range<usize>,
}

/// A message that has been walked through once and is sound.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    octets: &'a [u8],
    header: Header,
    /// Name, type and class of the question; of no octets where there is none.
    question_end: usize,
    /// Records in each section, as the header says and as there are.
    counts: [u16; 3],
    /// Where the first OPT begins.
    opt_at: Option<usize>,
}

impl<'a> Message<'a> {
    /// Walks through `octets`. Octets after the last record are tolerated; two questions are not (RFC 9619).
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let header = Header::of(octets).ok_or(Malformed)?;
        let counts = [header.answers, header.authorities, header.additional];
        let question_end = match header.questions {
            0 => HEADER_LEN,
            1 => skip_question(octets).ok_or(Malformed)?,
            _ => return Err(Malformed),
        };
        let mut message = Self { octets, header, question_end, counts, opt_at: None };
        let mut missing: usize = counts.iter().map(|&count| usize::from(count)).sum();
        for record in message.records() {
            missing -= 1;
            if record.section == Section::Additional && record.rtype == Rtype::OPT {
                message.opt_at.get_or_insert(record.range.start);
            }
        }
        if missing == 0 { Ok(message) } else { Err(Malformed) }
    }

    /// The message as it came.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Its header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Its flags.
    pub fn flags(&self) -> HeaderFlags {
        self.header.flags
    }

    /// The octets of the question: name, type and class; none where the message has no question.
    pub fn question(&self) -> &'a [u8] {
        self.octets.get(HEADER_LEN..self.question_end).unwrap_or_default()
    }

    /// How many records a section has.
    pub fn count(&self, section: Section) -> u16 {
        let [answer, authority, additional] = self.counts;
        match section {
            Section::Answer => answer,
            Section::Authority => authority,
            Section::Additional => additional,
        }
    }

    /// The records, in their order.
    pub fn records(&self) -> Records<'a> {
        Records { octets: self.octets, at: self.question_end, left: self.counts }
    }

    /// Whose a record of this message is: read when it is wanted, as most are not.
    pub fn owner(&self, record: &Record) -> NameBuf {
        // the name was walked through when the record was
        read_name(self.octets, record.range.start).map(|(name, _)| name).unwrap_or_default()
    }

    /// Whether a record's owner is written as a pointer to the question's name, as nearly all owners of answers are.
    pub fn points_to_question(&self, record: &Record) -> bool {
        self.question_end > HEADER_LEN
            && self.octets.get(record.range.start..).is_some_and(|at| at.starts_with(&TO_QUESTION))
    }

    /// The EDNS record, if there is one (RFC 6891 6.1.1).
    pub fn opt(&self) -> Option<Record> {
        Records { octets: self.octets, at: self.opt_at?, left: [0, 0, 1] }.next()
    }

    /// The options of the EDNS record; without one, none.
    pub fn options(&self) -> &'a [u8] {
        self.opt().and_then(|opt| self.octets.get(opt.rdata)).unwrap_or_default()
    }

    /// The response code with the upper bits that EDNS has (RFC 6891 6.1.3).
    pub fn rcode(&self) -> Rcode {
        let upper = self.opt().map_or(0, |opt| Opt::of(opt.class, opt.ttl).upper_rcode);
        Rcode::from_parts(self.flags().bits(), upper)
    }
}

/// See [`Message::records`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    octets: &'a [u8],
    at: usize,
    left: [u16; 3],
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let [answer, authority, additional] = &mut self.left;
        let (left, section) = match (*answer, *authority) {
            (1.., _) => (answer, Section::Answer),
            (0, 1..) => (authority, Section::Authority),
            (0, 0) => (additional, Section::Additional),
        };
        *left = left.checked_sub(1)?;
        let end = skip_compressed(self.octets, self.at)?;
        let (rtype, class) = (u16_at(self.octets, end)?.into(), u16_at(self.octets, end + 2)?.into());
        let ttl = u32_at(self.octets, end + 4)?;
        let len = usize::from(u16_at(self.octets, end + 8)?);
        let rdata = end + 10..end + 10 + len;
        self.octets.get(rdata.clone())?;
        let range = self.at..rdata.end;
        self.at = rdata.end;
        Some(Record { section, rtype, class, ttl, rdata, range })
    }
}

/// True when both are the same question: the same name, in whatever case (RFC 4343), the same type and class.
pub fn same_question(a: &[u8], b: &[u8]) -> bool {
    match (a.split_last_chunk::<4>(), b.split_last_chunk::<4>()) {
        // no length octet is a letter, so that names compare as a whole
        (Some((a_name, a_rest)), Some((b_name, b_rest))) => a_rest == b_rest && a_name.eq_ignore_ascii_case(b_name),
        _ => false,
    }
}

/// The end of the question. A name in it cannot be compressed: nothing but the header precedes it.
fn skip_question(octets: &[u8]) -> Option<usize> {
    let end = skip_compressed(octets, HEADER_LEN)?;
    (octets.len() >= end + 4).then_some(end + 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::expand;

    /// A reply to `a.example`, without records.
    const HEAD: &[u8] = b"\0\x01\x81\x80\0\x01\0\x01\0\0\0\0\x01A\x07eXample\0\0\x01\0\x01";

    fn message(record: &[u8]) -> Vec<u8> {
        [HEAD, record].concat()
    }

    #[test]
    fn walks_records_and_lowers_names() {
        let octets = message(b"\x01B\xc0\x0e\0\x02\0\x01\0\0\x0e\x10\0\x04\x01C\xc0\x1b trailing");
        let message = Message::parse(&octets).unwrap();
        let record = message.records().next().unwrap();
        assert_eq!(message.owner(&record).wire(), b"\x01b\x07example\0");
        assert_eq!((record.rtype, record.class, record.ttl), (Rtype::NS, Class::IN, 3600));
        let mut out = Vec::new();
        expand(&octets, &record, &mut out).unwrap();
        // the case stays, and the pointer in the data, which leads to the owner, is followed
        assert_eq!(out, b"\x01B\x07eXample\0\0\x02\0\x01\0\0\x0e\x10\0\x0d\x01C\x01B\x07eXample\0");
    }

    #[test]
    fn what_is_not_sound_is_refused() {
        for (record, what) in [
            (&b""[..], "a record is missing"),
            (b"\xc0\x1b\0\x01\0\x01\0\0\0\0\0\0", "a pointer to itself"),
            (b"\xc0\x1d\0\x01\0\x01\0\0\0\0\0\0", "a pointer forwards"),
            (b"\xc0\x04\0\x01\0\x01\0\0\0\0\0\0", "a pointer into the header"),
            (b"\x41\0\0\x01\0\x01\0\0\0\0\0\0", "an extended label"),
            (b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x01\x02\x03", "data that breaks off"),
            (b"\x01b\xc0\x1b\0\x01\0\x01\0\0\0\0\0\0", "a circle"),
        ] {
            assert!(Message::parse(&message(record)).is_err(), "{what}");
        }
        let long = [&[63; 64].repeat(4)[..], &b"\0\0\x01\0\x01\0\0\0\0\0\0"[..]].concat();
        assert!(Message::parse(&message(&long)).is_err(), "a name of 257 octets");
        for end in 0..HEAD.len() {
            assert!(Message::parse(&HEAD[..end]).is_err());
        }
    }

    #[test]
    fn data_that_is_not_what_it_should_be_stays_as_it_is() {
        // an MX without a name, and a CNAME whose name ends in the next record
        for record in [&b"\xc0\x0c\0\x0f\0\x01\0\0\0\0\0\x02\0\x0a"[..], b"\xc0\x0c\0\x05\0\x01\0\0\0\0\0\x02\x05a"] {
            let octets = message(record);
            let parsed = Message::parse(&octets).unwrap();
            let mut out = Vec::new();
            expand(&octets, &parsed.records().next().unwrap(), &mut out).unwrap();
            assert_eq!(out, [b"\x01A\x07eXample\0", &record[2..]].concat());
        }
    }
}
