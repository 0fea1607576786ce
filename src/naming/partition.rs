//! Partitions: what the names of a region end in, and how the names of its services begin.
//!
//! Knows regions by their codes only: a new region of a known partition needs no change here.

use std::sync::LazyLock;

use super::service_name::Region;
use crate::dns::DnsName;

/// A set of regions with suffixes, accounts and service names of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// `aws`
    pub name: &'static str,
    /// What the names of its services and endpoints end in: `amazonaws.com`.
    pub dns_suffix: &'static str,
    /// What names with both address families end in: `api.aws`.
    pub dual_stack_suffix: &'static str,
    /// What the names of image registries end in: `on.aws`; `None` where it is not known.
    pub on_aws_suffix: Option<&'static str>,
    /// `dns_suffix` turned round, with which some service names begin: `com.amazonaws`, `cn.com.amazonaws`.
    ///
    /// The others begin with `com.amazonaws` in every partition (aws-cdk-lib, `getDefaultEndpointPrefix`).
    pub service_prefix: &'static str,
    /// What the codes of its regions begin with; empty for the partition of all other regions.
    region_prefix: &'static str,
}

/// With which the names of most services begin, whatever the partition.
pub const COMMON_SERVICE_PREFIX: &str = "com.amazonaws";

const AWS: Partition = Partition {
    name: "aws",
    dns_suffix: "amazonaws.com",
    dual_stack_suffix: "api.aws",
    on_aws_suffix: Some("on.aws"),
    service_prefix: COMMON_SERVICE_PREFIX,
    region_prefix: "",
};

impl Partition {
    /// Whether names were seen or documented there: in the commercial Regions and those of the US government.
    pub(super) fn has_evidence(&self) -> bool {
        self.dual_stack_suffix == AWS.dual_stack_suffix
    }
}

/// Every partition, as the AWS SDKs list them (botocore, `partitions.json`); `aws` is the last.
pub static PARTITIONS: [Partition; 8] = [
    Partition {
        name: "aws-cn",
        dns_suffix: "amazonaws.com.cn",
        dual_stack_suffix: "api.amazonwebservices.com.cn",
        on_aws_suffix: Some("on.amazonwebservices.com.cn"),
        service_prefix: "cn.com.amazonaws",
        region_prefix: "cn-",
    },
    Partition { name: "aws-us-gov", region_prefix: "us-gov-", ..AWS },
    Partition {
        name: "aws-eusc",
        dns_suffix: "amazonaws.eu",
        dual_stack_suffix: "api.amazonwebservices.eu",
        on_aws_suffix: None,
        service_prefix: "eu.amazonaws",
        region_prefix: "eusc-",
    },
    Partition {
        name: "aws-iso",
        dns_suffix: "c2s.ic.gov",
        dual_stack_suffix: "api.aws.ic.gov",
        on_aws_suffix: None,
        service_prefix: "gov.ic.c2s",
        region_prefix: "us-iso-",
    },
    Partition {
        name: "aws-iso-b",
        dns_suffix: "sc2s.sgov.gov",
        dual_stack_suffix: "api.aws.scloud",
        on_aws_suffix: None,
        service_prefix: "gov.sgov.sc2s",
        region_prefix: "us-isob-",
    },
    Partition {
        name: "aws-iso-e",
        dns_suffix: "cloud.adc-e.uk",
        dual_stack_suffix: "api.cloud-aws.adc-e.uk",
        on_aws_suffix: None,
        service_prefix: "uk.adc-e.cloud",
        region_prefix: "eu-isoe-",
    },
    Partition {
        name: "aws-iso-f",
        dns_suffix: "csp.hci.ic.gov",
        dual_stack_suffix: "api.aws.hci.ic.gov",
        on_aws_suffix: None,
        service_prefix: "gov.ic.hci.csp",
        region_prefix: "us-isof-",
    },
    AWS,
];

/// The partition of a region; `aws` for a code that no other partition claims, as the SDKs do.
pub fn partition_of(region: &Region) -> &'static Partition {
    partition_of_code(region.as_str())
}

/// As [`partition_of`], for a code that is not known to be one.
pub(super) fn partition_of_code(region: &str) -> &'static Partition {
    static FALLBACK: Partition = AWS;
    PARTITIONS.iter().find(|p| region.starts_with(p.region_prefix)).unwrap_or(&FALLBACK)
}

/// Whether a lower-case wire name is what follows `vpce.` in endpoint names: `amazonaws.com`, `api.aws`, `sagemaker.aws`, ...
pub fn is_endpoint_suffix(wire: &[u8]) -> bool {
    static SUFFIXES: LazyLock<Vec<DnsName>> = LazyLock::new(|| {
        let of_partition = PARTITIONS.iter().flat_map(|p| [p.dns_suffix, p.dual_stack_suffix]);
        of_partition.chain(["sagemaker.aws"]).filter_map(|suffix| suffix.parse().ok()).collect()
    });
    SUFFIXES.iter().any(|suffix| suffix.wire() == wire)
}

/// Whether a label of a service name is a region: `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`.
///
/// Two to four letters, one or more words, a number: no first label of a service's own name looks so.
pub(super) fn is_region_code(label: &str) -> bool {
    let Some((words, number)) = label.rsplit_once('-') else { return false };
    let Some((area, place)) = words.split_once('-') else { return false };
    (2..=4).contains(&area.len())
        && area.bytes().all(|b| b.is_ascii_lowercase())
        && place.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// The zone of a region's private instance names (Route 53 guide, "autodefined rules": `ec2.internal` in us-east-1 only).
pub fn instance_zone(region: &Region) -> DnsName {
    let text =
        if region.as_str() == "us-east-1" { "ec2.internal".to_owned() } else { format!("{region}.compute.internal") };
    // a region is one label of letters, digits and hyphens, which its type holds
    text.parse().unwrap_or_else(|_| DnsName::root())
}

/// The zone of a region's public instance names (EC2 guide, "EC2 instance hostnames and domains").
pub fn public_instance_zone(region: &Region) -> DnsName {
    let suffix = partition_of(region).dns_suffix;
    let text = match region.as_str() {
        "us-east-1" => format!("compute-1.{suffix}"),
        region => format!("{region}.compute.{suffix}"),
    };
    text.parse().unwrap_or_else(|_| DnsName::root())
}

/// The public hosted zone that AWS keeps a region's endpoint names in, as `DnsEntries` shows it; `None` where it is
/// not known (China, and regions younger than the tables).
pub fn public_hosted_zone_id(region: &Region) -> Option<&'static str> {
    HOSTED_ZONES.iter().find(|(code, _)| *code == region.as_str()).map(|(_, id)| *id)
}

/// Whether a region code is one of AWS's, as of 2026 (AWS General Reference, "AWS Regions").
pub fn is_known_region(code: &str) -> bool {
    known_regions().chain(OTHER_REGIONS).any(|known| known == code)
}

/// Regions for whose endpoint names no hosted zone has been seen.
const OTHER_REGIONS: [&str; 17] = [
    "ap-east-2",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-isoe-west-1",
    "eusc-de-east-1",
    "il-central-1",
    "mx-central-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isob-west-1",
    "us-isof-east-1",
    "us-isof-south-1",
];

/// The codes of the regions that the tables know, sorted.
pub fn known_regions() -> impl Iterator<Item = &'static str> {
    HOSTED_ZONES.iter().map(|(code, _)| *code)
}

/// Regions, each with the hosted zone of its endpoint names.
const HOSTED_ZONES: [(&str, &str); 29] = [
    ("af-south-1", "Z09302161J80N9A7UTP7U"),
    ("ap-east-1", "Z2LIHJ7PKBEMWN"),
    ("ap-northeast-1", "Z2E726K9Y6RL4W"),
    ("ap-northeast-2", "Z27UANNT0PRK1T"),
    ("ap-northeast-3", "Z376B5OMM2JZL2"),
    ("ap-south-1", "Z2KVTB3ZLFM7JR"),
    ("ap-south-2", "Z0952991RWSF5AHIQDIY"),
    ("ap-southeast-1", "Z18LLCSTV4NVNL"),
    ("ap-southeast-2", "ZDK2GCRPAFKGO"),
    ("ap-southeast-3", "Z03881013RZ9BYYZO8N5W"),
    ("ap-southeast-4", "Z07508191CO1RNBX3X3AU"),
    ("ca-central-1", "ZRCXCF510Y6P9"),
    ("eu-central-1", "Z273ZU8SZ5RJPC"),
    ("eu-central-2", "Z045369019J4FUQ4S272E"),
    ("eu-north-1", "Z3OWWK6JFDEDGC"),
    ("eu-south-1", "Z2A5FDNRLY7KZG"),
    ("eu-south-2", "Z014396544HENR57XQCJ"),
    ("eu-west-1", "Z38GZ743OKFT7T"),
    ("eu-west-2", "Z7K1066E3PUKB"),
    ("eu-west-3", "Z1DWHTMFP0WECP"),
    ("me-central-1", "Z07122992YCEUCB9A9570"),
    ("me-south-1", "Z3B95P3VBGEQGY"),
    ("sa-east-1", "Z2LXUWEVLCVZIB"),
    ("us-east-1", "Z7HUB22UULQXV"),
    ("us-east-2", "ZC8PG0KIFKBRI"),
    ("us-gov-east-1", "Z2MU5TEIGO9WXB"),
    ("us-gov-west-1", "Z12529ZODG2B6H"),
    ("us-west-1", "Z12I86A8N7VCZO"),
    ("us-west-2", "Z1YSA3EXCYUU9Z"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_find_their_partition() {
        for (region, name, dns_suffix) in [
            ("us-east-1", "aws", "amazonaws.com"),
            ("mx-central-1", "aws", "amazonaws.com"),
            ("eu-west-1", "aws", "amazonaws.com"),
            ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
            ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
            ("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk"),
            ("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov"),
        ] {
            let partition = partition_of(&region.parse().unwrap());
            assert_eq!((partition.name, partition.dns_suffix), (name, dns_suffix), "{region}");
        }
    }

    #[test]
    fn service_prefixes_are_the_suffix_turned_round() {
        for partition in &PARTITIONS {
            let turned: Vec<_> = partition.dns_suffix.rsplit('.').collect();
            assert_eq!(partition.service_prefix, turned.join("."));
        }
    }

    #[test]
    fn region_codes_are_told_from_services() {
        for region in ["us-east-1", "ap-southeast-7", "us-gov-west-1", "eusc-de-east-1", "eu-isoe-west-1"] {
            assert!(is_region_code(region), "{region}");
        }
        for other in ["ec2", "s3-global", "resource-explorer-2", "us-east", "us-east-1a", "us--1", "global", "vpce"] {
            assert!(!is_region_code(other), "{other}");
        }
    }

    #[test]
    fn endpoint_suffixes_are_known() {
        let is = |name: &str| is_endpoint_suffix(name.parse::<DnsName>().unwrap().wire());
        assert!(
            is("amazonaws.com") && is("amazonaws.com.cn") && is("sagemaker.aws") && is("api.aws") && is("amazonaws.eu")
        );
        assert!(!is("com") && !is("example.com") && !is("x.amazonaws.com"));
    }

    #[test]
    fn hosted_zone_ids_are_those_of_the_guide() {
        let id = |region: &str| public_hosted_zone_id(&region.parse().unwrap());
        assert_eq!(id("us-east-1"), Some("Z7HUB22UULQXV"));
        assert_eq!(id("cn-north-1"), None);
    }
}
