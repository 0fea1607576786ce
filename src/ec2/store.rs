//! Records on disk: one file, every change a transaction that is synced before it counts (redb).
//!
//! One store and not a file for each object, as a change is of several objects (an endpoint, a client token, a
//! notification that has to be sent) and is there as a whole or not at all, whatever happens to the machine.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::codec::{StoreError, decode, encode};
use super::deliveries;
use super::notices::Telling;
use super::notify::backoff::Backoff;
use super::record::StoredObject;
use super::state::{ApiState, Edit, Token};
use crate::problem::{Place, Problem};

/// The file in the state directory.
const FILE: &str = "ec2.redb";
const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
const TOKENS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("tokens");

/// Records on disk.
pub struct Store {
    path: PathBuf,
    /// `None` where it could not be opened again after an error of the disk.
    db: RwLock<Option<Database>>,
    /// The id of the next delivery.
    next_delivery: AtomicU64,
}

impl Store {
    /// Opens the store in `dir`, which is made if it is not there, and reads all of it.
    pub fn open(dir: &Path) -> Result<(Self, ApiState), Problem> {
        let path = dir.join(FILE);
        let failed = |error: StoreError| {
            let hint = "see --ec2-state: the directory must be writable, and used by one server only";
            Problem::error(Place::whole(path.display().to_string()), error.to_string().replace("written", "used"), hint)
        };
        let opened = std::fs::create_dir_all(dir)
            .map_err(StoreError::new)
            .and_then(|()| Database::create(&path).map_err(StoreError::new));
        let db = RwLock::new(Some(opened.map_err(failed)?));
        let store = Self { path: path.clone(), db, next_delivery: AtomicU64::new(0) };
        let state = store.read().map_err(failed)?;
        Ok((store, state))
    }

    /// A transaction that may write; there is one at a time.
    pub(super) fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        self.begin(Database::begin_write)
    }

    /// A transaction that sees what was committed before it began.
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, StoreError> {
        self.begin(ReadableDatabase::begin_read)
    }

    /// After an error of the disk (a full one) redb wants its file to be opened anew; that is tried here, so that the
    /// API works again when the disk does.
    fn begin<T, E>(&self, start: impl Fn(&Database) -> Result<T, E>) -> Result<T, StoreError>
    where
        E: Display,
    {
        let begun = self.db.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(&start);
        if let Some(Ok(transaction)) = begun {
            return Ok(transaction);
        }
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // closed first: the file is locked while it is open
        *db = None;
        let opened = db.insert(Database::create(&self.path).map_err(StoreError::new)?);
        start(opened).map_err(StoreError::new)
    }

    fn read(&self) -> Result<ApiState, StoreError> {
        let mut all = Edit::default();
        let mut tokens: Vec<(String, Token)> = Vec::new();
        // all tables are made by the first start
        let write = self.begin_write()?;
        write.open_table(RECORDS).map_err(StoreError::new)?;
        write.open_table(TOKENS).map_err(StoreError::new)?;
        self.next_delivery.store(deliveries::open(&write, Backoff::default().max_age)?, Ordering::Relaxed);
        write.commit().map_err(StoreError::new)?;
        let read = self.begin_read()?;
        for entry in read.open_table(RECORDS).map_err(StoreError::new)?.iter().map_err(StoreError::new)? {
            let (id, octets) = entry.map_err(StoreError::new)?;
            all.put.push(decode::<StoredObject>(id.value(), octets.value())?);
        }
        for entry in read.open_table(TOKENS).map_err(StoreError::new)?.iter().map_err(StoreError::new)? {
            let (key, octets) = entry.map_err(StoreError::new)?;
            tokens.push((key.value().to_owned(), decode(key.value(), octets.value())?));
        }
        let mut state = ApiState::default();
        state.apply(all);
        for token in tokens {
            state.apply(Edit { token: Some(token), ..Edit::default() });
        }
        Ok(state)
    }

    /// Makes a change durable, and what is to be told of it: when this returns `Ok` it outlives a crash, and when it
    /// returns an error nothing of it is there.
    pub fn commit(&self, edit: &Edit, tell: &[Telling]) -> Result<(), StoreError> {
        let write = self.begin_write()?;
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
        // an id is never used twice while the server runs, whether its transaction came to an end or not
        deliveries::add(&write, tell, self.next_delivery.fetch_add(tell.len() as u64, Ordering::Relaxed))?;
        write.commit().map_err(StoreError::new)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{SecurityGroup, Tags, VpcRecord};
    use super::super::time::UnixMillis;
    use super::*;

    #[test]
    fn what_was_committed_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let vpc = VpcRecord {
            id: "vpc-0123456789abcdef0".parse().unwrap(),
            owner: "000000000000".to_owned(),
            region: "us-east-1".parse().unwrap(),
            cidr_blocks: vec!["10.0.0.0/16".parse().unwrap()],
            enable_dns_support: true,
            enable_dns_hostnames: false,
            enable_network_address_usage_metrics: false,
            instance_tenancy: "default".to_owned(),
            tags: Tags::from([("Name".to_owned(), "a".to_owned())]),
        };
        let group = SecurityGroup {
            id: "sg-1".to_owned(),
            owner: vpc.owner.clone(),
            vpc: vpc.id,
            name: "default".to_owned(),
            description: String::new(),
            rules: None,
            tags: Tags::new(),
        };
        let token = Token { parameters: "a=1".to_owned(), answer: "<x/>".to_owned(), at: UnixMillis(7) };
        {
            let (store, empty) = Store::open(dir.path()).unwrap();
            assert_eq!(empty.records().count(), 0);
            let mut edit = Edit::put([StoredObject::Vpc(vpc.clone()), StoredObject::SecurityGroup(group)]);
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
}
