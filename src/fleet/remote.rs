//! Sets of files in the store: which there are, and one of them at one revision.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::set::{FileSet, SetHead, SetPart};
use crate::ec2::StoreRoute;
use crate::ec2::admin::FollowError;
use crate::etcd::{AnswerStream, EtcdClient, KeyValue, RangeRequest, WatchResponse, prefix_end};

/// Parts that are read at one time.
const AT_ONCE: usize = 4;

/// The sets below a prefix of the store.
pub struct SharedSets {
    pub(super) client: EtcdClient,
    files: String,
}

/// A set as it is in the store now.
pub(super) struct SetNow {
    /// `None`: there is none. An error says why what is there is none.
    pub(super) head: Result<Option<SetHead>, FollowError>,
    /// The revision at which its head was put; 0 where there is none.
    pub(super) changed: i64,
    /// The revision of the store.
    pub(super) revision: i64,
}

/// Keys of one set.
pub(super) struct SetKeys<'s> {
    files: &'s str,
    name: &'s str,
}

impl SetKeys<'_> {
    pub(super) fn head(&self) -> Vec<u8> {
        format!("{}{}/head", self.files, self.name).into_bytes()
    }

    pub(super) fn part(&self, sha256: &str) -> Vec<u8> {
        format!("{}{}/p/{sha256}", self.files, self.name).into_bytes()
    }
}

impl SharedSets {
    /// Those of a store.
    pub fn new(route: &StoreRoute) -> Self {
        let first = rand::random_range(0..route.address.members.len().max(1));
        Self { client: route.client(first), files: format!("{}/f1/", route.address.prefix) }
    }

    pub(super) fn keys<'s>(&'s self, name: &'s str) -> SetKeys<'s> {
        SetKeys { files: &self.files, name }
    }

    /// The set `name`, with its content; `None`: there is none. An error where what is there is none that was put there whole.
    pub async fn read(&self, name: &str) -> Result<Option<FileSet>, FollowError> {
        let now = self.now(name).await?;
        let Some(head) = now.head? else { return Ok(None) };
        self.content(name, head, now.revision, &FileSet::default()).await.map(Some)
    }

    /// What the set `name` is now.
    pub(super) async fn now(&self, name: &str) -> Result<SetNow, FollowError> {
        let answer =
            self.client.range(&RangeRequest { key: self.keys(name).head(), ..RangeRequest::default() }).await?;
        let revision = answer.header.map_or(0, |header| header.revision);
        let Some(kv) = answer.kvs.first() else { return Ok(SetNow { head: Ok(None), changed: 0, revision }) };
        let head = SetHead::read(&kv.value).map(Some).map_err(|why| refused(name, &why));
        Ok(SetNow { head, changed: kv.mod_revision, revision })
    }

    /// The content of a set whose head was this one at a revision. What `known` has is not read again.
    pub(super) async fn content(
        &self,
        name: &str,
        head: SetHead,
        revision: i64,
        known: &FileSet,
    ) -> Result<FileSet, FollowError> {
        let known = known.contents();
        let missing: Vec<SetPart> =
            head.parts().into_values().filter(|part| !known.contains_key(part.sha256.as_str())).cloned().collect();
        let mut parts = stream::iter(missing)
            .map(|part| async move { self.part(name, &part, revision).await.map(|content| (part.sha256, content)) })
            .buffer_unordered(AT_ONCE);
        let mut read = HashMap::new();
        while let Some(part) = parts.next().await {
            let (sha256, content) = part?;
            read.insert(sha256, content);
        }
        drop(parts);
        let content = |part: &SetPart| {
            let new = read.get(&part.sha256).map(Vec::as_slice);
            new.or_else(|| known.get(part.sha256.as_str()).copied()).unwrap_or_default()
        };
        let texts = head.files.iter().map(|file| file.parts.iter().map(content).collect::<Vec<_>>().concat());
        let texts = texts.collect();
        // hashes of many megabytes take a while
        let whole = tokio::task::spawn_blocking(move || FileSet::whole(head, texts)).await;
        whole.unwrap_or_else(|error| Err(error.to_string())).map_err(|why| refused(name, &why))
    }

    async fn part(&self, name: &str, part: &SetPart, revision: i64) -> Result<Vec<u8>, FollowError> {
        let key = self.keys(name).part(&part.sha256);
        let answer = self.client.range(&RangeRequest { key, revision, ..RangeRequest::default() }).await;
        let answer = answer.map_err(|error| match error {
            error if error.is_out_of_range() => FollowError::Lost(error.to_string()),
            error => error.into(),
        })?;
        let kv = answer.kvs.into_iter().next();
        let kv = kv.ok_or_else(|| refused(name, &format!("its part {} is not there", part.sha256)))?;
        if SetPart::of(&kv.value) != *part {
            return Err(refused(name, &format!("its part {} is not what its name says", part.sha256)));
        }
        Ok(kv.value)
    }

    /// The parts of the set `name` that are there, without their content.
    pub(super) async fn part_keys(&self, name: &str) -> Result<Vec<KeyValue>, FollowError> {
        let key = self.keys(name).part("");
        let range_end = prefix_end(&key);
        let all = RangeRequest { key, range_end, keys_only: true, ..RangeRequest::default() };
        Ok(self.client.range(&all).await?.kvs)
    }

    /// Changes of the head of the set `name` from a revision on.
    pub(super) async fn watch(&self, name: &str, from: i64) -> Result<AnswerStream<WatchResponse>, FollowError> {
        Ok(self.client.watch(self.keys(name).head(), Vec::new(), from).await?)
    }
}

/// What is in the store is not served.
pub(super) fn refused(name: &str, why: &str) -> FollowError {
    FollowError::Refused(format!("the set of files '{name}' in the store is refused: {why}"))
}
