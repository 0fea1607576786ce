//! Joins the outputs by their ids into inputs of the model, and says which output is missing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::model::{EndpointInput, Input, InterfaceInput, Object, SubnetInput};
use crate::naming::{InterfaceId, VpcId};
use crate::problem::{Place, Problem, count};

use super::super::Declared;
use super::associations;
use super::az_affinity::VpcZones;
use super::endpoint::EndpointOutput;
use super::hosts;
use super::known::LISTS;
use super::network::{InterfaceOutput, SubnetOutput};
use super::outputs::{Outputs, Page};
use super::private_zones;
use super::route53::COMMANDS;
use super::subnets::StandIns;
use super::views::{self, Accounts};
use super::vpcs::{join_vpcs, regions};
use super::zones::{ZoneNames, forget_contradicted};

/// The inputs that `outputs` make together.
pub(super) fn join(outputs: Outputs) -> Declared {
    let Outputs {
        vpcs,
        attributes,
        subnets,
        mut interfaces,
        endpoints,
        unserved,
        mut services,
        pages,
        associations,
        networks,
        ..
    } = outputs;
    let Outputs { broken, incomplete, problems, mut instances, accounts: told, route53, .. } = outputs;
    // describe-network-interfaces says more of an interface than describe-instances does: it comes behind
    interfaces.splice(0..0, instances.iter_mut().flat_map(|instance| instance.interfaces.drain(..)));
    let mut accounts = Accounts::default();
    for (place, account) in &told {
        accounts.note(place, account);
    }
    let zone_names = ZoneNames::new(&subnets, accounts);
    let accounts = &zone_names.accounts;
    let mut differing = vec![];
    let vpcs = views::once(vpcs, accounts, &mut differing);
    let subnets = views::once(subnets, accounts, &mut differing);
    let interfaces = views::once(interfaces, accounts, &mut differing);
    let mut endpoints = views::once(endpoints, accounts, &mut differing);
    let known_vpcs: HashSet<VpcId> = vpcs.iter().map(|vpc| vpc.id.value).collect();
    let mut joined = Declared { inputs: vec![], broken, incomplete, problems, files: 0 };
    joined.problems.extend(differing);
    joined.problems.extend(not_served(&unserved));
    missing_pages(&pages, &mut joined.problems);
    let regions = regions(&subnets, &interfaces, &endpoints);
    join_vpcs(vpcs, &attributes, &endpoints, &regions, &route53.configs, &mut joined);
    associations::join(associations, networks, &mut endpoints, &known_vpcs, &mut joined);
    route53.endpoints.join(&interfaces, &mut joined);
    private_zones::join(route53, &known_vpcs, Some(&endpoints), &VpcZones::new(&subnets), &mut joined);

    let mut stand_ins = StandIns::new(&subnets, &joined.broken);
    let has_interfaces = pages.iter().any(|page| page.key == "NetworkInterfaces") || !interfaces.is_empty();
    let mut interfaces: HashMap<InterfaceId, InterfaceOutput> =
        interfaces.into_iter().map(|interface| (interface.id.value, interface)).collect();
    let (mut without, mut outside) = (vec![], vec![]);
    for endpoint in &mut endpoints {
        let missing = add_interfaces(endpoint, &interfaces, &zone_names, &mut stand_ins, &mut outside, &mut joined);
        if !missing.is_empty() && has_interfaces {
            joined.problems.push(missing_interfaces(endpoint, &missing));
        } else if !missing.is_empty() {
            without.push(endpoint.seen.place.clone());
        }
    }
    if let Some(place) = without.first() {
        let what = format!("no describe-network-interfaces output: {} endpoints have no addresses", without.len());
        let hint = "run `aws ec2 describe-network-interfaces` and save it beside the other files";
        joined.problems.push(Problem::warning(place.clone(), what, hint));
    }

    joined.problems.extend(outside_subnets(&outside));
    for id in endpoints.iter().flat_map(|endpoint| &endpoint.interface_ids) {
        interfaces.remove(&id.value);
    }
    joined.inputs.extend(hosts::inputs(interfaces, &subnets, &instances, &known_vpcs));
    forget_contradicted(&mut services, &endpoints, &subnets);
    for SubnetOutput { seen, id: subnet_id, vpc_id, zone, cidr_blocks, enable_dns64, .. } in subnets {
        let object =
            Object::Subnet(SubnetInput { subnet_id, vpc_id, availability_zone: zone, cidr_blocks, enable_dns64 });
        joined.inputs.push(Input { note: seen.note, ..Input::new(seen.place, object) });
    }
    joined.inputs.extend(stand_ins.into_inputs());
    let mut seen = HashSet::new();
    for (place, service) in services {
        // services without a region are in the output of every region
        if seen.insert(service.service_name.value.clone()) {
            joined.inputs.push(Input::new(place, Object::Service(service)));
        }
    }
    joined.inputs.extend(endpoints.into_iter().map(|it| {
        let note = it.seen.note.clone().or_else(|| stand_in_note(&it));
        Input { note, ..Input::new(it.seen.place, Object::Endpoint(it.input)) }
    }));
    joined.problems.sort_by(|a, b| a.place.cmp(&b.place));
    joined
}

/// What `explain` says of an endpoint whose interfaces `sync` made up.
fn stand_in_note(endpoint: &EndpointOutput) -> Option<Arc<str>> {
    let EndpointInput { vpc_endpoint_id, network_interfaces, .. } = &endpoint.input;
    let stands_in = network_interfaces.iter().any(|i| i.network_interface_id.value.is_stand_in());
    stands_in.then(|| {
        let id = vpc_endpoint_id.value;
        format!("{id} has no addresses of its own where it was read: those of --endpoint-address stand in").into()
    })
}

/// One warning for all endpoints of types that are not served.
fn not_served(unserved: &[(Place, String)]) -> Option<Problem> {
    let (place, _) = unserved.first()?;
    let types: BTreeSet<&str> = unserved.iter().map(|(_, kind)| kind.as_str()).collect();
    let types = types.into_iter().collect::<Vec<_>>().join(", ");
    let what = format!("left out {} endpoints of types that are not served ({types})", unserved.len());
    Some(Problem::warning(place.clone(), what, "Interface, Resource and ServiceNetwork endpoints are served"))
}

/// One warning for all interfaces whose addresses are outside their subnets: emulators make addresses up.
fn outside_subnets(outside: &[(Place, String)]) -> Option<Problem> {
    let (place, first) = outside.first()?;
    let more = match outside.len() - 1 {
        0 => String::new(),
        more => format!(" (and {} like it)", count(more, "interface")),
    };
    let hint = "it is answered as it is; where an emulator made it up, `sync --endpoint-address all=ADDR` says where that listens";
    Some(Problem::warning(place.clone(), format!("{first}{more}"), hint))
}

/// A list of which every page says that there is another one lacks its last page.
fn missing_pages(pages: &[Page], problems: &mut Vec<Problem>) {
    let mut last: Vec<(&Page, bool)> = vec![];
    for page in pages {
        match last.iter_mut().find(|(other, _)| other.key == page.key && other.directory == page.directory) {
            Some((other, ended)) => {
                *other = page;
                *ended |= page.next.is_none();
            }
            None => last.push((page, page.next.is_none())),
        }
    }
    for (page, _) in last.iter().filter(|(_, ended)| !ended) {
        if let Some(place) = page.next.clone() {
            let of_ec2 = LISTS.iter().find(|(key, ..)| *key == page.key).map(|(.., command)| format!("ec2 {command}"));
            let of_others =
                || COMMANDS.iter().find(|(key, _)| *key == page.key).map(|(_, command)| (*command).to_owned());
            let command = of_ec2.or_else(of_others).unwrap_or_default();
            let what = format!("a page of {} is missing: this one has a NextToken", page.key);
            let hint = format!("run `aws {command}` without --max-items and --no-paginate, or save every page");
            problems.push(Problem::warning(place, what, hint));
        }
    }
}

/// Gives an endpoint its interfaces; returns those that are in no output.
fn add_interfaces(
    endpoint: &mut EndpointOutput,
    interfaces: &HashMap<InterfaceId, InterfaceOutput>,
    zone_names: &ZoneNames,
    stand_ins: &mut StandIns,
    outside: &mut Vec<(Place, String)>,
    joined: &mut Declared,
) -> Vec<InterfaceId> {
    let over = endpoint.input.state.is_over();
    let mut missing = vec![];
    endpoint.input.network_interfaces.reserve_exact(endpoint.interface_ids.len());
    for id in &endpoint.interface_ids {
        match interfaces.get(&id.value) {
            Some(interface) => {
                let Some(subnet_id) = stand_ins.subnet_of(interface, endpoint.input.vpc_id.value, &mut joined.problems)
                else {
                    continue;
                };
                let zone = zone_names.of(interface, subnet_id.value, endpoint);
                if let Some((place, what)) = stand_ins.outside(interface, subnet_id.value) {
                    outside.push((place, format!("{} of {}: {what}", id.value, endpoint.input.vpc_endpoint_id.value)));
                }
                endpoint.input.network_interfaces.push(InterfaceInput {
                    availability_zone: zone.map(Box::new),
                    network_interface_id: id.clone(),
                    subnet_id,
                    private_ip_address: interface.ipv4.clone(),
                    ipv6_address: interface.ipv6.clone(),
                    is_anywhere: true,
                });
            }
            // an endpoint that is gone has lost its interfaces; a broken one has been told of
            None if over || stand_ins.is_broken(&id.value.to_string()) => {}
            None => missing.push(id.value),
        }
    }
    missing
}

fn missing_interfaces(endpoint: &EndpointOutput, missing: &[InterfaceId]) -> Problem {
    let mut list = String::new();
    for id in missing {
        let _ = write!(list, " {id}");
    }
    let what = format!(
        "{} has interfaces that are in no describe-network-interfaces output:{list}; their addresses are left out",
        endpoint.input.vpc_endpoint_id.value
    );
    let hint = format!(
        "run `aws ec2 describe-network-interfaces --network-interface-ids{list}` and save it beside the other files"
    );
    let place = endpoint.interface_ids.first().map_or(&endpoint.seen.place, |id| &id.place);
    Problem::warning(place.clone(), what, hint)
}
