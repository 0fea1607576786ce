//! Whose question is explained.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;

use crate::naming::VpcId;
use crate::snapshot::{Access, Client, Snapshot};

/// Whose question is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A client with this address, and the address that it asks, which may be a VPC's listener.
    Address(IpAddr, SocketAddr),
    /// A client in this network, as a forwarder says in EDNS Client Subnet, and the address that it asks.
    Network(IpNet, SocketAddr),
    /// Any client of this VPC.
    Vpc(VpcId),
}

impl Asker {
    /// A client with address `from` that asks at a listener that belongs to no VPC.
    pub fn address(from: IpAddr) -> Self {
        Self::Address(from, OF_NO_VPC)
    }

    /// The same client, asking at `listener` where there is one.
    #[must_use]
    pub fn to(self, listener: Option<SocketAddr>) -> Self {
        match (self, listener) {
            (Self::Address(from, _), Some(listener)) => Self::Address(from, listener),
            (Self::Network(from, _), Some(listener)) => Self::Network(from, listener),
            _ => self,
        }
    }

    /// The client as the snapshot knows it.
    pub fn client(self, snapshot: &Snapshot) -> Client<'_> {
        match self {
            Self::Address(from, local) => snapshot.client(local, from),
            Self::Network(from, local) => snapshot.client_in(local, from),
            Self::Vpc(vpc) => snapshot.client_of(vpc),
        }
    }

    /// Its address, or the first of its network; any client of a VPC has none.
    pub fn peer(self) -> Option<IpAddr> {
        match self {
            Self::Address(from, _) => Some(from),
            Self::Network(from, _) => Some(from.network()),
            Self::Vpc(_) => None,
        }
    }

    /// The address that it asks.
    pub fn local(self) -> SocketAddr {
        match self {
            Self::Address(_, local) | Self::Network(_, local) => local,
            Self::Vpc(_) => OF_NO_VPC,
        }
    }

    /// What its network means for who it is.
    pub(super) fn of_network(self, snapshot: &Snapshot) -> Vec<String> {
        let Self::Network(from, local) = self else { return Vec::new() };
        let mut steps = vec![format!("asked for {from} by a forwarder, in EDNS Client Subnet")];
        let is_known = snapshot.client(local, from.network()).access != Access::Unknown;
        if is_known && self.client(snapshot).access == Access::Unknown {
            steps.push(format!("{from} reaches beyond the addresses of one VPC: its clients are of none"));
        }
        steps
    }
}

/// A listener that belongs to no VPC.
const OF_NO_VPC: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(from, _) => from.fmt(f),
            Self::Network(from, _) => from.fmt(f),
            Self::Vpc(vpc) => vpc.fmt(f),
        }
    }
}

impl FromStr for Asker {
    type Err = String;

    /// An address, a network, or the id of a VPC.
    fn from_str(text: &str) -> Result<Self, String> {
        let network = || text.parse().ok().map(|network: IpNet| Self::Network(network.trunc(), OF_NO_VPC));
        let vpc = || text.starts_with("vpc-").then(|| text.parse().ok()).flatten();
        let asker = text.parse().ok().map(Self::address).or_else(network).or_else(|| vpc().map(Self::Vpc));
        asker.ok_or_else(|| format!("'{text}' is neither an IP address or network nor the id of a VPC"))
    }
}
