//! Drills: faults that an operator asks for, for some clients and a time, to see what these make of them.
//!
//! They are part of what is published, so that a packet sees all of a drill or nothing of it. There is no clock here: whoever
//! began a drill publishes again, without it, when its time is over (`server/drills.rs`).

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::View;
use crate::dns::{DnsName, NameRef, is_at_or_below};
use crate::naming::{VpcId, ZoneName};

/// A fault for some clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drill {
    /// Its number, counted from the start of the server: by this it is ended.
    pub id: u32,
    /// What is at fault.
    pub fault: DrillFault,
    /// Clients of these VPCs; empty: of every VPC, and of none.
    pub vpcs: Vec<VpcId>,
    /// Clients in these networks; empty: wherever they are.
    pub clients: Vec<IpNet>,
    /// When it ends, in seconds since 1970.
    pub until: u64,
}

/// What is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrillFault {
    /// An Availability Zone is down: addresses of endpoints in it are not given.
    Zone(ZoneName),
    /// A name, or with `*` in front all names below one.
    Name(DnsName, NameFault),
}

/// How a name is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// It does not exist.
    NxDomain,
    /// Asking for it fails.
    ServFail,
    /// Its answer takes so many milliseconds longer.
    Delay(u32),
}

/// Drills of a snapshot: a bit for each, the oldest first. It is found once for a client, which stays as small as it is
/// without drills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrillSet(u32);

impl DrillSet {
    /// Drills that can run at one time.
    pub const MOST: usize = u32::BITS as usize;

    /// Those of `drills` that are for a client of this view there.
    #[cold]
    pub(super) fn held(drills: &[Drill], view: &View, address: &ClientAddress) -> Self {
        let held = drills.iter().take(Self::MOST).enumerate().filter(|(_, drill)| drill.holds_for(view, address));
        Self(held.fold(0, |set, (number, _)| set | 1 << number))
    }

    /// These drills, out of all of the snapshot.
    pub fn of(self, drills: &[Drill]) -> impl Iterator<Item = &Drill> {
        drills
            .iter()
            .take(Self::MOST)
            .enumerate()
            .filter(move |(number, _)| self.0 >> number & 1 == 1)
            .map(|(_, drill)| drill)
    }
}

/// Where a client is, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAddress {
    /// At this address.
    At(IpAddr),
    /// In this network, as a forwarder says.
    In(IpNet),
    /// Somewhere: any client of its view.
    Unknown,
}

impl ClientAddress {
    /// Whether all of what is known of it is in `net`.
    pub fn is_within(&self, net: &IpNet) -> bool {
        match self {
            Self::At(address) => net.contains(&address.to_canonical()),
            Self::In(network) => net.contains(network),
            Self::Unknown => false,
        }
    }
}

impl DrillFault {
    /// The words for all faults, in the order of [`DrillFault::place`].
    pub const NAMES: [&'static str; 4] = ["zone", "nxdomain", "servfail", "delay"];

    /// The place of its word.
    pub fn place(&self) -> usize {
        match self {
            Self::Zone(_) => 0,
            Self::Name(_, NameFault::NxDomain) => 1,
            Self::Name(_, NameFault::ServFail) => 2,
            Self::Name(_, NameFault::Delay(_)) => 3,
        }
    }

    /// Its word.
    pub fn word(&self) -> &'static str {
        Self::NAMES.get(self.place()).copied().unwrap_or_default()
    }
}

impl Drill {
    /// Whether it is for a client of this view there. One whose address is not known is in no network.
    fn holds_for(&self, view: &View, address: &ClientAddress) -> bool {
        let is_of = |vpc: &VpcId| view.vpc.as_ref().is_some_and(|of| of.vpc_id == *vpc);
        (self.vpcs.is_empty() || self.vpcs.iter().any(is_of))
            && (self.clients.is_empty() || self.clients.iter().any(|net| address.is_within(net)))
    }

    /// Whether it takes this zone down.
    pub fn is_down(&self, zone: &ZoneName) -> bool {
        matches!(&self.fault, DrillFault::Zone(down) if down == zone)
    }

    /// What becomes of this lower-case name; `None`: nothing.
    pub fn fault_of(&self, name: NameRef<'_>) -> Option<NameFault> {
        let DrillFault::Name(of, fault) = &self.fault else { return None };
        let is_meant = match of.wire().strip_prefix(b"\x01*") {
            Some(apex) => name.wire() != apex && is_at_or_below(name.wire(), apex),
            None => name.wire() == of.wire(),
        };
        is_meant.then_some(*fault)
    }

    /// `clients of vpc-ec43eb89 in 10.0.1.0/24`: whom it is for.
    pub fn whom(&self) -> String {
        let listed =
            |of: &str, all: &[String]| if all.is_empty() { String::new() } else { format!(" {of} {}", all.join(", ")) };
        let vpcs: Vec<String> = self.vpcs.iter().map(ToString::to_string).collect();
        let nets: Vec<String> = self.clients.iter().map(ToString::to_string).collect();
        let all = if vpcs.is_empty() && nets.is_empty() { "all " } else { "" };
        format!("{all}clients{}{}", listed("of", &vpcs), listed("in", &nets))
    }
}

/// `drill 1: us-east-1a is down until 12:00:00 UTC`
impl fmt::Display for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, second) = (self.until / 60, self.until % 60);
        let (hour, minute) = (minutes / 60 % 24, minutes % 60);
        write!(f, "drill {}: {} until {hour:02}:{minute:02}:{second:02} UTC", self.id, self.fault)
    }
}

impl fmt::Display for DrillFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone(zone) => write!(f, "{zone} is down"),
            Self::Name(name, NameFault::NxDomain) => write!(f, "{name} is NXDOMAIN"),
            Self::Name(name, NameFault::ServFail) => write!(f, "{name} is SERVFAIL"),
            Self::Name(name, NameFault::Delay(ms)) => write!(f, "answers for {name} take {ms} ms longer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::NameBuf;

    fn drill(fault: DrillFault) -> Drill {
        Drill { id: 3, fault, vpcs: Vec::new(), clients: Vec::new(), until: 86_400 + 3600 + 62 }
    }

    #[test]
    fn a_name_is_meant_itself_and_a_wildcard_means_what_is_below() {
        for (of, name, is_meant) in [
            ("a.example", "a.example", true),
            ("a.example", "A.Example", true),
            ("a.example", "b.a.example", false),
            ("a.example", "example", false),
            ("*.a.example", "b.a.example", true),
            ("*.a.example", "c.b.a.example", true),
            ("*.a.example", "a.example", false),
            ("*.a.example", "ba.example", false),
            ("*.a.example", "b.xa.example", false),
        ] {
            let drill = drill(DrillFault::Name(of.parse().unwrap(), NameFault::ServFail));
            let asked = NameBuf::from(&name.parse::<DnsName>().unwrap());
            assert_eq!(drill.fault_of(asked.name()).is_some(), is_meant, "{of} {name}");
        }
    }

    #[test]
    fn words_say_what_whom_and_until_when() {
        let mut drill = drill(DrillFault::Zone("us-east-1a".parse().unwrap()));
        assert_eq!(drill.to_string(), "drill 3: us-east-1a is down until 01:01:02 UTC");
        assert_eq!(drill.whom(), "all clients");
        drill.vpcs = vec!["vpc-ec43eb89".parse().unwrap()];
        drill.clients = vec!["10.0.1.0/24".parse().unwrap(), "fd00::/8".parse().unwrap()];
        assert_eq!(drill.whom(), "clients of vpc-ec43eb89 in 10.0.1.0/24, fd00::/8");
        drill.fault = DrillFault::Name("*.example".parse().unwrap(), NameFault::Delay(250));
        assert_eq!(drill.to_string(), "drill 3: answers for *.example take 250 ms longer until 01:01:02 UTC");
    }

    #[test]
    fn a_client_is_within_a_network_if_all_that_is_known_of_it_is() {
        let net: IpNet = "10.0.1.0/24".parse().unwrap();
        for (address, is_within) in [
            (ClientAddress::At("10.0.1.5".parse().unwrap()), true),
            (ClientAddress::At("::ffff:10.0.1.5".parse().unwrap()), true),
            (ClientAddress::At("10.0.2.5".parse().unwrap()), false),
            (ClientAddress::In("10.0.1.128/25".parse().unwrap()), true),
            (ClientAddress::In("10.0.0.0/23".parse().unwrap()), false),
            (ClientAddress::Unknown, false),
        ] {
            assert_eq!(address.is_within(&net), is_within, "{address:?}");
        }
    }
}
