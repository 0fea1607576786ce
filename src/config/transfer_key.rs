//! Keys of zone transfers: which secondaries there are, and what each of them sees.

use std::net::SocketAddr;

use super::access_key::Secret;
use crate::dns::DnsName;
use crate::export::ViewId;

/// A TSIG key of secondaries, and the view whose zones they get with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferKey {
    /// Its name, the same on both sides.
    pub name: DnsName,
    /// How it signs.
    pub algorithm: TsigAlgorithm,
    /// The secret in base64, as name servers write it.
    pub secret: Secret,
    /// What is seen with it.
    pub view: ViewId,
    /// The secondaries that are told of changes.
    pub notify: Vec<SocketAddr>,
}

/// How messages are signed (RFC 8945 6). SHA-1 and MD5 are left out: "MUST NOT be used" or not recommended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`.
    #[default]
    Sha256,
    /// `hmac-sha384`.
    Sha384,
    /// `hmac-sha512`.
    Sha512,
}

impl TsigAlgorithm {
    /// Their names.
    pub const WORDS: [(&'static str, Self); 3] =
        [("hmac-sha256", Self::Sha256), ("hmac-sha384", Self::Sha384), ("hmac-sha512", Self::Sha512)];

    /// Its name in wire form.
    pub const fn wire(self) -> &'static [u8] {
        match self {
            Self::Sha256 => b"\x0bhmac-sha256\0",
            Self::Sha384 => b"\x0bhmac-sha384\0",
            Self::Sha512 => b"\x0bhmac-sha512\0",
        }
    }
}
