//! Where the pages of a list begin: what keeps an endless chain of them from being followed.

use std::collections::HashSet;
use std::hash::Hash;

use super::query::CallError;

/// Most pages of one list: a million objects, and far fewer than an endless chain of tokens.
const MOST: usize = 10_000;

/// What named the pages of one list.
pub(super) struct PageMarks<T> {
    /// What they are called in errors.
    what: &'static str,
    seen: HashSet<T>,
}

impl<T: Clone + Eq + Hash> PageMarks<T> {
    /// Those of a list whose pages are named by `what`.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, seen: HashSet::new() }
    }

    /// The mark of the next page, unless there was such a page, or there are too many.
    pub(super) fn follow(&mut self, mark: T) -> Result<T, CallError> {
        if self.seen.len() == MOST || !self.seen.insert(mark.clone()) {
            let (what, pages) = (self.what, self.seen.len());
            return Err(CallError::Failed(format!("the pages have no end: {what} comes again after {pages}")));
        }
        Ok(mark)
    }
}
