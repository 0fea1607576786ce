//! Items of `describe-vpc-endpoints` and `describe-vpc-endpoint-services`.

use std::str::FromStr;

use crate::dns::DnsName;
use crate::model::{EndpointInput, GivenNames, Mode, RecordIpType, ServiceInput, State};
use crate::naming::{EndpointId, InterfaceId, Region, ServiceName, Suffix, VpcId, ZoneName, parse_label};
use crate::problem::{At, Place};

use super::super::reader::{Fields, Keys, Reader};
use super::super::values::{Text, one_of, region_within};
use super::lattice::{self, Lattice, NetworkEndpoint, PrivatePreference};
use super::views::{Facts, Seen, Sighting, sorted};

/// A member of `VpcEndpoints`.
pub(super) struct EndpointOutput {
    pub(super) seen: Seen,
    /// All but its interfaces, which are in another output.
    pub(super) input: EndpointInput,
    pub(super) interface_ids: Vec<At<InterfaceId>>,
    /// A resource endpoint, whose names are in another output; which of them are private.
    pub(super) resource: Option<PrivatePreference>,
    /// The region of its service, which nearly always is its own.
    pub(super) region: Option<Region>,
}

impl Sighting for EndpointOutput {
    type Id = EndpointId;

    fn id(&self) -> EndpointId {
        self.input.vpc_endpoint_id.value
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn seen_mut(&mut self) -> &mut Seen {
        &mut self.seen
    }

    fn facts(&self) -> Facts {
        let EndpointInput { vpc_id, service_name, state, private_dns_enabled, dns_record_ip_type, given_names, .. } =
            &self.input;
        let names = given_names.as_ref();
        let private = names.and_then(|names| names.private.as_ref());
        vec![
            ("VpcId", vpc_id.value.to_string()),
            ("ServiceName", service_name.value.to_string()),
            ("State", state.to_string()),
            ("PrivateDnsEnabled", sorted(private_dns_enabled.iter().map(|at| at.value))),
            ("DnsRecordIpType", dns_record_ip_type.to_string()),
            ("NetworkInterfaceIds", sorted(self.interface_ids.iter().map(|at| at.value))),
            ("a private name", sorted(private.into_iter().flatten())),
            ("a zonal name", sorted(names.and_then(|names| names.zones.as_ref()).into_iter().flatten())),
        ]
    }
}

/// Types without DNS names; nobody misses them here.
const NAMELESS: [&str; 3] = ["Gateway", "GatewayLoadBalancer", "Tunnel"];

pub(super) fn endpoint(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<EndpointOutput> {
    let is_resource = lattice_type(fields) == Some(Lattice::Resource);
    if !is_resource && !is_interface(fields) {
        return None;
    }
    let before = reader.errors();
    let vpc_endpoint_id = fields.required(reader, "VpcEndpointId");
    let vpc_id = fields.required(reader, "VpcId");
    let service_name: Option<At<ServiceName>> =
        if is_resource { resource_configuration(reader, fields) } else { fields.required(reader, "ServiceName") };
    let service_region = fields.optional(reader, "ServiceRegion");
    let state = state(reader, fields);
    let (dns_record_ip_type, inbound_resolver_only) = dns_options(reader, fields);
    let interface_ids = fields.list(reader, "NetworkInterfaceIds");
    let flag = fields.flag(reader, "PrivateDnsEnabled");
    let vpc_endpoint_id: At<EndpointId> = vpc_endpoint_id?;
    let mut entries = entries(reader, fields, vpc_endpoint_id.value);
    // where the member is missing, the names tell
    let private_dns_enabled = flag.or_else(|| {
        let place = reader.place(fields.at);
        (entries.names > 0).then(|| At::new(entries.given.private.is_some(), place))
    });
    if private_dns_enabled.as_ref().is_some_and(|enabled| !enabled.value) {
        entries.given.private = None;
    }
    let seen = Seen::new(reader, fields);
    (reader.errors() == before).then_some(())?;
    let service_name = service_name?;
    // the region of the VPC: that of the service, unless it is said to be in another one
    let region = region_within(service_name.value.as_str()).filter(|_| service_region.is_none());
    let given = entries.given;
    let has_names = given.base.is_some() || given.wildcard || given.private.is_some();
    let input = EndpointInput {
        vpc_endpoint_id,
        vpc_id: vpc_id?,
        service_name,
        service_region: service_region.map(Box::new),
        private_dns_enabled,
        inbound_resolver_only,
        state: state?,
        dns_suffix: entries.suffix,
        dns_record_ip_type,
        private_dns_mode: Mode::Apex,
        given_names: has_names.then(|| Box::new(given)),
        network_interfaces: Vec::new(),
    };
    let resource = is_resource.then(|| lattice::preference(reader, fields));
    Some(EndpointOutput { seen, input, interface_ids, resource, region })
}

/// What a resource endpoint leads to, in the place of a service: the last part of the configuration's ARN.
fn resource_configuration(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<At<ServiceName>> {
    let Some(node) = fields.node(reader, "ResourceConfigurationArn") else {
        fields.missing(reader, "ResourceConfigurationArn", "");
        return None;
    };
    let arn = reader.text(node)?;
    let name = arn.rsplit('/').next().and_then(|name| name.parse().ok());
    if name.is_none() {
        let hint = "such as arn:aws:vpc-lattice:us-west-2:111122223333:resourceconfiguration/rcfg-0123456789abcdef0";
        reader.error(node.at, format!("'{arn}' is not the ARN of a resource configuration"), hint);
    }
    Some(At::new(name?, reader.place(node.at)))
}

/// A service-network endpoint.
pub(super) fn network_endpoint(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<NetworkEndpoint> {
    (lattice_type(fields) == Some(Lattice::ServiceNetwork)).then_some(())?;
    let (id, vpc): (Option<At<EndpointId>>, _) =
        (fields.required(reader, "VpcEndpointId"), fields.required::<VpcId>(reader, "VpcId"));
    let state = state(reader, fields);
    Some(NetworkEndpoint::new(reader, fields, (id?.value, vpc?.value, state?)))
}

/// Which of the endpoint types with associations this is.
fn lattice_type(fields: &Fields<'_, '_>) -> Option<Lattice> {
    match fields.peek("VpcEndpointType")? {
        "Resource" => Some(Lattice::Resource),
        "ServiceNetwork" => Some(Lattice::ServiceNetwork),
        _ => None,
    }
}

/// The type of an endpoint that has names, but none that are served here.
pub(super) fn unserved_type<'n>(fields: &Fields<'n, '_>) -> Option<&'n str> {
    let kind = fields.peek("VpcEndpointType").filter(|kind| *kind != "Interface" && !NAMELESS.contains(kind));
    kind.filter(|_| lattice_type(fields).is_none())
}

fn is_interface(fields: &Fields<'_, '_>) -> bool {
    match fields.peek("VpcEndpointType") {
        Some(kind) => kind == "Interface",
        // before interface endpoints came, in 2017, there was no type, and all were gateways
        None => fields.has("NetworkInterfaceIds") || fields.has("DnsEntries"),
    }
}

/// A state that came after this was written is not served: nobody knows whether it should be.
fn state(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<State> {
    let Some(node) = fields.node(reader, "State") else {
        fields.missing(reader, "State", "available");
        return None;
    };
    let text = reader.text(node)?;
    Some(text.parse().unwrap_or_else(|()| {
        let what = format!("'{text}' is not a known endpoint state: the endpoint is not served");
        reader.warning(node.at, what, one_of(text, State::ALL));
        State::Failed
    }))
}

/// `DnsRecordIpType` and `PrivateDnsOnlyForInboundResolverEndpoint`.
fn dns_options(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> (RecordIpType, bool) {
    let options = fields.node(reader, "DnsOptions").and_then(|node| reader.table(node, "DNS options", Keys::Any));
    // AWS PrivateLink guide, "DNS record IP type": the default is the endpoint's IP address type
    let kind = options
        .as_ref()
        .and_then(|options| known(reader, options, "DnsRecordIpType", RecordIpType::ALL))
        .or_else(|| known(reader, fields, "IpAddressType", RecordIpType::ALL))
        .unwrap_or(RecordIpType::Ipv4);
    let inbound = options.and_then(|options| options.flag(reader, "PrivateDnsOnlyForInboundResolverEndpoint"));
    (kind, inbound.is_some_and(|flag| flag.value))
}

/// One of some words; a new word is a warning.
fn known<T: FromStr>(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, key: &str, all: &[&str]) -> Option<T> {
    let node = fields.node(reader, key)?;
    let text = reader.text(node)?;
    let value = text.parse().ok();
    if value.is_none() {
        reader.warning(node.at, format!("'{text}' is not a known {key}: it is ignored"), one_of(text, all));
    }
    value
}

/// What `DnsEntries` says.
struct Entries {
    suffix: Option<At<Suffix>>,
    given: GivenNames,
    /// How many names there were.
    names: usize,
    /// The zones of its zonal names.
    zones: Vec<ZoneName>,
    /// Whether every name follows AWS's grammar.
    is_ours: bool,
}

/// Takes `DnsEntries` apart: names of the endpoint itself by the grammar, all others are private names.
fn entries(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, id: EndpointId) -> Entries {
    let given = GivenNames::none();
    let mut entries = Entries { suffix: None, given, names: 0, zones: vec![], is_ours: true };
    for item in fields.items(reader, "DnsEntries") {
        let Some(item) = reader.table(item, "a DNS entry", Keys::Any) else { continue };
        let Some(node) = item.node(reader, "DnsName") else { continue };
        let Some(text) = reader.text(node) else { continue };
        match DnsName::read(text) {
            Ok(name) => entries.add(reader, node.at, &name, id),
            // emulators print names with a port
            Err(fault) => {
                entries.is_ours = false;
                reader.warning(node.at, format!("{}: it is ignored", fault.what), fault.hint);
            }
        }
    }
    // a list that is wholly of AWS's grammar is complete: an emulator's is not
    if entries.is_ours && entries.given.base.is_some() {
        entries.given.zones = Some(std::mem::take(&mut entries.zones));
    }
    entries
}

impl Entries {
    fn add(&mut self, reader: &mut Reader<'_>, at: u32, name: &DnsName, id: EndpointId) {
        self.names += 1;
        let wildcard = name.is_wildcard();
        let own = if wildcard { name.parent() } else { Some(name.clone()) };
        let host = own.as_ref().and_then(|own| Some((parse_label(own.labels().next()?)?, own.parent()?)));
        let Some((label, base)) = host else {
            self.given.private.get_or_insert_default().push(name.clone());
            return;
        };
        if label.id != id {
            reader.warning(at, format!("'{name}' is the name of another endpoint: it is ignored"), "");
            self.is_ours = false;
            return;
        }
        if self.suffix.is_none() {
            self.suffix = Some(At::new(label.suffix, reader.place(at)));
        }
        // an emulator may print the service's name here, which AWS never does
        let zone = label.zone.and_then(|zone| std::str::from_utf8(zone).ok()?.parse().ok());
        self.zones.extend(zone);
        self.is_ours &= base.labels().any(|label| label == b"vpce");
        if base.labels().any(|label| label == b"vpce") {
            self.given.base.get_or_insert(base);
            self.given.wildcard |= wildcard;
        }
    }
}

pub(super) fn service(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<(Place, ServiceInput)> {
    let before = reader.errors();
    let types = fields.items(reader, "ServiceType");
    let is_interface = types.iter().any(|node| {
        let kind = node.entries().iter().find(|entry| entry.key == "ServiceType");
        kind.and_then(|entry| reader.text(&entry.node)) == Some("Interface")
    });
    if !types.is_empty() && !is_interface {
        return None;
    }
    let service_name = fields.required(reader, "ServiceName");
    let bases: Vec<At<DnsName>> = fields.list(reader, "BaseEndpointDnsNames");
    let mut private_dns_names = vec![];
    for item in fields.items(reader, "PrivateDnsNames") {
        if let Some(item) = reader.table(item, "a private DNS name", Keys::Any) {
            private_dns_names.extend(item.required(reader, "PrivateDnsName"));
        }
    }
    // the only member for it in 2017; today it repeats the first of the list
    if private_dns_names.is_empty() {
        private_dns_names.extend(fields.optional(reader, "PrivateDnsName"));
    }
    let availability_zones = fields.list(reader, "AvailabilityZones");
    let place = reader.place(fields.at);
    (reader.errors() == before).then_some(())?;
    let service = ServiceInput {
        service_name: service_name?,
        base_endpoint_dns_name: own_base(bases),
        // EC2 tells every private name, so that none means that private DNS cannot be on
        private_dns_names: Some(private_dns_names),
        availability_zones,
    };
    Some((place, service))
}

/// The first base name, or the first that tells the service where one by its id stands before it.
fn own_base(bases: Vec<At<DnsName>>) -> Option<At<DnsName>> {
    let by_id = |base: &At<DnsName>| base.value.labels().next().is_some_and(|label| label.starts_with(b"vpce-svc-"));
    let telling = bases.iter().position(|base| !by_id(base)).unwrap_or(0);
    bases.into_iter().nth(telling)
}
