//! DescribeVpcEndpoints.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Listed, all, need, write};
use crate::ec2::call::{Call, Done};
use crate::ec2::error::ApiError;
use crate::ec2::filter::{Filters, Page};
use crate::ec2::params::Params;
use crate::ec2::record::EndpointType;
use crate::ec2::xml::Xml;

const FILTERS: &[&str] = &[
    "ip-address-type",
    "service-name",
    "service-region",
    "tag",
    "tag-key",
    "vpc-id",
    "vpc-endpoint-id",
    "vpc-endpoint-state",
    "vpc-endpoint-type",
];

pub(super) fn run(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("VpcEndpointId");
    let filters = Filters::take(params, FILTERS, "InvalidFilter")?;
    let page = Page::take(params, 1)?;
    let matches = |listed: &Listed<'_>| filters.matches(&listed.record.tags, |name| value(call, listed, name));
    let id = |listed: &Listed<'_>| listed.record.id.to_string();
    let (found, next) = if ids.is_empty() {
        page.cut(all(call, page.after()).filter(matches), id)
    } else {
        let named: Result<BTreeMap<&String, Listed<'_>>, ApiError> =
            ids.iter().map(|id| Ok((id, need(call, id)?))).collect();
        page.cut(named?.into_values().filter(matches), id)
    };
    let mut answer = Xml::new();
    answer.list("vpcEndpointSet", &found, |xml, listed| write(xml, call, listed));
    answer.optional("nextToken", next);
    Ok(Done { answer, ..Done::default() })
}

/// What an endpoint has under a filter's name.
fn value<'v>(call: &'v Call<'_>, listed: &'v Listed<'_>, filter: &str) -> Option<Cow<'v, str>> {
    let record = &*listed.record;
    Some(match filter {
        "ip-address-type" if record.kind == EndpointType::Interface => record.ip_address_type.as_str().into(),
        "service-name" => record.service.as_str().into(),
        "service-region" => call.caller.region.as_str().into(),
        "vpc-id" => record.vpc.to_string().into(),
        "vpc-endpoint-id" => record.id.to_string().into(),
        "vpc-endpoint-state" => listed.state.as_str().into(),
        "vpc-endpoint-type" => record.kind.as_str().into(),
        _ => return None,
    })
}
