//! A view's zones as records, for other DNS servers: a read-only projection of a snapshot.
//!
//! | zone | its records |
//! |---|---|
//! | a private name (`endpoint.rs`) | the addresses of the endpoint that answers there, and those of `*.` |
//! | a hosted zone (`hosted.rs`) | its record sets; aliases as the addresses that they lead to |
//! | a hostname of an endpoint, or all of a region (`endpoint.rs`) | the addresses of its interfaces |
//! | [`CATALOG`] (`catalog.rs`) | the names of all others (RFC 9432) |
//!
//! Whatever depends on the client is asked of `answer`, so that a secondary says what the server says. Each zone has the
//! records of the one snapshot that the view was made of. Knows no serials, sockets or clocks.

mod catalog;
mod endpoint;
mod hosted;
#[cfg(feature = "server")]
mod master_files;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

pub use catalog::CATALOG;
#[cfg(feature = "server")]
pub use master_files::hosted_zones;

use crate::answer::{Data, Decision, NS_TTL, NoTrace, Question, Reason, TTL, answer};
use crate::dns::{DnsName, NameBuf, Rtype};
use crate::model::{HostedZone, Interface, ROUTE53_NS, ROUTE53_SOA};
use crate::naming::VpcId;
use crate::snapshot::{Authority, Client, Snapshot, ViewEntry};

/// Which zones hold the hostnames of endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndpointZones {
    /// One for each hostname, so that hostnames that nobody told us of are still looked up elsewhere.
    #[default]
    Each,
    /// One for each region, `us-east-1.vpce.amazonaws.com`: hostnames that nobody told us of do not exist there.
    Whole,
    /// None.
    None,
}

impl EndpointZones {
    /// Their words in files.
    pub const WORDS: [(&'static str, Self); 3] = [("each", Self::Each), ("whole", Self::Whole), ("none", Self::None)];

    /// The word.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, zones)| *zones == self).map_or("each", |(word, _)| word)
    }
}

/// Whose zones these are: what tells the views of two keys apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewId {
    /// The VPC whose clients see them; `None`: clients of no VPC.
    pub vpc: Option<VpcId>,
    /// How the hostnames of endpoints are among them.
    pub endpoint_zones: EndpointZones,
}

/// A record of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedRecord<'s> {
    /// Whose it is.
    pub owner: Cow<'s, DnsName>,
    /// Its type.
    pub rtype: Rtype,
    /// Time to live, in seconds.
    pub ttl: u32,
    /// Its data, uncompressed.
    pub data: Cow<'s, [u8]>,
}

/// What a zone holds for another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneItem<'s> {
    /// A record.
    Record(ExportedRecord<'s>),
    /// Something that records cannot say: whose it is, and what it is.
    LeftOut(Cow<'s, DnsName>, String),
}

/// The items of a zone, one after the other.
pub type ZoneItems<'s> = Box<dyn Iterator<Item = ZoneItem<'s>> + Send + 's>;

/// The zones of one view of a snapshot.
#[derive(Clone)]
pub struct ExportedView<'s> {
    snapshot: &'s Snapshot,
    client: Client<'s>,
    id: ViewId,
    /// The names of FORWARD rules, at and below which others answer.
    rules: Arc<[&'s DnsName]>,
    most: usize,
}

/// A zone of a view.
#[derive(Clone)]
pub struct ExportedZone<'s> {
    /// Its name.
    pub apex: DnsName,
    view: ExportedView<'s>,
    kind: ZoneKind<'s>,
}

#[derive(Clone, Copy)]
enum ZoneKind<'s> {
    Private(&'s DnsName),
    Hosted(&'s HostedZone),
    Endpoint,
    Region,
    Catalog,
}

impl<'s> ExportedView<'s> {
    /// The view `id` of `snapshot`, of which `most` zones are given out. It has none where there is no such VPC, or its clients
    /// are not served.
    pub fn new(snapshot: &'s Snapshot, id: ViewId, most: usize) -> Self {
        let client = id.vpc.map_or_else(|| snapshot.client_of_none(), |vpc| snapshot.client_of(vpc));
        let is_rule = |entry: &&ViewEntry| matches!(entry.authority, Authority::Forward(..));
        let rules = client.view.all().filter(is_rule).map(|entry| &entry.name).collect();
        Self { snapshot, client, id, rules, most }
    }

    /// Its zones, the catalog first, each name once.
    pub fn zones(&self) -> impl Iterator<Item = ExportedZone<'s>> + Send + use<'s> {
        let most = if self.client.access.is_served() { self.most } else { 0 };
        self.all_zones().take(most)
    }

    /// Whether it has more zones than are given out.
    pub fn is_cut(&self) -> bool {
        self.client.access.is_served() && self.all_zones().nth(self.most).is_some()
    }

    fn all_zones(&self) -> impl Iterator<Item = ExportedZone<'s>> + Send + use<'s> {
        let catalog = self.zone_as(catalog::apex(), ZoneKind::Catalog);
        let (view, entries) = (self.clone(), self.client.view.all());
        // hostnames are the same for everybody, whatever else has their name
        let of_view = entries.filter_map(move |entry| {
            endpoint::kind_of(&view, &entry.name).is_none().then(|| view.of_entry(entry)).flatten()
        });
        std::iter::once(catalog).chain(of_view).chain(endpoint::apexes(self))
    }

    /// The zone with this name.
    pub fn zone(&self, apex: &DnsName) -> Option<ExportedZone<'s>> {
        if !self.client.access.is_served() {
            return None;
        }
        if let Some(kind) = endpoint::kind_of(self, apex) {
            return Some(self.zone_as(apex.clone(), kind));
        }
        if *apex == catalog::apex() {
            return Some(self.zone_as(apex.clone(), ZoneKind::Catalog));
        }
        self.client.view.entry(apex.wire()).and_then(|entry| self.of_entry(entry))
    }

    fn zone_as(&self, apex: DnsName, kind: ZoneKind<'s>) -> ExportedZone<'s> {
        ExportedZone { apex, view: self.clone(), kind }
    }

    /// The zone at an entry of the view. A FORWARD rule lies over it; a SYSTEM rule lets it through.
    fn of_entry(&self, entry: &'s ViewEntry) -> Option<ExportedZone<'s>> {
        let authority = match &entry.authority {
            Authority::Forward(..) => return None,
            Authority::System(_) => entry.authority.without_rules()?,
            other => other,
        };
        let kind = match authority {
            // a zone without its records would deny them
            Authority::HostedZone(zone) => zone.is_told.then_some(ZoneKind::Hosted(zone))?,
            Authority::Private(_) => {
                let decision = self.ask(&entry.name, Rtype::SOA);
                is_private(&decision.reason(), &entry.name).then_some(ZoneKind::Private(&entry.name))?
            }
            _ => return None,
        };
        Some(self.zone_as(entry.name.clone(), kind))
    }

    /// What the server says to a client of the view, each time with the same order of addresses.
    fn ask(&self, name: &DnsName, rtype: Rtype) -> Decision<'s> {
        let name = NameBuf::from(name);
        let question = Question { name: name.name(), rtype, recursion_desired: true };
        answer(self.snapshot, self.client, &question, 0, &mut NoTrace)
    }

    /// The A and AAAA records that a name has by an answer whose reason `is_meant`, as records of `owner`.
    fn addresses(&self, owner: &DnsName, is_meant: impl Fn(&Reason<'s>) -> bool) -> Vec<ZoneItem<'s>> {
        let mut records = Vec::new();
        for rtype in [Rtype::A, Rtype::AAAA] {
            let Decision::Reply(reply) = self.ask(owner, rtype) else { continue };
            if !is_meant(&reply.reason) {
                continue;
            }
            if let Some(data) = &reply.answer {
                put_addresses(&mut records, owner, rtype, data);
            }
        }
        records.into_iter().map(ZoneItem::Record).collect()
    }
}

/// The addresses of an answer to a question of type `rtype`.
fn put_addresses<'s>(records: &mut Vec<ExportedRecord<'s>>, owner: &DnsName, rtype: Rtype, data: &Data<'s>) {
    let mut put = |ttl, data: &[u8]| {
        records.push(ExportedRecord {
            owner: Cow::Owned(owner.clone()),
            rtype,
            ttl,
            data: Cow::Owned(data.to_owned()),
        });
    };
    match data {
        Data::Chosen(chosen) => chosen.addresses.iter().for_each(|address| match address {
            IpAddr::V4(v4) => put(TTL, &v4.octets()),
            IpAddr::V6(v6) => put(TTL, &v6.octets()),
        }),
        Data::A(of) => of.iter().filter_map(Interface::ipv4).for_each(|address| put(TTL, &address.octets())),
        Data::Aaaa(of) => of.iter().filter_map(Interface::ipv6).for_each(|address| put(TTL, &address.octets())),
        Data::Rrset(set, _) if set.rtype == rtype => set.rdata.iter().for_each(|data| put(set.ttl, data)),
        Data::Fixed(fixed, data) if *fixed == rtype => put(TTL, data),
        Data::Instance(address) => put(TTL, &address.octets()),
        Data::Instance6(address) => put(TTL, &address.octets()),
        _ => {}
    }
}

impl<'s> ExportedZone<'s> {
    /// The SOA record, with this serial. Its TTL is that of negative answers, unless the zone has a SOA of its own.
    pub fn soa(&self, serial: u32) -> ExportedRecord<'s> {
        let own = self.own_soa();
        let mut data = own.map_or(ROUTE53_SOA, |(_, data)| data).to_vec();
        if let Some(place) = serial_place(&mut data) {
            place.copy_from_slice(&serial.to_be_bytes());
        }
        let ttl = own.map_or(TTL, |(ttl, _)| ttl);
        ExportedRecord { owner: Cow::Owned(self.apex.clone()), rtype: Rtype::SOA, ttl, data: Cow::Owned(data) }
    }

    /// The serial that the zone's own SOA record says.
    pub fn own_serial(&self) -> Option<u32> {
        let mut data = self.own_soa()?.1.to_vec();
        serial_place(&mut data).map(|place| u32::from_be_bytes(*place))
    }

    fn own_soa(&self) -> Option<(u32, &'s [u8])> {
        let ZoneKind::Hosted(zone) = self.kind else { return None };
        let soa = zone.node(zone.name.wire())?.rrset(Rtype::SOA)?;
        Some((soa.ttl, soa.rdata.first()?))
    }

    /// All it has but the SOA record, in no order that means anything.
    pub fn items(&self) -> ZoneItems<'s> {
        match self.kind {
            ZoneKind::Private(name) => {
                endpoint::addresses(&self.view, &self.apex, move |reason| is_private(reason, name))
            }
            ZoneKind::Endpoint => endpoint::addresses(&self.view, &self.apex, endpoint::is_own),
            ZoneKind::Region => endpoint::region(&self.view, &self.apex),
            ZoneKind::Hosted(zone) => hosted::items(&self.view, zone),
            ZoneKind::Catalog => catalog::items(&self.view),
        }
    }
}

/// Whether an answer is that of the private zone `name`.
fn is_private(reason: &Reason<'_>, name: &DnsName) -> bool {
    matches!(reason, Reason::PrivateName(_, zone) if *zone == name)
}

/// The NS records of a zone that has none of its own.
fn name_servers<'s>(apex: &DnsName) -> impl Iterator<Item = ZoneItem<'s>> + Send + use<'s> {
    let apex = apex.clone();
    ROUTE53_NS.iter().map(move |data| {
        let owner = Cow::Owned(apex.clone());
        ZoneItem::Record(ExportedRecord { owner, rtype: Rtype::NS, ttl: NS_TTL, data: Cow::Borrowed(data) })
    })
}

/// Where the serial is in the data of a SOA record: in front of its last four numbers (RFC 1035 3.3.13).
fn serial_place(data: &mut [u8]) -> Option<&mut [u8; 4]> {
    data.last_chunk_mut::<20>()?.first_chunk_mut::<4>()
}
