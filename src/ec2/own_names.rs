//! What an endpoint is called where that does not follow from its id and its service: names that it brought from files, and
//! those of resource endpoints.

use serde::{Deserialize, Serialize};

use crate::dns::DnsName;
use crate::model::{GivenNames, Mode};
use crate::naming::{Suffix, ZoneName};

/// The names of an endpoint, as far as they are its own. Texts are as they are printed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnNames {
    /// The eight characters behind its id; `None`: those that follow from the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Names in place of those of its service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<KeptNames>,
    /// Unknown names below its private ones fall through.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub overlay: bool,
}

/// Where a resource or service-network endpoint leads, and what its call said of private names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LatticeTarget {
    /// The ARN of the resource configuration or service network.
    pub arn: String,
    /// `PrivateDnsPreference`
    pub preference: Option<String>,
    /// `PrivateDnsSpecifiedDomains`
    pub domains: Vec<String>,
}

/// [`GivenNames`] as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptNames {
    base: Option<String>,
    wildcard: bool,
    zones: Option<Vec<String>>,
    own: Vec<String>,
    private: Option<Vec<String>>,
}

impl OwnNames {
    /// Whether all of its names follow from its id and its service.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The suffix that it was given.
    pub fn suffix(&self) -> Option<Suffix> {
        self.suffix.as_ref().and_then(|suffix| suffix.parse().ok())
    }

    /// The names that it was given.
    pub fn given(&self) -> Option<GivenNames> {
        self.given.as_ref().map(KeptNames::names)
    }

    /// What happens to unknown names below its private ones.
    pub fn mode(&self) -> Mode {
        if self.overlay { Mode::Overlay } else { Mode::Apex }
    }
}

impl KeptNames {
    fn names(&self) -> GivenNames {
        let names = |texts: &[String]| texts.iter().filter_map(|text| text.parse().ok()).collect::<Vec<DnsName>>();
        let zones = |texts: &Vec<String>| texts.iter().filter_map(|text| text.parse().ok()).collect::<Vec<ZoneName>>();
        GivenNames {
            base: self.base.as_ref().and_then(|base| base.parse().ok()),
            wildcard: self.wildcard,
            zones: self.zones.as_ref().map(zones),
            own: names(&self.own),
            private: self.private.as_deref().map(names),
        }
    }
}

impl From<&GivenNames> for KeptNames {
    fn from(given: &GivenNames) -> Self {
        let names = |names: &[DnsName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        Self {
            base: given.base.as_ref().map(ToString::to_string),
            wildcard: given.wildcard,
            zones: given.zones.as_ref().map(|zones| zones.iter().map(ToString::to_string).collect()),
            own: names(&given.own),
            private: given.private.as_deref().map(names),
        }
    }
}
