//! How each kind of value is read from its text, and what is said when it cannot be.
//!
//! Knows the types of `naming` and `model`, and neither files nor places.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use crate::address::{DNS_PORT, parse_address};
use crate::dns::DnsName;
use crate::model::{Mode, RecordIpType, State, Upstream, UpstreamError};
use crate::naming::{EndpointId, InterfaceId, Region, ServiceName, SubnetId, Suffix, VpcId, ZoneName};
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
    Region: "us-east-1";
    ZoneName: "us-east-1a";
    ServiceName: "com.amazonaws.us-east-1.ec2";
}

macro_rules! choices {
    ($($name:ty: $what:literal, $example:literal;)*) => {$(
        impl Text for $name {
            const EXAMPLE: &'static str = $example;
            fn read(text: &str) -> Result<Self, Fault> {
                text.parse().map_err(|()| Fault::new(format!("'{text}' is no {}", $what), one_of(text, Self::ALL)))
            }
        }
    )*};
}

choices! {
    State: "endpoint state", "available";
    RecordIpType: "DNS record IP type", "ipv4";
    Mode: "private DNS mode", "apex";
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
        text.parse().map_err(|error| Fault::new(format!("'{text}' is no domain name: {error}"), ""))
    }
}

impl Text for Ipv4Addr {
    const EXAMPLE: &'static str = "10.0.1.17";

    fn read(text: &str) -> Result<Self, Fault> {
        text.parse().map_err(|_| Fault::new(format!("'{text}' is no IPv4 address"), "such as 10.0.1.17"))
    }
}

impl Text for Ipv6Addr {
    const EXAMPLE: &'static str = "2600:1f18::17";

    fn read(text: &str) -> Result<Self, Fault> {
        text.parse().map_err(|_| Fault::new(format!("'{text}' is no IPv6 address"), "such as 2600:1f18::17"))
    }
}

impl Text for IpNet {
    const EXAMPLE: &'static str = "10.0.0.0/16";

    fn read(text: &str) -> Result<Self, Fault> {
        let net: IpNet =
            text.parse().map_err(|_| Fault::new(format!("'{text}' is no CIDR block"), "such as 10.0.0.0/16"))?;
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
                let what = format!("'{text}' is no IP address with or without a port");
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

/// A text of the form of all regions: words, then a number of one or two digits (`us-east-1`, `us-gov-west-1`).
fn as_region(text: &str) -> Option<Region> {
    let mut parts = text.split('-').rev();
    let number = parts.next()?;
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let words = parts.by_ref().try_fold(0, |count, part| {
        let is_word = !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        is_word.then_some(count + 1)
    })?;
    (is_number && words >= 2).then(|| text.parse().ok()).flatten()
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
