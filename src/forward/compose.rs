//! One message out of several: aliases in front of what they lead to.

use super::chain::Prefix;
use crate::dns::{HEADER_LEN, Header, HeaderFlags, Message, expand};

/// The records of `message` as an answer to `question`, with `prefixes` in front of its answer section.
///
/// Header flags are those of `message`, but for AD: what was put in front is not signed (RFC 4035 3.2.3). Names are
/// written in full, as every record has moved. `None` if the message is malformed or there are too many records.
pub fn compose(question: &[u8], prefixes: &[&Prefix], message: &[u8]) -> Option<Vec<u8>> {
    let message = Message::parse(message).ok()?;
    let mut counts = [0u16; 3];
    let mut out = vec![0; HEADER_LEN];
    out.extend_from_slice(question);
    for prefix in prefixes {
        out.extend_from_slice(&prefix.records);
        let [answers, ..] = &mut counts;
        *answers = answers.checked_add(prefix.count)?;
    }
    for record in message.records() {
        expand(message.octets(), &record, &mut out)?;
        let count = counts.get_mut(record.section as usize)?;
        *count = count.checked_add(1)?;
    }
    let flags = message.flags().without(HeaderFlags::AD);
    Header { flags, questions: 1, ..Header::default() }.with_counts(counts).write(&mut out)?;
    Some(out)
}
