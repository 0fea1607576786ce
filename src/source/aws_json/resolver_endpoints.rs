//! Resolver endpoints: inbound ones, whose addresses are AWS's, and where the questions of rules leave from.
//!
//! `list-resolver-endpoint-ip-addresses` does not print whose the addresses are. A member `ResolverEndpointId`, which `sync`
//! adds, tells it; so does the name of the file; one endpoint alone needs no telling. The interfaces of an endpoint have its
//! id in their description, too.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::model::{Input, Object, OutboundInput};
use crate::problem::{At, Place};

use super::super::Declared;
use super::super::reader::{Fields, Reader};
use super::network::InterfaceOutput;

/// What the ids of outbound endpoints begin with.
const OUTBOUND: &str = "rslvr-out-";

/// What outputs tell of resolver endpoints.
#[derive(Default)]
pub(super) struct ResolverEndpointOutputs {
    /// Each by its id, and whether it is an outbound one.
    endpoints: BTreeMap<String, bool>,
    addresses: Vec<ListedAddress>,
}

/// An address of an endpoint.
struct ListedAddress {
    address: At<IpAddr>,
    /// Whose it is, where the output says so.
    endpoint: Option<String>,
}

impl ResolverEndpointOutputs {
    /// A member of `ResolverEndpoints`.
    pub(super) fn endpoint(&mut self, reader: &mut Reader<'_>, table: &Fields<'_, '_>) {
        let (id, direction) = (table.peek("Id").unwrap_or_default(), table.peek("Direction").unwrap_or("INBOUND"));
        self.endpoints.insert(id.to_owned(), direction == "OUTBOUND");
        if direction.starts_with("INBOUND") {
            let vpc = table.peek("HostVPCId").unwrap_or("vpc-...");
            let hint = format!(
                "add a [[resolver_endpoint]] with direction = \"{direction}\", vpc_id = \"{vpc}\" and the listeners of this server that stand for it"
            );
            reader.warning(table.at, format!("the addresses of the inbound resolver endpoint {id} are AWS's"), hint);
        }
    }

    /// A member of `IpAddresses`, which may have an address of each family.
    pub(super) fn address(&mut self, reader: &Reader<'_>, table: &Fields<'_, '_>) {
        if table.peek("Status").is_some_and(|status| status.starts_with("DELET") || status.starts_with("FAILED")) {
            return;
        }
        let endpoint = table.peek("ResolverEndpointId").map(str::to_owned);
        let given = ["Ip", "Ipv6"].into_iter().filter_map(|member| table.peek(member)?.parse().ok());
        let place = reader.place(table.at);
        self.addresses.extend(
            given.map(|address| ListedAddress { address: At::new(address, place.clone()), endpoint: endpoint.clone() }),
        );
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.endpoints.extend(other.endpoints);
        self.addresses.extend(other.addresses);
    }

    /// The outbound endpoints of which any address is known.
    pub(super) fn join(&self, interfaces: &[InterfaceOutput], joined: &mut Declared) {
        let mut outbound: BTreeMap<&str, Vec<At<IpAddr>>> = BTreeMap::new();
        let told = self.addresses.iter().filter_map(|it| Some((self.owner(it)?, it.address.clone())));
        let of_interfaces = interfaces.iter().filter_map(|interface| {
            let id = interface.resolver_endpoint.as_deref()?;
            let ipv4 = interface.ipv4.as_ref().map(|at| IpAddr::from(at.value));
            let all = ipv4.into_iter().chain(interface.all_ipv6.iter().copied().map(IpAddr::from));
            Some(all.map(move |ip| (id, At::new(ip, interface.id.place.clone()))))
        });
        for (id, address) in told.chain(of_interfaces.flatten()) {
            if !self.endpoints.get(id).copied().unwrap_or_else(|| id.starts_with(OUTBOUND)) {
                continue;
            }
            let known = outbound.entry(id).or_default();
            if !known.iter().any(|other| other.value == address.value) {
                known.push(address);
            }
        }
        for (id, addresses) in outbound {
            let place = addresses.first().map_or_else(|| Place::whole(id), |first| first.place.clone());
            let id = At::new(Arc::from(id), place.clone());
            joined.inputs.push(Input::new(place, Object::Outbound(OutboundInput { id, addresses })));
        }
    }

    /// Whose an address is.
    fn owner<'s>(&'s self, of: &'s ListedAddress) -> Option<&'s str> {
        if let Some(said) = &of.endpoint {
            return Some(said);
        }
        let mut ids = self.endpoints.keys().map(String::as_str);
        match (ids.next(), ids.next()) {
            (only, None) => only,
            _ => self.endpoints.keys().map(String::as_str).find(|id| of.address.place.file.contains(id)),
        }
    }
}
