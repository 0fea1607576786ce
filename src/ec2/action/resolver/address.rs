//! Addresses of resolver endpoints: interfaces of the VPC, one for each.

use super::endpoint::{changed, need_endpoint};
use super::listing::{ListQuery, ListedItem};
use super::placement::{LEAST_ADDRESSES, MOST_ADDRESSES, WantedAddress};
use super::{invalid_request, not_found};
use crate::ec2::call::Call;
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;
use crate::ec2::resolver_endpoint::ResolverAddress;

pub(super) const ACTIONS: &[DocumentAction] = &[
    DocumentAction { name: "AssociateResolverEndpointIpAddress", writes: true, run: associate },
    DocumentAction { name: "DisassociateResolverEndpointIpAddress", writes: true, run: disassociate },
    DocumentAction { name: "ListResolverEndpointIpAddresses", writes: false, run: list },
];

fn associate(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverEndpointId", 1..=64);
    let given = document.need_structure("IpAddress").map(|given| WantedAddress::read_any(&given));
    document.check()?;
    let mut endpoint = need_endpoint(call, id)?.clone();
    if endpoint.addresses.len() >= MOST_ADDRESSES {
        let message = format!("A resolver endpoint has at most {MOST_ADDRESSES} IP addresses.");
        return Err(ApiError::new("LimitExceededException", message));
    }
    if let Some(wanted) = given {
        wanted.add(call, &mut endpoint)?;
    }
    endpoint.modified = call.now;
    Ok(changed(endpoint))
}

fn disassociate(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverEndpointId", 1..=64);
    let given = document.need_structure("IpAddress");
    let ip_id = given.as_ref().and_then(|given| given.text("IpId", 1..=64));
    let given = given.as_ref().map(WantedAddress::read_any);
    document.check()?;
    let mut endpoint = need_endpoint(call, id)?.clone();
    let at = match (ip_id, given) {
        (Some(ip_id), _) => endpoint.addresses.iter().position(|address| address.id == ip_id),
        (None, Some(given)) if given.ipv4.is_some() || given.ipv6.is_some() => {
            let is_it = |address: &ResolverAddress| {
                (given.subnet.is_empty() || given.subnet == address.subnet.to_string()) && given.names(address)
            };
            endpoint.addresses.iter().position(is_it)
        }
        _ => {
            return Err(invalid_request(
                "[RSLVR-00503] Need to specify either the IP ID or both subnet and IP address in order to remove IP address.",
            ));
        }
    };
    let at = at.ok_or_else(|| not_found(format!("The resolver endpoint '{id}' has no such IP address.")))?;
    if endpoint.addresses.len() <= LEAST_ADDRESSES {
        return Err(invalid_request("[RSLVR-00506] Resolver endpoint needs to have at least 2 IP addresses"));
    }
    endpoint.addresses.remove(at);
    endpoint.modified = call.now;
    Ok(changed(endpoint))
}

fn list(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverEndpointId", 1..=64);
    let query = ListQuery::read(document, &[])?;
    let addresses = &need_endpoint(call, id)?.addresses;
    query
        .page("IpAddresses", addresses.iter().map(|address| ListedItem::new(&address.id, address.shown())))
        .map(DocumentDone::read)
}
