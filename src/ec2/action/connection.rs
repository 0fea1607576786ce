//! The connections of an endpoint service: the endpoints that lead to it, as its provider sees them.

use std::borrow::Cow;

use super::endpoint::{self, Listed};
use super::service::need;
use super::unsuccessful;
use crate::ec2::call::{Action, Call, Done, parse_id, timestamp};
use crate::ec2::error::ApiError;
use crate::ec2::filter::{Filters, Page};
use crate::ec2::params::Params;
use crate::ec2::record::{Endpoint, Phase, Record, Service, Tags};
use crate::ec2::state::{Edit, Event};
use crate::ec2::xml::Xml;
use crate::model::{Key, State};
use crate::naming::EndpointId;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "DescribeVpcEndpointConnections", writes: false, idempotent: false, run: describe },
    Action { name: "AcceptVpcEndpointConnections", writes: true, idempotent: false, run: accept },
    Action { name: "RejectVpcEndpointConnections", writes: true, idempotent: false, run: reject },
];

const FILTERS: &[&str] = &[
    "ip-address-type",
    "service-id",
    "transit-gateway-attachment-id",
    "vpc-endpoint-id",
    "vpc-endpoint-owner",
    "vpc-endpoint-region",
    "vpc-endpoint-state",
];

/// An endpoint and the service that it leads to.
struct Connection<'c> {
    service: &'c Service,
    listed: Listed<'c>,
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let filters = Filters::take(params, FILTERS, "InvalidFilter")?;
    let page = Page::take(params, 1)?;
    let connections = call.state.endpoints().filter_map(|endpoint| {
        Some(Connection { service: service_of(call, endpoint)?, listed: endpoint::listed(call, endpoint)? })
    });
    let found = connections.filter(|it| filters.matches(&Tags::new(), |name| value(it, name)));
    let (found, next) = page.cut(found, |it| it.listed.record.id.to_string());
    let mut answer = Xml::new();
    answer.list("vpcEndpointConnectionSet", found, |xml, it| write(xml, call, &it));
    answer.optional("nextToken", next);
    Ok(Done { answer, ..Done::default() })
}

/// The caller's service that an endpoint leads to.
fn service_of<'c>(call: &'c Call<'_>, endpoint: &Endpoint) -> Option<&'c Service> {
    let (_, id) = endpoint.service.as_str().rsplit_once('.')?;
    let mine = |service: &&Service| call.sees(&service.owner) && service.region == call.caller.region;
    call.state.service(id).filter(mine)
}

/// What a connection has under a filter's name.
fn value<'c>(it: &'c Connection<'_>, filter: &str) -> Option<Cow<'c, str>> {
    let endpoint = &it.listed.record;
    Some(match filter {
        "ip-address-type" => endpoint.ip_address_type.as_str().into(),
        "service-id" => it.service.id.as_str().into(),
        "vpc-endpoint-id" => endpoint.id.to_string().into(),
        "vpc-endpoint-owner" => endpoint.owner.as_str().into(),
        "vpc-endpoint-region" => it.service.region.as_str().into(),
        "vpc-endpoint-state" => it.listed.state.as_str().into(),
        _ => return None,
    })
}

fn write(xml: &mut Xml, call: &Call<'_>, it: &Connection<'_>) {
    let Connection { service, listed } = it;
    let endpoint = &listed.record;
    xml.text("serviceId", &service.id);
    xml.text("vpcEndpointId", endpoint.id);
    xml.text("vpcEndpointOwner", &endpoint.owner);
    xml.text("vpcEndpointState", listed.state);
    xml.text("creationTimestamp", timestamp(endpoint.created));
    endpoint::write_dns_entries(xml, call, listed);
    if !service.network_load_balancer_arns.is_empty() {
        xml.texts("networkLoadBalancerArnSet", &service.network_load_balancer_arns);
    }
    if !service.gateway_load_balancer_arns.is_empty() {
        xml.texts("gatewayLoadBalancerArnSet", &service.gateway_load_balancer_arns);
    }
    xml.text("ipAddressType", &endpoint.ip_address_type);
    xml.text("vpcEndpointConnectionId", endpoint.id.to_string().replacen(EndpointId::PREFIX, "vpce-con-", 1));
    // the tags of the endpoint are its owner's
    xml.texts("tagSet", [""; 0]);
    xml.text("vpcEndpointRegion", &service.region);
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
                edit.put.push(Record::Endpoint(Endpoint { phase, phase_since: call.now, ..endpoint.clone() }));
                edit.events.push(Event { name: event, endpoint: id, service: service.name.clone() });
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
fn connected<'c>(call: &'c Call<'_>, service: &Service, id: EndpointId) -> Result<&'c Endpoint, ApiError> {
    let endpoint = call.state.endpoint(id).filter(|endpoint| endpoint.service == service.name);
    if let Some(endpoint) = endpoint.filter(|endpoint| endpoint.phase != Phase::Deleted) {
        return Ok(endpoint);
    }
    if call.model.endpoint(id).is_some_and(|endpoint| call.model.service(endpoint).service_name == service.name) {
        call.owned(&Key::Endpoint(id), id)?;
    }
    let message = format!("The Vpc Endpoint Id '{id}' does not exist");
    Err(ApiError::new("InvalidVpcEndpointId.NotFound", message))
}
