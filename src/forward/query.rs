//! The question that goes to an upstream, and whether a reply belongs to it.
//!
//! Knows octets only. A reply is believed when everything that an attacker off the path would have to guess is
//! right (RFC 5452 9.1): here id and question, and by the socket the port and the upstream's address.

use std::sync::Arc;

use crate::dns::{
    Class, HEADER_LEN, Header, HeaderFlags, Message, OPTION_HEAD, Opt, OptionCode, Rcode, Rtype, SAFE_PAYLOAD,
    cookie_in, id_of, push_option, same_question, set_id,
};
use crate::forward::manners::Dress;
use crate::forward::recorder::Recorder;

/// A question for an upstream.
#[derive(Clone, Copy, Debug)]
pub struct Outbound<'a> {
    /// The name as the client wrote it: uncompressed wire octets, case kept, root included.
    pub name: &'a [u8],
    /// The type that is asked for.
    pub rtype: Rtype,
    /// The class, which is hardly ever other than IN.
    pub class: Class,
    /// RD: whether the upstream may ask others.
    pub recursion_desired: bool,
    /// CD: whether the reply is wanted unvalidated (RFC 4035 3.2.2); a lookup sends the client's.
    pub checking_disabled: bool,
    /// AD: whether the reply may say that it was validated (RFC 6840 5.7); a lookup always sets it, and clears the
    /// reply's AD for clients that did not ask.
    pub authentic_data: bool,
    /// DO: whether signatures are wanted (RFC 3225 3); a lookup sends the client's, the validator always sets it.
    pub dnssec_ok: bool,
    /// Whether the question has EDNS; a lookup always sets it, whatever the client's had. None of the client's options
    /// pass: EDNS is between two neighbours (RFC 6891 6.1.1).
    pub edns: bool,
    /// Whether the reply is validated before it counts. The validator reads it; it is sent to nobody.
    pub validated: bool,
    /// Who is told what happens to it; it is sent to nobody, either.
    pub recorder: Option<&'a Arc<Recorder>>,
}

impl<'a> Outbound<'a> {
    /// The plainest question there is: recursion is wanted, and nothing else.
    pub fn plain(name: &'a [u8], rtype: Rtype) -> Self {
        Self {
            name,
            rtype,
            class: Class::IN,
            recursion_desired: true,
            checking_disabled: false,
            authentic_data: false,
            dnssec_ok: false,
            edns: false,
            validated: false,
            recorder: None,
        }
    }
}

/// The octets that are sent, and what a reply to them must have.
#[derive(Clone, Debug)]
pub(super) struct UpstreamQuery {
    octets: Vec<u8>,
    question_end: usize,
    /// Our cookie, which a reply must not have another one for (RFC 7873 5.3).
    cookie: Option<[u8; 8]>,
    /// The letters of its name are in random case.
    mixed: bool,
}

/// What the length of a padded question is a multiple of (RFC 8467 4.1).
const BLOCK: usize = 128;
impl UpstreamQuery {
    /// The question under id 0, with EDNS where it is asked for and the upstream understands it.
    pub(super) fn new(outbound: &Outbound<'_>, dress: &Dress) -> Self {
        let edns = dress.edns && outbound.edns;
        let flags = HeaderFlags::NONE
            .with(HeaderFlags::RD, outbound.recursion_desired)
            .with(HeaderFlags::CD, outbound.checking_disabled)
            .with(HeaderFlags::AD, outbound.authentic_data);
        let header = Header { flags, questions: 1, additional: u16::from(edns), ..Header::default() };
        let mut octets = Vec::with_capacity(BLOCK);
        octets.extend_from_slice(&header.octets());
        octets.extend_from_slice(outbound.name);
        if dress.mix_case {
            mix_case(octets.get_mut(HEADER_LEN..).unwrap_or_default());
        }
        octets.extend_from_slice(&outbound.rtype.octets());
        octets.extend_from_slice(&outbound.class.octets());
        let question_end = octets.len();
        let mut cookie = None;
        if edns {
            octets.extend_from_slice(&Opt::ours(SAFE_PAYLOAD, Rcode::NOERROR, outbound.dnssec_ok).octets(0));
            let options = octets.len();
            if let Some(sent) = dress.cookie.as_deref() {
                cookie = sent.first_chunk().copied();
                push_option(&mut octets, OptionCode::COOKIE, sent);
            }
            if dress.pad {
                let len = octets.len() + OPTION_HEAD;
                let zeros = [0; BLOCK];
                let zeros = zeros.get(..len.next_multiple_of(BLOCK) - len).unwrap_or_default();
                push_option(&mut octets, OptionCode::PADDING, zeros);
            }
            let len = (octets.len() - options) as u16;
            if let Some(place) = octets.get_mut(options - 2..options) {
                place.copy_from_slice(&len.to_be_bytes());
            }
        }
        Self { octets, question_end, cookie, mixed: dress.mix_case }
    }

    /// Gives it an id: at random where somebody could guess, and 0 where nobody can (RFC 8484 4.1, RFC 9250 4.2.1).
    pub(super) fn set_id(&mut self, id: u16) {
        set_id(&mut self.octets, id);
    }

    /// What is sent.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// True when `reply` belongs to this query: its id, a reply, a standard query's, its question, and no cookie that
    /// is not ours.
    ///
    /// An error without a question is taken too: servers that do not understand a query (and those that do not know
    /// EDNS) say so with a bare header.
    pub(super) fn is_answered_by(&self, reply: &[u8]) -> bool {
        let Some(Header { id, flags, questions, .. }) = Header::of(reply) else { return false };
        if Some(id) != id_of(&self.octets) || flags.only(HeaderFlags::QR | HeaderFlags::OPCODE) != HeaderFlags::QR {
            return false;
        }
        let is_ours = match questions {
            0 => !matches!(flags.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN),
            1 => match (self.octets.get(HEADER_LEN..self.question_end), reply.get(HEADER_LEN..self.question_end)) {
                (Some(asked), Some(answered)) => same_question(asked, answered),
                _ => false,
            },
            _ => false,
        };
        is_ours && self.cookie.is_none_or(|ours| cookie_of(reply).is_none_or(|cookie| cookie.starts_with(&ours)))
    }

    /// True when `reply`, which belongs to this query, has the letters of its name as they were sent, if that matters.
    pub(super) fn keeps_case(&self, reply: &[u8]) -> bool {
        let has_question = Header::of(reply).is_some_and(|header| header.questions == 1);
        !(self.mixed && has_question)
            || self.octets.get(HEADER_LEN..self.question_end) == reply.get(HEADER_LEN..self.question_end)
    }
}

impl Outbound<'_> {
    /// The same question for another name, beside that of a client: nobody is told of it.
    pub(super) fn with_name<'n>(&self, name: &'n [u8]) -> Outbound<'n> {
        let Self { name: _, rtype, class, recursion_desired, checking_disabled, authentic_data, dnssec_ok, .. } = *self;
        let (edns, validated) = (self.edns, self.validated);
        Outbound {
            name,
            rtype,
            class,
            recursion_desired,
            checking_disabled,
            authentic_data,
            dnssec_ok,
            edns,
            validated,
            recorder: None,
        }
    }

    /// Gives the question of `reply` the letters of the client, whatever was sent in its place.
    pub(super) fn restore_case(&self, reply: &mut [u8]) {
        let has_question = Header::of(reply).is_some_and(|header| header.questions == 1);
        if let Some(name) = reply.get_mut(HEADER_LEN..HEADER_LEN + self.name.len()).filter(|_| has_question) {
            name.copy_from_slice(self.name);
        }
    }
}

/// Each letter in a case at random. No length octet is a letter: labels have at most 63 octets.
fn mix_case(name: &mut [u8]) {
    for letters in name.chunks_mut(32) {
        let coins: u32 = rand::random();
        for (at, letter) in letters.iter_mut().enumerate().filter(|(_, letter)| letter.is_ascii_alphabetic()) {
            *letter ^= if coins >> at & 1 == 1 { 0x20 } else { 0 };
        }
    }
}

/// The cookies of a reply, ours and the upstream's behind it (RFC 7873 4.2).
pub(super) fn cookie_of(reply: &[u8]) -> Option<&[u8]> {
    let opt = Message::parse(reply).ok()?.opt()?;
    cookie_in(reply.get(opt.rdata)?)
}

/// True when no other upstream could know better.
pub(super) fn is_good(reply: &[u8]) -> bool {
    let header = Header::of(reply).unwrap_or_default();
    match header.flags.rcode() {
        Rcode::FORMERR | Rcode::SERVFAIL | Rcode::NOTIMP | Rcode::REFUSED => false,
        Rcode::NXDOMAIN => true,
        Rcode::NOERROR if header.answers > 0 || header.additional == 0 => true,
        // BADVERS, whose lower bits are those of NOERROR, and BADCOOKIE are about our EDNS
        _ => Message::parse(reply).is_ok_and(|message| !message.rcode().is_between_neighbours()),
    }
}

/// True when the reply says that it does not hold everything.
pub(super) fn is_truncated(reply: &[u8]) -> bool {
    Header::of(reply).unwrap_or_default().flags.has(HeaderFlags::TC)
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Message, MessageType};

    use super::{Dress, Outbound, UpstreamQuery, cookie_of};
    use crate::dns::{Class, Rtype};

    fn with_edns() -> Dress {
        Dress { edns: true, ..Dress::default() }
    }

    fn outbound() -> Outbound<'static> {
        Outbound {
            name: b"\x03wWw\x07eXample\x00",
            rtype: Rtype::AAAA,
            class: Class::IN,
            recursion_desired: true,
            checking_disabled: true,
            authentic_data: false,
            dnssec_ok: true,
            edns: true,
            validated: false,
            recorder: None,
        }
    }

    #[test]
    fn another_implementation_reads_what_is_sent() {
        let mut query = UpstreamQuery::new(&outbound(), &with_edns());
        query.set_id(0xabcd);
        let message = Message::from_vec(query.octets()).unwrap();
        assert_eq!((message.metadata.id, message.metadata.message_type), (0xabcd, MessageType::Query));
        assert!(message.metadata.recursion_desired && message.metadata.checking_disabled);
        assert!(!message.metadata.authentic_data);
        assert_eq!(message.queries[0].name().to_string(), "wWw.eXample.");
        let edns = message.edns.unwrap();
        assert_eq!((edns.max_payload(), edns.version(), edns.flags().dnssec_ok), (1232, 0, true));
        assert!(edns.options().as_ref().is_empty());
        let client_without = Outbound { edns: false, ..outbound() };
        let all = Dress { cookie: Some(b"01234567".as_slice().into()), pad: true, ..with_edns() };
        for without in [UpstreamQuery::new(&outbound(), &Dress::default()), UpstreamQuery::new(&client_without, &all)] {
            assert!(Message::from_vec(without.octets()).unwrap().edns.is_none());
        }
    }

    #[test]
    fn only_its_own_reply_belongs_to_a_query() {
        let mut query = UpstreamQuery::new(&outbound(), &with_edns());
        query.set_id(0x1234);
        let mut good = query.octets().to_vec();
        good[2] |= 0x80;
        let change = |at: usize, to: u8| {
            let mut reply = good.clone();
            reply[at] = to;
            query.is_answered_by(&reply)
        };
        assert!(query.is_answered_by(&good));
        assert!(change(13, b'W'), "case does not matter");
        for (at, to, what) in [
            (1, 0x35, "another id"),
            (2, 0x01, "a query"),
            (2, 0xa1, "another opcode"),
            (5, 2, "two questions"),
            (5, 0, "no question and no error"),
            (13, b'v', "another name"),
            (26, 29, "another type"),
            (28, 3, "another class"),
        ] {
            assert!(!change(at, to), "{what}");
        }
        // 'A' is type 65 and 'a' type 97: types have no case
        let mut typed = UpstreamQuery::new(&Outbound { rtype: Rtype::HTTPS, ..outbound() }, &with_edns());
        typed.set_id(0x1234);
        let mut reply = typed.octets().to_vec();
        reply[2] |= 0x80;
        reply[26] = 97;
        assert!(!typed.is_answered_by(&reply));
        assert!((0..good.len()).all(|end| !query.is_answered_by(&good[..end]) || end >= query.question_end));
        assert!(query.is_answered_by(b"\x12\x34\x80\x01\0\0\0\0\0\0\0\0"), "a bare FORMERR");
    }

    /// The reply that has the question's own octets, cookie and all.
    fn echo(query: &UpstreamQuery) -> Vec<u8> {
        let mut reply = query.octets().to_vec();
        reply[2] |= 0x80;
        reply
    }

    #[test]
    fn another_cookie_than_ours_is_no_reply() {
        let cookie = |cookie: &[u8]| Dress { cookie: Some(cookie.into()), ..with_edns() };
        let query = UpstreamQuery::new(&outbound(), &cookie(b"client-8server-8"));
        let mut reply = echo(&query);
        assert_eq!(cookie_of(&reply).unwrap(), b"client-8server-8");
        assert!(query.is_answered_by(&reply), "ours");
        assert!(query.is_answered_by(&echo(&UpstreamQuery::new(&outbound(), &with_edns()))), "none");
        let at = reply.len() - 16;
        reply[at] ^= 1;
        assert!(!query.is_answered_by(&reply), "another");
        assert!(UpstreamQuery::new(&outbound(), &with_edns()).is_answered_by(&reply), "none was asked for");
    }

    #[test]
    fn padded_questions_are_of_few_lengths() {
        for labels in 1..=60 {
            let name = [&b"\x03abc".repeat(labels)[..], b"\0"].concat();
            let query =
                UpstreamQuery::new(&Outbound { name: &name, ..outbound() }, &Dress { pad: true, ..with_edns() });
            assert_eq!(query.octets().len() % 128, 0, "{labels}");
            assert!(Message::from_vec(query.octets()).is_ok());
        }
    }

    #[test]
    fn mixed_letters_are_put_right_again() {
        let name = [&b"\x3fAbCdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789-"[..], b"\0"].concat();
        let client = Outbound { name: &name, ..outbound() };
        let query = UpstreamQuery::new(&client, &Dress { mix_case: true, ..with_edns() });
        let mut reply = echo(&query);
        assert!(reply[12..77].eq_ignore_ascii_case(&name) && reply[12..77] != name, "50 coins never fall alike");
        assert!(query.keeps_case(&reply));
        client.restore_case(&mut reply);
        assert_eq!(reply[12..77], name);
        assert!(query.is_answered_by(&reply) && !query.keeps_case(&reply));
        let mut bare = b"\0\0\x80\x01\0\0\0\0\0\0\0\0".to_vec();
        client.restore_case(&mut bare);
        assert!(query.keeps_case(&bare) && bare.len() == 12);
        assert!(UpstreamQuery::new(&client, &with_edns()).keeps_case(&reply.to_ascii_lowercase()), "it was not mixed");
    }
}
