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

pub mod problem;

pub mod dns;

pub mod address;

pub mod naming;

pub mod model;

pub mod snapshot;

pub mod served;

pub mod answer;

pub mod wire;

pub mod report;

pub mod config;

pub mod memory;
pub mod regular;

pub mod privileges;

pub mod descriptors;

pub mod service_manager;

pub mod budget;

pub mod source;

pub mod forward;

pub mod observe;

pub mod diff;

pub mod publish;

pub mod resolve;

pub mod embed;

pub mod serve;

pub mod http_client;

pub mod ec2;

pub mod sync;

pub mod expect;

pub mod server;

pub mod cli;
