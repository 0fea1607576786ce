//! How each kind of value is read from its text, and what is said when it cannot be.
//!
//! Knows the types of `naming` and `model`, and neither files nor places.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use crate::address::{DNS_PORT, parse_address};
use crate::dns::DnsName;
use crate::model::{Mode, RecordIpType, State, Upstream, UpstreamError, ZoneAffinity};
use crate::naming::{
    EndpointId, InterfaceId, Region, ServiceName, SubnetId, Suffix, VpcId, ZoneName, as_region, nearest_region,
    parse_region,
};
use crate::problem::{Fault, nearest};

/// A value that is written as a string.
pub(super) trait Text: Sized {
    /// A text that is one, for hints.
    const EXAMPLE: &'static str;

    /// The value of a text.
    fn read(text: &str) -> Result<Self, Fault>;
}

macro_rules! texts {
    ($($name:ty: $example:literal;)*) => {$(
        impl Text for $name {
            const EXAMPLE: &'static str = $example;
            fn read(text: &str) -> Result<Self, Fault> {
                text.parse().map_err(|error| Fault::new(format!("{error}"), concat!("such as ", $example)))
            }
        }
    )*};
}

texts! {
    VpcId: "vpc-0123456789abcdef0";
    SubnetId: "subnet-0123456789abcdef0";
    InterfaceId: "eni-0123456789abcdef0";
    EndpointId: "vpce-0123456789abcdef0";
    Suffix: "ks83awe7";
}

/// Their errors name an example already.
macro_rules! words {
    ($($name:ty: $example:literal;)*) => {$(
        impl Text for $name {
            const EXAMPLE: &'static str = $example;
            fn read(text: &str) -> Result<Self, Fault> {
                text.parse().map_err(|error| Fault::new(format!("{error}"), ""))
            }
        }
    )*};
}

words! {
    ServiceName: "com.amazonaws.us-east-1.ec2";
}

impl Text for Region {
    const EXAMPLE: &'static str = "us-east-1";

    fn read(text: &str) -> Result<Self, Fault> {
        parse_region(text)
    }
}

/// A zone's name begins with its region's code.
impl Text for ZoneName {
    const EXAMPLE: &'static str = "us-east-1a";

    fn read(text: &str) -> Result<Self, Fault> {
        let zone: Self = text.parse().map_err(|error| Fault::new(format!("{error}"), ""))?;
        let is_zone = region_of_zone(text).is_some_and(|region| text.len() > region.as_str().len());
        is_zone.then_some(zone).ok_or_else(|| {
            let region = nearest_region(text.trim_end_matches(|c: char| c.is_ascii_lowercase()));
            let hint = match region {
                Some(region) => format!("zones of {region} are named {region}a, {region}b, ..."),
                None => format!("zones are such as {}; ids of zones (use1-az1) are not read here", Self::EXAMPLE),
            };
            Fault::new(format!("'{text}' does not have the form of an availability zone"), hint)
        })
    }
}

macro_rules! choices {
    ($($name:ty: $what:literal, $example:literal;)*) => {$(
        impl Text for $name {
            const EXAMPLE: &'static str = $example;
            fn read(text: &str) -> Result<Self, Fault> {
                text.parse().map_err(|()| Fault::new(format!("'{text}' is not a valid {}", $what), one_of(text, Self::ALL)))
            }
        }
    )*};
}

choices! {
    State: "endpoint state", "available";
    RecordIpType: "DNS record IP type", "ipv4";
    Mode: "private DNS mode", "apex";
    ZoneAffinity: "zone affinity", "first";
}

/// "did you mean 'x'?", or every word that would have been right.
pub(super) fn one_of(text: &str, known: &[&str]) -> String {
    match nearest(text, known.iter().copied()) {
        Some(word) => format!("did you mean '{word}'?"),
        None => format!("one of: {}", known.join(", ")),
    }
}

impl Text for DnsName {
    const EXAMPLE: &'static str = "api.corp.example";

    fn read(text: &str) -> Result<Self, Fault> {
        text.parse().map_err(|error| Fault::new(format!("'{text}' is not a valid domain name: {error}"), ""))
    }
}

/// The name of a Profile.
impl Text for Arc<str> {
    const EXAMPLE: &'static str = "hub";

    fn read(text: &str) -> Result<Self, Fault> {
        if text.trim().is_empty() {
            return Err(Fault::new("a name cannot be empty".to_owned(), "such as hub"));
        }
        Ok(text.into())
    }
}

impl Text for Ipv4Addr {
    const EXAMPLE: &'static str = "10.0.1.17";

    fn read(text: &str) -> Result<Self, Fault> {
        text.parse().map_err(|_| Fault::new(format!("'{text}' is not an IPv4 address"), "such as 10.0.1.17"))
    }
}

impl Text for Ipv6Addr {
    const EXAMPLE: &'static str = "2600:1f18::17";

    fn read(text: &str) -> Result<Self, Fault> {
        text.parse().map_err(|_| Fault::new(format!("'{text}' is not an IPv6 address"), "such as 2600:1f18::17"))
    }
}

impl Text for IpAddr {
    const EXAMPLE: &'static str = "10.0.1.10";

    fn read(text: &str) -> Result<Self, Fault> {
        text.parse().map_err(|_| Fault::new(format!("'{text}' is not an IP address"), "such as 10.0.1.10"))
    }
}

impl Text for IpNet {
    const EXAMPLE: &'static str = "10.0.0.0/16";

    fn read(text: &str) -> Result<Self, Fault> {
        let net: IpNet =
            text.parse().map_err(|_| Fault::new(format!("'{text}' is not a CIDR block"), "such as 10.0.0.0/16"))?;
        if net.addr() == net.network() {
            Ok(net)
        } else {
            let what = format!("'{text}' has bits set behind its prefix");
            Err(Fault::new(what, format!("the block that holds this address is {}", net.trunc())))
        }
    }
}

/// `10.0.0.2:53`, `[fd00::2]:53`, or an address alone, which then has port 53.
impl Text for SocketAddr {
    const EXAMPLE: &'static str = "10.0.0.2:53";

    fn read(text: &str) -> Result<Self, Fault> {
        match parse_address(text, DNS_PORT) {
            Some(address) if address.port() == 0 => Err(Fault::new(format!("'{text}' has port 0"), "DNS is port 53")),
            Some(address) => Ok(address),
            None => {
                let what = format!("'{text}' is not an IP address with or without a port");
                Err(Fault::new(what, "such as 10.0.0.2:53 or [fd00::2]:53"))
            }
        }
    }
}

impl Text for Upstream {
    const EXAMPLE: &'static str = "10.0.0.2:53";

    fn read(text: &str) -> Result<Self, Fault> {
        text.parse().map_err(|error: UpstreamError| Fault::new(error.what, error.hint))
    }
}

/// The region of an availability zone, local zone or wavelength zone: all up to the first number.
///
/// `us-east-1a`, `us-west-2-lax-1a` and `us-gov-west-1a` are in `us-east-1`, `us-west-2` and `us-gov-west-1`.
pub(super) fn region_of_zone(zone: &str) -> Option<Region> {
    let digits = zone.find(|c: char| c.is_ascii_digit())?;
    let end = zone.get(digits..)?.find(|c: char| !c.is_ascii_digit()).map_or(zone.len(), |len| digits + len);
    zone.get(..end).and_then(as_region)
}

/// The region that a dotted service name or an ARN has in it, if any.
pub(super) fn region_within(name: &str) -> Option<Region> {
    name.split(['.', ':']).find_map(as_region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_found_in_names() {
        for (zone, want) in [
            ("us-east-1a", Some("us-east-1")),
            ("us-gov-west-1a", Some("us-gov-west-1")),
            ("us-west-2-lax-1a", Some("us-west-2")),
            ("us-east-1-wl1-bos-wlz-1", Some("us-east-1")),
            ("eusc-de-east-1b", Some("eusc-de-east-1")),
            ("use1-az1", None),
            ("nowhere", None),
        ] {
            assert_eq!(region_of_zone(zone).map(|r| r.to_string()).as_deref(), want, "{zone}");
        }
        for (name, want) in [
            ("com.amazonaws.us-east-1.ec2", Some("us-east-1")),
            ("cn.com.amazonaws.vpce.cn-north-1.vpce-svc-0e123abc123198abc", Some("cn-north-1")),
            ("aws.sagemaker.eu-west-1.studio", Some("eu-west-1")),
            ("arn:aws:ec2:us-west-2:123456789012:subnet/subnet-1a2b3c4d", Some("us-west-2")),
            ("com.amazonaws.s3-global.accesspoint", None),
            ("com.amazonaws.iam", None),
        ] {
            assert_eq!(region_within(name).map(|r| r.to_string()).as_deref(), want, "{name}");
        }
    }

    #[test]
    fn regions_and_zones_have_their_form() {
        for (text, meant) in [
            ("us-east1", "did you mean 'us-east-1'?"),
            ("useast1", "did you mean 'us-east-1'?"),
            ("eu-west_1", ""),
            ("eu-wset-1x", "did you mean 'eu-west-1'?"),
            ("nowhere", "regions are such as us-east-1"),
            ("us-east-1a", "did you mean 'us-east-1'?"),
        ] {
            assert_eq!(Region::read(text).unwrap_err().hint, meant, "{text}");
        }
        for text in ["us-east-1", "mx-central-1", "us-gov-west-1", "eusc-de-east-1", "us-isob-east-1"] {
            assert!(Region::read(text).is_ok(), "{text}");
        }
        for (text, meant) in [
            ("us-east1a", "zones of us-east-1 are named us-east-1a, us-east-1b, ..."),
            ("us-east-1", "zones of us-east-1 are named us-east-1a, us-east-1b, ..."),
            ("use1-az1", "zones are such as us-east-1a; ids of zones (use1-az1) are not read here"),
        ] {
            assert_eq!(ZoneName::read(text).unwrap_err().hint, meant, "{text}");
        }
        for text in ["us-east-1a", "us-west-2-lax-1a", "us-east-1-wl1-bos-wlz-1", "eusc-de-east-1b"] {
            assert!(ZoneName::read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn addresses_come_with_or_without_port() {
        let read = |text| SocketAddr::read(text).map(|a| a.to_string()).ok();
        for (text, want) in [
            ("10.0.0.2", Some("10.0.0.2:53")),
            ("10.0.0.2:5353", Some("10.0.0.2:5353")),
            ("fd00::2", Some("[fd00::2]:53")),
            ("[fd00::2]", Some("[fd00::2]:53")),
            ("[fd00::2]:54", Some("[fd00::2]:54")),
            ("10.0.0.2:0", None),
            ("dns.example:53", None),
            ("", None),
        ] {
            assert_eq!(read(text).as_deref(), want, "{text}");
        }
    }
}
