//! slow
use crate::config::Limits;
use crate::wire::Query;
pub(super) fn failure(_q: &Query<'_>, _l: &Limits, _t: &str, _c: u16) -> Vec<u8> {
    vec![]
}
