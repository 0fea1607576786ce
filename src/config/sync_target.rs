//! An account and a region that are followed, in words.

use super::endpoint_address::EndpointAddress;
use super::sync_names::SyncNames;
use crate::naming::{Region, VpcId, parse_region};
use crate::problem::Fault;

/// One account in one region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncTarget {
    /// The region; `None`: that of the environment or of the profile.
    pub region: Option<Region>,
    /// The profile whose credentials are used; `None`: those that the AWS CLI would find.
    pub profile: Option<String>,
    /// The ARN of a role that is assumed with them.
    pub role: Option<String>,
    /// What the role's trust policy asks for.
    pub external_id: Option<String>,
    /// The URL of an emulator or of a VPC endpoint, in place of AWS's.
    pub endpoint: Option<String>,
    /// These VPCs; empty: all.
    pub vpcs: Vec<VpcId>,
    /// Addresses of endpoints that have none where they are read.
    pub endpoint_addresses: Vec<EndpointAddress>,
    /// Whether names of endpoints are taken as they are read; `None`: where they are names of AWS.
    pub names: Option<SyncNames>,
}

/// The region that the environment or the profile names.
const DEFAULT: &str = "default";

const HINT: &str = "such as eu-west-1, or 'region=eu-west-1 profile=prod'; keys are region, profile, role, external_id, endpoint, \
                    endpoint_address, names and vpc";

/// Words apart by spaces: `KEY=VALUE`, or a region alone. `default` is the region of the environment.
pub(super) fn sync_target(text: &str) -> Result<SyncTarget, Fault> {
    let mut target = SyncTarget::default();
    let mut has_region = false;
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').unwrap_or(("region", word));
        let fault = |what: &str| Err(Fault::new(format!("'{word}' {what}"), HINT));
        let is_twice = match key {
            _ if value.is_empty() => return fault("has no value"),
            "region" if value == DEFAULT => std::mem::replace(&mut has_region, true),
            "region" => {
                target.region = Some(parse_region(value)?);
                std::mem::replace(&mut has_region, true)
            }
            "profile" => target.profile.replace(value.to_owned()).is_some(),
            "role" if !value.starts_with("arn:") => return fault("names no role: an ARN begins with arn:"),
            "role" => target.role.replace(value.to_owned()).is_some(),
            "external_id" => target.external_id.replace(value.to_owned()).is_some(),
            "endpoint" => target.endpoint.replace(value.to_owned()).is_some(),
            "names" => target.names.replace(value.parse()?).is_some(),
            "endpoint_address" => {
                target.endpoint_addresses.push(value.parse()?);
                false
            }
            "vpc" => {
                let Ok(vpc) = value.parse() else { return fault("names no VPC") };
                target.vpcs.push(vpc);
                false
            }
            _ => return fault("is of no known key"),
        };
        if is_twice {
            return fault("is said twice");
        }
    }
    if target.external_id.is_some() && target.role.is_none() {
        return Err(Fault::new("external_id is said, and no role that asks for it", HINT));
    }
    if text.trim().is_empty() { Err(Fault::new("'' names no account", HINT)) } else { Ok(target) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_said_in_words() {
        let target = |region: &str| SyncTarget { region: Some(region.parse().unwrap()), ..SyncTarget::default() };
        assert_eq!(sync_target("eu-west-1").unwrap(), target("eu-west-1"));
        assert_eq!(sync_target("default").unwrap(), SyncTarget::default());
        assert_eq!(
            sync_target(
                " profile=prod  region=us-gov-west-1 endpoint=http://127.0.0.1:4566 vpc=vpc-1234abcd vpc=vpc-ec43eb89 endpoint_address=172.17.0.2 names=derive \
                 role=arn:aws:iam::111122223333:role/reader external_id=x=1"
            ),
            Ok(SyncTarget {
                profile: Some("prod".to_owned()),
                role: Some("arn:aws:iam::111122223333:role/reader".to_owned()),
                external_id: Some("x=1".to_owned()),
                endpoint: Some("http://127.0.0.1:4566".to_owned()),
                vpcs: vec!["vpc-1234abcd".parse().unwrap(), "vpc-ec43eb89".parse().unwrap()],
                endpoint_addresses: vec!["172.17.0.2".parse().unwrap()],
                names: Some(SyncNames::Derive),
                ..target("us-gov-west-1")
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, what) in [
            ("", "'' names no account"),
            ("us-east1", "'us-east1' does not have the form of a region"),
            ("eu-west-1 us-west-2", "'us-west-2' is said twice"),
            ("profile=", "'profile=' has no value"),
            ("eu-west-1 eu-west-2", "'eu-west-2' is said twice"),
            ("default eu-west-2", "'eu-west-2' is said twice"),
            ("profile=a profile=b", "'profile=b' is said twice"),
            ("names=x", "'x' is no way to find names"),
            ("endpoint_address=x", "'x' is no IPv4 address"),
            ("vpc=subnet-1", "'vpc=subnet-1' names no VPC"),
            ("rolle=x", "'rolle=x' is of no known key"),
            ("role=x", "'role=x' names no role: an ARN begins with arn:"),
            ("role=arn:a role=arn:b", "'role=arn:b' is said twice"),
            ("external_id=x", "external_id is said, and no role that asks for it"),
        ] {
            assert_eq!(sync_target(text).unwrap_err().what, what);
        }
    }
}
