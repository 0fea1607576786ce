//! The regions that AWS had in 2026, each declared once.
//!
//! A region that opens later is served like the others: nothing here decides what a name is.

use super::service_name::Region;

/// A region of AWS.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownRegion {
    /// `us-east-1`
    pub code: &'static str,
    /// `US East (N. Virginia)`
    pub name: &'static str,
    /// Whether accounts have to enable it before they can use it: regions that opened after 20 March 2019 (AWS Account
    /// Management, "Enable or disable AWS Regions in your account").
    pub is_opt_in: bool,
    /// The public hosted zone that AWS keeps its endpoint names in, as `DnsEntries` shows it; `None` where none has been
    /// seen (China, and the youngest).
    hosted_zone_id: Option<&'static str>,
}

/// The regions that are known, sorted by code.
pub fn known_regions() -> &'static [KnownRegion] {
    &REGIONS
}

/// The region with this code; `None` for one that is younger than the table, or that AWS does not have.
pub fn known_region(code: &str) -> Option<&'static KnownRegion> {
    REGIONS.iter().find(|region| region.code == code)
}

/// Whether a region code is one of AWS's, as of 2026.
pub fn is_known_region(code: &str) -> bool {
    known_region(code).is_some()
}

/// The public hosted zone that AWS keeps a region's endpoint names in; `None` where it is not known.
pub fn public_hosted_zone_id(region: &Region) -> Option<&'static str> {
    known_region(region.as_str())?.hosted_zone_id
}

const fn usual(code: &'static str, name: &'static str, hosted_zone_id: Option<&'static str>) -> KnownRegion {
    KnownRegion { code, name, is_opt_in: false, hosted_zone_id }
}

const fn opt_in(code: &'static str, name: &'static str, hosted_zone_id: Option<&'static str>) -> KnownRegion {
    KnownRegion { is_opt_in: true, ..usual(code, name, hosted_zone_id) }
}

/// Codes and names as botocore's `partitions.json` has them, to which e2e/ec2_boto3.py holds the table.
static REGIONS: [KnownRegion; 48] = [
    opt_in("af-south-1", "Africa (Cape Town)", Some("Z09302161J80N9A7UTP7U")),
    opt_in("ap-east-1", "Asia Pacific (Hong Kong)", Some("Z2LIHJ7PKBEMWN")),
    opt_in("ap-east-2", "Asia Pacific (Taipei)", None),
    usual("ap-northeast-1", "Asia Pacific (Tokyo)", Some("Z2E726K9Y6RL4W")),
    usual("ap-northeast-2", "Asia Pacific (Seoul)", Some("Z27UANNT0PRK1T")),
    usual("ap-northeast-3", "Asia Pacific (Osaka)", Some("Z376B5OMM2JZL2")),
    usual("ap-south-1", "Asia Pacific (Mumbai)", Some("Z2KVTB3ZLFM7JR")),
    opt_in("ap-south-2", "Asia Pacific (Hyderabad)", Some("Z0952991RWSF5AHIQDIY")),
    usual("ap-southeast-1", "Asia Pacific (Singapore)", Some("Z18LLCSTV4NVNL")),
    usual("ap-southeast-2", "Asia Pacific (Sydney)", Some("ZDK2GCRPAFKGO")),
    opt_in("ap-southeast-3", "Asia Pacific (Jakarta)", Some("Z03881013RZ9BYYZO8N5W")),
    opt_in("ap-southeast-4", "Asia Pacific (Melbourne)", Some("Z07508191CO1RNBX3X3AU")),
    opt_in("ap-southeast-5", "Asia Pacific (Malaysia)", None),
    opt_in("ap-southeast-6", "Asia Pacific (New Zealand)", None),
    opt_in("ap-southeast-7", "Asia Pacific (Thailand)", None),
    usual("ca-central-1", "Canada (Central)", Some("ZRCXCF510Y6P9")),
    opt_in("ca-west-1", "Canada West (Calgary)", None),
    usual("cn-north-1", "China (Beijing)", None),
    usual("cn-northwest-1", "China (Ningxia)", None),
    usual("eu-central-1", "Europe (Frankfurt)", Some("Z273ZU8SZ5RJPC")),
    opt_in("eu-central-2", "Europe (Zurich)", Some("Z045369019J4FUQ4S272E")),
    usual("eu-isoe-west-1", "EU ISOE West", None),
    usual("eu-north-1", "Europe (Stockholm)", Some("Z3OWWK6JFDEDGC")),
    opt_in("eu-south-1", "Europe (Milan)", Some("Z2A5FDNRLY7KZG")),
    opt_in("eu-south-2", "Europe (Spain)", Some("Z014396544HENR57XQCJ")),
    usual("eu-west-1", "Europe (Ireland)", Some("Z38GZ743OKFT7T")),
    usual("eu-west-2", "Europe (London)", Some("Z7K1066E3PUKB")),
    usual("eu-west-3", "Europe (Paris)", Some("Z1DWHTMFP0WECP")),
    usual("eusc-de-east-1", "AWS European Sovereign Cloud (Germany)", None),
    opt_in("il-central-1", "Israel (Tel Aviv)", None),
    opt_in("me-central-1", "Middle East (UAE)", Some("Z07122992YCEUCB9A9570")),
    opt_in("me-south-1", "Middle East (Bahrain)", Some("Z3B95P3VBGEQGY")),
    opt_in("me-west-1", "Middle East (Saudi Arabia)", None),
    opt_in("mx-central-1", "Mexico (Central)", None),
    usual("sa-east-1", "South America (Sao Paulo)", Some("Z2LXUWEVLCVZIB")),
    opt_in("sa-west-1", "South America (Chile)", None),
    usual("us-east-1", "US East (N. Virginia)", Some("Z7HUB22UULQXV")),
    usual("us-east-2", "US East (Ohio)", Some("ZC8PG0KIFKBRI")),
    usual("us-gov-east-1", "AWS GovCloud (US-East)", Some("Z2MU5TEIGO9WXB")),
    usual("us-gov-west-1", "AWS GovCloud (US-West)", Some("Z12529ZODG2B6H")),
    usual("us-iso-east-1", "US ISO East", None),
    usual("us-iso-west-1", "US ISO WEST", None),
    usual("us-isob-east-1", "US ISOB East (Ohio)", None),
    usual("us-isob-west-1", "US ISOB West", None),
    usual("us-isof-east-1", "US ISOF EAST", None),
    usual("us-isof-south-1", "US ISOF SOUTH", None),
    usual("us-west-1", "US West (N. California)", Some("Z12I86A8N7VCZO")),
    usual("us-west-2", "US West (Oregon)", Some("Z1YSA3EXCYUU9Z")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_sorted_and_there_once() {
        assert!(known_regions().is_sorted_by(|a, b| a.code < b.code));
        assert_eq!(known_region("us-east-1").map(|region| region.name), Some("US East (N. Virginia)"));
        assert!(known_region("us-east-9").is_none());
    }

    #[test]
    fn hosted_zone_ids_are_those_of_the_guide() {
        let id = |region: &str| public_hosted_zone_id(&region.parse().unwrap());
        assert_eq!(id("us-east-1"), Some("Z7HUB22UULQXV"));
        assert_eq!(id("cn-north-1"), None);
    }
}
