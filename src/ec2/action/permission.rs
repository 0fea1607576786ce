//! Who may connect to an endpoint service.

use super::service::{is_account, need};
use crate::ec2::call::{Action, Call, Done, new_id};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Resource, fields};
use crate::ec2::params::Params;
use crate::ec2::record::StoredObject;
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "DescribeVpcEndpointServicePermissions", writes: false, idempotent: false, run: describe },
    Action { name: "ModifyVpcEndpointServicePermissions", writes: true, idempotent: false, run: modify },
];

/// The only kind of permission that there is here.
const PERMISSION: &str = "vpc-endpoint";

/// `All`, `Account`, `User` or `Role`: of which type a principal is, or EC2's error for one of no such type.
fn principal_type(principal: &str) -> Result<&'static str, ApiError> {
    let parts: Vec<&str> = principal.splitn(6, ':').collect();
    match parts.as_slice() {
        ["*"] => return Ok("All"),
        ["arn", partition, "iam", "", account, resource] if partition.starts_with("aws") && is_account(account) => {
            match resource.split_once('/') {
                None if *resource == "root" => return Ok("Account"),
                Some(("user", name)) if !name.is_empty() => return Ok("User"),
                Some(("role", name)) if !name.is_empty() => return Ok("Role"),
                _ => {}
            }
        }
        _ => {}
    }
    let message = "The principal type is not supported. The principal must be an IAM user, IAM role, or the root user \
                   for the AWS account.";
    Err(ApiError::new("UnknownPrincipalType.Unsupported", format!("{message} ({principal})")))
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let service = need(call, &params.required("ServiceId")?)?;
    let all =
        service.allowed_principals.iter().map(|(principal, id)| Permission { principal, id, service: &service.id });
    LISTING.answer(params, all, |permission| permission.principal.to_owned())
}

const LISTING: Listing = Listing { set: "allowedPrincipals", bad_filter: "InvalidFilter", least: 1 };

/// A principal that may connect.
struct Permission<'c> {
    principal: &'c str,
    id: &'c str,
    service: &'c str,
}

fields! {
    impl Permission<'_> as it {
        "principalType" ["principal-type"] = principal_type(it.principal).ok();
        "principal" ["principal"] = it.principal;
        "servicePermissionId" = it.id;
        "serviceId" = it.service;
        "permissionType" ["permission-type"] = PERMISSION;
    }
}

fn modify(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let mut service = need(call, &params.required("ServiceId")?)?.clone();
    if let Some(kind) = params.optional("PermissionType").filter(|kind| kind != PERMISSION) {
        return Err(ApiError::value(kind, "PermissionType", "Expected vpc-endpoint."));
    }
    let add = params.list("AddAllowedPrincipals");
    let remove = params.list("RemoveAllowedPrincipals");
    if add.is_empty() && remove.is_empty() {
        return Err(ApiError::missing("AddAllowedPrincipals"));
    }
    for principal in remove {
        principal_type(&principal)?;
        service.allowed_principals.remove(&principal);
    }
    let mut added = Vec::new();
    for principal in add {
        principal_type(&principal)?;
        let id = service.allowed_principals.entry(principal.clone()).or_insert_with(|| new_id("vpce-svc-perm-"));
        added.push((principal, id.clone()));
    }
    let mut answer = Xml::new();
    answer.list("addedPrincipalSet", &added, |xml, (principal, id)| {
        Permission { principal, id, service: &service.id }.write(xml);
    });
    answer.text("return", true);
    Ok(Done { edit: Edit::put([StoredObject::Service(service)]), answer })
}
