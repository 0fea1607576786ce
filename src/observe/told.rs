//! What the log has been told once and need not be told again.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::dns::DnsName;

/// Names that are kept; whoever asks for more names than this has been told often enough.
const MOST: usize = 1_000;

/// Names of which the log has been told since the start.
#[derive(Debug, Default)]
pub struct ToldNames(Mutex<HashSet<DnsName>>);

impl ToldNames {
    /// True the first time that a name comes by; false once too many have.
    pub fn is_new(&self, name: &DnsName) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < MOST && !told.contains(name) && told.insert(name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::DnsName;

    #[test]
    fn a_name_is_told_once_and_their_number_is_bounded() {
        let told = ToldNames::default();
        let name = |at: usize| format!("n{at}.example").parse::<DnsName>().unwrap();
        assert!(told.is_new(&name(0)) && !told.is_new(&name(0)));
        assert_eq!((1..2 * MOST).filter(|at| told.is_new(&name(*at))).count(), MOST - 1);
    }
}
