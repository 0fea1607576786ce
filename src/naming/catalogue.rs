//! From a service's name to the names of its endpoints: the catalogue, and the rule for what is not in it.
//!
//! The rule (AWS PrivateLink guide, "DNS names"; held by nearly every service): turn the labels of the service's own
//! name round; before `<region>.vpce.<suffix>` that is the base of endpoint names, before `<region>.<suffix>` the name
//! that private DNS takes over. Knows no file format (that is `catalogue_data`) and no endpoint.

use super::catalogue_data::{Catalogue, CatalogueEntry};
use super::evidence::{CatalogueNames, Evidence};
use super::partition::{Partition, is_region_code, partition_of_code};
use super::service::Service;
use super::service_name::{Region, ServiceName, ServiceNameError};
use super::shape::{Family, NO_REGION, Shape, parse};
use crate::dns::DnsName;
use crate::problem::nearest;

/// The service of that name: out of the catalogue, else by the rule.
///
/// A name that has none of the known shapes is an error, and so is a global name that is not in the catalogue: nothing
/// tells `com.amazonaws.ec2`, whose region was forgotten, from a new global service. Costs a few microseconds; whoever
/// has many endpoints of one service keeps the result.
pub fn resolve(name: &ServiceName) -> Result<Service, ServiceNameError> {
    resolve_with(name, CatalogueNames::Evident)
}

/// As [`resolve`], with the names that the operator chose.
pub fn resolve_with(name: &ServiceName, names: CatalogueNames) -> Result<Service, ServiceNameError> {
    let mut service = as_catalogued(name)?;
    if names == CatalogueNames::SdkNames {
        service.evidence.extend(service.second_names.iter().map(|_| Evidence::Sdk));
        service.private_names.append(&mut service.second_names);
    }
    Ok(service)
}

fn as_catalogued(name: &ServiceName) -> Result<Service, ServiceNameError> {
    let unknown = || ServiceNameError::Shape(name.to_string());
    match parse(name.as_str()).ok_or_else(unknown)? {
        Shape::Regional { family, region, service, .. } => {
            let entry = Catalogue::get().family(family).get(service);
            build(name.clone(), family, region, service, entry)
        }
        Shape::Global { service } => {
            let entry = Catalogue::get().family(Family::Global).get(service).ok_or_else(unknown)?;
            let region = entry.region.as_deref().ok_or_else(unknown)?;
            build(name.clone(), Family::Global, region, service, Some(entry))
        }
        Shape::EndpointService { region, id } => endpoint_service(name, region, id),
    }
}

/// Whether the catalogue has the service; false for every endpoint service, and for what is named by the rule alone.
pub fn is_known(name: &ServiceName) -> bool {
    match parse(name.as_str()) {
        Some(Shape::Regional { family, service, .. }) => Catalogue::get().family(family).contains_key(service),
        Some(Shape::Global { service }) => Catalogue::get().family(Family::Global).contains_key(service),
        Some(Shape::EndpointService { .. }) | None => false,
    }
}

/// Whether the catalogue has the service and `region` can have it; by whichever prefix its name begins.
pub fn is_offered(name: &ServiceName, region: &Region) -> bool {
    match parse(name.as_str()) {
        Some(Shape::Regional { family, region: of, service, .. }) => {
            of == region.as_str()
                && Catalogue::get().family(family).get(service).is_some_and(|entry| entry.is_in(region))
        }
        Some(Shape::Global { service }) => {
            Catalogue::get().family(Family::Global).get(service).is_some_and(|entry| entry.is_in(region))
        }
        Some(Shape::EndpointService { .. }) | None => false,
    }
}

/// Every service of the catalogue that `region` can have, in the order of their names.
///
/// The catalogue does not know which of them a region really has: only what is bound to one region or one partition is
/// left out elsewhere. A global service is in the list of the region that holds its endpoints.
pub fn services(region: &Region, names: CatalogueNames) -> impl Iterator<Item = Service> + use<> {
    let mut services: Vec<Service> =
        service_names(region).filter_map(|name| resolve_with(&name.parse().ok()?, names).ok()).collect();
    services.sort_by(|a, b| a.service_name.cmp(&b.service_name));
    services.into_iter()
}

/// The service name that was probably meant, for a name that is not in the catalogue; `<region>` stands in it where the
/// name says none. `None` if nothing is near, and for what needs no correction.
pub fn nearest_service(name: &ServiceName) -> Option<String> {
    let known = |family: Family| Catalogue::get().family(family).keys().map(String::as_str);
    match parse(name.as_str()) {
        _ if is_known(name) => None,
        Some(Shape::Regional { family, prefix, region, service }) => in_any_family(region, service)
            .or_else(|| nearest(service, known(family)).map(|meant| format!("{prefix}.{region}.{meant}"))),
        Some(Shape::Global { service }) => in_any_family("<region>", service)
            .or_else(|| nearest(service, known(Family::Global)).map(|meant| full_name(Family::Global, "", meant))),
        Some(Shape::EndpointService { .. }) => None,
        // the prefix is wrong, or of another partition: what follows the region may still be a service
        None => {
            let region = name.as_str().split('.').find(|label| is_region_code(label))?;
            let (_, service) = name.as_str().split_once(&format!("{region}."))?;
            in_any_family(region, service)
        }
    }
}

/// The full name of the catalogue's service of that own name, whatever its prefix.
fn in_any_family(region: &str, service: &str) -> Option<String> {
    let family = Family::ALL.into_iter().find(|&family| Catalogue::get().family(family).contains_key(service))?;
    Some(full_name(family, region, service))
}

/// The names of all services that `region` can have, in no order.
fn service_names(region: &Region) -> impl Iterator<Item = String> {
    let services = Family::ALL.into_iter().flat_map(|family| {
        Catalogue::get().family(family).iter().map(move |(service, entry)| (family, service, entry))
    });
    services
        .filter(|(_, _, entry)| entry.is_in(region))
        .map(|(family, service, _)| full_name(family, region.as_str(), service))
}

/// `com.amazonaws.us-east-1.ec2`, with the prefix that the partition uses for that service.
fn full_name(family: Family, region: &str, service: &str) -> String {
    let partition = partition_of_code(region);
    let own = Catalogue::get().own_prefix.get(partition.name);
    match family {
        Family::Global => format!("{}.{service}", family.prefix()),
        Family::Regional if own.is_some_and(|own| own.iter().any(|name| name == service)) => {
            format!("{}.{region}.{service}", partition.service_prefix)
        }
        _ => format!("{}.{region}.{service}", family.prefix()),
    }
}

/// The names of a service of AWS in one region.
fn build(
    name: ServiceName,
    family: Family,
    region: &str,
    service: &str,
    entry: Option<&CatalogueEntry>,
) -> Result<Service, ServiceNameError> {
    let partition = partition_of_code(region);
    let suffix = family.suffix(partition);
    let turned = || service.rsplit('.').collect::<Vec<_>>().join(".");
    let label = entry.and_then(|entry| entry.base.clone()).unwrap_or_else(turned);
    let domain = |text: String| text.parse::<DnsName>().map_err(|e| ServiceNameError::Name(name.to_string(), e));

    let base = domain(format!("{label}.{region}.vpce.{suffix}"))?;
    let mut names = Vec::new();
    if let Some(evidence) = entry.map_or(Some(Evidence::Rule), CatalogueEntry::by_rule) {
        // the private name of a global service is its one API host, without a region
        let region = if family == Family::Global { String::new() } else { format!("{region}.") };
        names.push((domain(format!("{label}.{region}{suffix}"))?, evidence));
    }
    let mut second = Vec::new();
    let given: Vec<(&str, Evidence)> = entry.iter().flat_map(|entry| entry.given()).collect();
    let has_first = given.iter().any(|(name, _)| is_in_first_suffix(name));
    for (template, evidence) in given {
        let Some(name) = fill(template, region, partition) else { continue };
        // what was seen in AWS's own partition is no more than likely in others
        let is_likely = !partition.has_evidence() && has_first && !is_in_first_suffix(template);
        if is_likely { second.push(domain(name)?) } else { names.push((domain(name)?, evidence)) }
    }
    let filled = |templates: &[String]| -> Result<Vec<DnsName>, ServiceNameError> {
        templates.iter().filter_map(|template| fill(template, region, partition)).map(domain).collect()
    };
    second.extend(filled(entry.map_or(&[], |entry| &entry.second))?);
    let (private_names, evidence) = names.into_iter().unzip();
    Ok(Service {
        zone: Service::zone_of(&base),
        region: if region == NO_REGION { None } else { Some(region.parse()?) },
        base,
        own_names: Vec::new(),
        wildcard: entry.is_some_and(|entry| entry.wildcard),
        private_names,
        evidence,
        dualstack_names: filled(entry.map_or(&[], |entry| &entry.dualstack))?,
        second_names: second,
        availability_zones: Vec::new(),
        service_name: name,
    })
}

/// Whether a name of the catalogue ends as the first private names of services do, and not in a suffix that came later.
fn is_in_first_suffix(template: &str) -> bool {
    template.ends_with("{suffix}") || template.ends_with("sagemaker.aws")
}

/// A name of the catalogue for one region; `None` where the partition has no suffix of that kind.
fn fill(template: &str, region: &str, partition: &Partition) -> Option<String> {
    let on_aws = partition.on_aws_suffix;
    let is_there = !template.contains("{on-aws}") || on_aws.is_some();
    // a domain of the commercial partition, which has no variable as no other partition is known to have the like
    let is_there = is_there && (partition.has_evidence() || !template.ends_with(".app.aws"));
    is_there.then(|| {
        template
            .replace("{region}", region)
            .replace("{suffix}", partition.dns_suffix)
            .replace("{dual-stack}", partition.dual_stack_suffix)
            .replace("{on-aws}", on_aws.unwrap_or_default())
    })
}

/// An endpoint service: the base is documented (AWS PrivateLink guide, "Share your services"), and it has a private
/// name only where its owner gave it one, which nothing but the operator's files can tell.
fn endpoint_service(name: &ServiceName, region: &str, id: &str) -> Result<Service, ServiceNameError> {
    let base: DnsName = format!("{id}.{region}.vpce.{}", partition_of_code(region).dns_suffix)
        .parse()
        .map_err(|e| ServiceNameError::Name(name.to_string(), e))?;
    Ok(Service {
        service_name: name.clone(),
        region: Some(region.parse()?),
        zone: Service::zone_of(&base),
        base,
        own_names: Vec::new(),
        wildcard: false,
        private_names: Vec::new(),
        evidence: Vec::new(),
        dualstack_names: Vec::new(),
        second_names: Vec::new(),
        availability_zones: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> Service {
        resolve(&name.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_rule_names_what_the_catalogue_lacks() {
        let service = service("com.amazonaws.eu-west-1.brand-new.api");
        assert_eq!(service.base.to_string(), "api.brand-new.eu-west-1.vpce.amazonaws.com");
        assert_eq!(service.private_names, ["api.brand-new.eu-west-1.amazonaws.com".parse().unwrap()]);
        assert_eq!(service.evidence, [Evidence::Rule]);
    }

    #[test]
    fn global_services() {
        let iam = service("com.amazonaws.iam");
        assert_eq!(iam.region.unwrap().as_str(), "us-east-1");
        assert_eq!(iam.base.to_string(), "iam.us-east-1.vpce.amazonaws.com");
        assert_eq!(iam.private_names, ["iam.amazonaws.com".parse().unwrap()]);
        let without_region = service("aws.api.global.codecatalyst");
        assert_eq!(without_region.region, None);
        assert_eq!(without_region.private_names, ["codecatalyst.global.api.aws".parse().unwrap()]);
    }

    #[test]
    fn unknown_shapes_say_which_are_known() {
        for name in ["com.amazonaws.ec2", "ec2", "com.amazonaws.vpce.us-east-1.vpce-svc-1"] {
            let error = resolve(&name.parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("com.amazonaws.<region>.<service>"), "{error}");
        }
    }

    #[test]
    fn lists_follow_the_region() {
        let names = |region: &str| -> Vec<String> {
            services(&region.parse().unwrap(), CatalogueNames::Evident).map(|s| s.service_name.to_string()).collect()
        };
        let (east, west, china) = (names("us-east-1"), names("us-east-2"), names("cn-north-1"));
        let has = |list: &[String], name: &str| list.iter().any(|n| n == name);
        assert!(has(&east, "com.amazonaws.iam") && !has(&west, "com.amazonaws.iam"));
        assert!(has(&west, "aws.api.us-east-2.route53globalresolver"));
        assert!(!has(&east, "aws.api.us-east-1.route53globalresolver"));
        assert!(has(&china, "cn.com.amazonaws.cn-north-1.ec2") && has(&china, "com.amazonaws.cn-north-1.sns"));
        assert!(has(&china, "cn.com.amazonaws.cn-north-1.transcribe.cn"));
        assert!(!has(&east, "com.amazonaws.us-east-1.transcribe.cn"));
        for list in [&east, &west, &china] {
            assert!(list.is_sorted());
            assert!(list.iter().all(|name| is_known(&name.parse().unwrap())));
        }
        for (region, list) in [("us-east-1", &east), ("us-east-2", &west), ("cn-north-1", &china)] {
            let region = region.parse().unwrap();
            let offered = |name: &String| is_offered(&name.parse().unwrap(), &region);
            assert!(list.iter().all(offered), "{region}");
            assert!(!has(list, "com.amazonaws.iam") || offered(&"com.amazonaws.iam".to_owned()));
        }
        let offered = |name: &str, region: &str| is_offered(&name.parse().unwrap(), &region.parse().unwrap());
        assert!(!offered("com.amazonaws.us-east-2.ec2", "us-east-1"));
        assert!(!offered("com.amazonaws.iam", "us-east-2"));
        assert!(!offered("com.amazonaws.us-east-1.brand-new", "us-east-1"));
        assert!(!offered("com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc", "us-east-1"));
        assert!(offered("com.amazonaws.cn-north-1.ec2", "cn-north-1"), "the other prefix");
    }

    /// Every service can be named in every partition.
    #[test]
    fn every_entry_makes_names_in_every_partition() {
        for region in ["us-east-1", "us-east-2", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-isof-south-1"] {
            let region: Region = region.parse().unwrap();
            assert_eq!(services(&region, CatalogueNames::SdkNames).count(), service_names(&region).count(), "{region}");
        }
    }

    #[test]
    fn near_names_are_found() {
        for (name, meant) in [
            ("com.amazonaws.us-east-1.kineses-streams", Some("com.amazonaws.us-east-1.kinesis-streams")),
            ("com.amazonws.cn-north-1.ec2", Some("cn.com.amazonaws.cn-north-1.ec2")),
            ("cn.com.amazonaws.cn-north-1.ec3", Some("cn.com.amazonaws.cn-north-1.ec2")),
            ("com.amazonaws.us-east-1.qbusiness", Some("aws.api.us-east-1.qbusiness")),
            ("com.amazonaws.us-east-1.iam", Some("com.amazonaws.iam")),
            ("com.amazonaws.ec2", Some("com.amazonaws.<region>.ec2")),
            ("com.amazonaws.cloudfrnt", Some("com.amazonaws.cloudfront")),
            ("com.amazonws.eu-west-1.lambda", Some("com.amazonaws.eu-west-1.lambda")),
            ("com.amazonaws.us-east-1.ec2", None),
            ("com.amazonaws.us-east-1.xq-zzz-unheard-of", None),
            ("com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc", None),
            ("cn.com.amazonaws.us-east-1.ec2", Some("com.amazonaws.us-east-1.ec2")),
            ("com.amazonaws.vpce.us-east-1.vpce-svc-1", None),
            ("ec2", None),
        ] {
            assert_eq!(nearest_service(&name.parse().unwrap()).as_deref(), meant, "{name}");
        }
    }
}
