//! How sure a private name is, and which of the catalogue's names hold.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// How a private name is known, from the surest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// Given by the operator's own files.
    Given,
    /// Seen in real output of AWS.
    Seen,
    /// Said by AWS documentation.
    Guide,
    /// Kept in maintained third-party tables.
    Table,
    /// Said by users, without an output.
    Report,
    /// The host that an SDK asks by default.
    Sdk,
    /// Made by the reversal rule; an SDK knows its first label.
    Label,
    /// Made by the reversal rule alone.
    Rule,
}

/// One word, lower case.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "given",
            Self::Seen => "seen",
            Self::Guide => "guide",
            Self::Table => "table",
            Self::Report => "report",
            Self::Sdk => "sdk",
            Self::Label => "label",
            Self::Rule => "rule",
        })
    }
}

/// Which of the catalogue's private names hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatalogueNames {
    /// What was seen or documented, and a service's only name, however it is known.
    #[default]
    Evident,
    /// Also the second names that only an SDK's dual-stack host suggests.
    SdkNames,
}

impl CatalogueNames {
    /// Every value, as it is written.
    pub const ALL: &'static [&'static str] = &["evident", "sdk-names"];
}

impl fmt::Display for CatalogueNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Evident => "evident",
            Self::SdkNames => "sdk-names",
        })
    }
}

impl FromStr for CatalogueNames {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "evident" => Ok(Self::Evident),
            "sdk-names" => Ok(Self::SdkNames),
            _ => Err(format!("'{text}' is not a choice of names: expected {}", Self::ALL.join(" or "))),
        }
    }
}
