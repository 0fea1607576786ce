//! The grammar of endpoint hostnames (AWS PrivateLink guide, "DNS names"):
//!
//! ```text
//! regional   <endpoint id>-<suffix>.<base>
//! zonal      <endpoint id>-<suffix>-<zone name>.<base>
//! ```

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use siphasher::sip::SipHasher24;

use super::id::{EndpointId, in_each};
use super::service::Service;
use super::service_name::ZoneName;
use crate::dns::DnsName;

/// The eight characters `[a-z0-9]` behind an endpoint's id in its names; one per endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Suffix([u8; 8]);

/// The text is not eight characters of `[a-z0-9]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid suffix: expected 8 characters of a-z and 0-9")]
pub struct SuffixError(String);

impl Suffix {
    /// The suffix of an endpoint for which no source gives one: the same for ever, whatever the machine.
    pub fn derive(id: EndpointId) -> Self {
        const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut hasher = SipHasher24::new();
        hasher.write(id.to_string().as_bytes());
        let mut rest = hasher.finish();
        Self(std::array::from_fn(|_| {
            let digit = rest % 36;
            rest /= 36;
            ALPHABET.get(digit as usize).copied().unwrap_or(b'0')
        }))
    }

    /// The characters.
    pub fn bytes(&self) -> &[u8; 8] {
        &self.0
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let suffix: [u8; 8] = bytes.try_into().ok()?;
        is_lower_alphanumeric(suffix).then_some(Self(suffix))
    }
}

/// Whether all are lower-case letters or digits: looked at in one word, as this is on the path of every question for an
/// endpoint's name.
fn is_lower_alphanumeric(octets: [u8; 8]) -> bool {
    let word = u64::from_ne_bytes(octets);
    // of ASCII octets, bit 7 of a sum is set where the octet is at least `least`
    let at_least = |least: u8| word.wrapping_add(in_each(0x80 - least));
    let letters = at_least(b'a') & !at_least(b'z' + 1);
    let digits = at_least(b'0') & !at_least(b'9' + 1);
    word & in_each(0x80) == 0 && (letters | digits) & in_each(0x80) == in_each(0x80)
}

impl FromStr for Suffix {
    type Err = SuffixError;
    fn from_str(text: &str) -> Result<Self, SuffixError> {
        Self::parse(text.as_bytes()).ok_or_else(|| SuffixError(text.to_owned()))
    }
}

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&b| write!(f, "{}", char::from(b)))
    }
}

impl fmt::Debug for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The id of the hidden zone of an endpoint's private name (`HostedZoneId` of its `DnsEntries`): each zone has one of
/// its own, here the same for ever. `name` is the zone's, so that `*.` is left out.
///
/// Such ids have `Z` and 12 to 20 letters and digits (seen: `Z1K56Z6FNPJRR`, `Z06320943MMOWYG6MAVL9`).
pub fn hidden_zone_id(id: EndpointId, name: &DnsName) -> String {
    const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut hasher = SipHasher24::new();
    hasher.write(id.to_string().as_bytes());
    hasher.write(name.wire());
    let mut rest = hasher.finish();
    let mut text = "Z".to_owned();
    for _ in 0..12 {
        text.push(ALPHABET.get((rest % 36) as usize).map_or('0', |&letter| char::from(letter)));
        rest /= 36;
    }
    text
}

/// The first label of an endpoint hostname, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostLabel<'a> {
    /// The endpoint.
    pub id: EndpointId,
    /// Its suffix.
    pub suffix: Suffix,
    /// The zone name of a zonal name; `None` for the regional one.
    pub zone: Option<&'a [u8]>,
}

/// Takes a lower-case label apart; `None` if it does not follow the grammar. Allocates nothing.
pub fn parse_label(label: &[u8]) -> Option<HostLabel<'_>> {
    let rest = label.strip_prefix(EndpointId::PREFIX.as_bytes())?;
    // the hyphen of a short id, which is a digit of a long one
    let digits = if rest.get(8) == Some(&b'-') { 8 } else { 17 };
    let (id, rest) = rest.split_at_checked(digits)?;
    let id = EndpointId::from_hex(id)?;
    let rest = rest.strip_prefix(b"-")?;
    let suffix = Suffix::parse(rest.get(..8)?)?;
    let zone = match rest.get(8..)? {
        [] => None,
        [b'-', zone @ ..] if !zone.is_empty() => Some(zone),
        _ => return None,
    };
    Some(HostLabel { id, suffix, zone })
}

/// The endpoint whose id a lower-case label begins with; nothing, or a hyphen and more, follows it.
///
/// The names of resource endpoints begin so: `<id>.<resource configuration>...`, `<id>-snra-<...>...`.
pub fn leading_id(label: &[u8]) -> Option<EndpointId> {
    let rest = label.strip_prefix(EndpointId::PREFIX.as_bytes())?;
    EndpointId::from_hex(rest.split(|octet| *octet == b'-').next()?)
}

/// The regional name of an endpoint, or its first own one; `None` if it would be longer than a name can be.
pub fn regional(id: EndpointId, suffix: Suffix, service: &Service) -> Option<DnsName> {
    if let Some(own) = service.own_names.first() {
        return Some(own.clone());
    }
    service.base.prepend(&format!("{id}-{suffix}")).ok()
}

/// The name of an endpoint in one zone; `None` if it would be longer than a name can be.
pub fn zonal(id: EndpointId, suffix: Suffix, zone: &ZoneName, service: &Service) -> Option<DnsName> {
    service.base.prepend(&format!("{id}-{suffix}-{zone}")).ok()
}

/// Every name that leads to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointNames {
    /// The regional name: all its interfaces.
    pub regional: DnsName,
    /// One name for each zone, in the order in which the zones were given.
    pub zonal: Vec<DnsName>,
    /// `*.` before the regional and each zonal name; empty unless the service's endpoints answer below their names.
    pub wildcard: Vec<DnsName>,
    /// The service's private names, which hold only where private DNS is on; beside each `*.x` its `x`.
    pub private: Vec<DnsName>,
}

impl EndpointNames {
    /// The names as `DnsEntries` of `DescribeVpcEndpoints` lists them: regional, zonal, private.
    ///
    /// Of an endpoint with wildcard names EC2 shows only these, with `*.` in front (AWS CLI, `create-vpc-endpoint`),
    /// although the bare names answer as well.
    pub fn dns_entries(&self) -> impl Iterator<Item = &DnsName> {
        let bare = if self.wildcard.is_empty() { Some(&self.regional) } else { None };
        let zonal = if self.wildcard.is_empty() { self.zonal.as_slice() } else { &[] };
        bare.into_iter().chain(zonal).chain(&self.wildcard).chain(&self.private)
    }
}

/// The names of an endpoint that has interfaces in `zones`; `None` if one would be longer than a name can be.
pub fn endpoint_names<'a>(
    id: EndpointId,
    suffix: Suffix,
    service: &Service,
    zones: impl IntoIterator<Item = &'a ZoneName>,
) -> Option<EndpointNames> {
    let regional = regional(id, suffix, service)?;
    let zonal = zones.into_iter().map(|zone| zonal(id, suffix, zone, service)).collect::<Option<Vec<_>>>()?;
    let wildcard = if service.wildcard {
        std::iter::once(&regional).chain(&zonal).map(|name| name.prepend("*").ok()).collect::<Option<_>>()?
    } else {
        Vec::new()
    };
    Some(EndpointNames { regional, zonal, wildcard, private: with_apexes(&service.private_names) })
}

/// Of a name `*.x`, EC2 lists `x` as well (seen of `ecr.dkr` and SageMaker Studio, 2024 to 2026).
fn with_apexes(names: &[DnsName]) -> Vec<DnsName> {
    let mut all: Vec<DnsName> = Vec::with_capacity(names.len());
    for name in names {
        let apex = name.wildcard_apex();
        all.extend(apex.filter(|apex| !names.contains(apex) && !all.contains(apex)));
        all.push(name.clone());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_is_of_letters_and_digits_at_each_place() {
        for place in 0..8 {
            for octet in 0..=u8::MAX {
                let mut octets = *b"0az9m5q1";
                octets[place] = octet;
                let is_good = octet.is_ascii_lowercase() || octet.is_ascii_digit();
                assert_eq!(is_lower_alphanumeric(octets), is_good, "{octets:?}");
            }
        }
        assert!(!is_lower_alphanumeric([0xff; 8]) && !is_lower_alphanumeric([0; 8]));
    }

    #[test]
    fn labels_come_apart() {
        let label = parse_label(b"vpce-088d25a4bbf4a7abc-ks83awe7").unwrap();
        assert_eq!(
            (label.id.to_string(), label.suffix.to_string(), label.zone),
            ("vpce-088d25a4bbf4a7abc".into(), "ks83awe7".into(), None)
        );
        let label = parse_label(b"vpce-088d25a4bbf4a7abc-ks83awe7-us-east-1a").unwrap();
        assert_eq!(label.zone, Some(&b"us-east-1a"[..]));
        assert!(parse_label(b"vpce-1a2b3c4d-5e6f7a8b").is_some());
        for bad in [
            &b"vpce-088d25a4bbf4a7abc"[..],
            b"vpce-088d25a4bbf4a7abc-",
            b"vpce-088d25a4bbf4a7abc-ks83awe",
            b"vpce-088d25a4bbf4a7abc-ks83awe7-",
            b"vpce-088d25a4bbf4a7abc-ks83awe7x",
            b"vpce-088d25a4bbf4a7abc-KS83AWE7",
            b"vpce-svc-0e123abc123198abc-ks83awe7",
            b"vpce-",
            b"",
        ] {
            assert_eq!(parse_label(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn hidden_zones_have_ids_of_their_own() {
        let id = |endpoint: &str, name: &str| hidden_zone_id(endpoint.parse().unwrap(), &name.parse().unwrap());
        let (a, b) = ("vpce-088d25a4bbf4a7abc", "vpce-088d25a4bbf4a7abd");
        assert_eq!(id(a, "ec2.us-east-1.amazonaws.com"), id(a, "EC2.us-east-1.amazonaws.com"));
        assert_ne!(id(a, "ec2.us-east-1.amazonaws.com"), id(b, "ec2.us-east-1.amazonaws.com"));
        assert_ne!(id(a, "ec2.us-east-1.amazonaws.com"), id(a, "ec2.us-east-1.api.aws"));
        assert_eq!(id(a, "x.example").len(), 13);
    }

    /// Names that people wrote down must not change with a release.
    #[test]
    fn derived_suffixes_are_for_ever() {
        let suffix = |id: &str| Suffix::derive(id.parse().unwrap()).to_string();
        assert_eq!(suffix("vpce-088d25a4bbf4a7abc"), "sysp409k");
        assert_ne!(suffix("vpce-088d25a4bbf4a7abd"), suffix("vpce-088d25a4bbf4a7abc"));
    }
}
