//! Whether names of endpoints are taken as they are read, in words.

use std::str::FromStr;

use crate::problem::Fault;

/// Whether the names that a source gives to endpoints are believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncNames {
    /// Where one of them is a name as AWS gives it.
    #[default]
    Automatic,
    /// Always.
    Given,
    /// Never: they are derived from ids and services.
    Derive,
}

impl FromStr for SyncNames {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        match text {
            "automatic" => Ok(Self::Automatic),
            "given" => Ok(Self::Given),
            "derive" => Ok(Self::Derive),
            _ => Err(Fault::new(format!("'{text}' is no way to find names"), "given, derive or automatic")),
        }
    }
}
