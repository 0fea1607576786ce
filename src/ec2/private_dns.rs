//! The private name of an endpoint service, as the API keeps it.

use serde::{Deserialize, Serialize};

/// The private name of an endpoint service, and the proof that its domain is the provider's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateDnsName {
    /// The name.
    pub name: String,
    /// How far the proof is.
    pub state: VerificationState,
    /// Owner of the TXT record, below the name's domain: `_` and 20 characters.
    pub proof_name: String,
    /// Its text: `vpce:` and 20 characters.
    pub proof_value: String,
}

/// Whether the domain of a private name is proved to be the provider's (EC2 `DnsNameState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VerificationState {
    /// Not yet: the name answers nowhere.
    #[serde(rename = "pendingVerification")]
    Pending,
    /// It is.
    Verified,
    /// It is not.
    Failed,
}

impl VerificationState {
    /// As EC2 prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pendingVerification",
            Self::Verified => "verified",
            Self::Failed => "failed",
        }
    }
}
