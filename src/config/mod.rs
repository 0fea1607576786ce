//! Every setting, limit and metric, each declared once.
//!
//! ```text
//! settings.rs   one entry a setting \   flag, environment variable, key of vpcedns.toml, help, default,
//! limits.rs     one entry a limit   /   template (`vpcedns config`), docs/settings.md
//! metrics.rs    one entry a metric      counter, line of /metrics, docs/metrics.md
//! ```
//!
//! To add one, add one entry there. `source/settings.rs` walks the table to read `vpcedns.toml`, `cli/flags.rs` to
//! build the command line. What is said later wins: defaults, then the file, then environment and flags.

mod access_key;
mod endpoint_address;
mod limit;
mod limits;
mod metric;
mod metrics;
mod parse;
mod setting;
mod settings;
mod store_address;
mod sync_names;
mod sync_target;
mod template;
mod transfer_key;
mod unused;
mod upstreams;

pub use access_key::{AccessKey, ActionPattern, Secret};
pub use endpoint_address::{AddressScope, EndpointAddress};
pub use limit::Unit;
pub use limits::{Limit, Limits};
pub use metric::{BOUNDS, Label, MetricInfo, MetricKind, TIMED_SLOTS};
pub use metrics::{Metric, metrics_reference};
pub use setting::{Form, Group};
pub use settings::{Setting, Settings};
pub use store_address::StoreAddress;
pub use sync_names::SyncNames;
pub use sync_target::SyncTarget;
pub use template::{reference, template};
pub use transfer_key::{TransferKey, TsigAlgorithm};
pub use unused::unused;
pub use upstreams::{Dnssec, Upstreams};

/// The settings file that is read if it is there.
pub const DEFAULT_FILE: &str = "./vpcedns.toml";
