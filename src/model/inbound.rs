//! Inbound resolver endpoints: addresses at which networks outside of a VPC ask as its clients.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::naming::VpcId;

/// What clients of an inbound resolver endpoint get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// All that clients of the VPC get, and names that are only for inbound endpoints.
    Inbound,
    /// What the VPC's zones have, with authority, and nothing that others are asked for: name servers elsewhere delegate to
    /// it (Route 53 guide, "Delegating subdomains to a private hosted zone").
    Delegation,
}

impl Direction {
    /// Every word of Resolver's API (`ResolverEndpointDirection`) that is an inbound one.
    pub const ALL: &'static [&'static str] = &["INBOUND", "INBOUND_DELEGATION"];
}

impl FromStr for Direction {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_uppercase().as_str() {
            "INBOUND" => Ok(Self::Inbound),
            "INBOUND_DELEGATION" => Ok(Self::Delegation),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inbound => "INBOUND",
            Self::Delegation => "INBOUND_DELEGATION",
        })
    }
}

/// An inbound resolver endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InboundEndpoint {
    /// Its id, where that is known.
    pub id: Option<Arc<str>>,
    /// The VPC whose clients ask there.
    pub vpc: VpcId,
    /// What they get.
    pub direction: Direction,
    /// Its addresses, sorted.
    pub listeners: Box<[SocketAddr]>,
}

impl InboundEndpoint {
    pub(super) fn new(id: Option<Arc<str>>, vpc: VpcId, direction: Direction, mut listeners: Vec<SocketAddr>) -> Self {
        listeners.sort_unstable();
        Self { id, vpc, direction, listeners: listeners.into() }
    }
}
