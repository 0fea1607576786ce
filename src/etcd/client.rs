//! The members of a cluster in turn: one that does not answer is left for the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prost::Message;
use tokio::sync::Mutex;

use super::access::EtcdAccess;
use super::channel::{AnswerStream, MemberChannel};
use super::error::EtcdError;
use super::messages::{
    MemberStatus, RangeRequest, RangeResponse, StatusRequest, TxnRequest, TxnResponse, WatchCreateRequest,
    WatchRequest, WatchResponse,
};

/// Time for one call.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time for a part of a load.
const LOAD_PATIENCE: Duration = Duration::from_secs(30);

/// Asks one member, until that one fails.
pub struct EtcdClient {
    /// `HOST:PORT` of each.
    members: Vec<String>,
    access: EtcdAccess,
    /// The one that is asked, or will be.
    current: AtomicUsize,
    channel: Mutex<Option<Arc<MemberChannel>>>,
}

impl EtcdClient {
    /// Of the members at `HOST:PORT`; asks the one with the number `first` first.
    pub fn new(members: Vec<String>, access: EtcdAccess, first: usize) -> Self {
        Self { members, access, current: AtomicUsize::new(first), channel: Mutex::new(None) }
    }

    /// The keys of a range.
    pub async fn range(&self, request: &RangeRequest) -> Result<RangeResponse, EtcdError> {
        let patience = if request.range_end.is_empty() { PATIENCE } else { LOAD_PATIENCE };
        self.unary("/etcdserverpb.KV/Range", request, patience).await
    }

    /// Carries a transaction out. After an error that is not [`EtcdError::is_final`] it may have been carried out, or be so later.
    pub async fn txn(&self, request: &TxnRequest) -> Result<TxnResponse, EtcdError> {
        self.unary("/etcdserverpb.KV/Txn", request, PATIENCE).await
    }

    /// How the member is that is asked.
    pub async fn status(&self) -> Result<MemberStatus, EtcdError> {
        self.unary("/etcdserverpb.Maintenance/Status", &StatusRequest {}, PATIENCE).await
    }

    /// Changes of the keys from `key` on, before `range_end`, from the revision `start_revision` on.
    pub async fn watch(
        &self,
        key: Vec<u8>,
        range_end: Vec<u8>,
        start_revision: i64,
    ) -> Result<AnswerStream<WatchResponse>, EtcdError> {
        let create_request = Some(WatchCreateRequest { key, range_end, start_revision });
        self.channel().await?.stream("/etcdserverpb.Watch/Watch", &WatchRequest { create_request }).await
    }

    /// Leaves the member that is asked for the next one.
    pub async fn leave(&self) {
        let mut channel = self.channel.lock().await;
        *channel = None;
        self.current.fetch_add(1, Ordering::Relaxed);
    }

    async fn unary<Q, A>(&self, path: &'static str, question: &Q, patience: Duration) -> Result<A, EtcdError>
    where
        Q: Message,
        A: Message + Default,
    {
        let mut answer = self.channel().await?.unary(path, question, patience).await;
        if answer.as_ref().is_err_and(EtcdError::is_forgotten) {
            // a member that was started anew, or a token that is too old: the next connection has another one
            *self.channel.lock().await = None;
            answer = self.channel().await?.unary(path, question, patience).await;
        }
        if answer.as_ref().is_err_and(|error| !error.is_final()) {
            self.leave().await;
        }
        answer
    }

    /// The connection to the member that is asked, or to the next one that can be connected to.
    async fn channel(&self) -> Result<Arc<MemberChannel>, EtcdError> {
        let mut channel = self.channel.lock().await;
        if let Some(open) = channel.as_ref().filter(|channel| channel.is_open()) {
            return Ok(Arc::clone(open));
        }
        let mut failed = EtcdError::Unreachable("no member is named".to_owned());
        for _ in &self.members {
            let number = self.current.load(Ordering::Relaxed) % self.members.len().max(1);
            let Some(member) = self.members.get(number) else { break };
            match MemberChannel::open(member, &self.access).await {
                Ok(open) => return Ok(Arc::clone(channel.insert(Arc::new(open)))),
                Err(error) => failed = error,
            }
            self.current.fetch_add(1, Ordering::Relaxed);
        }
        Err(failed)
    }
}

/// The first key behind all those that begin with `prefix`.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // all keys
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_key() {
        for (prefix, end) in [(&b"/a/"[..], &b"/a0"[..]), (b"a\xff", b"b"), (b"\xff\xff", b"\0"), (b"", b"\0")] {
            assert_eq!(prefix_end(prefix), end);
        }
    }
}
