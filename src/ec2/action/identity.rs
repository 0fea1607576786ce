//! Who calls, in the words of STS and IAM: what a provider or tool asks before its first call of EC2.

use crate::ec2::call::{Action, Call, Done};
use crate::ec2::error::ApiError;
use crate::ec2::params::Params;
use crate::ec2::xml::Xml;
use crate::naming::partition_of;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "GetCallerIdentity", writes: false, idempotent: false, run: caller_identity },
    Action { name: "GetUser", writes: false, idempotent: false, run: user },
    Action { name: "ListRoles", writes: false, idempotent: false, run: roles },
    Action { name: "DescribeAccountAttributes", writes: false, idempotent: false, run: attributes },
];

/// The namespaces of the two APIs' only versions (STS and IAM API Reference).
const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const IAM: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

/// An access key here stands for its account, as the root user's does.
fn root_arn(call: &Call<'_>) -> String {
    format!("arn:{}:iam::{}:root", partition_of(&call.caller.region).name, call.caller.account)
}

fn answer(xml: Xml) -> Done {
    Done { answer: xml, ..Done::default() }
}

#[expect(clippy::unnecessary_wraps, reason = "an action may fail")]
fn caller_identity(call: &Call<'_>, _: &mut Params) -> Result<Done, ApiError> {
    let mut xml = Xml::of_query(STS);
    xml.text("Arn", root_arn(call));
    xml.text("UserId", &call.caller.account);
    xml.text("Account", &call.caller.account);
    Ok(answer(xml))
}

fn user(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    if let Some(name) = params.optional("UserName") {
        let message = format!("The user with name {name} cannot be found.");
        return Err(ApiError { status: 404, ..ApiError::new("NoSuchEntity", message) });
    }
    let mut xml = Xml::of_query(IAM);
    xml.element("User", |xml| {
        xml.text("Path", "/");
        xml.text("UserName", "root");
        xml.text("UserId", &call.caller.account);
        xml.text("Arn", root_arn(call));
        // as long ago as a time can be here: nobody has created it
        xml.text("CreateDate", "1970-01-01T00:00:00Z");
    });
    Ok(answer(xml))
}

fn roles(_: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    // IAM API Reference, ListRoles
    for (name, most) in [("PathPrefix", 512), ("Marker", 320)] {
        if params.optional(name).is_some_and(|value| value.chars().count() > most) {
            let message = format!("The parameter {name} has at most {most} characters.");
            return Err(ApiError::new("ValidationError", message));
        }
    }
    if params.optional("MaxItems").is_some_and(|most| !most.parse().is_ok_and(|most| (1..=1000).contains(&most))) {
        return Err(ApiError::new("ValidationError", "The parameter MaxItems has to be 1 to 1000."));
    }
    let mut xml = Xml::of_query(IAM);
    xml.element("Roles", |_| {});
    xml.text("IsTruncated", false);
    Ok(answer(xml))
}

/// The attributes of an account (EC2 API Reference, AccountAttribute): VPCs only; `none` where there is no default one.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("supported-platforms", "VPC"),
    ("default-vpc", "none"),
    ("max-instances", "20"),
    ("vpc-max-security-groups-per-interface", "5"),
    ("max-elastic-ips", "5"),
    ("vpc-max-elastic-ips", "5"),
];

fn attributes(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let names = params.list("AttributeName");
    if let Some(name) = names.iter().find(|name| !ATTRIBUTES.iter().any(|(known, _)| known == name)) {
        return Err(ApiError::value(name, "attributeName", "Unknown attribute."));
    }
    let chosen = ATTRIBUTES.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|one| one == name));
    let mut xml = Xml::new();
    xml.list("accountAttributeSet", chosen, |xml, (name, value)| {
        xml.text("attributeName", name);
        let vpc = super::default_vpc::find(call).filter(|_| *name == "default-vpc").map(|vpc| vpc.id.to_string());
        let value = vpc.unwrap_or_else(|| (*value).to_owned());
        xml.list("attributeValueSet", [value], |xml, value| xml.text("attributeValue", value));
    });
    Ok(answer(xml))
}
