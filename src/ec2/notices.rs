//! Who is to be told of a change: each event for each connection notification that asks for it, once for each target.

use super::notify::notice::Event;
use super::notify::{Notice, Target, TopicArn};
use super::record::{EndpointRecord, Notification, StoredObject};
use super::state::{ApiState, Delta, Edit};
use super::time::UnixMillis;

/// A notice on its way into the outbox.
#[derive(Clone, Debug)]
pub struct Telling {
    /// What is told.
    pub notice: Notice,
    /// Where it goes.
    pub target: Target,
    /// The topic of the connection notification.
    pub topic_arn: TopicArn,
}

/// A change on its way into the store, with who is to be told of it.
#[derive(Clone, Debug, Default)]
pub struct ToldDelta {
    /// The change.
    pub delta: Delta,
    /// Who is to be told.
    pub tell: Vec<Telling>,
}

impl ToldDelta {
    /// How many objects, tokens and notifications it changes.
    pub(super) fn changes(&self) -> usize {
        let Delta { put, remove, tokens, forget } = &self.delta;
        put.len() + remove.len() + tokens.len() + forget.len() + self.tell.len()
    }
}

/// What has to be told to `targets` of `edit`, which is made at `now` to `state`.
pub(super) fn of(edit: &Edit, state: &ApiState, now: UnixMillis, targets: &[Target]) -> Vec<Telling> {
    let mut all = Vec::new();
    for event in &edit.events {
        let changed = edit.put.iter().find_map(|record| match record {
            StoredObject::Endpoint(endpoint) if endpoint.id == event.endpoint => Some(endpoint),
            _ => None,
        });
        let Some(endpoint) = changed.or_else(|| state.endpoint(event.endpoint)) else { continue };
        let Some(kind) = Event::parse(event.name) else { continue };
        let service_id = event.service.as_str().rsplit('.').next().filter(|last| last.starts_with("vpce-svc-"));
        for notification in state.notifications() {
            if asks(notification, endpoint, service_id, event.name)
                && let Some(topic_arn) = TopicArn::parse(&notification.arn)
            {
                let notice = Notice {
                    event: kind,
                    notification_id: notification.id.clone(),
                    vpc_endpoint_id: endpoint.id.to_string(),
                    account_id: endpoint.owner.clone(),
                    service_id: service_id.map(str::to_owned),
                    service_name: event.service.to_string(),
                    time: now.into(),
                };
                all.extend(targets.iter().map(|target| Telling {
                    notice: notice.clone(),
                    target: *target,
                    topic_arn: topic_arn.clone(),
                }));
            }
        }
    }
    all
}

fn asks(notification: &Notification, endpoint: &EndpointRecord, service_id: Option<&str>, event: &str) -> bool {
    let subject = notification.subject.as_str();
    let is_meant = Some(subject) == service_id || subject == endpoint.id.to_string();
    is_meant && notification.events.iter().any(|wanted| wanted == event)
}
