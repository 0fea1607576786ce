//! Assertions about answers: what each client must be told, written one a line, judged against zones or a server.
//!
//! ```text
//! parse     text        -> Assertion, or a problem with file:line
//! offline   a snapshot  -> Observation, by `explain`, which runs the same rules as a packet (invariant I7)
//! online    a server    -> Observation, by a question in the client's name
//! judge     Assertion, Observation -> Verdict
//! write     a snapshot  -> the lines that hold for it
//! ```
//!
//! Knows no command line; `cli/expect.rs` prints what comes out.

mod judge;
mod offline;
mod online;
mod parse;
mod write;

use std::fmt;
use std::net::IpAddr;

use crate::dns::Rtype;
use crate::naming::VpcId;
use crate::problem::Place;

pub use judge::{Verdict, judge};
pub use offline::observe_snapshot;
pub use online::{Identity, OnlineError, ServerAddress, ServerUnderTest};
pub use parse::{parse, resolve_name};
pub use write::write;

/// One line: who asks for what, and what the answer must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Where it is written.
    pub place: Place,
    /// Whose question it is.
    pub from: AssertedClient,
    /// The name; a first label `*` stands for one that nobody has thought of.
    pub name: String,
    /// The record type.
    pub rtype: Rtype,
    /// What the answer must be.
    pub expected: Expected,
}

impl fmt::Display for Assertion {
    /// The line again, with single spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} {} {} {}", self.from, self.name, self.rtype, self.expected)
    }
}

/// Whose question an assertion is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssertedClient {
    /// A client with this address.
    Address(IpAddr),
    /// Any client of this VPC.
    Vpc(VpcId),
    /// Clients of each VPC in turn; all must be told the same.
    EveryVpc,
}

impl fmt::Display for AssertedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Vpc(vpc) => vpc.fmt(f),
            Self::EveryVpc => f.write_str("every vpc"),
        }
    }
}

/// What an answer must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Exactly these record data, in any order.
    Records(Vec<String>),
    /// Records of the client's VPC: not asked upstream, and online no address that is public.
    Private,
    /// Asked upstream and not blocked; online, records of which none is an address of the VPC's or a private one.
    Public,
    /// NOERROR without a record of the type.
    NoData,
    /// This response code, in upper case.
    Rcode(&'static str),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records(records) => write!(f, "= {}", records.join(" ")),
            Self::Private => f.write_str("private"),
            Self::Public => f.write_str("public"),
            Self::NoData => f.write_str("nodata"),
            Self::Rcode(rcode) => f.write_str(&rcode.to_ascii_lowercase()),
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The response code in upper case; `None` where the answer is an upstream's, which nobody asked.
    pub rcode: Option<String>,
    /// The data of the records of the asked type, names without a final dot.
    pub records: Vec<String>,
    /// The records of other types in the answer section: `CNAME www.example`.
    pub others: Vec<String>,
    /// The name servers to which a private zone delegates the name, which nobody asked; empty where that is not so.
    pub delegated_to: Vec<String>,
    /// Whether an answer by policy stands in for one of an upstream (RFC 8914 4.16).
    pub blocked: bool,
    /// Whether a server was asked, so that nobody knows where the answer comes from but by its addresses.
    pub online: bool,
    /// Which rule gave the answer.
    pub rule: String,
    /// How the rules came to it, for `explain`'s readers; empty online.
    pub steps: Vec<String>,
}
