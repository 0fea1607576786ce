//! The few messages of etcd's API (`api/etcdserverpb/rpc.proto`, `api/mvccpb/kv.proto`) that are used, as structs: nothing has
//! to be installed to build them. A message's other fields are skipped when it is read.

/// What every answer begins with.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ResponseHeader {
    /// The cluster that answered.
    #[prost(uint64, tag = "1")]
    pub cluster_id: u64,
    /// The member that answered.
    #[prost(uint64, tag = "2")]
    pub member_id: u64,
    /// The revision of the store when it did.
    #[prost(int64, tag = "3")]
    pub revision: i64,
}

/// A key with its value.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct KeyValue {
    /// The key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The revision of its last change, or of its deletion.
    #[prost(int64, tag = "3")]
    pub mod_revision: i64,
    /// The value; empty in a deletion.
    #[prost(bytes = "vec", tag = "5")]
    pub value: Vec<u8>,
}

/// Asks for the keys from `key` on, before `range_end`; for one key where that is empty.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RangeRequest {
    /// The first key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The first key behind them.
    #[prost(bytes = "vec", tag = "2")]
    pub range_end: Vec<u8>,
    /// Most keys that are given; 0: all.
    #[prost(int64, tag = "3")]
    pub limit: i64,
    /// At which revision; 0: now.
    #[prost(int64, tag = "4")]
    pub revision: i64,
    /// Whether the member answers by what it has, which may be old.
    #[prost(bool, tag = "7")]
    pub serializable: bool,
    /// Whether keys are told without their values.
    #[prost(bool, tag = "8")]
    pub keys_only: bool,
    /// Whether only the number of keys is asked for.
    #[prost(bool, tag = "9")]
    pub count_only: bool,
}

/// The keys that were asked for.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RangeResponse {
    /// See there.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// In the order of keys.
    #[prost(message, repeated, tag = "2")]
    pub kvs: Vec<KeyValue>,
    /// How many there are.
    #[prost(int64, tag = "4")]
    pub count: i64,
}

/// Puts a value under a key.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PutRequest {
    /// The key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The value.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
    /// The lease with which the key goes; 0: it stays.
    #[prost(int64, tag = "3")]
    pub lease: i64,
}

/// Deletes keys, as [`RangeRequest`] names them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DeleteRangeRequest {
    /// The first key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The first key behind them.
    #[prost(bytes = "vec", tag = "2")]
    pub range_end: Vec<u8>,
}

/// One operation of a transaction.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RequestOp {
    /// Which.
    #[prost(oneof = "Op", tags = "1, 2, 3")]
    pub request: Option<Op>,
}

/// See [`RequestOp`].
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Op {
    /// Reads.
    #[prost(message, tag = "1")]
    Range(RangeRequest),
    /// Puts.
    #[prost(message, tag = "2")]
    Put(PutRequest),
    /// Deletes.
    #[prost(message, tag = "3")]
    Delete(DeleteRangeRequest),
}

/// What an operation came to; that of a read is looked at.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ResponseOp {
    /// What was read.
    #[prost(message, optional, tag = "1")]
    pub range: Option<RangeResponse>,
}

/// A condition of a transaction: `EQUAL` to a key's value, or to the revision of its last change, which is 0 where there is no
/// such key.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Compare {
    /// `EQUAL` is 0.
    #[prost(int32, tag = "1")]
    pub result: i32,
    /// `MOD` is 2, `VALUE` 3.
    #[prost(int32, tag = "2")]
    pub target: i32,
    /// The key.
    #[prost(bytes = "vec", tag = "3")]
    pub key: Vec<u8>,
    /// The revision. A oneof in etcd's words, so that 0 has to be said.
    #[prost(int64, optional, tag = "6")]
    pub mod_revision: Option<i64>,
    /// The value, likewise.
    #[prost(bytes = "vec", optional, tag = "7")]
    pub value: Option<Vec<u8>>,
}

impl Compare {
    /// That `key` was changed last at `revision`; 0: that it is not there.
    pub fn unchanged(key: Vec<u8>, revision: i64) -> Self {
        Self { result: 0, target: 2, key, mod_revision: Some(revision), value: None }
    }

    /// That `key` has this value.
    pub fn has(key: Vec<u8>, value: Vec<u8>) -> Self {
        Self { result: 0, target: 3, key, mod_revision: None, value: Some(value) }
    }
}

/// A transaction: where all conditions hold the one list of operations, else the other.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TxnRequest {
    /// The conditions.
    #[prost(message, repeated, tag = "1")]
    pub compare: Vec<Compare>,
    /// What is done where they hold.
    #[prost(message, repeated, tag = "2")]
    pub success: Vec<RequestOp>,
    /// What is done where they do not.
    #[prost(message, repeated, tag = "3")]
    pub failure: Vec<RequestOp>,
}

/// What a transaction came to.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TxnResponse {
    /// See there; its revision is that of the changes.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// Whether the conditions held.
    #[prost(bool, tag = "2")]
    pub succeeded: bool,
    /// One for each operation that was done.
    #[prost(message, repeated, tag = "3")]
    pub responses: Vec<ResponseOp>,
}

/// Asks a member how it is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct StatusRequest {}

/// How a member is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MemberStatus {
    /// See there.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
    /// Octets of its database on disk.
    #[prost(int64, tag = "3")]
    pub db_size: i64,
    /// The member that leads; 0: none.
    #[prost(uint64, tag = "4")]
    pub leader: u64,
    /// What is wrong with it.
    #[prost(string, repeated, tag = "8")]
    pub errors: Vec<String>,
    /// Octets of its database that are used.
    #[prost(int64, tag = "9")]
    pub db_size_in_use: i64,
}

/// Says who asks.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct AuthenticateRequest {
    /// The user.
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// Its password.
    #[prost(string, tag = "2")]
    pub(super) password: String,
}

/// See there.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct AuthenticateResponse {
    /// What calls of that user are marked with.
    #[prost(string, tag = "2")]
    pub(super) token: String,
}

/// Begins a watch.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct WatchRequest {
    /// What is to be watched.
    #[prost(message, optional, tag = "1")]
    pub(super) create_request: Option<WatchCreateRequest>,
}

/// What is to be watched.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct WatchCreateRequest {
    /// The first key.
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    /// The first key behind them.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) range_end: Vec<u8>,
    /// The first revision that is told.
    #[prost(int64, tag = "3")]
    pub(super) start_revision: i64,
}

/// What a watch tells: the events of one transaction are never in two of these.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct WatchResponse {
    /// See there.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// The watch has ended.
    #[prost(bool, tag = "4")]
    pub canceled: bool,
    /// The watch asks for revisions before this one, which are forgotten; else 0.
    #[prost(int64, tag = "5")]
    pub compact_revision: i64,
    /// Why it has ended.
    #[prost(string, tag = "6")]
    pub cancel_reason: String,
    /// In the order of their revisions.
    #[prost(message, repeated, tag = "11")]
    pub events: Vec<KeyEvent>,
}

/// A change of a key.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct KeyEvent {
    /// `PUT` is 0, `DELETE` 1.
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// The key, with its new value.
    #[prost(message, optional, tag = "2")]
    pub kv: Option<KeyValue>,
}
