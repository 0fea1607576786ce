//! Addresses that one name has from another: the records of the other are given at the first, and no alias shows.
//!
//! So Route 53 answers alias records, and the hidden zones of service networks ("Alias records ... Route 53 responds to a DNS
//! query with the values of the other record", Route 53 guide, "Choosing between alias and non-alias records").

use super::forwarded::ForwardedQuestion;
use crate::answer::{Data, Forward, Part, Reply};
use crate::dns::{DnsName, HEADER_LEN, Header, HeaderFlags, InfoCode, Message, Rcode, Rtype, Section};
use crate::forward::chain::Prefix;

/// The part of `forward` whose name has the addresses that are asked for.
pub(super) fn flat_part<'f, 'a>(forward: &'f Forward<'a>) -> Option<&'f Part<'a>> {
    forward.chain.last().filter(|part| matches!(part.data, Data::AddressesOf(..)))
}

impl ForwardedQuestion<'_> {
    /// The negative answer of a name that has the addresses of another one, which has none; or SERVFAIL where nobody told.
    pub(super) fn without_addresses(&self, forward: &Forward<'_>, part: &Part<'_>, rcode: Rcode) -> Vec<u8> {
        let Data::AddressesOf(zone, target) = part.data else { return self.fail(InfoCode::OTHER, "internal error") };
        if !matches!(rcode, Rcode::NOERROR | Rcode::NXDOMAIN) {
            return self.fail(InfoCode::OTHER, &format!("no upstream tells the addresses of {target}"));
        }
        let question = &self.query.question;
        let reply = Reply::no_addresses(forward.chain.clone(), zone, &question.name, forward.reason);
        self.local(question, self.query.question_octets, &reply)
    }
}

/// The addresses of type `rtype` in the answer section of `message`, as those of `owner` (`None`: of the question), behind
/// the aliases of ours that lead there. `None` if there are none, or too many.
pub(super) fn addresses_at(
    owner: Option<&DnsName>,
    rtype: Rtype,
    question: &[u8],
    before: &Prefix,
    message: &Message<'_>,
) -> Option<Vec<u8>> {
    let mut out = vec![0; HEADER_LEN];
    out.extend_from_slice(question);
    out.extend_from_slice(&before.records);
    let mut answers = before.count;
    let name = owner.map_or(&[0xc0, HEADER_LEN as u8][..], DnsName::wire);
    for record in message.records().filter(|record| record.section == Section::Answer && record.rtype == rtype) {
        // type, class, TTL and length stand between a record's owner and its data (RFC 1035 4.1.3)
        let fixed = message.octets().get(record.rdata.start.checked_sub(10)?..record.rdata.end)?;
        out.extend_from_slice(name);
        out.extend_from_slice(fixed);
        answers = answers.checked_add(1)?;
    }
    (answers > before.count).then_some(())?;
    let flags = message.flags().without(HeaderFlags::AD).without(HeaderFlags::AA).with_rcode(Rcode::NOERROR);
    Header { flags, questions: 1, ..Header::default() }.with_counts([answers, 0, 0]).write(&mut out)?;
    Some(out)
}
