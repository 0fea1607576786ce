//! Route 53 Profiles: `list-profiles`, `list-profile-associations` and `list-profile-resource-associations`.
//!
//! An association that is being made or unmade does not hold (Route 53 Profiles API Reference, `ProfileStatus`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::super::Declared;
use super::super::reader::{Fields, Reader};
use super::super::values::region_within;
use super::endpoint::EndpointOutput;
use super::route53::ResolverConfigs;
use crate::model::{Input, Object, ProfileInput};
use crate::naming::{EndpointId, Region, VpcId};
use crate::problem::{At, Place, Problem};

/// What files hold of Profiles.
#[derive(Default)]
pub(super) struct ProfileOutputs {
    /// Id, name, and the Region in the ARN.
    named: Vec<(String, String, Option<Region>)>,
    vpcs: Vec<VpcOfProfile>,
    resources: Vec<SharedResource>,
}

/// A member of `ProfileAssociations`.
struct VpcOfProfile {
    place: Place,
    profile: String,
    vpc: At<VpcId>,
    priority: u32,
}

/// A member of `ProfileResourceAssociations`.
struct SharedResource {
    place: Place,
    profile: String,
    arn: String,
}

/// Which Profiles share hosted zones and rules.
#[derive(Default)]
pub(super) struct Shares {
    /// By the id of the zone or rule.
    profiles: HashMap<String, BTreeSet<Arc<str>>>,
    regions: HashMap<Arc<str>, Region>,
}

/// "Associations created without a priority have priority 100".
const DEFAULT_PRIORITY: u32 = 100;

impl ProfileOutputs {
    pub(super) fn profile(&mut self, fields: &Fields<'_, '_>) {
        let Some(id) = fields.peek("Id") else { return };
        let region = fields.peek("Arn").and_then(region_within);
        self.named.push((id.to_owned(), fields.peek("Name").unwrap_or(id).to_owned(), region));
    }

    pub(super) fn association(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_, '_>) {
        let Some(profile) = fields.peek("ProfileId").filter(|_| holds(fields)) else { return };
        // the API Reference says that it is an ARN; its examples have the id
        let Some(id) = fields.peek("ResourceId").and_then(|text| text.rsplit('/').next()) else { return };
        let place = reader.place(fields.at);
        match id.parse() {
            Ok(vpc) => self.vpcs.push(VpcOfProfile {
                vpc: At::new(vpc, place.clone()),
                place,
                profile: profile.to_owned(),
                priority: fields.integer(reader, "Priority", 0..=u32::MAX).unwrap_or(DEFAULT_PRIORITY),
            }),
            Err(error) => reader.warning(fields.at, format!("{error}: the association is left out"), ""),
        }
    }

    pub(super) fn resource(&mut self, reader: &Reader<'_>, fields: &Fields<'_, '_>) {
        let Some(profile) = fields.peek("ProfileId").filter(|_| holds(fields)) else { return };
        let Some(arn) = fields.peek("ResourceArn") else { return };
        self.resources.push(SharedResource {
            place: reader.place(fields.at),
            profile: profile.to_owned(),
            arn: arn.to_owned(),
        });
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.named.extend(other.named);
        self.vpcs.extend(other.vpcs);
        self.resources.extend(other.resources);
    }

    /// The Profiles that VPCs of outputs have, and what they share. `configs` has the Resolver configurations of Profiles.
    pub(super) fn join(
        self,
        known: &HashSet<VpcId>,
        endpoints: &[EndpointOutput],
        configs: &HashMap<String, ResolverConfigs>,
        joined: &mut Declared,
    ) -> Shares {
        let mut shares = Shares::default();
        let mut profiles: BTreeMap<Arc<str>, (Place, ProfileInput)> = BTreeMap::new();
        for one in self.vpcs.into_iter().filter(|one| known.contains(&one.vpc.value)) {
            let (_, profile) = profiles.entry(one.profile.as_str().into()).or_insert_with(|| {
                let id: Arc<str> = one.profile.as_str().into();
                let (name, region) = (self.named.iter().rev().find(|(id, ..)| *id == one.profile))
                    .map_or((None, None), |(_, name, region)| (Some(name.as_str().into()), region.clone()));
                shares.regions.extend(region.map(|region| (id.clone(), region)));
                let said = configs.get(&one.profile).copied().unwrap_or_default();
                let input = ProfileInput {
                    id: At::new(id, one.place.clone()),
                    name,
                    vpcs: vec![],
                    endpoints: vec![],
                    autodefined_reverse: said.autodefined_reverse,
                    dnssec_validation: said.dnssec_validation,
                };
                (one.place.clone(), input)
            });
            // the same output saved twice
            if !profile.vpcs.iter().any(|(vpc, _)| vpc.value == one.vpc.value) {
                profile.vpcs.push((one.vpc, one.priority));
            }
        }
        let of_outputs: HashSet<EndpointId> = endpoints.iter().map(|it| it.input.vpc_endpoint_id.value).collect();
        let mut unserved: Vec<Place> = vec![];
        for one in self.resources {
            let Some((id, (_, profile))) = profiles.iter_mut().find(|(id, _)| ***id == *one.profile) else { continue };
            if let Some(region) = region_within(&one.arn) {
                shares.regions.entry(id.clone()).or_insert(region);
            }
            let resource = one.arn.rsplit('/').next().unwrap_or_default();
            if let Ok(endpoint) = resource.parse::<EndpointId>() {
                share_endpoint(profile, endpoint, &of_outputs, &one.place, joined);
            } else if one.arn.contains(":hostedzone/") || one.arn.contains(":resolver-rule/") {
                shares.profiles.entry(resource.to_owned()).or_default().insert(id.clone());
            } else if one.arn.contains(":firewall-rule-group/") {
                unserved.push(one.place);
            }
        }
        if let Some(place) = unserved.first() {
            let what = format!("{} DNS Firewall rule groups of Profiles are not applied", unserved.len());
            joined.problems.push(Problem::warning(place.clone(), what, "hosted zones, rules and endpoints are shared"));
        }
        let inputs = profiles.into_values().map(|(place, input)| Input::new(place, Object::Profile(input)));
        joined.inputs.extend(inputs);
        shares
    }
}

/// Whether an association is in force.
fn holds(fields: &Fields<'_, '_>) -> bool {
    !matches!(fields.peek("Status"), Some("CREATING" | "DELETING" | "DELETED" | "FAILED"))
}

fn share_endpoint(
    profile: &mut ProfileInput,
    endpoint: EndpointId,
    of_outputs: &HashSet<EndpointId>,
    place: &Place,
    joined: &mut Declared,
) {
    if !of_outputs.contains(&endpoint) {
        let what = format!("{endpoint}, which a Profile shares, is in no output: its names are public");
        let hint = "run `aws ec2 describe-vpc-endpoints` in its account, and save it beside the other files";
        joined.problems.push(Problem::warning(place.clone(), what, hint));
    } else if !profile.endpoints.iter().any(|known| known.value == endpoint) {
        profile.endpoints.push(At::new(endpoint, place.clone()));
    }
}

impl Shares {
    /// The Profiles that share a zone or a rule.
    pub(super) fn of(&self, id: &str) -> Vec<Arc<str>> {
        self.profiles.get(id).into_iter().flatten().cloned().collect()
    }

    /// The Region of a Profile.
    pub(super) fn region(&self, profile: &str) -> Option<&Region> {
        self.regions.get(profile)
    }
}
