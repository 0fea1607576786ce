//! Endpoint services of providers: what `CreateVpcEndpointServiceConfiguration` makes.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;

use super::{region, unsuccessful};
use crate::dns::DnsName;
use crate::ec2::call::{Action, Call, Done, new_id};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Resource, Values, fields};
use crate::ec2::params::Params;
use crate::ec2::private_dns::{PrivateDnsName, VerificationState};
use crate::ec2::record::{Phase, ServiceRecord, StoredObject};
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;
use crate::naming::{self, Region, ZoneName, is_known_region, partition_of};

pub(super) const ACTIONS: &[Action] = &[
    Action { name: "CreateVpcEndpointServiceConfiguration", writes: true, idempotent: true, run: create },
    Action { name: "DescribeVpcEndpointServiceConfigurations", writes: false, idempotent: false, run: describe },
    Action { name: "ModifyVpcEndpointServiceConfiguration", writes: true, idempotent: false, run: modify },
    Action { name: "ModifyVpcEndpointServicePayerResponsibility", writes: true, idempotent: false, run: change_payer },
    Action { name: "DeleteVpcEndpointServiceConfigurations", writes: true, idempotent: false, run: delete },
    Action { name: "StartVpcEndpointServicePrivateDnsVerification", writes: true, idempotent: false, run: verify },
];

const LISTING: Listing = Listing { set: "serviceConfigurationSet", bad_filter: "InvalidFilter", least: 1 };

/// The service of the caller that a call names, or EC2's error for one that is not there.
pub(super) fn need<'c>(call: &'c Call<'_>, id: &str) -> Result<&'c ServiceRecord, ApiError> {
    let is_formed = id
        .strip_prefix("vpce-svc-")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    if !is_formed {
        // EC2's own spelling
        return Err(ApiError::malformed_id("InvalidVpcEndpointServiceIdId.Malformed", "vpce-svc-", id));
    }
    let mine = |service: &&ServiceRecord| call.sees(&service.owner) && service.region == call.caller.region;
    call.state.service(id).filter(mine).ok_or_else(|| ApiError::not_found("vpce-svc-", id))
}

fn create(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let tags = super::tags::take(params, "vpc-endpoint-service")?;
    let id = super::tags::chosen_id(call, &tags, "vpce-svc-")?.unwrap_or_else(|| new_id("vpce-svc-"));
    let name =
        ServiceRecord::name_of(&id, &call.caller.region).map_err(|error| ApiError::internal(error.to_string()))?;
    let mut service = ServiceRecord {
        id,
        owner: call.caller.account.clone(),
        name,
        region: call.caller.region.clone(),
        acceptance_required: params.flag("AcceptanceRequired")?.unwrap_or(true),
        network_load_balancer_arns: Vec::new(),
        gateway_load_balancer_arns: Vec::new(),
        availability_zones: Vec::new(),
        supported_ip_address_types: Vec::new(),
        supported_regions: Vec::new(),
        owner_pays: false,
        private_dns: params.optional("PrivateDnsName").map(|name| private_dns(&name)).transpose()?,
        allowed_principals: BTreeMap::new(),
        tags,
    };
    change_sets(&mut service, params, "")?;
    let mut answer = Xml::new();
    let zones = region::zones(call, &service.region);
    answer.element("serviceConfiguration", |xml| ListedService { service: &service, zones: &zones }.write(xml));
    answer.optional("clientToken", call.client_token.as_ref());
    Ok(Done { edit: Edit::put([StoredObject::Service(service)]), answer })
}

/// Whether a value may be in a list of a service.
type ValueRule<'c> = &'c dyn Fn(&str) -> Result<(), ApiError>;

/// What a call adds to the lists of a service and takes from them, and the rules of the result. `add` is the prefix of
/// the parameters that add; those that take away are there where it is not empty.
fn change_sets(service: &mut ServiceRecord, params: &mut Params, add: &str) -> Result<(), ApiError> {
    let mut change = |name: &str, set: &mut Vec<String>, check: ValueRule<'_>| -> Result<(), ApiError> {
        if !add.is_empty() {
            let gone = params.list(&format!("Remove{name}"));
            set.retain(|value| !gone.contains(value));
        }
        for value in params.list(&format!("{add}{name}")) {
            check(&value)?;
            if !set.contains(&value) {
                set.push(value);
            }
        }
        Ok(())
    };
    let is_type = |value: &str| match value {
        "ipv4" | "ipv6" => Ok(()),
        _ => Err(ApiError::value(value, "SupportedIpAddressType", "Expected ipv4 or ipv6.")),
    };
    change("NetworkLoadBalancerArn", &mut service.network_load_balancer_arns, &|arn| check_arn(arn, "net"))?;
    change("GatewayLoadBalancerArn", &mut service.gateway_load_balancer_arns, &|arn| check_arn(arn, "gwy"))?;
    change("SupportedIpAddressType", &mut service.supported_ip_address_types, &is_type)?;
    let own = service.region.clone();
    change("SupportedRegion", &mut service.supported_regions, &|text| {
        let region = Some(text).filter(|text| is_known_region(text)).and_then(|text| text.parse::<Region>().ok());
        let is_near = region.is_some_and(|region| partition_of(&region).name == partition_of(&own).name);
        if is_near { Ok(()) } else { Err(ApiError::value(text, "SupportedRegion", "Expected the code of a Region.")) }
    })?;
    // its own is always among them
    service.supported_regions.retain(|region| *region != own.as_str());
    match (service.network_load_balancer_arns.is_empty(), service.gateway_load_balancer_arns.is_empty()) {
        (true, true) => return Err(ApiError::missing("NetworkLoadBalancerArn")),
        (false, false) => {
            let message = "An endpoint service has either Network Load Balancers or Gateway Load Balancers.";
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        _ => {}
    }
    if service.supported_ip_address_types.is_empty() {
        service.supported_ip_address_types.push("ipv4".to_owned());
    }
    Ok(())
}

/// `arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/name/0123456789abcdef`; `kind` is `net` or
/// `gwy`. There are no load balancers here, so that every well-formed one is taken as one that exists.
fn check_arn(arn: &str, kind: &str) -> Result<(), ApiError> {
    let parts: Vec<&str> = arn.split(':').collect();
    let is_formed = match parts.as_slice() {
        ["arn", partition, "elasticloadbalancing", region, account, balancer] => {
            let path: Vec<&str> = balancer.split('/').collect();
            let is_path = matches!(path.as_slice(), ["loadbalancer", of, name, id] if *of == kind && !name.is_empty() && !id.is_empty());
            partition.starts_with("aws") && !region.is_empty() && is_account(account) && is_path
        }
        _ => false,
    };
    if is_formed {
        return Ok(());
    }
    let message = format!("The load balancer ARN '{arn}' is malformed");
    Err(ApiError::new("InvalidNetworkLoadBalancerArn.Malformed", message))
}

/// Twelve digits.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// A private name that is not verified yet, with the proof that is asked for.
fn private_dns(name: &str) -> Result<PrivateDnsName, ApiError> {
    let is_name = name.parse::<DnsName>().is_ok_and(|name| name.label_count() > 1);
    if !is_name {
        return Err(ApiError::value(name, "PrivateDnsName", "This is not a valid DNS name."));
    }
    Ok(PrivateDnsName {
        name: name.trim_end_matches('.').to_ascii_lowercase(),
        state: VerificationState::Pending,
        proof_name: format!("_{}", random(b"abcdefghijklmnopqrstuvwxyz0123456789")),
        proof_value: format!("vpce:{}", random(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")),
    })
}

/// Twenty of these characters.
fn random(characters: &[u8]) -> String {
    let mut rng = rand::rng();
    (0..20)
        .filter_map(|_| characters.get(rng.random_range(0..characters.len())).map(|octet| char::from(*octet)))
        .collect()
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("ServiceId");
    let chosen: BTreeMap<&str, &ServiceRecord> = if ids.is_empty() {
        let mine = |service: &&ServiceRecord| call.sees(&service.owner) && service.region == call.caller.region;
        call.state.services().filter(mine).map(|service| (service.id.as_str(), service)).collect()
    } else {
        ids.iter().map(|id| need(call, id).map(|service| (service.id.as_str(), service))).collect::<Result<_, _>>()?
    };
    let zones = region::zones(call, &call.caller.region);
    let listed = chosen.into_values().map(|service| ListedService { service, zones: &zones });
    LISTING.answer(params, listed, |listed| listed.service.id.clone())
}

/// A service as its provider is shown it.
struct ListedService<'c> {
    service: &'c ServiceRecord,
    /// Those of its region.
    zones: &'c BTreeSet<ZoneName>,
}

impl ListedService<'_> {
    /// Where endpoints may lead to it from, its own Region first.
    fn regions(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.service.region.as_str()).chain(self.service.supported_regions.iter().map(String::as_str))
    }

    fn private<'s>(&'s self, part: impl Fn(&'s PrivateDnsName) -> &'s str) -> Option<&'s str> {
        self.service.private_dns.as_ref().map(part)
    }
}

fields! {
    impl ListedService<'_> as it {
        "serviceType[].serviceType" = Values::of_each([it.service.service_type()]);
        "serviceId" ["service-id"] = &it.service.id;
        "serviceName" ["service-name"] = it.service.name.as_str();
        "serviceState" ["service-state"] = "Available";
        "availabilityZoneIdSet[]" = Values::of_each(it.zones.iter().map(region::zone_id));
        "availabilityZoneSet[]" = Values::of_each(it.zones);
        "acceptanceRequired" = it.service.acceptance_required;
        "managesVpcEndpoints" = false;
        "networkLoadBalancerArnSet[]" = Values::of_any(&it.service.network_load_balancer_arns);
        "gatewayLoadBalancerArnSet[]" = Values::of_any(&it.service.gateway_load_balancer_arns);
        "supportedIpAddressTypeSet[]" ["supported-ip-address-types"] = Values::of_each(&it.service.supported_ip_address_types);
        "baseEndpointDnsNameSet[]" = Values::of_each(naming::resolve(&it.service.name).map(|names| names.base));
        "privateDnsName" = it.private(|private| &private.name);
        "privateDnsNameConfiguration.state" = it.private(|private| private.state.as_str());
        "privateDnsNameConfiguration.type" = it.private(|_| "TXT");
        "privateDnsNameConfiguration.value" = it.private(|private| &private.proof_value);
        "privateDnsNameConfiguration.name" = it.private(|private| &private.proof_name);
        "tagSet" ["tag", "tag-key"] = &it.service.tags;
        "supportedRegionSet[].region" = Values::of_each(it.regions());
        "supportedRegionSet[].serviceState" = "Available";
        "remoteAccessEnabled" = !it.service.supported_regions.is_empty();
        "payerResponsibility" = Some("ServiceOwner").filter(|_| it.service.owner_pays);
    }
}

fn modify(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let mut service = need(call, &params.required("ServiceId")?)?.clone();
    let name = params.optional("PrivateDnsName");
    let remove_name = params.flag("RemovePrivateDnsName")?.unwrap_or(false);
    if name.is_some() && remove_name {
        let message = "The parameters PrivateDnsName and RemovePrivateDnsName cannot be used together.";
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    if let Some(required) = params.flag("AcceptanceRequired")? {
        service.acceptance_required = required;
    }
    change_sets(&mut service, params, "Add")?;
    let was = service.private_dns.clone();
    if remove_name {
        service.private_dns = None;
    }
    if let Some(name) = name {
        let next = private_dns(&name)?;
        // the same name again keeps its proof
        if was.as_ref().is_none_or(|was| was.name != next.name) {
            service.private_dns = Some(next);
        }
    }
    let mut edit = Edit::default();
    if service.private_dns != was {
        edit.put.extend(without_private_dns(call, &service));
    }
    edit.put.push(StoredObject::Service(service));
    Ok(Done::changed(edit))
}

/// "If you set the payer responsibility to the service owner, you cannot set it back" (EC2 API Reference).
fn change_payer(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let mut service = need(call, &params.required("ServiceId")?)?.clone();
    let payer = params.required("PayerResponsibility")?;
    if payer != "ServiceOwner" {
        return Err(ApiError::value(payer, "PayerResponsibility", "Expected ServiceOwner."));
    }
    service.owner_pays = true;
    Ok(Done::changed(Edit::put([StoredObject::Service(service)])))
}

/// The endpoints that lead to a service and have private DNS on, with it off: the name is no longer the service's.
fn without_private_dns(call: &Call<'_>, service: &ServiceRecord) -> Vec<StoredObject> {
    let loses = call
        .state
        .endpoints()
        .filter(|endpoint| endpoint.service == service.name && endpoint.private_dns_enabled)
        .filter(|endpoint| endpoint.phase != Phase::Deleted);
    loses
        .cloned()
        .map(|mut endpoint| {
            endpoint.private_dns_enabled = false;
            StoredObject::Endpoint(endpoint)
        })
        .collect()
}

fn delete(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("ServiceId");
    if ids.is_empty() {
        return Err(ApiError::missing("ServiceId"));
    }
    let mut edit = Edit::default();
    let mut failed = Vec::new();
    for id in ids {
        let service = match need(call, &id) {
            Ok(service) => service,
            Err(error) if error.code.ends_with(".Malformed") => return Err(error),
            Err(_) => {
                let message = format!("The VpcEndpointService Id '{id}' does not exist");
                failed.push((id, ApiError::new("InvalidVpcEndpointService.NotFound", message)));
                continue;
            }
        };
        // those of files too; "You can't delete an endpoint service if there are any endpoints connected" (PrivateLink
        // guide); one whose life is over does not count
        let leads_here = |endpoint: &&crate::model::Endpoint| call.model.service(endpoint).service_name == service.name;
        if call.model.endpoints().filter(leads_here).any(|endpoint| !endpoint.state.is_over()) {
            let message = "Service has existing active VPC Endpoint connections!";
            failed.push((id, ApiError::new("ExistingVpcEndpointConnections", message)));
            continue;
        }
        edit.put.extend(without_private_dns(call, service));
        edit.remove
            .extend(call.state.notifications().filter(|told| told.subject == service.id).map(|told| told.id.clone()));
        edit.remove.push(id);
    }
    Ok(Done { edit, answer: unsuccessful(failed) })
}

/// "Initiates the verification process to prove that the service provider owns the private DNS name domain" (EC2 API
/// Reference). Nobody but the operator of this server hands out names in its VPCs, so that who asks for one has it: it
/// is verified at once, without a look at the TXT record.
fn verify(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let id = params.required("ServiceId")?;
    let mut service = need(call, &id)?.clone();
    let Some(private) = &mut service.private_dns else {
        let message = format!("The VPC endpoint service {id} does not have a private DNS name.");
        return Err(ApiError::invalid(message));
    };
    private.state = VerificationState::Verified;
    Ok(Done::changed(Edit::put([StoredObject::Service(service)])))
}
