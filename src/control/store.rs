//! Records on disk: one file, every change a transaction that is synced before it counts (redb).
//!
//! One store and not a file for each object, as a change is of several objects (an endpoint, a client token, a
//! notification that has to be sent) and is there as a whole or not at all, whatever happens to the machine.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::notices::Telling;
use super::notify::backoff::Backoff;
use super::outbox;
use super::record::Record;
use super::state::{Edit, State, Token};
use crate::problem::{Place, Problem};

/// The file in the state directory.
const FILE: &str = "ec2.redb";
const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
const TOKENS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("tokens");

/// Records on disk.
pub struct Store {
    path: PathBuf,
    /// `None` after something failed, a full disk say, until it is used again: redb wants a file that failed once to be
    /// closed, and finds the last good state in it when it is opened.
    db: RwLock<Option<Database>>,
    /// The id of the next delivery.
    next_delivery: AtomicU64,
}

/// A change that could not be made durable; nothing of it was.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the state cannot be written: {0}")]
pub struct StoreError(String);

impl StoreError {
    pub(super) fn new(error: impl Display) -> Self {
        Self(error.to_string())
    }
}

impl Store {
    /// Opens the store in `dir`, which is made if it is not there, and reads all of it.
    pub fn open(dir: &Path) -> Result<(Self, State), Problem> {
        let path = dir.join(FILE);
        let failed = |error: StoreError| {
            let hint = "see --ec2-state: the directory must be writable, and used by one server only";
            Problem::error(Place::whole(path.display().to_string()), error.to_string().replace("written", "used"), hint)
        };
        std::fs::create_dir_all(dir).map_err(StoreError::new).map_err(failed)?;
        let store = Self { path: path.clone(), db: RwLock::new(None), next_delivery: AtomicU64::new(0) };
        let state = store.with(read).map_err(failed)?;
        store.next_delivery.store(store.with(outbox::next_id).map_err(failed)?, Ordering::Relaxed);
        if let Err(error) = store.with(|db| outbox::forget(db, Backoff::default().max_age)) {
            tracing::warn!("old notifications stay in the outbox: {error}");
        }
        Ok((store, state))
    }

    /// Works on the database, which is opened if it is not, and closed if anything fails.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut held = self.db.read().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            drop(held);
            let mut empty = self.db.write().unwrap_or_else(PoisonError::into_inner);
            if empty.is_none() {
                *empty = Some(open(&self.path)?);
            }
            drop(empty);
            held = self.db.read().unwrap_or_else(PoisonError::into_inner);
        }
        // another thread may have closed it between the two locks
        let result = held.as_ref().ok_or_else(|| StoreError("it was closed".to_owned())).and_then(work);
        drop(held);
        if result.is_err() {
            *self.db.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        result
    }

    /// Makes a change durable, and what is to be told of it: when this returns `Ok` it outlives a crash, and when it
    /// returns an error nothing of it is there.
    pub fn commit(&self, edit: &Edit, tell: &[Telling]) -> Result<(), StoreError> {
        // an id is never used twice while the server runs, whether its transaction came to an end or not
        let first = self.next_delivery.fetch_add(tell.len() as u64, Ordering::Relaxed);
        self.with(|db| commit(db, edit, tell, first))
    }
}

/// Opens the file. The first time makes all tables; later ones write nothing, so that a full disk can be read.
fn open(path: &Path) -> Result<Database, StoreError> {
    let db = Database::create(path).map_err(StoreError::new)?;
    let begun = db.begin_read().map_err(StoreError::new)?;
    if let Err(TableError::TableDoesNotExist(_)) = begun.open_table(TOKENS) {
        drop(begun);
        let write = db.begin_write().map_err(StoreError::new)?;
        write.open_table(RECORDS).map_err(StoreError::new)?;
        outbox::make(&write)?;
        write.open_table(TOKENS).map_err(StoreError::new)?;
        write.commit().map_err(StoreError::new)?;
    }
    Ok(db)
}

fn read(db: &Database) -> Result<State, StoreError> {
    let mut state = State::default();
    let read: ReadTransaction = db.begin_read().map_err(StoreError::new)?;
    let mut all = Edit::default();
    for entry in read.open_table(RECORDS).map_err(StoreError::new)?.iter().map_err(StoreError::new)? {
        let (id, octets) = entry.map_err(StoreError::new)?;
        all.put.push(decode::<Record>(id.value(), octets.value())?);
    }
    state.apply(all);
    for entry in read.open_table(TOKENS).map_err(StoreError::new)?.iter().map_err(StoreError::new)? {
        let (key, octets) = entry.map_err(StoreError::new)?;
        let token: Token = decode(key.value(), octets.value())?;
        state.apply(Edit { token: Some((key.value().to_owned(), token)), ..Edit::default() });
    }
    Ok(state)
}

fn commit(db: &Database, edit: &Edit, tell: &[Telling], first: u64) -> Result<(), StoreError> {
    let write = db.begin_write().map_err(StoreError::new)?;
    {
        let mut records = write.open_table(RECORDS).map_err(StoreError::new)?;
        for id in edit.remove.iter().chain(&edit.purge) {
            records.remove(id.as_str()).map_err(StoreError::new)?;
        }
        for record in &edit.put {
            records.insert(record.id().as_str(), encode(record)?.as_slice()).map_err(StoreError::new)?;
        }
        let mut tokens = write.open_table(TOKENS).map_err(StoreError::new)?;
        for key in &edit.forget {
            tokens.remove(key.as_str()).map_err(StoreError::new)?;
        }
        if let Some((key, token)) = &edit.token {
            tokens.insert(key.as_str(), encode(token)?.as_slice()).map_err(StoreError::new)?;
        }
    }
    outbox::add(&write, tell, first)?;
    write.commit().map_err(StoreError::new)
}

pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(StoreError::new)
}

pub(super) fn decode<T: DeserializeOwned>(key: &str, octets: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(octets).map_err(|error| StoreError(format!("{key}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::record::Tags;
    use super::super::record::{SecurityGroup, Vpc};
    use super::*;

    #[test]
    fn what_was_committed_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let vpc = Vpc {
            id: "vpc-0123456789abcdef0".parse().unwrap(),
            owner: "000000000000".to_owned(),
            region: "us-east-1".parse().unwrap(),
            cidr_blocks: vec!["10.0.0.0/16".parse().unwrap()],
            enable_dns_support: true,
            enable_dns_hostnames: false,
            instance_tenancy: "default".to_owned(),
            tags: Tags::from([("Name".to_owned(), "a".to_owned())]),
        };
        let group = SecurityGroup {
            id: "sg-1".to_owned(),
            owner: vpc.owner.clone(),
            vpc: vpc.id,
            name: "default".to_owned(),
            description: String::new(),
            tags: Tags::new(),
        };
        let token = Token { parameters: "a=1".to_owned(), answer: "<x/>".to_owned(), at: 7 };
        {
            let (store, empty) = Store::open(dir.path()).unwrap();
            assert_eq!(empty.records().count(), 0);
            let mut edit = Edit::put([Record::Vpc(vpc.clone()), Record::SecurityGroup(group)]);
            edit.token = Some(("k".to_owned(), token.clone()));
            store.commit(&edit, &[]).unwrap();
            store.commit(&Edit { remove: vec!["sg-1".to_owned()], ..Edit::default() }, &[]).unwrap();
            let second = Store::open(dir.path()).err().unwrap();
            assert!(second.to_string().contains("used by one server only"), "{second}");
        }
        let (_, state) = Store::open(dir.path()).unwrap();
        assert_eq!(state.records().count(), 1);
        assert_eq!((state.vpc(vpc.id), state.token("k")), (Some(&vpc), Some(&token)));
    }

    #[test]
    fn a_store_that_failed_once_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path()).unwrap();
        let token = Token { parameters: "a=1".to_owned(), answer: String::new(), at: 7 };
        let edit = |key: &str| Edit { token: Some((key.to_owned(), token.clone())), ..Edit::default() };
        store.commit(&edit("before"), &[]).unwrap();
        let failed = store.with(|_| Err::<(), _>(StoreError("no space left".to_owned()))).unwrap_err();
        assert_eq!(failed.to_string(), "the state cannot be written: no space left");
        assert!(store.db.read().unwrap().is_none());
        store.commit(&edit("after"), &[]).unwrap();
        drop(store);
        let (_, state) = Store::open(dir.path()).unwrap();
        assert!(state.token("before").is_some() && state.token("after").is_some());
    }
}
