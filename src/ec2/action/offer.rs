//! Services that a caller can make endpoints to: AWS's own, those of files, and those that accounts offer each other.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::region;
use crate::dns::DnsName;
use crate::ec2::call::{Action, Call, Done, id_of_name};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Resource, Values, fields};
use crate::ec2::filter::{Filters, ResultPage};
use crate::ec2::params::Params;
use crate::ec2::private_dns::VerificationState;
use crate::ec2::record::{self, EndpointType, Tags};
use crate::ec2::xml::Xml;
use crate::naming::{self, Region, Service, ServiceName, ZoneName, is_known_region, partition_of};

pub(super) const ACTIONS: &[Action] =
    &[Action { name: "DescribeVpcEndpointServices", writes: false, idempotent: false, run: describe }];

/// A service as a caller may use it.
pub(super) struct Offer<'a> {
    /// Its names.
    pub(super) service: Cow<'a, Service>,
    /// What its provider said, if that was said over the API.
    pub(super) provider: Option<&'a record::ServiceRecord>,
}

impl Offer<'_> {
    /// Whether the service takes endpoints of a type.
    pub(super) fn has_type(&self, kind: EndpointType) -> bool {
        match kind {
            EndpointType::Interface => self.provider.is_none_or(|service| service.service_type() == "Interface"),
            EndpointType::Gateway => has_gateway(&self.service.service_name),
            EndpointType::Resource | EndpointType::ServiceNetwork => false,
        }
    }

    /// Whether it is one that an account offers, and not AWS.
    pub(super) fn is_endpoint_service(&self) -> bool {
        is_endpoint_service(&self.service.service_name)
    }

    /// Whether its provider accepts each endpoint before it works.
    pub(super) fn acceptance_required(&self) -> bool {
        self.provider.is_some_and(|service| service.acceptance_required)
    }

    /// Whether its endpoints can have addresses of this family: `ipv4` or `ipv6`. AWS does not publish which of its own
    /// services lack one.
    pub(super) fn supports(&self, family: &str) -> bool {
        self.provider.is_none_or(|service| service.supported_ip_address_types.iter().any(|own| own == family))
    }
}

/// Whether a name is that of an endpoint service: `com.amazonaws.vpce.us-east-1.vpce-svc-...`.
pub(super) fn is_endpoint_service(name: &ServiceName) -> bool {
    id_of(name).starts_with("vpce-svc-")
}

/// What is behind the last full stop of a service's name; the id of an endpoint service.
fn id_of(name: &ServiceName) -> &str {
    name.as_str().rsplit('.').next().unwrap_or_default()
}

/// Whether a service of AWS has gateway endpoints too.
pub(super) fn has_gateway(name: &ServiceName) -> bool {
    let mut labels = name.as_str().rsplit('.');
    let (service, region) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    region::GATEWAYS.contains(&service)
        && region.parse::<Region>().is_ok_and(|region| naming::is_offered(name, &region))
}

/// The service of a Region that a call names, or EC2's error: for the caller it is not there unless the caller may use it
/// from its own Region.
pub(super) fn need<'c>(call: &'c Call<'_>, name: &str, region: &Region) -> Result<Offer<'c>, ApiError> {
    let missing = || ApiError::new("InvalidServiceName", format!("The Vpc Endpoint Service '{name}' does not exist"));
    let name: ServiceName = name.parse().map_err(|_| missing())?;
    if let Some(service) = call.model.declared_service(&name) {
        return declared(call, service, region).ok_or_else(missing);
    }
    if !naming::is_offered(&name, region) {
        return Err(missing());
    }
    let service = call.model.resolve(&name).map_err(|_| missing())?;
    Ok(Offer { service: Cow::Owned(service), provider: None })
}

/// The service of an endpoint that there is, whether or not the caller might make another one today.
pub(super) fn of_endpoint<'c>(call: &'c Call<'_>, service: Cow<'c, Service>) -> Offer<'c> {
    let provider = call.state.service(id_of(&service.service_name));
    Offer { service, provider }
}

/// A service that a source describes, if the caller may use it: files mean everybody.
fn declared<'c>(call: &'c Call<'_>, service: &'c Service, region: &Region) -> Option<Offer<'c>> {
    let provider = call.state.service(id_of(&service.service_name));
    let provider = provider.filter(|provider| provider.name == service.service_name);
    let own = &call.caller.region;
    let may_use = provider.is_none_or(|provider| {
        let is_near = region == own || provider.supported_regions.iter().any(|other| other == own.as_str());
        is_near && provider.allows(&call.caller.account)
    });
    let is_here =
        service.region.as_ref().is_none_or(|of| of == region) || naming::is_offered(&service.service_name, region);
    (may_use && is_here).then_some(Offer { service: Cow::Borrowed(service), provider })
}

/// A service as it is listed, once for each type that it has.
struct ListedOffer<'a> {
    offer: Offer<'a>,
    kind: &'static str,
    owner: String,
    region: Region,
    zones: Vec<ZoneName>,
}

/// Services with the Regions that they are in.
type OffersByName<'a> = BTreeMap<ServiceName, (&'a Region, Offer<'a>)>;

fn is_known(offers: &OffersByName<'_>, name: &str) -> bool {
    offers.keys().any(|known| known.as_str() == name)
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let names = params.list("ServiceName");
    let regions = params.list("ServiceRegion");
    let regions: Vec<Region> = regions.iter().map(|region| service_region(region)).collect::<Result<_, _>>()?;
    let filters = Filters::take(params, ListedOffer::FILTERS, "InvalidFilter")?;
    let page = ResultPage::take(params, 1)?;
    let mut offers: OffersByName<'_> = BTreeMap::new();
    let own = [call.caller.region.clone()];
    let regions = if regions.is_empty() { &own[..] } else { &regions };
    for region in regions {
        if names.is_empty() {
            let catalogue = naming::services(region, call.model.catalogue()).map(Cow::Owned);
            let catalogue = catalogue.map(|service| Offer { service, provider: None });
            let declared = call.model.declared_services().filter_map(|service| declared(call, service, region));
            let all = catalogue.chain(declared);
            offers.extend(all.map(|offer| (offer.service.service_name.clone(), (region, offer))));
            continue;
        }
        for name in &names {
            match need(call, name, region) {
                Ok(offer) => drop(offers.insert(offer.service.service_name.clone(), (region, offer))),
                Err(error) if *region == *regions.last().unwrap_or(region) && !is_known(&offers, name) => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
    }
    let all = offers.into_values().flat_map(|(region, offer)| {
        let zones: Vec<ZoneName> = region::zones(call, region).into_iter().collect();
        listed(call, region, &zones, offer)
    });
    let found = all.filter(|service| service.passes(&filters));
    let (found, next) = page.cut(found, |service| format!("{} {}", service.offer.service.service_name, service.kind));
    let mut answer = Xml::new();
    let mut names: Vec<&ServiceName> = found.iter().map(|service| &service.offer.service.service_name).collect();
    names.dedup();
    answer.texts("serviceNameSet", names);
    answer.list("serviceDetailSet", &found, |xml, offer| offer.write(xml));
    answer.optional("nextToken", next);
    Ok(Done { answer, ..Done::default() })
}

/// The Region of a service that a call names.
pub(super) fn service_region(text: &str) -> Result<Region, ApiError> {
    let region = Some(text).filter(|text| is_known_region(text)).and_then(|text| text.parse().ok());
    region.ok_or_else(|| ApiError::value(text, "ServiceRegion", "Expected the code of a Region."))
}

/// The entries of a service, `all_zones` being those of its Region: of AWS's, `Gateway` is another one than `Interface`.
fn listed<'a>(
    call: &Call<'_>,
    region: &Region,
    all_zones: &[ZoneName],
    offer: Offer<'a>,
) -> impl Iterator<Item = ListedOffer<'a>> + use<'a> {
    let owner = match offer.provider {
        Some(provider) => provider.owner.clone(),
        None if offer.is_endpoint_service() => call.caller.account.clone(),
        None => "amazon".to_owned(),
    };
    let zones = match offer.service.availability_zones.as_slice() {
        [] => all_zones.to_vec(),
        some => some.to_vec(),
    };
    let gateway = offer.has_type(EndpointType::Gateway).then(|| ListedOffer {
        offer: Offer { service: offer.service.clone(), provider: None },
        kind: "Gateway",
        owner: owner.clone(),
        region: region.clone(),
        zones: zones.clone(),
    });
    let kind = offer.provider.map_or("Interface", record::ServiceRecord::service_type);
    let first = ListedOffer { kind, owner, region: region.clone(), zones, offer };
    // sorted as `page` needs it
    gateway.into_iter().chain([first])
}

fn families(listed: &ListedOffer<'_>) -> Vec<&'static str> {
    ["ipv4", "ipv6"].into_iter().filter(|family| listed.offer.supports(family)).collect()
}

/// The id of a service: AWS's own have one too, here made of the name, and another one for a gateway of the same name.
fn service_id(name: &ServiceName, is_gateway: bool) -> String {
    match name {
        name if is_endpoint_service(name) => id_of(name).to_owned(),
        name if is_gateway => id_of_name("vpce-svc-", &format!("{name} gateway")),
        name => id_of_name("vpce-svc-", name.as_str()),
    }
}

impl ListedOffer<'_> {
    fn is_gateway(&self) -> bool {
        self.kind == "Gateway"
    }

    fn base_name(&self) -> String {
        let service = &self.offer.service;
        if self.is_gateway() {
            // s3.us-east-1.amazonaws.com: the public host, without `vpce`
            format!("{}.{}.{}", id_of(&service.service_name), self.region, partition_of(&self.region).dns_suffix)
        } else {
            service.base.to_string()
        }
    }

    fn private_names(&self) -> &[DnsName] {
        if self.is_gateway() { &[] } else { &self.offer.service.private_names }
    }

    /// Of its first private name.
    fn verification_state(&self) -> Option<&'static str> {
        match self.offer.provider {
            Some(provider) => provider.private_dns.as_ref().map(|private| private.state.as_str()),
            None => self.private_names().first().map(|_| VerificationState::Verified.as_str()),
        }
    }
}

/// No tags.
static UNTAGGED: Tags = Tags::new();

fields! {
    impl ListedOffer<'_> as it {
        "serviceName" ["service-name"] = it.offer.service.service_name.as_str();
        "serviceId" = service_id(&it.offer.service.service_name, it.is_gateway());
        "serviceType[].serviceType" ["service-type"] = Values::of_each([it.kind]);
        "serviceRegion" ["service-region"] = it.region.as_str();
        "availabilityZoneIdSet[]" = Values::of_each(it.zones.iter().map(region::zone_id));
        "availabilityZoneSet[]" = Values::of_each(&it.zones);
        "owner" ["owner"] = &it.owner;
        "baseEndpointDnsNameSet[]" = Values::of_each([it.base_name()]);
        "privateDnsName" = Values::of_option(it.private_names().first());
        "privateDnsNameSet[].privateDnsName" = Values::of_any(it.private_names());
        // "The service does not support VPC endpoint policies" is what a provider's service says (PrivateLink guide)
        "vpcEndpointPolicySupported" = !it.offer.is_endpoint_service();
        "acceptanceRequired" = it.offer.acceptance_required();
        "managesVpcEndpoints" = false;
        "payerResponsibility" = it.offer.provider.filter(|provider| provider.owner_pays).map(|_| "ServiceOwner");
        "tagSet" ["tag", "tag-key"] = it.offer.provider.map_or(&UNTAGGED, |provider| &provider.tags);
        "privateDnsNameVerificationState" = it.verification_state();
        "supportedIpAddressTypeSet[]" ["supported-ip-address-types"] = Values::of_each(families(it));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_and_endpoint_services_are_known_by_name() {
        let name = |text: &str| text.parse::<ServiceName>().unwrap();
        assert!(has_gateway(&name("com.amazonaws.us-east-1.s3")));
        assert!(has_gateway(&name("com.amazonaws.eu-west-1.dynamodb")));
        assert!(has_gateway(&name("com.amazonaws.us-west-2.s3express")));
        for other in ["com.amazonaws.us-east-1.ec2", "com.amazonaws.s3", "com.amazonaws.us-east-1.x.s3"] {
            assert!(!has_gateway(&name(other)), "{other}");
        }
        let endpoint_service = name("com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc");
        assert!(is_endpoint_service(&endpoint_service));
        assert_eq!(service_id(&endpoint_service, false), "vpce-svc-0e123abc123198abc");
        let s3 = |is_gateway| service_id(&name("com.amazonaws.us-east-1.s3"), is_gateway);
        assert_eq!((s3(false).len(), s3(true).len()), (26, 26));
        assert_ne!(s3(false), s3(true), "two services of one name");
    }
}
