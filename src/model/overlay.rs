//! Keys of our own that lie over an object of another source: networks and listeners of a VPC, names of an endpoint.
//!
//! What lies over and what it lies over come from different files and change apart, so both are kept as they were written.
//! A model without overlays pays nothing for them.

use std::collections::HashSet;
use std::sync::Arc;

use super::change::Key;
use super::check::Check;
use super::input::{EndpointInput, EndpointOverlayInput, GivenNames, Input, Object, VpcInput, VpcOverlayInput};
use super::{Map, Model};
use crate::problem::{At, Place};

/// What lies over objects, and the objects without it.
#[derive(Clone, Default)]
pub(super) struct Overlays {
    /// By the key of the object below.
    above: Map<Key, Input>,
    below: Map<Key, Input>,
}

impl Key {
    /// The key of the object that one of this key lies over.
    fn below(&self) -> Option<Self> {
        match self {
            Self::VpcOverlay(id) => Some(Self::Vpc(*id)),
            Self::EndpointOverlay(id) => Some(Self::Endpoint(*id)),
            _ => None,
        }
    }
}

impl Model {
    /// A change in terms of whole objects: those that have or had something over them come with it, or without it.
    ///
    /// `None`: nothing lies over anything, and the change is as it stands.
    pub(super) fn lay_over(
        &mut self,
        old: &Self,
        removed: &[Key],
        added: &[Input],
        check: &mut Check<'_>,
    ) -> Option<(Vec<Key>, Vec<Input>)> {
        let concerned = || {
            removed.iter().any(|key| key.below().is_some()) || added.iter().any(|input| input.key().below().is_some())
        };
        if self.overlays.above.is_empty() && !concerned() {
            return None;
        }
        let overlays = Arc::make_mut(&mut self.overlays);
        let mut changed: HashSet<Key> = HashSet::new();
        for below in removed.iter().filter_map(Key::below) {
            overlays.above.remove(&below);
            changed.insert(below);
        }
        let (over, mut whole): (Vec<Input>, Vec<Input>) =
            added.iter().cloned().partition(|input| input.key().below().is_some());
        for input in over {
            let Some(below) = input.key().below() else { continue };
            if let Some(other) = overlays.above.get(&below) {
                check.twice_laid_over(&below, &input.place, &other.place);
            }
            changed.insert(below.clone());
            overlays.above.insert(below, input);
        }
        let mut gone: Vec<Key> = removed.iter().filter(|key| key.below().is_none()).cloned().collect();
        for key in &gone {
            overlays.below.remove(key);
        }
        for input in &mut whole {
            let key = input.key();
            changed.remove(&key);
            if let Some(over) = overlays.above.get(&key) {
                overlays.below.insert(key, input.clone());
                lay(input, over);
            }
        }
        changed.retain(|key| !gone.contains(key));
        for key in changed {
            let kept = overlays.below.remove(&key);
            let Some(mut input) = kept.or_else(|| old.as_written(&key, check)) else { continue };
            if let Some(over) = overlays.above.get(&key) {
                overlays.below.insert(key.clone(), input.clone());
                lay(&mut input, over);
            }
            gone.push(key);
            whole.push(input);
        }
        for (key, over) in &overlays.above {
            if !overlays.below.contains_key(key) {
                check.nothing_below(key, &over.place);
            }
        }
        Some((gone, whole))
    }

    /// An object that nobody touches, as a source would have written it.
    fn as_written(&self, key: &Key, check: &Check<'_>) -> Option<Input> {
        let place = (check.place_of)(key).unwrap_or_else(|| Place::whole("another source"));
        let object = match key {
            Key::Vpc(id) => Object::Vpc(self.vpc_as_input(*id, &place)?),
            Key::Endpoint(id) => Object::Endpoint(self.as_input(self, self.endpoint(*id)?, &place)),
            _ => return None,
        };
        Some(Input { note: self.notes.get(key).cloned(), ..Input::new(place, object) })
    }

    fn vpc_as_input(&self, id: crate::naming::VpcId, place: &Place) -> Option<VpcInput> {
        let vpc = self.vpc(id)?;
        Some(VpcInput {
            vpc_id: At::new(id, place.clone()),
            owner: vpc.owner.clone(),
            region: At::new(vpc.region.clone(), place.clone()),
            cidr_blocks: vpc.cidr_blocks.iter().map(|block| At::new(*block, place.clone())).collect(),
            enable_dns_support: vpc.enable_dns_support,
            enable_dns_hostnames: vpc.enable_dns_hostnames,
            listeners: vpc.listeners.iter().map(|listener| At::new(*listener, place.clone())).collect(),
            clients: vpc.clients.iter().map(|net| At::new(*net, place.clone())).collect(),
            autodefined_reverse: vpc.autodefined_reverse,
            dnssec_validation: vpc.dnssec_validation,
            zone_affinity: vpc.zone_affinity,
        })
    }
}

fn lay(input: &mut Input, over: &Input) {
    match (&mut *input.object, &*over.object) {
        (Object::Vpc(vpc), Object::VpcOverlay(over)) => over_vpc(vpc, over),
        (Object::Endpoint(endpoint), Object::EndpointOverlay(over)) => over_endpoint(endpoint, over),
        _ => {}
    }
}

fn over_vpc(vpc: &mut VpcInput, over: &VpcOverlayInput) {
    vpc.listeners.extend(over.listeners.iter().cloned());
    vpc.clients.extend(over.clients.iter().cloned());
    vpc.enable_dns_support = over.enable_dns_support.unwrap_or(vpc.enable_dns_support);
    vpc.enable_dns_hostnames = over.enable_dns_hostnames.unwrap_or(vpc.enable_dns_hostnames);
    vpc.autodefined_reverse = over.autodefined_reverse.unwrap_or(vpc.autodefined_reverse);
    vpc.zone_affinity = over.zone_affinity.or(vpc.zone_affinity);
    vpc.dnssec_validation = over.dnssec_validation.unwrap_or(vpc.dnssec_validation);
}

fn over_endpoint(endpoint: &mut EndpointInput, over: &EndpointOverlayInput) {
    endpoint.private_dns_mode = over.private_dns_mode.unwrap_or(endpoint.private_dns_mode);
    if let Some(names) = &over.private_dns_names {
        let given = endpoint.given_names.get_or_insert_with(|| Box::new(GivenNames::none()));
        given.private = Some(names.clone());
    }
}
