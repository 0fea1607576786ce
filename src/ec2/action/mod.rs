//! The actions, by name. One file for each kind of object.

mod connection;
mod endpoint;
mod group_rule;
mod identity;
mod interface;
mod nothing;
mod notification;
mod offer;
mod permission;
mod reach;
mod region;
mod security_group;
mod service;
mod subnet;
mod tags;
mod vpc;

use super::call::Action;
use super::error::ApiError;
use super::xml::Xml;

/// Every action there is.
static ACTIONS: &[&[Action]] = &[
    connection::ACTIONS,
    nothing::ACTIONS,
    notification::ACTIONS,
    endpoint::ACTIONS,
    group_rule::ACTIONS,
    identity::ACTIONS,
    interface::ACTIONS,
    offer::ACTIONS,
    permission::ACTIONS,
    region::ACTIONS,
    security_group::ACTIONS,
    service::ACTIONS,
    subnet::ACTIONS,
    tags::ACTIONS,
    vpc::ACTIONS,
];

/// The action with this name.
pub(super) fn find(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().copied().flatten().find(|action| action.name == name)
}

/// The answer of an action on several objects: which of them failed, and why.
fn unsuccessful(failed: Vec<(String, ApiError)>) -> Xml {
    let mut answer = Xml::new();
    answer.list("unsuccessful", failed, |xml, (id, error)| {
        xml.element("error", |xml| {
            xml.text("code", error.code);
            xml.text("message", error.message);
        });
        xml.text("resourceId", id);
    });
    answer
}
