//! Profiles that come, go, or share something else.

use std::sync::Arc;

use super::super::change::{Changes, Key};
use super::super::check::Check;
use super::super::input::{Input, Object, ProfileInput};
use super::super::{Model, Profile};
use crate::naming::VpcId;

impl Model {
    pub(super) fn replace_profiles(
        &mut self,
        removed: &[Key],
        added: &[Input],
        changes: &mut Changes,
        check: &mut Check<'_>,
    ) {
        let is_gone = |profile: &Arc<Profile>| removed.contains(&Key::Profile(profile.id.clone()));
        let new = added.iter().filter_map(|input| if let Object::Profile(p) = &*input.object { Some(p) } else { None });
        let new: Vec<_> = new.collect();
        if new.is_empty() && !self.profiles.iter().any(is_gone) {
            return;
        }
        let mut next: Vec<Arc<Profile>> = self.profiles.iter().filter(|profile| !is_gone(profile)).cloned().collect();
        for input in &new {
            let id = &input.id;
            if next.iter().any(|other| other.id == id.value) {
                let key = Key::Profile(id.value.clone());
                check.twice(Some(&key), &id.value, &id.place, new.iter().map(|other| &other.id));
            }
            next.push(Arc::new(profile_of(input)));
        }
        next.sort_by(|a, b| a.id.cmp(&b.id));
        if next != *self.profiles {
            changes.others += next.len().abs_diff(self.profiles.len()).max(new.len());
            // what they share is seen by others than before
            changes.zones_or_rules = true;
            self.profiles = Arc::new(next);
        }
    }
}

fn profile_of(input: &ProfileInput) -> Profile {
    let mut vpcs: Vec<(VpcId, u32)> = input.vpcs.iter().map(|(id, priority)| (id.value, *priority)).collect();
    vpcs.sort_unstable();
    vpcs.dedup_by_key(|(id, _)| *id);
    Profile {
        id: input.id.value.clone(),
        name: input.name.clone().unwrap_or_else(|| input.id.value.clone()),
        vpcs: vpcs.into(),
        endpoints: input.endpoints.iter().map(|id| id.value).collect(),
        autodefined_reverse: input.autodefined_reverse,
        dnssec_validation: input.dnssec_validation,
    }
}
