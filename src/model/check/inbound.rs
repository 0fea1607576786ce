//! The rules of inbound resolver endpoints: their VPC exists, and a listener has clients of one kind.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::super::Model;
use super::super::change::Key;
use super::super::inbound::InboundEndpoint;
use super::super::input::{InboundInput, Input, Object};
use super::super::violation::Breach;
use super::Check;
use crate::naming::VpcId;
use crate::problem::{At, Place};

impl Check<'_> {
    /// All of them are looked at when VPCs or endpoints changed, as they are few.
    pub(in crate::model) fn inbound_endpoints(&mut self, model: &Model, added: &[Input]) {
        let vpcs = if model.inbound().is_empty() { Vec::new() } else { model.vpcs() };
        let mut taken: HashMap<SocketAddr, VpcId> =
            vpcs.iter().flat_map(|vpc| vpc.listeners.iter().map(|at| (*at, vpc.vpc_id))).collect();
        for endpoint in model.inbound() {
            let new = added.iter().find_map(|input| match &*input.object {
                Object::Inbound(it) if it.endpoint() == **endpoint => Some(it),
                _ => None,
            });
            if model.vpc(endpoint.vpc).is_none() && !self.is_broken(&endpoint.vpc) {
                let place = self.place_in_inbound(endpoint, new.map(|input| &input.vpc_id.place));
                self.report(&place, Breach::NoSuchVpc { vpc: endpoint.vpc, owner: None });
            }
            for listener in &endpoint.listeners {
                if let Some(other) = taken.insert(*listener, endpoint.vpc) {
                    let at =
                        new.and_then(|input: &InboundInput| input.listeners.iter().find(|at| at.value == *listener));
                    let place = self.place_in_inbound(endpoint, at.map(|at: &At<SocketAddr>| &at.place));
                    self.report(&place, Breach::ListenerTwice { listener: *listener, vpc: endpoint.vpc, other });
                }
            }
        }
    }

    fn place_in_inbound(&self, endpoint: &InboundEndpoint, written: Option<&Place>) -> Place {
        let known = || (self.place_of)(&Key::Inbound(endpoint.clone()));
        written.cloned().or_else(known).unwrap_or_else(|| Place::whole(endpoint.vpc.to_string()))
    }
}
