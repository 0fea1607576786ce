//! Interfaces that are no endpoint's, and the names that AWS gives them inside their VPC.
//!
//! EC2 guide, "EC2 instance hostnames and domains": `ip-10-0-1-17.ec2.internal` for each private address, `i-...` of the
//! same domain for an instance where its resource name has records, and public names that lead to private addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::Map;
use super::input::NetworkInterfaceInput;
use crate::dns::DnsName;
use crate::naming::{InterfaceId, VpcId};

/// An interface that is no endpoint's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its id.
    pub id: InterfaceId,
    /// The VPC it is in.
    pub vpc: VpcId,
    /// Its instance, `i-0123456789abcdef0`, where it is the first interface of one.
    pub instance: Option<Arc<str>>,
    /// Its private IPv4 addresses, the primary one first.
    pub ipv4: Box<[Ipv4Addr]>,
    /// Its IPv6 addresses.
    pub ipv6: Box<[Ipv6Addr]>,
    /// Names other than those that are made of its IPv4 addresses.
    names: Box<[(DnsName, HostRecords)]>,
}

/// The addresses that a name of an interface has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostRecords {
    /// Its A record.
    pub ipv4: Option<Ipv4Addr>,
    /// Its AAAA record.
    pub ipv6: Option<Ipv6Addr>,
    /// A public name, which is private inside the VPC.
    pub is_public: bool,
}

/// What the interfaces of one VPC are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames {
    by_name: Map<DnsName, HostRecords>,
    /// The name of an address; `None`: the one that is made of it.
    by_address: Map<IpAddr, Option<DnsName>>,
    /// The instance that an address belongs to, where one is known.
    instances: Map<IpAddr, Arc<str>>,
}

impl Host {
    pub(super) fn new(input: &NetworkInterfaceInput, instance_zone: &DnsName) -> Self {
        let primary = input.ipv4.first().copied();
        let resource = input.resource_name.as_ref().and_then(|label| instance_zone.prepend(label).ok());
        let resource_records = HostRecords {
            ipv4: primary.filter(|_| input.resource_name_a),
            ipv6: input.ipv6.first().copied().filter(|_| input.resource_name_aaaa),
            is_public: false,
        };
        let resource = resource.filter(|_| resource_records != HostRecords::default());
        let mut names = Vec::new();
        let mut add = |name: &DnsName, records: HostRecords| {
            if !names.iter().any(|(known, _)| known == name) {
                names.push((name.clone(), records));
            }
        };
        // the private name comes first, as it is what the primary address is called
        if let Some(name) = input.private_dns_name.as_ref().filter(|name| Some(*name) != resource.as_ref()) {
            add(name, HostRecords { ipv4: primary, ..HostRecords::default() });
        }
        if let Some(name) = &resource {
            add(name, resource_records);
        }
        for (name, address) in &input.public_names {
            add(name, HostRecords { ipv4: Some(*address), ipv6: None, is_public: true });
        }
        Self {
            id: input.network_interface_id.value,
            vpc: input.vpc_id.value,
            instance: input.resource_name.as_deref().map(Arc::from),
            ipv4: input.ipv4.clone().into(),
            ipv6: input.ipv6.clone().into(),
            names: names.into(),
        }
    }
}

impl Host {
    /// Its names other than those that are made of its IPv4 addresses, the private ones first.
    pub fn names(&self) -> impl Iterator<Item = (&DnsName, HostRecords)> {
        self.names.iter().map(|(name, records)| (name, *records))
    }
}

impl HostNames {
    pub(super) fn new<'h>(hosts: impl Iterator<Item = &'h Host>) -> Self {
        let mut names = Self::default();
        for host in hosts {
            names.by_name.extend(host.names.iter().cloned());
            if let Some(instance) = &host.instance {
                let (ipv4, ipv6) = (host.ipv4.iter().copied(), host.ipv6.iter().copied());
                let addresses = ipv4.map(IpAddr::from).chain(ipv6.map(IpAddr::from));
                names.instances.extend(addresses.map(|address| (address, Arc::clone(instance))));
            }
            let private = |has: fn(&HostRecords) -> bool| {
                let name = host.names.iter().find(|(_, records)| !records.is_public && has(records));
                name.map(|(name, _)| name.clone())
            };
            let mut name = private(|records| records.ipv4.is_some());
            for address in &host.ipv4 {
                // the name that is made of the address needs no room
                names.by_address.insert((*address).into(), name.take().filter(|name| !is_made_of(name, *address)));
            }
            let mut name = private(|records| records.ipv6.is_some());
            for address in &host.ipv6 {
                if let Some(name) = name.take() {
                    names.by_address.insert((*address).into(), Some(name));
                }
            }
        }
        names
    }

    /// The records of a lower-case wire name; `None` for names that are made of an address, and for unknown ones.
    pub fn records(&self, wire: &[u8]) -> Option<(&DnsName, HostRecords)> {
        self.by_name.get_key_value(wire).map(|(name, records)| (name, *records))
    }

    /// All names but those that are made of an address, in no order that means anything.
    pub fn names(&self) -> impl Iterator<Item = &DnsName> {
        self.by_name.keys()
    }

    /// All addresses, in no order that means anything.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.by_address.keys().copied()
    }

    /// Whether an interface has this address.
    pub fn has(&self, address: IpAddr) -> bool {
        self.by_address.contains_key(&address)
    }

    /// The name of an address, where it is another than the one that is made of it.
    pub fn name_of(&self, address: IpAddr) -> Option<&DnsName> {
        self.by_address.get(&address)?.as_ref()
    }

    /// The instance that has this address, where that is known.
    pub fn instance_of(&self, address: IpAddr) -> Option<&Arc<str>> {
        self.instances.get(&address)
    }

    /// Whether there are public names, which are private inside the VPC.
    pub fn has_public(&self) -> bool {
        self.by_name.values().any(|records| records.is_public)
    }
}

/// Whether the first label is `ip-10-0-1-17`.
fn is_made_of(name: &DnsName, address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    name.labels().next() == Some(format!("ip-{a}-{b}-{c}-{d}").as_bytes())
}
