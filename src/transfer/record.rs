//! Records as octets of a message, their names in full.

use crate::dns::{Class, OPT_LEN, Opt, Rcode, SAFE_PAYLOAD};
use crate::export::ExportedRecord;

/// Our OPT record.
pub(super) fn own_opt() -> [u8; OPT_LEN] {
    Opt::ours(SAFE_PAYLOAD, Rcode::NOERROR, false).octets(0)
}

/// Appends a record, its names in full.
pub(super) fn put_record(message: &mut Vec<u8>, record: &ExportedRecord<'_>) {
    message.extend(record.owner.wire());
    message.extend(record.rtype.octets());
    message.extend(Class::IN.octets());
    message.extend(record.ttl.to_be_bytes());
    message.extend((record.data.len() as u16).to_be_bytes());
    message.extend(&*record.data);
}
