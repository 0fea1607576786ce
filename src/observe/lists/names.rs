//! The names of endpoints, and hosted zones as master files: what `vpcedns names` prints.

use std::net::IpAddr;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{Bad, ROWS, SharedLists, in_turn};
use crate::dns::DnsName;
use crate::export::hosted_zones;
use crate::model::{Endpoint, Interface, Model};
use crate::naming::{EndpointNames, VpcId};

/// An endpoint with its names and addresses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NameRow {
    /// Its id.
    pub vpc_endpoint_id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Its service.
    pub service_name: String,
    /// Its state.
    pub state: String,
    /// Whether its own names answer.
    pub served: bool,
    /// Its regional name.
    pub regional: String,
    /// Its zonal names.
    pub zonal: Vec<ZonalName>,
    /// The `*.` forms, where the service has them.
    pub wildcard: Vec<String>,
    /// The private names of its service.
    pub private: Vec<String>,
    /// Whether clients of its VPC get its addresses for its private names.
    pub private_dns: bool,
    /// The addresses of its own names.
    pub addresses: Vec<IpAddr>,
    /// The public zone that its own names are in.
    pub zone: String,
    /// The addresses of its private names.
    pub private_addresses: Vec<IpAddr>,
}

/// The name of an endpoint in one Availability Zone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ZonalName {
    /// The Availability Zone.
    pub availability_zone: String,
    /// The name.
    pub name: String,
    /// The interface there.
    pub network_interface_id: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl NameRow {
    /// `None` for an endpoint whose names would be too long.
    pub fn new(model: &Model, endpoint: &Endpoint) -> Option<Self> {
        let service = model.service(endpoint);
        let named: Vec<&Interface> = endpoint.interfaces.iter().filter(|i| model.has_zonal_name(endpoint, i)).collect();
        let EndpointNames { regional, zonal, wildcard, private } = model.endpoint_names(endpoint)?;
        let text = |names: Vec<DnsName>| names.iter().map(ToString::to_string).collect();
        let shown = |address: &IpAddr, private| match address {
            IpAddr::V4(_) => endpoint.has_a(),
            IpAddr::V6(_) => endpoint.has_aaaa(private),
        };
        let all = |private| {
            let addresses = endpoint.interfaces.iter().flat_map(Interface::addresses);
            addresses.filter(|address| shown(address, private)).collect::<Vec<_>>()
        };
        let vpc = model.vpc(endpoint.vpc)?;
        Some(Self {
            vpc_endpoint_id: endpoint.id.to_string(),
            vpc_id: endpoint.vpc.to_string(),
            service_name: service.service_name.to_string(),
            state: endpoint.state.to_string(),
            served: endpoint.is_served(),
            regional: regional.to_string(),
            zonal: named
                .iter()
                .zip(zonal)
                .map(|(interface, name)| ZonalName {
                    availability_zone: model.zone(interface).to_string(),
                    name: name.to_string(),
                    network_interface_id: interface.id.to_string(),
                    addresses: interface.addresses().filter(|address| shown(address, false)).collect(),
                })
                .collect(),
            wildcard: text(wildcard),
            private_dns: endpoint.private_dns_enabled()
                && endpoint.is_served()
                && !endpoint.inbound_resolver_only()
                && vpc.has_private_dns(),
            private: text(private),
            addresses: all(false),
            zone: service.zone.to_string(),
            private_addresses: all(true),
        })
    }
}

/// The endpoints of a model, or of one VPC, by VPC and id.
pub fn named_endpoints(model: &Model, vpc: Option<VpcId>) -> Vec<&Endpoint> {
    let mut endpoints: Vec<&Endpoint> = model.endpoints().filter(|e| vpc.is_none_or(|vpc| e.vpc == vpc)).collect();
    endpoints.sort_by_key(|e| (e.vpc, e.id));
    endpoints
}

/// `?vpc=&offset=&limit=&zone=`: a VPC's id; `zone`: of hosted zones, the one of this name.
#[derive(Deserialize)]
pub(super) struct NamesQuery {
    vpc: Option<String>,
    zone: Option<String>,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

/// A page of the names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NamesPage {
    /// The generation that they are of.
    pub generation: u64,
    /// Endpoints that there are.
    pub total: usize,
    /// The place of the first one of this page.
    pub offset: usize,
    /// This page.
    pub endpoints: Vec<NameRow>,
}

/// The VPC that is asked for, where there is one of that id.
fn known(model: &Model, vpc: Option<&str>) -> Result<Option<VpcId>, Bad> {
    let Some(text) = vpc else { return Ok(None) };
    let id: VpcId = text
        .parse()
        .map_err(|_| (StatusCode::BAD_REQUEST, format!("vpc={text}: not the id of a VPC, such as vpc-ec43eb89\n")))?;
    let unknown = || (StatusCode::NOT_FOUND, format!("the vpc ID '{id}' does not exist\n"));
    model.vpc(id).map(|_| Some(id)).ok_or_else(unknown)
}

pub(super) async fn names(State(lists): SharedLists, Query(query): Query<NamesQuery>) -> Result<Json<NamesPage>, Bad> {
    let page = in_turn(lists, move |_, snapshot| {
        let model = &snapshot.model;
        let all = named_endpoints(model, known(model, query.vpc.as_deref())?);
        let limit = query.limit.unwrap_or(ROWS.0).clamp(1, ROWS.1);
        let (total, page) = (all.len(), all.into_iter().skip(query.offset).take(limit));
        let endpoints = page.filter_map(|endpoint| NameRow::new(model, endpoint)).collect();
        Ok(NamesPage { generation: snapshot.generation, total, offset: query.offset, endpoints })
    });
    Ok(Json(page.await??))
}

pub(super) async fn zones(State(lists): SharedLists, Query(query): Query<NamesQuery>) -> Result<Response, Bad> {
    let text = in_turn(lists, move |_, snapshot| {
        let vpc = known(&snapshot.model, query.vpc.as_deref())?;
        let bad = |text: &String, what| (StatusCode::BAD_REQUEST, format!("zone={text}: {what}\n"));
        let only = query.zone.map(|text| text.parse::<DnsName>().map_err(|error| bad(&text, error))).transpose()?;
        Ok(hosted_zones(&snapshot.model, vpc, only.as_ref()))
    });
    Ok(text.await??.into_response())
}
