//! Endpoints as the model keeps them: 136 octets with up to three interfaces, and 32 for each interface of more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smallvec::SmallVec;

use super::{Mode, RecordIpType, State};
use crate::naming::{EndpointId, InterfaceId, SubnetId, Suffix, VpcId};

/// Which service of the model an endpoint leads to: a place in `Model`'s table of services. Three octets, as there are
/// far fewer services than 16 million, and an endpoint has three to spare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ServiceIndex([u8; 3]);

impl ServiceIndex {
    /// `None` past the last number.
    pub(super) fn new(number: usize) -> Option<Self> {
        let [high, a, b, c] = u32::try_from(number).ok()?.to_be_bytes();
        (high == 0).then_some(Self([a, b, c]))
    }

    pub(super) fn number(self) -> usize {
        let [a, b, c] = self.0;
        u32::from_be_bytes([0, a, b, c]) as usize
    }
}

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
    pub(super) choices: Choices,
    pub(crate) service: ServiceIndex,
    /// Its network interfaces, in the order of the source.
    pub interfaces: Interfaces,
}

/// The interfaces of an endpoint, of which those in three Availability Zones lie in the endpoint itself: no pointer to
/// follow, and no memory apart.
pub type Interfaces = SmallVec<[Interface; 3]>;

/// What an endpoint's source chose, an octet in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choices(u8);

impl Choices {
    pub(super) const PRIVATE_DNS: u8 = 1;
    /// The source says whether private DNS is on; else EC2's default holds: on where the service has a private name.
    pub(super) const PRIVATE_DNS_GIVEN: u8 = 2;
    pub(super) const INBOUND_ONLY: u8 = 4;
    /// Unknown names below its private names fall through ([`Mode::Overlay`]).
    pub(super) const OVERLAY: u8 = 8;
    /// Its names came with the endpoint, and not by its service's name.
    pub(super) const NAMES_GIVEN: u8 = 16;
    /// It has no zonal names.
    pub(super) const REGIONAL_ONLY: u8 = 32;
    /// Its zonal names are those of its source's list, which leaves out some of its zones.
    pub(super) const ZONES_GIVEN: u8 = 64;
    /// Its service is in another region than its VPC.
    pub(super) const CROSS_REGION: u8 = 128;

    pub(super) fn new(made: &[(u8, bool)]) -> Self {
        Self(made.iter().filter(|(_, made)| *made).fold(0, |bits, (bit, _)| bits | bit))
    }

    pub(super) fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
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
    /// Whether private DNS is on.
    pub fn private_dns_enabled(&self) -> bool {
        self.choices.has(Choices::PRIVATE_DNS)
    }

    /// Whether its private names are only for queries that enter by an inbound resolver endpoint.
    pub fn inbound_resolver_only(&self) -> bool {
        self.choices.has(Choices::INBOUND_ONLY)
    }

    /// Whether it has no zonal names: "You must use regional DNS. Zonal DNS is not supported when accessing AWS services
    /// in another Region" (PrivateLink guide, "Cross-Region access").
    pub fn is_regional_only(&self) -> bool {
        self.choices.has(Choices::REGIONAL_ONLY)
    }

    /// Whether its zonal names are those of its source's list, which leaves out some of its zones.
    pub(super) fn has_given_zones(&self) -> bool {
        self.choices.has(Choices::ZONES_GIVEN)
    }

    /// What happens to unknown names below its private names.
    pub fn mode(&self) -> Mode {
        if self.choices.has(Choices::OVERLAY) { Mode::Overlay } else { Mode::Apex }
    }

    /// Whether it answers: its state is a serving one and it has an address.
    pub fn is_served(&self) -> bool {
        self.state.is_served() && self.interfaces.iter().any(|i| i.addresses().next().is_some())
    }

    /// Its IPv4 addresses, with the VPC in which each can be used once. Interfaces that stand in may share one.
    pub(super) fn ipv4_uses(&self) -> impl Iterator<Item = (VpcId, Ipv4Addr)> {
        self.interfaces
            .iter()
            .filter(|i| !i.id.is_stand_in())
            .filter_map(|i| i.ipv4().map(|address| (self.vpc, address)))
    }

    /// Its IPv6 addresses, with the VPC in which each can be used once.
    pub(super) fn ipv6_uses(&self) -> impl Iterator<Item = (VpcId, Ipv6Addr)> {
        self.interfaces.iter().filter_map(|i| i.ipv6().map(|address| (self.vpc, address)))
    }

    /// The ids of its interfaces.
    pub(super) fn interface_ids(&self) -> impl Iterator<Item = InterfaceId> {
        self.interfaces.iter().map(|i| i.id)
    }

    /// Whether it has both address families: some names are private for such endpoints only.
    pub fn is_dualstack(&self) -> bool {
        self.record_ip_type == RecordIpType::Dualstack
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
        assert_eq!(size_of::<Endpoint>(), 136);
        assert_eq!(size_of::<Interface>(), 32);
    }
}
