//! Replies of one length among many, so that who looks at an encrypted connection learns little from lengths.

use crate::dns::{Message, OPTION_HEAD, OptionCode};

/// Octets of which a padded reply is a multiple (RFC 8467 4.1).
const BLOCK: usize = 468;

/// Pads the reply that is the first `len` octets of `out`, as far as there is room; returns its new length.
///
/// For clients that padded their question, over transports that encrypt (RFC 7830 4, 6). A reply without OPT, or with
/// one that is not its last record, stays as it is.
pub(super) fn pad(out: &mut [u8], len: usize) -> usize {
    padded(out, len).unwrap_or(len)
}

fn padded(out: &mut [u8], len: usize) -> Option<usize> {
    let opt = Message::parse(out.get(..len)?).ok()?.opt()?;
    let most = out.len().min(usize::from(u16::MAX));
    let end = (len + OPTION_HEAD).next_multiple_of(BLOCK).min(most);
    let zeros = end.checked_sub(len + OPTION_HEAD).filter(|_| opt.range.end == len)?;
    let data_len = u16::try_from(opt.rdata.len() + OPTION_HEAD + zeros).ok()?;
    let option: [[u8; 2]; 2] = [OptionCode::PADDING.octets(), u16::try_from(zeros).ok()?.to_be_bytes()];
    out.get_mut(opt.rdata.start.checked_sub(2)?..opt.rdata.start)?.copy_from_slice(&data_len.to_be_bytes());
    let (head, rest) = out.get_mut(len..end)?.split_at_mut_checked(OPTION_HEAD)?;
    head.copy_from_slice(option.as_flattened());
    rest.fill(0);
    Some(end)
}

/// The same for a reply in a buffer of its own.
pub(super) fn pad_vec(reply: &mut Vec<u8>) {
    let len = reply.len();
    reply.resize(len + OPTION_HEAD + BLOCK, 0);
    let end = pad(reply, len);
    reply.truncate(end);
}

/// Adds an option to the OPT record of the reply in the first `len` octets of `out`; returns its new length. `None`:
/// there is no room, no OPT record, or it is not the last one.
pub(super) fn append(out: &mut [u8], len: usize, code: OptionCode, data: &[u8]) -> Option<usize> {
    let opt = Message::parse(out.get(..len)?).ok()?.opt()?;
    let data_len = u16::try_from(opt.rdata.len() + OPTION_HEAD + data.len()).ok().filter(|_| opt.range.end == len)?;
    let at = opt.rdata.start.checked_sub(2)?..opt.rdata.start;
    let end = len + OPTION_HEAD + data.len();
    let (head, rest) = out.get_mut(len..end)?.split_at_mut_checked(OPTION_HEAD)?;
    head.copy_from_slice([code.octets(), u16::try_from(data.len()).ok()?.to_be_bytes()].as_flattened());
    rest.copy_from_slice(data);
    out.get_mut(at)?.copy_from_slice(&data_len.to_be_bytes());
    Some(end)
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
    use hickory_proto::rr::rdata::TXT;
    use hickory_proto::rr::{Name, RData, Record, RecordType};

    use super::*;

    /// A reply with a TXT record of about `len` octets, and EDNS.
    fn reply(len: usize) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.queries.push(Query::query(Name::root(), RecordType::TXT));
        let text = TXT::new(vec!["x".repeat(200); len.div_ceil(200)]);
        message.answers.push(Record::from_rdata(Name::root(), 60, RData::TXT(text)));
        let mut edns = Edns::new();
        edns.set_max_payload(1232).set_dnssec_ok(true);
        message.edns = Some(edns);
        message
    }

    #[test]
    fn a_padded_reply_is_the_same_reply() {
        for len in (1..3000).step_by(199) {
            let before = reply(len);
            let mut octets = before.to_vec().unwrap();
            pad_vec(&mut octets);
            assert_eq!(octets.len() % BLOCK, 0);
            let after = Message::from_vec(&octets).unwrap();
            assert_eq!((&after.answers, &after.metadata), (&before.answers, &before.metadata));
            let edns = after.edns.unwrap();
            assert_eq!((edns.max_payload(), edns.flags().dnssec_ok), (1232, true));
        }
    }

    #[test]
    fn what_cannot_be_padded_stays_as_it_is() {
        let mut without = reply(10);
        without.edns = None;
        let without = without.to_vec().unwrap();
        for octets in [without, b"no message".to_vec()] {
            let mut padded = octets.clone();
            pad_vec(&mut padded);
            assert_eq!(padded, octets);
        }
        let octets = reply(10).to_vec().unwrap();
        let len = octets.len();
        for room in 0..BLOCK {
            let mut out = [&octets[..], &vec![0xee; room]].concat();
            let end = pad(&mut out, len);
            assert_eq!(end, if room < OPTION_HEAD { len } else { BLOCK.min(len + room) });
            assert!(Message::from_vec(&out[..end]).is_ok(), "as long as there is room: {room}");
            assert!(out[end..].iter().all(|octet| *octet == 0xee));
        }
    }
}
