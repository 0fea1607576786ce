//! A name that is looked at, with the place of each label.

use std::fmt;

use super::wire::{is_at_or_below, write_name};

/// A name in lower case and where its labels begin, so that each end of it is at hand.
#[derive(Clone, Copy)]
pub struct NameRef<'n> {
    wire: &'n [u8],
    starts: &'n [u8],
}

impl<'n> NameRef<'n> {
    /// Out of wire octets and the place of each label, which whoever read them has found.
    pub(super) fn new(wire: &'n [u8], starts: &'n [u8]) -> Self {
        Self { wire, starts }
    }

    /// The wire form in lower case, with the root.
    pub fn wire(&self) -> &'n [u8] {
        self.wire
    }

    /// Where each label begins in the wire form, from left to right, without the root.
    pub fn starts(&self) -> &'n [u8] {
        self.starts
    }

    /// How many labels the name has; the root has none.
    pub fn label_count(&self) -> usize {
        self.starts.len()
    }

    /// The name of the last `labels` labels; all of it if it has fewer.
    pub fn suffix(&self, labels: usize) -> &'n [u8] {
        match self.starts.len().checked_sub(labels).and_then(|at| self.starts.get(at)) {
            Some(&start) => self.wire.get(usize::from(start)..).unwrap_or(&[0]),
            None if labels == 0 => &[0],
            None => self.wire,
        }
    }

    /// Label number `at` from the left, without its length.
    pub fn label(&self, at: usize) -> Option<&'n [u8]> {
        let rest = self.wire.get(usize::from(*self.starts.get(at)?)..)?;
        rest.get(1..=usize::from(*rest.first()?))
    }

    /// What follows label number `at`.
    pub fn behind(&self, at: usize) -> &'n [u8] {
        self.suffix(self.label_count().saturating_sub(at + 1))
    }

    /// True when `self` is `ancestor` or below it.
    pub fn is_at_or_below(&self, ancestor: NameRef<'_>) -> bool {
        is_at_or_below(self.wire, ancestor.wire)
    }
}

impl fmt::Display for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.wire)
    }
}
