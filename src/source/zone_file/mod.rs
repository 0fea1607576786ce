//! Master files: the records of a hosted zone as other name servers read them (RFC 1035 5, RFC 2308 4, RFC 3597).
//!
//! ```text
//! entries   text                      -> words, by lines and parentheses
//! reading   words, $ORIGIN, $TTL, ... -> records, each with its place
//! sets      records                   -> record sets, and what they keep among themselves
//! ```
//!
//! The syntax is ours. Each problem has to have its file and line, one broken line must not hide the next, and `$INCLUDE`
//! must not lead out of the directory: hickory-proto's parser knows no line and opens files by itself; that of the crate
//! `domain` ends at the first error, tells no place of a record that is well formed, and knows neither units of time
//! nor SvcParams.

mod entries;
mod reading;
mod sets;

use crate::dns::DnsName;
use crate::model::RecordInput;
use crate::problem::Place;

use super::reader::Reader;
use super::record_sets::Owners;

/// The record sets of the master file that is called `name` at `at`, for the zone whose other sets are in `owners`.
pub(super) fn read(
    reader: &mut Reader<'_>,
    at: &Place,
    name: &str,
    zone: &DnsName,
    owners: &mut Owners<'_>,
) -> Vec<RecordInput> {
    let records = reading::records(reader, at, name, zone);
    sets::record_sets(reader, zone, records, owners)
}
