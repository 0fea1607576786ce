//! The actions, by name. One file for each kind of object.

mod block;
mod connection;
mod default_vpc;
mod endpoint;
mod group_rule;
mod hosted_zone;
mod identity;
mod instance;
mod interface;
mod nothing;
mod notification;
mod offer;
mod own_interface;
mod permission;
pub(super) mod profiles;
mod reach;
mod record_set;
mod region;
pub(super) mod resolver;
mod route;
mod route_table;
mod security_group;
mod service;
mod subnet;
mod tags;
mod vpc;
mod zone_tags;
mod zone_vpc;

use super::call::Action;
use super::error::ApiError;
use super::xml::Xml;

/// Every action there is.
static ACTIONS: &[&[Action]] = &[
    block::ACTIONS,
    connection::ACTIONS,
    default_vpc::ACTIONS,
    nothing::ACTIONS,
    notification::ACTIONS,
    endpoint::ACTIONS,
    group_rule::ACTIONS,
    hosted_zone::ACTIONS,
    identity::ACTIONS,
    instance::ACTIONS,
    interface::ACTIONS,
    offer::ACTIONS,
    own_interface::ACTIONS,
    permission::ACTIONS,
    record_set::ACTIONS,
    region::ACTIONS,
    route::ACTIONS,
    route_table::ACTIONS,
    security_group::ACTIONS,
    service::ACTIONS,
    subnet::ACTIONS,
    tags::ACTIONS,
    vpc::ACTIONS,
    zone_tags::ACTIONS,
    zone_vpc::ACTIONS,
];

/// The action with this name.
pub(super) fn find(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().copied().flatten().find(|action| action.name == name)
}

/// The page of all actions, in Markdown.
pub(super) fn reference() -> String {
    let of_nothing = |action: &Action| nothing::ACTIONS.iter().any(|other| other.name == action.name);
    let what = |writes: bool, of_nothing: bool| match (writes, of_nothing) {
        (true, _) => "changes what is there; on disk before it answers",
        (false, true) => "always an empty list",
        (false, false) => "reads",
    };
    let is_route53 = |action: &Action| {
        [hosted_zone::ACTIONS, record_set::ACTIONS, zone_tags::ACTIONS, zone_vpc::ACTIONS]
            .concat()
            .iter()
            .any(|one| one.name == action.name)
    };
    let service = |action: &Action| match action.name {
        "GetCallerIdentity" => "STS",
        "GetUser" | "ListRoles" => "IAM",
        _ if is_route53(action) => "Route 53",
        _ => "EC2",
    };
    let token = |idempotent: bool| if idempotent { "yes" } else { "" };
    let of_forms = ACTIONS.iter().copied().flatten().map(|action| {
        (action.name, service(action), what(action.writes, of_nothing(action)), token(action.idempotent))
    });
    let of_documents = resolver::all()
        .map(|action| (action.name, "Resolver", what(action.writes, resolver::is_of_nothing(action)), ""));
    let of_profiles = profiles::all().map(|action| (action.name, "Profiles", what(action.writes, false), ""));
    let mut all: Vec<_> = of_forms.chain(of_documents).chain(of_profiles).collect();
    all.sort_unstable();
    let row = |(name, service, what, token): &(&str, &str, &str, &str)| {
        format!("| {name} | {service} | {what} | {token} |\n")
    };
    format!(
        "# Actions of the EC2 API\n\nGenerated from `src/ec2/action/`; `UPDATE_DOCS=1 cargo test --test it generated` writes it anew. \
         [ec2-api.md](ec2-api.md)\nsays how to use them. Versions: EC2 2016-11-15, Route 53 2013-04-01, Route 53 Resolver 2018-04-01, Route 53 \
         Profiles 2018-05-10,\nSTS 2011-06-15, IAM 2010-05-08. `e2e/ec2_bad_input.py` calls each with what botocore's models do not allow, `e2e/ec2_accounts.py` at random;\n`shown by` has the first tests that call it by name.\n\n| action | service | | `ClientToken` |\n|---|---|---|---|\n{}",
        all.iter().map(row).collect::<String>()
    )
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
