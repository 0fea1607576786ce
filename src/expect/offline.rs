//! What the rules say to a question, without a server.

use super::Observation;
use super::parse::normal;
use crate::dns::{DnsName, InfoCode, Rtype};
use crate::explain::{Asker, explain_answer};
use crate::snapshot::Snapshot;

/// The answer to `asker`'s question for `name` and `rtype`, as `explain` gives it.
pub fn observe_snapshot(snapshot: &Snapshot, asker: Asker, name: &DnsName, rtype: Rtype) -> Observation {
    let explained = explain_answer(snapshot, asker, name, rtype);
    let wanted = rtype.to_string();
    let (records, others): (Vec<_>, Vec<_>) = explained.answer.into_iter().partition(|record| record.rtype == wanted);
    Observation {
        rcode: explained.rcode,
        records: records.iter().map(|record| normal(&record.data)).collect(),
        others: others.iter().map(|record| format!("{} {}", record.rtype, normal(&record.data))).collect(),
        delegated_to: if explained.delegated { explained.forwarded_to } else { Vec::new() },
        blocked: explained.info_code == InfoCode::BLOCKED.number(),
        online: false,
        rule: explained.reason,
        steps: explained.steps,
    }
}
