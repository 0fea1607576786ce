//! How a call to etcd fails.

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EtcdError {
    /// No member can be connected to: nothing was sent.
    #[error("etcd cannot be reached: {0}")]
    Unreachable(String),
    /// The files that say who asks, or what they say, are of no use.
    #[error("{0}")]
    Unusable(String),
    /// What was sent may have been carried out.
    #[error("etcd does not answer: {0}")]
    Unanswered(String),
    /// A member answers with an error.
    #[error("etcd says: {message}")]
    Said {
        /// The status of gRPC.
        code: u32,
        /// Its text.
        message: String,
    },
}

/// Statuses of gRPC (`google.rpc.Code`) by which etcd says that it has done nothing, and will not.
const FINAL: [u32; 7] = [
    3,  // INVALID_ARGUMENT: too many operations, too large
    5,  // NOT_FOUND
    7,  // PERMISSION_DENIED
    8,  // RESOURCE_EXHAUSTED: no space, too large
    11, // OUT_OF_RANGE: compacted
    12, // UNIMPLEMENTED
    16, // UNAUTHENTICATED
];
const PERMISSION_DENIED: u32 = 7;
const OUT_OF_RANGE: u32 = 11;
const UNAUTHENTICATED: u32 = 16;
/// Users or roles have changed since the token was given, or this member does not know the newest yet.
const OLD_TOKENS: [&str; 2] = ["revision in header is old", "revision of auth store is old"];

impl EtcdError {
    /// Whether the call has certainly not been carried out, and would not be if it came again.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Said { code, message } => FINAL.contains(code) && !is_old(message),
            Self::Unusable(_) => true,
            Self::Unreachable(_) | Self::Unanswered(_) => false,
        }
    }

    /// Whether it is not known any more who asks: nothing was carried out.
    pub(super) fn is_forgotten(&self) -> bool {
        matches!(self, Self::Said { code, message } if *code == UNAUTHENTICATED || is_old(message))
    }

    /// Whether whoever asks may not, so that nothing was carried out.
    pub fn is_denied(&self) -> bool {
        match self {
            Self::Said { code, .. } => [PERMISSION_DENIED, UNAUTHENTICATED].contains(code),
            Self::Unusable(_) => true,
            Self::Unreachable(_) | Self::Unanswered(_) => false,
        }
    }

    /// Whether a revision was asked for that is compacted away, or not there yet.
    pub fn is_out_of_range(&self) -> bool {
        matches!(self, Self::Said { code, .. } if *code == OUT_OF_RANGE)
    }
}

fn is_old(message: &str) -> bool {
    OLD_TOKENS.iter().any(|old| message.ends_with(old))
}
