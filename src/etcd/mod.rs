//! A client of etcd (version 3): gRPC over the HTTP/2 that is here anyhow, with the few messages that are needed.
//!
//! ```text
//! messages    what is said, as structs
//! access      TLS, certificates, user and password
//! channel     one connection to one member: a call, a stream of answers
//! client      the members in turn: ranges, transactions, watches
//! ```
//!
//! Knows nothing of what is kept there.

mod access;
mod channel;
mod client;
mod error;
mod messages;

pub use access::EtcdAccess;
pub use channel::AnswerStream;
pub use client::{EtcdClient, prefix_end};
pub use error::EtcdError;
pub use messages::{
    Compare, DeleteRangeRequest, KeyEvent, KeyValue, MemberStatus, Op, PutRequest, RangeRequest, RangeResponse,
    RequestOp, ResponseHeader, TxnRequest, TxnResponse, WatchResponse,
};
