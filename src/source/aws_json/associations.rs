//! Resource and service-network endpoints, whose names are in `describe-vpc-endpoint-associations` only.
//!
//! A resource endpoint's interfaces are the addresses of its names. Those of a service network are in no output (they come
//! out of prefixes of its interfaces), so that the association's public name is asked for, and its addresses are given at the
//! private one. Which names are private: EC2 API Reference, `DnsOptions`.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::dns::DnsName;
use crate::model::{HostedZoneInput, Input, Mode, Object, RecordData, RecordInput};
use crate::naming::{EndpointId, VpcId};
use crate::problem::{At, Place, Problem};

use super::super::Declared;
use super::endpoint::EndpointOutput;
use super::lattice::{AssociationOutput, NetworkEndpoint, PrivatePreference};

/// Gives resource endpoints their names, and service networks the zones of theirs.
pub(super) fn join(
    associations: Vec<AssociationOutput>,
    networks: Vec<NetworkEndpoint>,
    endpoints: &mut Vec<EndpointOutput>,
    known: &HashSet<VpcId>,
    joined: &mut Declared,
) {
    let mut of: HashMap<EndpointId, Vec<AssociationOutput>> = HashMap::new();
    for one in associations {
        let all = of.entry(one.endpoint).or_default();
        // the same output saved twice
        if !all.iter().any(|other| (&other.name, &other.private) == (&one.name, &one.private)) {
            all.push(one);
        }
    }
    let of_outputs: HashSet<EndpointId> = (endpoints.iter().map(|endpoint| endpoint.input.vpc_endpoint_id.value))
        .chain(networks.iter().map(|endpoint| endpoint.id))
        .collect();
    let strange = of.values().flatten().filter(|one| !of_outputs.contains(&one.endpoint));
    if let Some(strange) = strange.min_by_key(|one| one.endpoint) {
        let what = format!("{} has associations, and is in no output: its names are public", strange.endpoint);
        let hint = "run `aws ec2 describe-vpc-endpoints` and save it beside the other files";
        joined.problems.push(Problem::warning(strange.place.clone(), what, hint));
    }
    let mut taken = taken_names(endpoints);
    let mut nameless = vec![];
    endpoints.retain_mut(|endpoint| {
        let Some(preference) = endpoint.resource.take() else { return true };
        let id = endpoint.input.vpc_endpoint_id.value;
        let mine = of.remove(&id).unwrap_or_default();
        let vpc = endpoint.input.vpc_id.value;
        let own: Vec<DnsName> = mine.iter().filter_map(|one| one.name.clone()).collect();
        let Some(base) = own.first().and_then(DnsName::parent) else {
            nameless.extend((!endpoint.input.state.is_over()).then(|| (endpoint.seen.place.clone(), id)));
            return false;
        };
        let is_on = endpoint.input.private_dns_enabled.as_ref().is_some_and(|flag| flag.value);
        let wanted = mine.iter().filter(|_| is_on && !endpoint.input.state.is_over());
        let private = wanted.filter_map(|one| claim(&mut taken, &preference, vpc, id, one, joined)).collect::<Vec<_>>();
        if let Some(flag) = &mut endpoint.input.private_dns_enabled {
            flag.value = !private.is_empty();
        }
        let names = endpoint.input.given_names.get_or_insert_with(|| Box::new(crate::model::GivenNames::none()));
        (names.base, names.zones, names.own) = (Some(base), Some(vec![]), own);
        names.private = Some(private);
        true
    });
    let networks: BTreeMap<EndpointId, NetworkEndpoint> =
        networks.into_iter().map(|endpoint| (endpoint.id, endpoint)).collect();
    for endpoint in
        networks.into_values().filter(|endpoint| endpoint.state.is_served() && known.contains(&endpoint.vpc))
    {
        let Some(named) = of.remove(&endpoint.id) else {
            nameless.push((endpoint.place.clone(), endpoint.id));
            continue;
        };
        for one in named.iter().filter(|_| endpoint.private_dns_enabled) {
            let Some(target) = one.name.clone() else { continue };
            let Some(name) = claim(&mut taken, &endpoint.preference, endpoint.vpc, endpoint.id, one, joined) else {
                continue;
            };
            joined.inputs.push(zone_at(name, target, endpoint.vpc, &one.place));
        }
    }
    if let Some((place, id)) = nameless.first() {
        let what =
            format!("{} resource and service-network endpoints have no names ({id} is the first)", nameless.len());
        let hint = "run `aws ec2 describe-vpc-endpoint-associations` and save it beside the other files";
        joined.problems.push(Problem::warning(place.clone(), what, hint));
    }
}

/// The private names that other endpoints have.
fn taken_names(endpoints: &[EndpointOutput]) -> HashMap<(VpcId, DnsName), EndpointId> {
    let live = endpoints.iter().map(|endpoint| &endpoint.input).filter(|input| !input.state.is_over());
    live.flat_map(|input| {
        let names = input.given_names.as_ref().and_then(|names| names.private.as_ref()).into_iter().flatten();
        names.map(|name| ((input.vpc_id.value, name.clone()), input.vpc_endpoint_id.value))
    })
    .collect()
}

/// The private name of an association, if its endpoint wants it and no other endpoint of the VPC has it.
fn claim(
    taken: &mut HashMap<(VpcId, DnsName), EndpointId>,
    preference: &PrivatePreference,
    vpc: VpcId,
    id: EndpointId,
    association: &AssociationOutput,
    joined: &mut Declared,
) -> Option<DnsName> {
    let name = association.private.clone().filter(|name| preference.takes(name))?;
    let other = taken.entry((vpc, name.clone())).or_insert(id);
    if *other != id {
        let what = format!("{name} is a private name of {other} in {vpc}: {id} does not get it");
        joined.problems.push(Problem::warning(association.place.clone(), what, "one endpoint of a VPC can have it"));
        return None;
    }
    Some(name)
}

/// The hidden zone at a private name, which has the addresses of a public one.
fn zone_at(name: DnsName, target: DnsName, vpc: VpcId, place: &Place) -> Input {
    let at = |name: DnsName| At::new(name, place.clone());
    let apex = name.wildcard_apex().unwrap_or_else(|| name.clone());
    let object = Object::HostedZone(HostedZoneInput {
        name: at(apex),
        vpc_ids: vec![At::new(vpc, place.clone())],
        every_vpc: false,
        profiles: vec![],
        clients_of_no_vpc: false,
        mode: Mode::Apex,
        is_told: true,
        records: vec![RecordInput { name: at(name), clients_in: None, data: RecordData::AddressesOf(target) }],
    });
    Input::new(place.clone(), object)
}
