//! The rules of Profiles: what they refer to is there, in one Region, and a VPC has two of them at most.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::change::{Changes, Key};
use super::super::input::{Input, Object, ProfileInput};
use super::super::profile::{PROFILES_OF_A_VPC, Reach};
use super::super::violation::Breach;
use super::super::{Model, Profile};
use super::Check;
use crate::naming::VpcId;
use crate::problem::{At, Place};

impl Check<'_> {
    /// All Profiles are looked at when anything changed that they may refer to, as they are few.
    pub(in crate::model) fn profiles(&mut self, model: &Model, changes: &Changes, added: &[Input]) {
        let is_touched = changes.zones_or_rules || changes.removed > 0 || !self.dirty_vpcs.is_empty();
        if !is_touched {
            return;
        }
        self.shared_by_profiles(model, added);
        let mut count: HashMap<VpcId, usize> = HashMap::new();
        for profile in model.profiles() {
            let new = added.iter().find_map(|input| match &*input.object {
                Object::Profile(input) if input.id.value == profile.id => Some(input),
                _ => None,
            });
            let whole = || (self.place_of)(&Key::Profile(profile.id.clone()));
            let whole = new.map(|input| input.id.place.clone()).or_else(whole);
            let places = ProfilePlaces { new, whole: whole.unwrap_or_else(|| Place::whole(profile.id.to_string())) };
            self.one_profile(model, profile, &places);
            for (vpc, _) in &profile.vpcs {
                let number = count.entry(*vpc).or_default();
                *number += 1;
                if *number == PROFILES_OF_A_VPC + 1 {
                    self.report(&places.of_vpc(*vpc), Breach::TooManyProfiles { vpc: *vpc });
                }
            }
        }
    }

    fn one_profile(&mut self, model: &Model, profile: &Profile, places: &ProfilePlaces<'_>) {
        let mut region = None;
        let mut in_region = |check: &mut Self, vpc: VpcId, what: String, place: Place| {
            let Some(here) = model.vpc(vpc).map(|vpc| &vpc.region) else { return };
            let of = *region.get_or_insert(here);
            if of != here {
                let (name, region, of) = (profile.name.to_string(), here.clone(), of.clone());
                check.report(&place, Breach::ProfileOfOtherRegion { name, what, region, of });
            }
        };
        for (id, _) in &profile.vpcs {
            if model.vpc(*id).is_none() && !self.is_broken(id) {
                self.report(&places.of_vpc(*id), Breach::NoSuchVpc { vpc: *id, owner: None });
            }
            in_region(self, *id, id.to_string(), places.of_vpc(*id));
        }
        for id in &profile.endpoints {
            let at = places.new.and_then(|input| input.endpoints.iter().find(|at| at.value == *id));
            let place = at.map_or_else(|| places.whole.clone(), |at| at.place.clone());
            match model.endpoint(*id) {
                Some(endpoint) => in_region(self, endpoint.vpc, id.to_string(), place),
                None => self.no_such_endpoint(*id, &place),
            }
        }
    }

    /// Hosted zones and rules name Profiles that there are.
    fn shared_by_profiles(&mut self, model: &Model, added: &[Input]) {
        let reaches = (model.hosted_zones().iter().map(|zone| (&zone.reach, zone.key())))
            .chain(model.rules().iter().map(|rule| (&rule.reach, rule.key())));
        let missing = |reach: &Reach| reach.profiles.iter().find(|id| model.profile(id).is_none()).cloned();
        let found: Vec<(Arc<str>, Key)> = reaches.filter_map(|(reach, key)| Some((missing(reach)?, key))).collect();
        for (id, key) in found.into_iter().filter(|(id, _)| !self.is_broken(id)).collect::<Vec<_>>() {
            let written = added.iter().filter(|input| input.key() == key).find_map(|input| match &*input.object {
                Object::HostedZone(zone) => place_in(&zone.profiles, &id),
                Object::Rule(rule) => place_in(&rule.profiles, &id),
                _ => None,
            });
            let place = written.or_else(|| (self.place_of)(&key)).unwrap_or_else(|| Place::whole(id.to_string()));
            let near = model.profiles().iter().map(|profile| profile.id.to_string()).collect();
            self.report(&place, Breach::NoSuchProfile { name: id.to_string(), known: near });
        }
    }
}

/// Where the parts of a Profile were written.
struct ProfilePlaces<'p> {
    new: Option<&'p ProfileInput>,
    whole: Place,
}

impl ProfilePlaces<'_> {
    fn of_vpc(&self, id: VpcId) -> Place {
        let at = self.new.and_then(|input| input.vpcs.iter().find(|(at, _)| at.value == id));
        at.map_or_else(|| self.whole.clone(), |(at, _)| at.place.clone())
    }
}

fn place_in(all: &[At<Arc<str>>], id: &Arc<str>) -> Option<Place> {
    all.iter().find(|at| at.value == *id).map(|at| at.place.clone())
}
