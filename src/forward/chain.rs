//! The CNAMEs that a reply follows.
//!
//! A chain in upstream data may lead to a name that we answer ourselves, for this client. The caller looks at each
//! target, cuts the reply after the CNAME that leads there, and goes on with its own records. Knows no zones.

use crate::dns::{Class, HEADER_LEN, Message, NameBuf, Record, Rtype, Section, expand, read_name, u16_at};

/// CNAMEs of one reply that are followed: more than any sane chain has, and a bound for the others.
pub const MAX_CHAIN: usize = 16;

/// Records without compression, which can be put into any message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The records, one behind the other.
    pub records: Vec<u8>,
    /// How many they are.
    pub count: u16,
}

/// The targets of the chain that begins at the question, in order, at most [`MAX_CHAIN`]; ends where it would turn
/// in a circle.
pub fn cname_targets(reply: &Message<'_>) -> Vec<NameBuf> {
    hops(reply).into_iter().map(|hop| hop.target).collect()
}

/// The part of the answer that leads from the question to `target`: CNAMEs, the DNAMEs that they come from, and the
/// signatures of both. `None` when the chain does not lead there.
pub fn cut_after(reply: &Message<'_>, target: &NameBuf) -> Option<Prefix> {
    let mut hops = hops(reply);
    let last = hops.iter().position(|hop| hop.target == *target)?;
    hops.truncate(last + 1);
    let mut prefix = Prefix { records: Vec::new(), count: 0 };
    for record in answers(reply).filter(|record| leads_along(reply, record, &hops)) {
        expand(reply.octets(), &record, &mut prefix.records)?;
        prefix.count += 1;
    }
    Some(prefix)
}

/// One step of a chain.
struct Hop {
    owner: NameBuf,
    target: NameBuf,
    /// Where the CNAME is in the message.
    at: usize,
}

fn hops(reply: &Message<'_>) -> Vec<Hop> {
    let mut hops: Vec<Hop> = Vec::new();
    if reply.question().is_empty() {
        return hops;
    }
    let Some((question, _)) = read_name(reply.octets(), HEADER_LEN) else { return hops };
    let mut owner = question;
    while hops.len() < MAX_CHAIN {
        let cname = answers(reply).find(|record| record.rtype == Rtype::CNAME && reply.owner(record) == owner);
        let Some(record) = cname else { break };
        let Some((target, end)) = read_name(reply.octets(), record.rdata.start) else { break };
        if end != record.rdata.end || target == question || hops.iter().any(|hop| hop.target == target) {
            break;
        }
        hops.push(Hop { owner, target, at: record.range.start });
        owner = target;
    }
    hops
}

/// The answers that are of the question's class.
fn answers<'m>(reply: &'m Message<'_>) -> impl Iterator<Item = Record> + 'm {
    let class = reply.question().last_chunk().map(|class| Class::new(u16::from_be_bytes(*class)));
    reply.records().take_while(|record| record.section == Section::Answer).filter(move |r| Some(r.class) == class)
}

/// True when the record belongs to what leads along `hops`.
fn leads_along(reply: &Message<'_>, record: &Record, hops: &[Hop]) -> bool {
    let kind = match record.rtype {
        // RFC 4034 3.1.1: the type that is signed
        Rtype::RRSIG => u16_at(reply.octets(), record.rdata.start).unwrap_or_default().into(),
        rtype => rtype,
    };
    hops.iter().any(|hop| match kind {
        Rtype::CNAME if record.rtype == Rtype::CNAME => hop.at == record.range.start,
        Rtype::CNAME => hop.owner == reply.owner(record),
        // RFC 6672 2.2: a DNAME redirects what is below its owner, not the owner
        Rtype::DNAME => {
            let above = reply.owner(record);
            hop.owner != above && hop.owner.is_at_or_below(&above)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests;
