//! A question as `answer` takes it.

use crate::dns::{NameRef, Rtype};

/// What is asked; the class is IN, which `wire` has made sure of.
#[derive(Clone, Copy)]
pub struct Question<'q> {
    /// The name.
    pub name: NameRef<'q>,
    /// The RR type, or one of the query types.
    pub rtype: Rtype,
    /// Whether the client wants others to be asked (RFC 1035 4.1.1, RD).
    pub recursion_desired: bool,
}
