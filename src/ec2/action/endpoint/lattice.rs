//! Resource and service-network endpoints, which lead to VPC Lattice: CreateVpcEndpoint for them, and
//! DescribeVpcEndpointAssociations.
//!
//! There is no Lattice here: ARNs are taken as given. A resource endpoint has one association, whose name answers with the
//! endpoint's addresses; the domain of a resource is not known, so that private names are those that the call specifies. The
//! services of a network are not known, and neither are their names.

use std::borrow::Cow;

use super::{ListedEndpoint, all, check, create, need};
use crate::dns::DnsName;
use crate::ec2::action::tags;
use crate::ec2::call::{Action, Call, Done, id_of_name};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Resource, Values, fields};
use crate::ec2::own_names::{KeptNames, LatticeTarget, OwnNames};
use crate::ec2::params::Params;
use crate::ec2::record::{EndpointRecord, EndpointType, IpAddressType, Phase, StoredObject, VpcRecord};
use crate::ec2::state::Edit;
use crate::ec2::xml::Xml;
use crate::model::{GivenNames, RecordIpType, State};
use crate::naming::{EndpointId, Region};

pub(super) const DESCRIBE_ASSOCIATIONS: Action =
    Action { name: "DescribeVpcEndpointAssociations", writes: false, idempotent: false, run: describe };

const LISTING: Listing = Listing { set: "vpcEndpointAssociationSet", bad_filter: "InvalidFilter", least: 1 };

/// EC2 API Reference, `DnsOptions`.
const PREFERENCES: [&str; 4] =
    ["ALL_DOMAINS", "VERIFIED_DOMAINS_ONLY", "VERIFIED_DOMAINS_AND_SPECIFIED_DOMAINS", "SPECIFIED_DOMAINS_ONLY"];

pub(super) fn create(
    call: &Call<'_>,
    params: &mut Params,
    vpc: &VpcRecord,
    kind: EndpointType,
) -> Result<Done, ApiError> {
    if params.optional("ServiceName").is_some() {
        return Err(check::only_for("Service names are", EndpointType::Interface));
    }
    if !params.list("RouteTableId").is_empty() {
        return Err(check::only_for("Route table IDs are", EndpointType::Gateway));
    }
    if params.optional("PolicyDocument").is_some() {
        return Err(check::only_for("Policies are", EndpointType::Interface));
    }
    let arn = target(params, kind)?;
    let id = arn.rsplit('/').next().unwrap_or_default();
    let service = id.parse().map_err(|_| malformed(&arn, kind))?;
    let tags = tags::take(params, "vpc-endpoint")?;
    let mut endpoint = EndpointRecord {
        id: tags::chosen_id(call, &tags, EndpointId::PREFIX)?.unwrap_or_else(|| EndpointId::of_bits(rand::random())),
        owner: call.caller.account.clone(),
        vpc: vpc.id,
        service,
        kind,
        phase: Phase::Accepted,
        phase_since: call.now,
        created: call.now,
        private_dns_enabled: false,
        ip_address_type: check::take_ip_address_type(params)?.unwrap_or(IpAddressType::Ipv4),
        dns_record_ip_type: RecordIpType::Ipv4,
        inbound_resolver_only: false,
        policy: None,
        security_groups: Vec::new(),
        interfaces: Vec::new(),
        route_tables: Vec::new(),
        service_region: None,
        lattice: Some(LatticeTarget { arn, ..LatticeTarget::default() }),
        own_names: OwnNames::default(),
        tags,
    };
    endpoint.dns_record_ip_type = endpoint.ip_address_type.records();
    create::place(call, params, vpc, &mut endpoint)?;
    change_names(call, params, &mut endpoint)?;
    let mut answer = Xml::new();
    let (record, suffix) = (Cow::Borrowed(&endpoint), endpoint.suffix());
    let listed = ListedEndpoint::new(call, record, State::Pending, suffix, None);
    answer.element("vpcEndpoint", |xml| listed.write(xml));
    answer.optional("clientToken", call.client_token.as_ref());
    Ok(Done { edit: Edit::put([StoredObject::Endpoint(endpoint)]), answer })
}

/// The ARN that a call names.
fn target(params: &mut Params, kind: EndpointType) -> Result<String, ApiError> {
    let (name, other, resource) = match kind {
        EndpointType::Resource => ("ResourceConfigurationArn", "ServiceNetworkArn", "resourceconfiguration/rcfg-"),
        _ => ("ServiceNetworkArn", "ResourceConfigurationArn", "servicenetwork/sn-"),
    };
    if params.optional(other).is_some() {
        let message = format!("{other} is not for endpoints of the type {}.", kind.as_str());
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    let arn = params.required(name)?;
    let parts: Vec<&str> = arn.split(':').collect();
    let is_formed = match parts.as_slice() {
        ["arn", partition, "vpc-lattice", region, account, path] => {
            let id = path.strip_prefix(resource).unwrap_or_default();
            let is_id = !id.is_empty() && id.len() <= 40 && id.bytes().all(|b| b.is_ascii_hexdigit());
            partition.starts_with("aws") && !region.is_empty() && account.len() == 12 && is_id
        }
        _ => false,
    };
    if is_formed { Ok(arn) } else { Err(malformed(&arn, kind)) }
}

fn malformed(arn: &str, kind: EndpointType) -> ApiError {
    let (name, example) = match kind {
        EndpointType::Resource => ("ResourceConfigurationArn", "resourceconfiguration/rcfg-0123456789abcdef0"),
        _ => ("ServiceNetworkArn", "servicenetwork/sn-0123456789abcdef0"),
    };
    ApiError::value(arn, name, format!("Expected arn:aws:vpc-lattice:us-east-1:123456789012:{example}."))
}

/// Takes the options of DNS, and gives the endpoint the names that follow from them.
pub(super) fn change_names(
    call: &Call<'_>,
    params: &mut Params,
    endpoint: &mut EndpointRecord,
) -> Result<(), ApiError> {
    let mut options = params.structure("DnsOptions");
    if let Some(given) = check::take_dns_record_ip_type(&mut options)? {
        endpoint.dns_record_ip_type = given;
    }
    if options.flag("PrivateDnsOnlyForInboundResolverEndpoint")? == Some(true) {
        return Err(check::only_for("PrivateDnsOnlyForInboundResolverEndpoint is", EndpointType::Interface));
    }
    let (preference, domains) = (options.optional("PrivateDnsPreference"), options.list("PrivateDnsSpecifiedDomain"));
    options.finish()?;
    check::dns_record_ip_type(endpoint.dns_record_ip_type, endpoint.ip_address_type)?;
    let was_on = endpoint.private_dns_enabled;
    endpoint.private_dns_enabled = params.flag("PrivateDnsEnabled")?.unwrap_or(was_on);
    if endpoint.private_dns_enabled && !was_on {
        check::attributes(&*call.need_vpc(&endpoint.vpc.to_string())?)?;
    }
    let Some(target) = &mut endpoint.lattice else { return Ok(()) };
    if let Some(word) = preference {
        if !PREFERENCES.contains(&word.as_str()) {
            let expected = format!("Expected {}.", PREFERENCES.join(", "));
            return Err(ApiError::value(word, "DnsOptions.PrivateDnsPreference", expected));
        }
        target.preference = Some(word);
    }
    if !domains.is_empty() {
        target.domains = domains.iter().map(|domain| domain.trim_end_matches('.').to_ascii_lowercase()).collect();
    }
    if target.preference.as_deref().is_none_or(|word| !word.contains("SPECIFIED")) {
        target.domains.clear();
    }
    let is_name = |domain: &str| domain.parse::<DnsName>().is_ok_and(|name| name.label_count() > 1);
    if let Some(bad) = target.domains.iter().find(|domain| !is_name(domain)) {
        return Err(ApiError::value(bad, "DnsOptions.PrivateDnsSpecifiedDomain", "This is not a valid DNS name."));
    }
    if endpoint.kind == EndpointType::Resource {
        let names = names(endpoint, &call.caller.region).ok_or_else(|| ApiError::internal("A name is too long."))?;
        endpoint.own_names.given = Some(KeptNames::from(&names));
    }
    Ok(())
}

/// The names of a resource endpoint: `vpce-<id>.rcfg-<id>.<7 digits>.vpc-lattice-rsc.us-east-1.on.aws`, and the private ones.
fn names(endpoint: &EndpointRecord, region: &Region) -> Option<GivenNames> {
    let target = endpoint.lattice.as_ref()?;
    let digits = id_of_name("", &target.arn);
    let base = format!("{}.{}.vpc-lattice-rsc.{region}.on.aws", endpoint.service.as_str(), digits.get(10..17)?);
    let private = target.domains.iter().filter(|_| endpoint.private_dns_enabled);
    Some(GivenNames {
        own: vec![format!("{}.{base}", endpoint.id).parse().ok()?],
        base: Some(base.parse().ok()?),
        zones: Some(Vec::new()),
        private: Some(private.filter_map(|domain| domain.parse().ok()).collect()),
        ..GivenNames::none()
    })
}

/// An association as it is listed: one for each name of an endpoint.
struct ListedAssociation {
    id: String,
    endpoint: EndpointId,
    resource: Option<String>,
    name: String,
    private: Option<String>,
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("VpcEndpointId");
    let chosen = LISTING.take::<ListedAssociation>(params)?;
    let endpoints: Vec<ListedEndpoint<'_>> = if ids.is_empty() {
        all(call, None).collect()
    } else {
        ids.iter().map(|id| need(call, id)).collect::<Result<_, _>>()?
    };
    let mut found: Vec<ListedAssociation> = endpoints.iter().flat_map(|listed| of(call, listed)).collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found.dedup_by(|a, b| a.id == b.id);
    Ok(LISTING.page(&chosen, found, |listed| listed.id.clone()))
}

/// The associations of an endpoint, those of files among them.
fn of(call: &Call<'_>, listed: &ListedEndpoint<'_>) -> Vec<ListedAssociation> {
    let record = &*listed.record;
    let Some(endpoint) = call.model.endpoint(record.id).filter(|_| record.kind == EndpointType::Resource) else {
        return Vec::new();
    };
    let service = call.model.service(endpoint);
    let private = &service.private_names;
    let count = service.own_names.len().max(private.len());
    let association = |at: usize| {
        let name = service.own_names.get(at).or(service.own_names.first())?;
        let private = private.get(at).map(ToString::to_string);
        Some(ListedAssociation {
            id: id_of_name("vpce-rsc-asc-", &format!("{} {name} {at}", record.id)),
            endpoint: record.id,
            resource: record.lattice.as_ref().map(|target| target.arn.clone()),
            name: name.to_string(),
            private,
        })
    };
    (0..count).filter_map(association).collect()
}

fields! {
    impl ListedAssociation as it {
        "id" ["association-id"] = &it.id;
        "vpcEndpointId" ["vpc-endpoint-id"] = Values::of(it.endpoint);
        "associatedResourceAccessibility" ["associated-resource-accessibility"] = "Accessible";
        "associatedResourceArn" = it.resource.as_deref();
        "" ["associated-resource-id"] = it.resource.as_deref().and_then(|arn| arn.rsplit('/').next());
        "" ["service-network-arn", "resource-configuration-group-arn", "service-network-resource-association-id"] = Values::Absent;
        "dnsEntry.dnsName" = &it.name;
        "privateDnsEntry.dnsName" = it.private.as_deref();
    }
}
