//! What Resolver is told of a VPC: whether it has reverse zones of its own, and whether replies are validated.
//!
//! Each VPC has both from the beginning; they are changed, and neither made nor deleted. Those of a VPC that files declare
//! are read only.

use serde_json::{Value, json};

use super::listing::{ListQuery, ListedItem, without_page_size};
use super::{invalid_request, not_found};
use crate::ec2::call::Call;
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;
use crate::ec2::record::{StoredObject, VpcRecord};
use crate::ec2::state::Edit;
use crate::model::Key;
use crate::naming::VpcId;

pub(super) const ACTIONS: &[DocumentAction] = &[
    DocumentAction { name: "GetResolverConfig", writes: false, run: |call, document| get(call, document, &REVERSE) },
    DocumentAction {
        name: "UpdateResolverConfig",
        writes: true,
        run: |call, document| update(call, document, &REVERSE),
    },
    DocumentAction { name: "ListResolverConfigs", writes: false, run: |call, document| list(call, document, &REVERSE) },
    DocumentAction {
        name: "GetResolverDnssecConfig",
        writes: false,
        run: |call, document| get(call, document, &DNSSEC),
    },
    DocumentAction {
        name: "UpdateResolverDnssecConfig",
        writes: true,
        run: |call, document| update(call, document, &DNSSEC),
    },
    DocumentAction {
        name: "ListResolverDnssecConfigs",
        writes: false,
        run: |call, document| list(call, document, &DNSSEC),
    },
];

const FLAGS: &[&str] = &["ENABLE", "DISABLE", "USE_LOCAL_RESOURCE_SETTING"];

/// A configuration that each VPC has.
struct VpcConfig {
    /// What its ids begin with; the digits are the VPC's.
    prefix: &'static str,
    /// The members of answers: one, and a list.
    members: [&'static str; 2],
    /// What a call sets, and what shows it.
    flag: &'static str,
    status: &'static str,
    filters: &'static [&'static str],
    is_on: fn(&VpcRecord) -> bool,
    set: fn(&mut VpcRecord, bool),
}

const REVERSE: VpcConfig = VpcConfig {
    prefix: "rslvr-rc-",
    members: ["ResolverConfig", "ResolverConfigs"],
    flag: "AutodefinedReverseFlag",
    status: "AutodefinedReverse",
    filters: &[],
    is_on: |vpc| vpc.resolver.autodefined_reverse,
    set: |vpc, on| vpc.resolver.autodefined_reverse = on,
};
const DNSSEC: VpcConfig = VpcConfig {
    prefix: "rdsc-",
    members: ["ResolverDNSSECConfig", "ResolverDnssecConfigs"],
    flag: "Validation",
    status: "ValidationStatus",
    filters: &["Id", "OwnerId", "ResourceId", "ValidationStatus"],
    is_on: |vpc| vpc.resolver.dnssec_validation,
    set: |vpc, on| vpc.resolver.dnssec_validation = on,
};

impl VpcConfig {
    fn id(&self, vpc: VpcId) -> String {
        vpc.to_string().replacen(VpcId::PREFIX, self.prefix, 1)
    }

    fn shown(&self, vpc: &VpcRecord) -> Value {
        let status = if (self.is_on)(vpc) { "ENABLED" } else { "DISABLED" };
        json!({ "Id": self.id(vpc.id), "ResourceId": vpc.id.to_string(), "OwnerId": vpc.owner, self.status: status })
    }
}

/// The VPC that a call names.
fn need<'c>(call: &'c Call<'_>, id: &str) -> Result<std::borrow::Cow<'c, VpcRecord>, ApiError> {
    call.need_vpc(id).map_err(|_| not_found(format!("The specified resource '{id}' does not exist.")))
}

fn get(call: &Call<'_>, document: &Document<'_>, config: &VpcConfig) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResourceId", 1..=64);
    document.check()?;
    let [member, _] = config.members;
    Ok(DocumentDone::read(json!({ member: config.shown(&*need(call, id)?) })))
}

fn update(call: &Call<'_>, document: &Document<'_>, config: &VpcConfig) -> Result<DocumentDone, ApiError> {
    let (id, flag) = (document.need("ResourceId", 1..=64), document.need_word(config.flag, FLAGS));
    document.check()?;
    let mut vpc = need(call, id)?.into_owned();
    if flag == "USE_LOCAL_RESOURCE_SETTING" {
        return Err(invalid_request("USE_LOCAL_RESOURCE_SETTING is for Route 53 Profiles."));
    }
    call.owned(&Key::Vpc(vpc.id), vpc.id).map_err(|error| invalid_request(error.message))?;
    (config.set)(&mut vpc, flag == "ENABLE");
    let [member, _] = config.members;
    let answer = json!({ member: config.shown(&vpc) });
    Ok(DocumentDone { edit: Edit::put([StoredObject::Vpc(vpc)]), answer })
}

fn list(call: &Call<'_>, document: &Document<'_>, config: &VpcConfig) -> Result<DocumentDone, ApiError> {
    let query = ListQuery::read(document, config.filters)?;
    let [_, member] = config.members;
    let all = call.vpcs().map(|vpc| ListedItem::new(config.id(vpc.id), config.shown(&vpc)));
    let mut answer = query.page(member, all)?;
    without_page_size(&mut answer);
    Ok(DocumentDone::read(answer))
}
