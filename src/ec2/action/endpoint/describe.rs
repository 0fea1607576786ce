//! DescribeVpcEndpoints.

use std::collections::BTreeMap;

use super::{ListedEndpoint, all, need};
use crate::ec2::call::{Call, Done};
use crate::ec2::error::ApiError;
use crate::ec2::fields::Listing;
use crate::ec2::params::Params;

const LISTING: Listing = Listing { set: "vpcEndpointSet", bad_filter: "InvalidFilter", least: 1 };

pub(super) fn run(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("VpcEndpointId");
    let chosen = LISTING.take::<ListedEndpoint<'_>>(params)?;
    let id = |listed: &ListedEndpoint<'_>| listed.record.id.to_string();
    if ids.is_empty() {
        return Ok(LISTING.page(&chosen, all(call, chosen.1.after()), id));
    }
    let named: Result<BTreeMap<&String, ListedEndpoint<'_>>, ApiError> =
        ids.iter().map(|id| Ok((id, need(call, id)?))).collect();
    Ok(LISTING.page(&chosen, named?.into_values(), id))
}
