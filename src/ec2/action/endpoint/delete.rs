//! DeleteVpcEndpoints.

use std::collections::{BTreeSet, HashMap};

use super::need;
use crate::ec2::action::offer::is_endpoint_service;
use crate::ec2::action::unsuccessful;
use crate::ec2::call::{Call, Done, parse_id};
use crate::ec2::dns;
use crate::ec2::error::ApiError;
use crate::ec2::params::Params;
use crate::ec2::record::{EndpointRecord, Phase, StoredObject};
use crate::ec2::state::{ConnectionChange, Edit};
use crate::ec2::violation;
use crate::model::Key;
use crate::naming::EndpointId;
use crate::problem::Place;

pub(super) fn run(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids: BTreeSet<String> = params.list("VpcEndpointId").into_iter().collect();
    if ids.is_empty() {
        return Err(ApiError::missing("VpcEndpointId"));
    }
    for id in &ids {
        parse_id::<EndpointId>(id, "InvalidVpcEndpointId.Malformed", EndpointId::PREFIX)?;
    }
    let (mut edit, mut failed) = (Edit::default(), Vec::new());
    let used = used_by_files(call);
    for id in ids {
        match deleted(call, &id, &used) {
            Ok(endpoint) => {
                // told of it are still those who ask before the change
                let told = call.state.notifications().filter(|told| told.subject == id);
                edit.remove.extend(told.map(|told| told.id.clone()));
                if is_endpoint_service(&endpoint.service) {
                    let service = endpoint.service.clone();
                    edit.events.push(ConnectionChange { name: "Delete", endpoint: endpoint.id, service });
                }
                edit.put.push(StoredObject::Endpoint(endpoint));
            }
            // EC2's code in bulk differs from that of other calls
            Err(error) if error.code == "InvalidVpcEndpointId.NotFound" => {
                failed.push((id, ApiError::new("InvalidVpcEndpoint.NotFound", error.message)));
            }
            Err(error) => failed.push((id, error)),
        }
    }
    Ok(Done { edit, answer: unsuccessful(failed) })
}

/// The endpoints that zones and Profiles of files lead to, each with one of the places.
fn used_by_files(call: &Call<'_>) -> HashMap<EndpointId, Place> {
    let of_file = |key: &Key| (call.place_of)(key).filter(|place| *place != dns::place());
    let mut used = HashMap::new();
    for zone in call.model.hosted_zones() {
        let Some(place) = of_file(&zone.key()) else { continue };
        let targets = zone.unsorted_nodes().filter_map(|(_, node)| Some(node.alias.as_ref()?.endpoint));
        used.extend(targets.map(|id| (id, place.clone())));
    }
    for profile in call.model.profiles() {
        let Some(place) = of_file(&Key::Profile(profile.id.clone())) else { continue };
        used.extend(profile.endpoints.iter().map(|id| (*id, place.clone())));
    }
    used
}

/// The endpoint as it is when it is deleted. It is listed for a while, and answers no more.
fn deleted(call: &Call<'_>, id: &str, used: &HashMap<EndpointId, Place>) -> Result<EndpointRecord, ApiError> {
    let listed = need(call, id)?;
    call.owned(&Key::Endpoint(listed.record.id), id)?;
    if let Some(place) = used.get(&listed.record.id) {
        return Err(violation::in_use(id, place));
    }
    if listed.record.phase == Phase::Deleted {
        return Err(ApiError::not_found(EndpointId::PREFIX, id));
    }
    let mut endpoint = listed.record.into_owned();
    endpoint.phase = Phase::Deleted;
    endpoint.phase_since = call.now;
    // "the endpoint network interfaces are deleted" (PrivateLink guide, "Delete an interface endpoint")
    endpoint.interfaces.clear();
    endpoint.route_tables.clear();
    Ok(endpoint)
}
