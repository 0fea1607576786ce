//! How a call to etcd fails.

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EtcdError {
    /// No member can be connected to: nothing was sent.
    #[error("etcd cannot be reached: {0}")]
    Unreachable(String),
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
const OUT_OF_RANGE: u32 = 11;

impl EtcdError {
    /// Whether the call has certainly not been carried out, and would not be if it came again.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Said { code, .. } if FINAL.contains(code))
    }

    /// Whether a revision was asked for that is compacted away, or not there yet.
    pub fn is_out_of_range(&self) -> bool {
        matches!(self, Self::Said { code, .. } if *code == OUT_OF_RANGE)
    }
}
