//! forward
use crate::config::Limits;
/// stub
pub struct Forwarder;
impl Forwarder {
    /// stub
    pub fn new(_l: &Limits) -> Self {
        Self
    }
}
