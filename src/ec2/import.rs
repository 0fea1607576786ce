//! Objects of files as records of the API: what `vpcedns import` moves, and what it cannot.
//!
//! A record is what the API would have kept had a caller made the object. What a record cannot say is a reason to leave the
//! object where it is: nothing is lost on the way, and no answer changes.

mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::codec::StoreError;
use super::default_group::{default_group_id, new_default_group};
use super::dns;
use super::notices::ToldDelta;
use super::own_names::{KeptNames, OwnNames};
use super::private_dns::{PrivateDnsName, VerificationState};
use super::profile::{ProfileRecord, ProfileResource, ProfileVpc};
use super::record::{
    EndpointRecord, EndpointType, InterfaceRecord, IpAddressType, Phase, ServiceRecord, StoredObject, SubnetAttributes,
    SubnetRecord, Tags, VpcRecord, VpcResolverConfig,
};
use super::state::{ApiState, Delta};
use super::store::Store;
use super::time::UnixMillis;
use crate::model::{
    EndpointInput, Input, Interface, Mode, Model, Object, ProfileInput, ServiceInput, State, SubnetInput, VpcInput,
};
use crate::naming::{Region, VpcId, partition_of};
use crate::problem::Problem;

/// Whose the records become, and when.
pub struct ImportAs<'m> {
    /// Everything there is, the objects of files among it.
    pub model: &'m Model,
    /// What the API has.
    pub state: &'m ApiState,
    /// The account, twelve digits.
    pub account: String,
    /// Now.
    pub now: UnixMillis,
}

/// Where each object of files goes, in their order.
pub struct ImportPlan {
    /// What becomes of each object.
    pub steps: Vec<ImportStep>,
    /// Records that come with others: the security groups of VPCs.
    pub besides: Vec<StoredObject>,
}

/// What becomes of an object.
pub struct ImportStep {
    /// What it is: `vpc-ec43eb89`, `the hosted zone corp.example`.
    pub what: String,
    /// What becomes of it.
    pub fate: ImportFate,
}

/// What becomes of an object.
pub enum ImportFate {
    /// It moves: these records say the same.
    Moves(Vec<StoredObject>),
    /// The state has it already, as it is here, by these ids: a run before this one did not come to its end.
    IsThere(Vec<String>),
    /// It stays in its file, and why.
    Stays(String),
}

/// The plan for `inputs`. Objects that the API has otherwise are problems.
pub fn plan(inputs: &[Input], to: &ImportAs<'_>) -> (ImportPlan, Vec<Problem>) {
    let state = to.state;
    let mut steps: Vec<ImportStep> = inputs
        .iter()
        .map(|input| {
            let fate = to.records(&input.object).map_or_else(ImportFate::Stays, ImportFate::Moves);
            ImportStep { what: name_of(&input.object), fate }
        })
        .collect();
    ImportAs::keep_together(inputs, &mut steps);
    to.share(inputs, &mut steps);
    let mut problems = Vec::new();
    for (input, step) in inputs.iter().zip(&mut steps) {
        let ImportFate::Moves(records) = &step.fate else { continue };
        match there(records, state) {
            StateMatch::New => {}
            StateMatch::Same(ids) => step.fate = ImportFate::IsThere(ids),
            StateMatch::Other => {
                let what = format!("the EC2 API has {} already, and otherwise than it is here", step.what);
                let hint =
                    "remove it here, or there (`aws ... delete-...` with the server running), then run this again";
                problems.push(Problem::error(input.place.clone(), what, hint));
            }
        }
    }
    let of_vpcs =
        steps.iter().flat_map(|step| if let ImportFate::Moves(records) = &step.fate { &records[..] } else { &[] });
    let groups = of_vpcs.filter_map(|record| if let StoredObject::Vpc(vpc) = record { Some(vpc) } else { None });
    let besides = groups.map(|vpc| StoredObject::SecurityGroup(new_default_group(state, vpc))).collect();
    (ImportPlan { steps, besides }, problems)
}

/// How the state stands to some records.
enum StateMatch {
    /// It has none of them.
    New,
    /// It has what they say, by these ids.
    Same(Vec<String>),
    /// It has something else by such an id.
    Other,
}

/// What has an id in the state alone (a zone, a rule) is known by what it means.
fn there(records: &[StoredObject], state: &ApiState) -> StateMatch {
    let get = |id: &str| state.get(id).map(Arc::as_ref);
    let none = dns::Sharing::new(std::iter::empty(), &get);
    let says = |record: &StoredObject| {
        format!("{:?}", dns::inputs(record, &none).iter().map(|input| &input.object).collect::<Vec<_>>())
    };
    let same = |record: &StoredObject| match record {
        StoredObject::HostedZone(zone) => {
            let namesakes = state.hosted_zones().filter(|other| other.name == zone.name);
            namesakes.map(|other| StoredObject::HostedZone(other.clone())).find(|other| says(other) == says(record))
        }
        StoredObject::ResolverRule(rule) => {
            let namesakes = state.resolver_rules().filter(|other| other.domain_name == rule.domain_name);
            namesakes.map(|other| StoredObject::ResolverRule(other.clone())).find(|other| says(other) == says(record))
        }
        _ => None,
    };
    let mut ids = Vec::new();
    for record in records {
        match state.get(&record.id()) {
            Some(known) if says(known) != says(record) => return StateMatch::Other,
            Some(known) => ids.push(known.id()),
            None => ids.extend(same(record).map(|known| known.id())),
        }
    }
    if ids.len() == records.len() && !ids.is_empty() { StateMatch::Same(ids) } else { StateMatch::New }
}

/// What people call an object.
fn name_of(object: &Object) -> String {
    match object {
        Object::Vpc(vpc) => vpc.vpc_id.value.to_string(),
        Object::Subnet(subnet) => subnet.subnet_id.value.to_string(),
        Object::Endpoint(endpoint) => endpoint.vpc_endpoint_id.value.to_string(),
        Object::Service(service) => format!("the service {}", service.service_name.value),
        Object::HostedZone(zone) => format!("the hosted zone {}", zone.name.value),
        Object::Rule(rule) => format!("the resolver rule for {}", rule.domain_name.value),
        Object::Profile(profile) => format!("the Profile {}", profile.id.value),
        Object::Inbound(inbound) => format!("the inbound resolver endpoint of {}", inbound.vpc_id.value),
        Object::Outbound(outbound) => format!("the outbound resolver endpoint {}", outbound.id.value),
        Object::Interface(interface) => interface.network_interface_id.value.to_string(),
        Object::VpcOverlay(over) => format!("what lies over {}", over.vpc_id.value),
        Object::EndpointOverlay(over) => format!("what lies over {}", over.vpc_endpoint_id.value),
    }
}

impl ImportAs<'_> {
    /// The records that say what an object says, or why there are none.
    fn records(&self, object: &Object) -> Result<Vec<StoredObject>, String> {
        let one = |record: StoredObject| vec![record];
        match object {
            Object::Vpc(vpc) if vpc.zone_affinity.is_some() => {
                let remedy = "put availability_zone_affinity into a [[vpc]] of its own, which holds over the API's";
                Err(format!("the API has no zone affinity: {remedy}"))
            }
            Object::Vpc(vpc) if vpc.zone_affinity.is_some() => {
                let remedy = "say it in a [[vpc]] of its own, which lies over the API's, and import again";
                Err(format!("a VPC of the API has no availability_zone_affinity: {remedy}"))
            }
            Object::Vpc(vpc) => Ok(one(StoredObject::Vpc(self.vpc(vpc)))),
            Object::Subnet(subnet) => Ok(one(StoredObject::Subnet(self.subnet(subnet)))),
            Object::Endpoint(endpoint) => self.endpoint(endpoint).map(StoredObject::Endpoint).map(one),
            Object::Service(service) => self.service(service).map(StoredObject::Service).map(one),
            Object::HostedZone(zone) => self.hosted_zone(zone).map(StoredObject::HostedZone).map(one),
            Object::Rule(rule) => self.rules(rule),
            Object::Profile(profile) => self.profile(profile).map(StoredObject::Profile).map(one),
            Object::Inbound(_) | Object::Outbound(_) => {
                Err("a resolver endpoint of the API has addresses in subnets, which the file does not tell".to_owned())
            }
            Object::Interface(_) => Err("the API makes interfaces in subnets, and the subnet is not known".to_owned()),
            Object::VpcOverlay(_) | Object::EndpointOverlay(_) => {
                Err("it goes on holding there, over the API's as over another file's".to_owned())
            }
        }
    }

    fn vpc(&self, vpc: &VpcInput) -> VpcRecord {
        let mut tags = Tags::new();
        // the tags that would have made them
        for (tag, values) in [
            ("vpcedns:listener", words(vpc.listeners.iter().map(|at| at.value))),
            ("vpcedns:clients", words(vpc.clients.iter().map(|at| at.value))),
        ] {
            if !values.is_empty() {
                tags.insert(tag.to_owned(), values);
            }
        }
        VpcRecord {
            id: vpc.vpc_id.value,
            owner: self.account.clone(),
            region: vpc.region.value.clone(),
            cidr_blocks: vpc.cidr_blocks.iter().map(|at| at.value).collect(),
            ipv6_origins: Vec::new(),
            enable_dns_support: vpc.enable_dns_support,
            enable_dns_hostnames: vpc.enable_dns_hostnames,
            enable_network_address_usage_metrics: false,
            instance_tenancy: "default".to_owned(),
            is_default: false,
            resolver: VpcResolverConfig {
                autodefined_reverse: vpc.autodefined_reverse,
                dnssec_validation: vpc.dnssec_validation,
            },
            listeners: vpc.listeners.iter().map(|at| at.value).collect(),
            clients: vpc.clients.iter().map(|at| at.value).collect(),
            tags,
        }
    }

    fn subnet(&self, subnet: &SubnetInput) -> SubnetRecord {
        SubnetRecord {
            id: subnet.subnet_id.value,
            owner: self.account.clone(),
            vpc: subnet.vpc_id.value,
            zone: subnet.availability_zone.value.clone(),
            cidr_blocks: subnet.cidr_blocks.iter().map(|at| at.value).collect(),
            default_for_zone: false,
            attributes: SubnetAttributes { enable_dns64: subnet.enable_dns64, ..SubnetAttributes::default() },
            tags: Tags::new(),
        }
    }

    fn endpoint(&self, endpoint: &EndpointInput) -> Result<EndpointRecord, String> {
        let id = endpoint.vpc_endpoint_id.value;
        let phase = match endpoint.state {
            State::PendingAcceptance => Phase::Requested,
            State::Pending | State::Available => Phase::Accepted,
            State::Rejected => Phase::Rejected,
            state => return Err(format!("the API has no endpoints in the state {state}")),
        };
        let foreign_zone = |interface: &&crate::model::InterfaceInput| {
            interface.availability_zone.is_some() || interface.network_interface_id.value.is_stand_in()
        };
        if endpoint.network_interfaces.iter().any(|interface| foreign_zone(&interface)) {
            return Err("its interfaces are in subnets of another account, or stand in for others".to_owned());
        }
        let known = self.model.endpoint(id).ok_or("it is not served")?;
        let is_inside = |interface: &Interface| {
            let blocks =
                self.model.subnet(interface.subnet).map(|subnet| subnet.cidr_blocks.clone()).unwrap_or_default();
            interface.addresses().all(|address| blocks.iter().any(|block| block.contains(&address)))
        };
        if !known.interfaces.iter().all(is_inside) {
            return Err("it has an address outside of its subnet".to_owned());
        }
        let has =
            |v6: bool| known.interfaces.iter().flat_map(Interface::addresses).any(|address| address.is_ipv6() == v6);
        let given = endpoint.given_names.as_ref();
        if given.is_some_and(|given| !given.own.is_empty()) {
            return Err("the API does not know the resource configuration that it leads to".to_owned());
        }
        Ok(EndpointRecord {
            id,
            owner: self.account.clone(),
            vpc: endpoint.vpc_id.value,
            service: endpoint.service_name.value.clone(),
            kind: EndpointType::Interface,
            phase,
            phase_since: UnixMillis(0),
            created: self.now,
            private_dns_enabled: known.private_dns_enabled(),
            ip_address_type: match (has(false), has(true)) {
                (true, true) => IpAddressType::Dualstack,
                (false, true) => IpAddressType::Ipv6,
                _ => IpAddressType::Ipv4,
            },
            dns_record_ip_type: endpoint.dns_record_ip_type,
            inbound_resolver_only: endpoint.inbound_resolver_only,
            policy: None,
            security_groups: vec![default_group_id(self.state, endpoint.vpc_id.value)],
            interfaces: endpoint
                .network_interfaces
                .iter()
                .map(|it| InterfaceRecord {
                    id: it.network_interface_id.value,
                    subnet: it.subnet_id.value,
                    ipv4: it.private_ip_address.as_ref().map(|at| at.value),
                    ipv6: it.ipv6_address.as_ref().map(|at| at.value),
                })
                .collect(),
            route_tables: Vec::new(),
            lattice: None,
            service_region: endpoint.service_region.as_ref().map(|at| at.value.to_string()),
            own_names: OwnNames {
                suffix: endpoint.dns_suffix.as_ref().map(|at| at.value.to_string()),
                given: given.map(|names| KeptNames::from(&**names)),
                overlay: endpoint.private_dns_mode == Mode::Overlay,
            },
            tags: Tags::new(),
        })
    }

    fn service(&self, service: &ServiceInput) -> Result<ServiceRecord, String> {
        let name = &service.service_name.value;
        let id = name.as_str().rsplit('.').next().filter(|id| id.starts_with("vpce-svc-"));
        let region = name.as_str().rsplit('.').nth(1).and_then(|region| region.parse::<Region>().ok());
        let (Some(id), Some(region)) = (id, region) else {
            return Err("the API has endpoint services (vpce-svc-...) only, and does not change AWS's own".to_owned());
        };
        if ServiceRecord::name_of(id, &region).ok().as_ref() != Some(name) || service.base_endpoint_dns_name.is_some() {
            return Err("the names of its endpoints are not those that the API would give them".to_owned());
        }
        let private_dns = match service.private_dns_names.as_deref().unwrap_or_default() {
            [] => None,
            [one] => Some(PrivateDnsName {
                name: one.value.to_string(),
                state: VerificationState::Verified,
                proof_name: "_vpcednsimported0000".to_owned(),
                proof_value: "vpce:vpcednsimported0000".to_owned(),
            }),
            _ => return Err("a service of the API has one private name".to_owned()),
        };
        Ok(ServiceRecord {
            id: id.to_owned(),
            owner: self.account.clone(),
            name: name.clone(),
            region,
            acceptance_required: false,
            network_load_balancer_arns: Vec::new(),
            gateway_load_balancer_arns: Vec::new(),
            availability_zones: service.availability_zones.iter().map(|at| at.value.to_string()).collect(),
            supported_ip_address_types: vec!["ipv4".to_owned(), "ipv6".to_owned()],
            supported_regions: Vec::new(),
            owner_pays: false,
            private_dns,
            // what files declare is everybody's
            allowed_principals: BTreeMap::from([("*".to_owned(), super::call::new_id("vpce-svc-perm-"))]),
            tags: Tags::new(),
        })
    }

    /// A Profile without what it shares: [`ImportAs::share`] adds that.
    fn profile(&self, profile: &ProfileInput) -> Result<ProfileRecord, String> {
        if profile.autodefined_reverse.is_some() || profile.dnssec_validation.is_some() {
            return Err("a Profile of the API has no Resolver configurations".to_owned());
        }
        let region = self.region_of(profile.vpcs.iter().map(|(vpc, _)| vpc.value))?;
        let given = &*profile.id.value;
        let is_id =
            given.strip_prefix(super::profile::PREFIX).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let id = if is_id { given.to_owned() } else { super::call::new_id(super::profile::PREFIX) };
        let at = self.now;
        let vpcs = profile.vpcs.iter().map(|(vpc, priority)| ProfileVpc {
            id: super::call::new_id("rpassoc-"),
            vpc: vpc.value,
            name: vpc.value.to_string(),
            priority: *priority,
            tags: Tags::new(),
            created: at,
            modified: at,
        });
        let endpoint_arn = |id: &dyn std::fmt::Display| {
            format!("arn:{}:ec2:{region}:{}:vpc-endpoint/{id}", partition_of(&region).name, self.account)
        };
        let endpoints = profile.endpoints.iter().map(|endpoint| self.resource(endpoint_arn(&endpoint.value)));
        Ok(ProfileRecord {
            id: id.clone(),
            owner: self.account.clone(),
            client_token: id.clone(),
            name: profile.name.as_deref().unwrap_or(given).to_owned(),
            vpcs: vpcs.collect(),
            resources: endpoints.collect(),
            tags: Tags::new(),
            created: at,
            modified: at,
            region: region.clone(),
        })
    }

    fn resource(&self, arn: String) -> ProfileResource {
        let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
        let id = super::call::new_id("rpr-");
        ProfileResource { id, name, arn, properties: None, created: self.now, modified: self.now }
    }

    /// The one Region of some VPCs.
    fn region_of(&self, vpcs: impl Iterator<Item = VpcId>) -> Result<Region, String> {
        let regions: BTreeSet<String> = vpcs.filter_map(|vpc| Some(self.model.vpc(vpc)?.region.to_string())).collect();
        match regions.len() {
            0 => Err("it is for no VPC that is here, so that its Region is not known".to_owned()),
            1 => {
                regions.first().and_then(|region| region.parse().ok()).ok_or_else(|| "its Region is unknown".to_owned())
            }
            _ => Err("it is for VPCs of several Regions".to_owned()),
        }
    }

    /// Has objects stay whose Profile, or whose set of outputs, does not move as a whole.
    fn keep_together(inputs: &[Input], steps: &mut [ImportStep]) {
        loop {
            let before = moving(steps);
            keep_outputs_together(inputs, steps);
            keep_profiles_together(inputs, steps);
            if moving(steps) == before {
                return;
            }
        }
    }

    /// Gives Profiles the zones and rules that name them.
    fn share(&self, inputs: &[Input], steps: &mut [ImportStep]) {
        let mut shared: BTreeMap<Arc<str>, Vec<ProfileResource>> = BTreeMap::new();
        for (input, step) in inputs.iter().zip(steps.iter()) {
            let ImportFate::Moves(records) = &step.fate else { continue };
            let arns = records.iter().filter_map(|record| match record {
                StoredObject::HostedZone(zone) => Some(format!("arn:aws:route53:::hostedzone/{}", zone.id)),
                StoredObject::ResolverRule(rule) => Some(rule.arn()),
                _ => None,
            });
            for arn in arns {
                for name in profiles_of(&input.object) {
                    shared.entry(name).or_default().push(self.resource(arn.clone()));
                }
            }
        }
        for (input, step) in inputs.iter().zip(steps.iter_mut()) {
            if let (Object::Profile(profile), ImportFate::Moves(records)) = (&*input.object, &mut step.fate)
                && let [StoredObject::Profile(record)] = records.as_mut_slice()
            {
                record.resources.extend(shared.remove(&profile.id.value).into_iter().flatten());
            }
        }
    }
}

fn moving(steps: &[ImportStep]) -> usize {
    steps.iter().filter(|step| matches!(step.fate, ImportFate::Moves(_))).count()
}

/// Outputs of the AWS CLI are joined by ids over all files: they move as a whole, or not at all.
fn keep_outputs_together(inputs: &[Input], steps: &mut [ImportStep]) {
    let is_output = |input: &Input| input.place.file.ends_with(".json");
    let stays = |(input, step): (&Input, &ImportStep)| match &step.fate {
        ImportFate::Stays(why) if is_output(input) => Some(format!("{} stays, of the same outputs: {why}", step.what)),
        _ => None,
    };
    let Some(why) = inputs.iter().zip(steps.iter()).find_map(stays) else { return };
    for (_, step) in inputs.iter().zip(steps).filter(|(input, _)| is_output(input)) {
        if let ImportFate::Moves(_) = step.fate {
            step.fate = ImportFate::Stays(why.clone());
        }
    }
}

/// What a Profile shares moves with it, or stays with it.
fn keep_profiles_together(inputs: &[Input], steps: &mut [ImportStep]) {
    let going: BTreeSet<&str> =
        steps.iter().filter(|step| matches!(step.fate, ImportFate::Moves(_))).map(|step| step.what.as_str()).collect();
    let has_all = |object: &Object| match object {
        Object::Profile(it) => it.endpoints.iter().all(|id| going.contains(id.value.to_string().as_str())),
        _ => true,
    };
    let declared: BTreeSet<Arc<str>> = inputs
        .iter()
        .filter_map(|input| if let Object::Profile(it) = &*input.object { Some(it.id.value.clone()) } else { None })
        .collect();
    let staying: BTreeSet<Arc<str>> = inputs
        .iter()
        .zip(steps.iter())
        .filter(|(input, step)| !has_all(&input.object) || matches!(step.fate, ImportFate::Stays(_)))
        .flat_map(|(input, _)| profiles_of(&input.object))
        .collect();
    for (input, step) in inputs.iter().zip(steps) {
        let mut all = profiles_of(&input.object).into_iter();
        let stays = all.find(|name| staying.contains(name) || !declared.contains(name));
        if let (Some(name), ImportFate::Moves(_)) = (stays, &step.fate) {
            step.fate = ImportFate::Stays(format!("not all that the Profile {name} has can move"));
        }
    }
}

/// The Profiles that share an object, or that it is.
fn profiles_of(object: &Object) -> Vec<Arc<str>> {
    match object {
        Object::HostedZone(zone) => zone.profiles.iter().map(|at| at.value.clone()).collect(),
        Object::Rule(rule) => rule.profiles.iter().map(|at| at.value.clone()).collect(),
        Object::Profile(profile) => vec![profile.id.value.clone()],
        _ => Vec::new(),
    }
}

/// Values with spaces between them, as tags have them.
fn words(values: impl Iterator<Item = impl ToString>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
}

impl ImportPlan {
    /// The records that come.
    fn put(&self) -> Vec<Arc<StoredObject>> {
        let moves =
            self.steps.iter().filter_map(|step| if let ImportFate::Moves(it) = &step.fate { Some(it) } else { None });
        moves.flatten().chain(&self.besides).cloned().map(Arc::new).collect()
    }

    /// `state` as it is afterwards.
    pub fn after(&self, state: &ApiState) -> ApiState {
        let mut after = state.clone();
        after.apply(&Delta { put: self.put(), ..Delta::default() });
        after
    }

    /// `state` without what both have: what there was before any run.
    pub fn before(&self, state: &ApiState) -> ApiState {
        let there =
            self.steps.iter().filter_map(|step| if let ImportFate::IsThere(it) = &step.fate { Some(it) } else { None });
        let mut before = state.clone();
        before.apply(&Delta { remove: there.flatten().cloned().collect(), ..Delta::default() });
        before
    }

    /// Makes the records durable in `store`: all of them, or none.
    pub fn commit(&self, store: &Store) -> Result<(), StoreError> {
        let delta = Delta { put: self.put(), ..Delta::default() };
        store.commit(&[ToldDelta { delta, tell: Vec::new() }])
    }
}
