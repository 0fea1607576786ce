//! vpcedns: the private-DNS resolver for VPC interface endpoints.
//!
//! One sentence: endpoints in, right answers out, and each change is one pointer swap.
//!
//! ```text
//! source  ->  model  ->  snapshot  ->  answer  ->  wire
//!   files      what       what each     what to     octets
//!   JSON       there is   client sees   say, why
//! ```
//!
//! The modules stand in the order of the flow; each may use those above it in this list and none below.
//! `tests/it/architecture.rs` and `tests/it/circles.rs` hold them to it. ARCHITECTURE.md lists what must stay true (I1 to
//! I9).
//!
//! The feature `server`, which is on by default, is the program: sockets, HTTP, the EC2 API, the command line. The rest answers
//! without it, from a snapshot and by upstreams; the feature `embed` puts that into other people's servers and tests.

pub mod problem;

pub mod dns;

pub mod address;

pub mod naming;

pub mod model;

pub mod snapshot;

pub mod served;

pub mod answer;

pub mod export;

pub mod wire;

pub mod explain;

pub mod report;

pub mod diff;

pub mod config;

pub mod memory;
pub mod priority;
pub mod regular;
#[cfg(feature = "server")]
pub mod secret_file;

#[cfg(feature = "server")]
pub mod privileges;

#[cfg(feature = "server")]
pub mod descriptors;

#[cfg(feature = "server")]
pub mod service_manager;

pub mod budget;

pub mod source;

pub mod forward;

pub mod observe;

pub mod publish;

pub mod resolve;

#[cfg(feature = "embed")]
pub mod embed;

#[cfg(feature = "server")]
pub mod serve;

#[cfg(feature = "server")]
pub mod transfer;

#[cfg(feature = "server")]
pub mod http_client;

#[cfg(feature = "server")]
pub mod etcd;

#[cfg(feature = "server")]
pub mod ec2;

#[cfg(feature = "server")]
pub mod fleet;

#[cfg(feature = "server")]
pub mod sync;

#[cfg(feature = "server")]
pub mod ask;

#[cfg(feature = "server")]
pub mod expect;

#[cfg(feature = "server")]
pub mod server;

#[cfg(feature = "server")]
pub mod doctor;

#[cfg(feature = "server")]
pub mod cli;
