//! Partitions: which suffixes a region's names end in.
use super::service::Region;

/// A partition.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// `aws`
    pub name: &'static str,
    /// `amazonaws.com`
    pub dns_suffix: &'static str,
}

/// The partition of a region.
pub fn partition_of(_region: &Region) -> &'static Partition {
    unreachable!()
}
