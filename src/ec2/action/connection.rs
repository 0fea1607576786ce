//! The connections of an endpoint service: the endpoints that lead to it, as its provider sees them.

use super::endpoint::{self, ListedEndpoint};
use super::service::need;
use super::unsuccessful;
use crate::ec2::call::{Action, Call, Done, parse_id, timestamp};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Values, fields};
use crate::ec2::params::Params;
use crate::ec2::record::{EndpointRecord, Phase, ServiceRecord, StoredObject, Tags};
use crate::ec2::state::{ConnectionChange, Edit};
use crate::model::{Key, State};
use crate::naming::EndpointId;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "DescribeVpcEndpointConnections", writes: false, idempotent: false, run: describe },
    Action { name: "AcceptVpcEndpointConnections", writes: true, idempotent: false, run: accept },
    Action { name: "RejectVpcEndpointConnections", writes: true, idempotent: false, run: reject },
];

const LISTING: Listing = Listing { set: "vpcEndpointConnectionSet", bad_filter: "InvalidFilter", least: 1 };

/// An endpoint and the service that it leads to.
struct ServiceConnection<'c> {
    service: &'c ServiceRecord,
    listed: ListedEndpoint<'c>,
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let connections = call.state.endpoints().filter_map(|endpoint| {
        Some(ServiceConnection { service: service_of(call, endpoint)?, listed: endpoint::listed(call, endpoint)? })
    });
    LISTING.answer(params, connections, |it| it.listed.record.id.to_string())
}

/// The caller's service that an endpoint leads to.
fn service_of<'c>(call: &'c Call<'c>, endpoint: &EndpointRecord) -> Option<&'c ServiceRecord> {
    let (_, id) = endpoint.service.as_str().rsplit_once('.')?;
    let mine = |service: &&ServiceRecord| call.sees(&service.owner) && service.region == call.caller.region;
    call.state.service(id).filter(mine)
}

/// The tags of an endpoint are its owner's.
static UNTAGGED: Tags = Tags::new();

fields! {
    impl ServiceConnection<'_> as it {
        "serviceId" ["service-id"] = &it.service.id;
        "vpcEndpointId" ["vpc-endpoint-id"] = Values::of(it.listed.record.id);
        "vpcEndpointOwner" ["vpc-endpoint-owner"] = &it.listed.record.owner;
        "vpcEndpointState" ["vpc-endpoint-state"] = it.listed.state.as_str();
        "creationTimestamp" = timestamp(it.listed.record.created);
        "dnsEntrySet[].dnsName" = it.listed.dns_names();
        "dnsEntrySet[].hostedZoneId" = it.listed.dns_zones();
        "networkLoadBalancerArnSet[]" = Values::of_any(&it.service.network_load_balancer_arns);
        "gatewayLoadBalancerArnSet[]" = Values::of_any(&it.service.gateway_load_balancer_arns);
        "ipAddressType" ["ip-address-type"] = it.listed.record.ip_address_type.as_str();
        "vpcEndpointConnectionId" = it.listed.record.id.to_string().replacen(EndpointId::PREFIX, "vpce-con-", 1);
        "tagSet" = &UNTAGGED;
        "vpcEndpointRegion" ["vpc-endpoint-region"] = it.service.region.as_str();
        "" ["transit-gateway-attachment-id"] = Values::Absent;
    }
}

fn accept(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    // what was rejected can still be accepted
    decide(call, params, "Accept", Phase::Accepted, &[Phase::Requested, Phase::Rejected])
}

fn reject(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    // "You can reject an endpoint connection request at any time, also after it was accepted" (AWS PrivateLink guide)
    decide(call, params, "Reject", Phase::Rejected, &[Phase::Requested, Phase::Accepted])
}

/// Puts each endpoint that the call names into `phase`, from one of those in `from`.
fn decide(
    call: &Call<'_>,
    params: &mut Params,
    event: &'static str,
    phase: Phase,
    from: &[Phase],
) -> Result<Done, ApiError> {
    let service = need(call, &params.required("ServiceId")?)?;
    let ids = params.list("VpcEndpointId");
    if ids.is_empty() {
        return Err(ApiError::missing("VpcEndpointId"));
    }
    let mut edit = Edit::default();
    let mut failed = Vec::new();
    let mut done: Vec<EndpointId> = Vec::new();
    for text in ids {
        let id: EndpointId = parse_id(&text, "InvalidVpcEndpointId.Malformed", EndpointId::PREFIX)?;
        match connected(call, service, id) {
            // named twice
            Ok(_) if done.contains(&id) => {}
            Ok(endpoint) if from.contains(&endpoint.phase) => {
                done.push(id);
                edit.put.push(StoredObject::Endpoint(EndpointRecord {
                    phase,
                    phase_since: call.now,
                    ..endpoint.clone()
                }));
                edit.events.push(ConnectionChange { name: event, endpoint: id, service: service.name.clone() });
            }
            Ok(endpoint) => {
                let state = endpoint.state(call.now, call.settings).unwrap_or(State::Deleted);
                let verb = event.to_ascii_lowercase();
                let message = format!("The connection of '{id}' is in the state {state}: there is nothing to {verb}.");
                failed.push((text, ApiError::new("InvalidState", message)));
            }
            Err(error) => failed.push((text, error)),
        }
    }
    Ok(Done { edit, answer: unsuccessful(failed) })
}

/// The endpoint with this id, if it leads to `service`.
fn connected<'c>(call: &'c Call<'c>, service: &ServiceRecord, id: EndpointId) -> Result<&'c EndpointRecord, ApiError> {
    let endpoint = call.state.endpoint(id).filter(|endpoint| endpoint.service == service.name);
    if let Some(endpoint) = endpoint.filter(|endpoint| endpoint.phase != Phase::Deleted) {
        return Ok(endpoint);
    }
    if call.model.endpoint(id).is_some_and(|endpoint| call.model.service(endpoint).service_name == service.name) {
        call.owned(&Key::Endpoint(id), id)?;
    }
    Err(ApiError::not_found(EndpointId::PREFIX, id))
}
