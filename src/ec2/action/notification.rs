//! Connection notifications: who is told what happens to an endpoint, or to all endpoints of a service.

use super::unsuccessful;
use crate::ec2::call::{Action, Call, Done, new_id, parse_id};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Resource, Values, fields};
use crate::ec2::notify::TopicArn;
use crate::ec2::notify::notice::Event;
use crate::ec2::params::Params;
use crate::ec2::record::{EndpointRecord, EndpointType, Notification, Phase, StoredObject};
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;
use crate::model::Key;
use crate::naming::EndpointId;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateVpcEndpointConnectionNotification", writes: true, idempotent: true, run: create },
    Action { name: "DescribeVpcEndpointConnectionNotifications", writes: false, idempotent: false, run: describe },
    Action { name: "ModifyVpcEndpointConnectionNotification", writes: true, idempotent: false, run: modify },
    Action { name: "DeleteVpcEndpointConnectionNotifications", writes: true, idempotent: false, run: delete },
];

const LISTING: Listing = Listing { set: "connectionNotificationSet", bad_filter: "InvalidFilter", least: 1 };

/// What the id of a service begins with, by which it is told from an endpoint's.
const SERVICE: &str = "vpce-svc-";

fn create(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let subject = match (params.optional("ServiceId"), params.optional("VpcEndpointId")) {
        (Some(service), None) => super::service::need(call, &service)?.id.clone(),
        (None, Some(endpoint)) => endpoint_subject(call, &endpoint)?,
        (Some(_), Some(_)) => {
            let message = "The parameters ServiceId and VpcEndpointId cannot be used together.";
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        (None, None) => return Err(ApiError::missing("VpcEndpointId")),
    };
    let arn = params.required("ConnectionNotificationArn")?;
    check_arn(&arn)?;
    let events = take_events(params)?;
    if events.is_empty() {
        return Err(ApiError::missing("ConnectionEvents"));
    }
    let notification =
        Notification { id: new_id("vpce-nfn-"), owner: call.caller.account.clone(), subject, arn, events };
    let mut answer = Xml::new();
    answer.element("connectionNotification", |xml| ListedNotification::of(call, &notification).write(xml));
    answer.optional("clientToken", call.client_token.as_ref());
    Ok(Done { edit: Edit::put([StoredObject::Notification(notification)]), answer })
}

/// The id of the caller's endpoint that a call names.
fn endpoint_subject(call: &Call<'_>, text: &str) -> Result<String, ApiError> {
    let id: EndpointId = parse_id(text, "InvalidVpcEndpointId.Malformed", EndpointId::PREFIX)?;
    let is_mine = |it: &&EndpointRecord| call.sees(&it.owner) && call.is_here(it.vpc) && it.phase != Phase::Deleted;
    let endpoint = call.state.endpoint(id).filter(is_mine);
    match endpoint {
        Some(endpoint) if endpoint.kind == EndpointType::Interface => Ok(id.to_string()),
        // "You can create a connection notification for interface endpoints only" (EC2 API Reference)
        Some(_) => Err(ApiError::invalid("Connection notifications are for interface endpoints only.")),
        None => {
            // nothing happens to one in a file that could be told
            call.owned(&Key::Endpoint(id), id)?;
            Err(ApiError::not_found(EndpointId::PREFIX, text))
        }
    }
}

fn check_arn(arn: &str) -> Result<(), ApiError> {
    let expected = "Expected the ARN of a standard SNS topic.";
    TopicArn::parse(arn).map(|_| ()).ok_or_else(|| ApiError::value(arn, "ConnectionNotificationArn", expected))
}

/// `ConnectionEvents.N`, each event once.
fn take_events(params: &mut Params) -> Result<Vec<String>, ApiError> {
    let mut events = Vec::new();
    for event in params.list("ConnectionEvents") {
        if Event::parse(&event).is_none() {
            return Err(ApiError::value(event, "ConnectionEvents", "Expected Accept, Connect, Delete or Reject."));
        }
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok(events)
}

/// Whether the caller sees a notification: it is of its account, and about something in its region.
fn is_mine(call: &Call<'_>, notification: &Notification) -> bool {
    let region = match notification.subject.parse::<EndpointId>() {
        Ok(id) => call.state.endpoint(id).and_then(|endpoint| call.vpc(endpoint.vpc)).map(|vpc| vpc.region.clone()),
        Err(_) => call.state.service(&notification.subject).map(|service| service.region.clone()),
    };
    // one whose subject is gone is seen everywhere, so that it can be deleted
    call.sees(&notification.owner) && region.is_none_or(|region| region == call.caller.region)
}

fn need<'c>(call: &'c Call<'_>, id: &str) -> Result<&'c Notification, ApiError> {
    let found = call.state.notification(id).filter(|notification| is_mine(call, notification));
    found.ok_or_else(|| {
        let message = format!("The connection notification '{id}' does not exist");
        ApiError::new("InvalidConnectionNotification", message)
    })
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.optional("ConnectionNotificationId");
    let filters = LISTING.take::<ListedNotification<'_>>(params)?;
    if let Some(id) = &id {
        need(call, id)?;
    }
    let chosen = call
        .state
        .notifications()
        .filter(|notification| id.as_ref().is_none_or(|id| *id == notification.id) && is_mine(call, notification));
    let listed = chosen.map(|notification| ListedNotification::of(call, notification));
    Ok(LISTING.page(&filters, listed, |listed| listed.notification.id.clone()))
}

/// A notification as it is listed.
struct ListedNotification<'c> {
    notification: &'c Notification,
    /// The service or the endpoint that it is about.
    service: Option<&'c str>,
    endpoint: Option<&'c str>,
    region: &'c str,
}

impl<'c> ListedNotification<'c> {
    fn of(call: &Call<'c>, notification: &'c Notification) -> Self {
        let subject = Some(notification.subject.as_str());
        let is_service = notification.subject.starts_with(SERVICE);
        Self {
            notification,
            service: subject.filter(|_| is_service),
            endpoint: subject.filter(|_| !is_service),
            region: call.caller.region.as_str(),
        }
    }
}

fields! {
    impl ListedNotification<'_> as it {
        "connectionNotificationId" ["connection-notification-id"] = &it.notification.id;
        "serviceId" ["service-id"] = it.service;
        "vpcEndpointId" ["vpc-endpoint-id"] = it.endpoint;
        "connectionNotificationType" ["connection-notification-type"] = "Topic";
        "connectionNotificationArn" ["connection-notification-arn"] = &it.notification.arn;
        "connectionEvents[]" = Values::of_each(&it.notification.events);
        "connectionNotificationState" ["connection-notification-state"] = "Enabled";
        "serviceRegion" = it.service.map(|_| it.region);
    }
}

fn modify(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let mut notification = need(call, &params.required("ConnectionNotificationId")?)?.clone();
    if let Some(arn) = params.optional("ConnectionNotificationArn") {
        check_arn(&arn)?;
        notification.arn = arn;
    }
    // what is not given stays
    let events = take_events(params)?;
    if !events.is_empty() {
        notification.events = events;
    }
    Ok(Done::changed(Edit::put([StoredObject::Notification(notification)])))
}

fn delete(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("ConnectionNotificationId");
    if ids.is_empty() {
        return Err(ApiError::missing("ConnectionNotificationId"));
    }
    let mut edit = Edit::default();
    let mut failed = Vec::new();
    for id in ids {
        match need(call, &id) {
            Ok(_) => edit.remove.push(id),
            Err(error) => failed.push((id, error)),
        }
    }
    Ok(Done { edit, answer: unsuccessful(failed) })
}
