//! Endpoints as the model keeps them: 56 octets, and 32 for each interface.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Mode, RecordIpType, State};
use crate::naming::{EndpointId, InterfaceId, SubnetId, Suffix, VpcId};

/// Which service of the model an endpoint leads to: a place in `Model`'s table of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ServiceIndex(pub(super) u32);

/// Which availability zone: a place in `Model`'s table of zone names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ZoneIndex(pub(super) u16);

/// An interface endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// The VPC it is in.
    pub vpc: VpcId,
    /// The eight characters behind the id in its names.
    pub suffix: Suffix,
    /// Where it is in its life.
    pub state: State,
    /// Which address records its names have.
    pub record_ip_type: RecordIpType,
    /// What happens to unknown names below its private names.
    pub mode: Mode,
    /// Whether private DNS is on.
    pub private_dns_enabled: bool,
    /// Whether the source says so, or EC2's default does: on where the service has a private name.
    pub(super) private_dns_given: bool,
    /// Whether the source gave its names, or the catalogue did.
    pub(super) names_given: bool,
    /// Whether its private names are only for queries that enter by an inbound resolver endpoint.
    pub inbound_resolver_only: bool,
    pub(crate) service: ServiceIndex,
    /// Its network interfaces, in the order of the source.
    pub interfaces: Box<[Interface]>,
}

/// A network interface of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    ipv6: Option<Box<Ipv6Addr>>,
    ipv4: Ipv4Addr,
    pub(crate) zone: ZoneIndex,
    /// Its id.
    pub id: InterfaceId,
    /// The subnet it is in.
    pub subnet: SubnetId,
}

impl Interface {
    pub(super) fn new(
        id: InterfaceId,
        subnet: SubnetId,
        zone: ZoneIndex,
        ipv4: Option<Ipv4Addr>,
        ipv6: Option<Ipv6Addr>,
    ) -> Self {
        // 0.0.0.0 is no interface's address (RFC 1122 3.2.1.3), so it can stand for none
        Self { ipv6: ipv6.map(Box::new), ipv4: ipv4.unwrap_or(Ipv4Addr::UNSPECIFIED), zone, id, subnet }
    }

    /// Its IPv4 address.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        (!self.ipv4.is_unspecified()).then_some(self.ipv4)
    }

    /// Its IPv6 address.
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        self.ipv6.as_deref().copied()
    }

    /// All its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.ipv4().map(IpAddr::V4).into_iter().chain(self.ipv6().map(IpAddr::V6))
    }
}

impl Endpoint {
    /// Whether it answers: its state is a serving one and it has an address.
    pub fn is_served(&self) -> bool {
        self.state.is_served() && self.interfaces.iter().any(|i| i.addresses().next().is_some())
    }

    /// Whether its names have A records.
    pub fn has_a(&self) -> bool {
        self.record_ip_type != RecordIpType::Ipv6
    }

    /// Whether its names have AAAA records. `private` asks about its private names, else about its own names.
    pub fn has_aaaa(&self, private: bool) -> bool {
        match self.record_ip_type {
            RecordIpType::Ipv4 => false,
            RecordIpType::Ipv6 | RecordIpType::Dualstack => true,
            RecordIpType::ServiceDefined => !private,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arithmetic of ARCHITECTURE.md "Bytes per endpoint".
    #[test]
    fn sizes_are_as_designed() {
        assert_eq!(size_of::<Endpoint>(), 56);
        assert_eq!(size_of::<Interface>(), 32);
    }
}
