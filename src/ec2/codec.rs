//! How values are kept on disk, and how the disk fails.

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value as it is printed, for types that know nothing of formats.
pub(super) mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::ec2) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in crate::ec2) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A change that could not be made durable; nothing of it was, unless the very last write of a disk failed so that the
/// disk itself cannot tell.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the state cannot be written: {0}")]
pub struct StoreError(String);

impl StoreError {
    pub(super) fn new(error: impl Display) -> Self {
        Self(error.to_string())
    }

    /// What went wrong, without saying at what.
    pub(super) fn in_words(&self) -> &str {
        &self.0
    }
}

pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(StoreError::new)
}

/// The same as text.
pub(super) fn encode_text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::new)
}

pub(super) fn decode<T: DeserializeOwned>(key: &str, octets: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(octets).map_err(|error| StoreError(format!("{key}: {error}")))
}
