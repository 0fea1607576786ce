//! The steps of a decision, for whoever asks why (invariant I7: the same code, watched).

use std::fmt;

/// Watches a decision being made.
pub trait Trace {
    /// Whether anyone is watching: steps that cost something to describe are left out if not.
    const ON: bool;
    /// One step, in words.
    fn step(&mut self, step: fmt::Arguments<'_>);
}

/// Nobody watches.
pub struct NoTrace;

impl Trace for NoTrace {
    const ON: bool = false;
    fn step(&mut self, _step: fmt::Arguments<'_>) {}
}

/// Keeps every step.
impl Trace for Vec<String> {
    const ON: bool = true;
    fn step(&mut self, step: fmt::Arguments<'_>) {
        self.push(step.to_string());
    }
}
