//! Records on disk: one file, every change a transaction that is synced before it counts (redb).
//!
//! One store and not a file for each object, as a change is of several objects (an endpoint, a client token, a
//! notification that has to be sent) and is there as a whole or not at all, whatever happens to the machine.

use std::fmt::Display;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use super::codec::{StoreError, decode, encode};
use super::deliveries;
use super::notices::ToldDelta;
use super::notify::backoff::Backoff;
use super::record::StoredObject;
use super::soundness::{
    CURRENT_FORMAT, FORMAT, MARK, RECORDS, StateContent, StateFault, TOKENS, copies, keep_copy, read_all,
    read_committed, read_sound_file,
};
use super::state::{ApiState, Delta, Token};
use super::state_store::{CommitError, CommitLimits, StateStore};
use super::store_mark::StoreMark;
use crate::memory;
use crate::priority::give_way;
use crate::problem::{Place, Problem};

/// The file in the state directory.
const FILE: &str = "ec2.redb";
/// The file of the last good state of a shared store.
const LAST_GOOD: &str = "store.redb";
/// How much of what is over goes with one change.
const MOST_LEFTOVERS: usize = 100;

/// Records on disk.
pub struct Store {
    path: PathBuf,
    /// `None` where it could not be opened again after an error of the disk.
    db: RwLock<Option<Database>>,
    /// The id of the next delivery.
    next_delivery: AtomicU64,
    /// Who keeps a copy of what was found at the start.
    copier: Option<JoinHandle<()>>,
}

impl Drop for Store {
    /// A copy that is on its way is waited for.
    fn drop(&mut self) {
        if let Some(copier) = self.copier.take() {
            // one that failed has said so
            let _ = copier.join();
        }
    }
}

impl Store {
    /// The state file of a state directory.
    pub fn file(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// Opens the store in `dir`, which is made if it is not there, and reads all of it. One that is damaged is refused as
    /// it is. A copy of one that is sound is kept.
    pub fn open(dir: &Path) -> Result<(Self, ApiState), Problem> {
        Self::open_file(&Self::file(dir)).map(|(store, state, _)| (store, state))
    }

    /// The same of the last good state of a shared store, with the revision that it stands for.
    pub(super) fn open_last_good(dir: &Path) -> Result<(Self, ApiState, Option<StoreMark>), Problem> {
        Self::open_file(&dir.join(LAST_GOOD))
    }

    fn open_file(path: &Path) -> Result<(Self, ApiState, Option<StoreMark>), Problem> {
        let place = || Place::whole(path.display().to_string());
        let failed = |error: StoreError| {
            let hint = "see --ec2-state: the directory must be writable, and used by one server only";
            Problem::error(place(), error.to_string().replace("written", "used"), hint)
        };
        // what it holds is for nobody but this server
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap_or(Path::new(".")));
        made.map_err(|error| failed(StoreError::new(error)))?;
        let mut found = None;
        if path.exists() {
            found = Some(read_sound_file(path).map_err(|fault| unsound(path, &fault))?);
        } else if !copies(path).is_empty() {
            return Err(unsound(path, &StateFault::Damaged("it has gone, and copies of it are here".to_owned())));
        } else {
            make_empty(path).map_err(failed)?;
        }
        // before it is written in another format
        let found = found.and_then(|file| {
            let is_current = file.content.format == CURRENT_FORMAT;
            if !is_current {
                copy(path, &file.octets);
            }
            is_current.then_some(file)
        });
        let is_unchanged = found.as_ref().is_some_and(|file| file.is_unchanged(path));
        let opened = Database::create(path).map_err(StoreError::new);
        let db = RwLock::new(Some(opened.map_err(failed)?));
        let (content, octets) = found.map(|file| (file.content, file.octets)).unzip();
        let copier = octets.map(|octets| copy_aside(path.to_owned(), octets));
        let store = Self { path: path.to_owned(), db, next_delivery: AtomicU64::new(0), copier };
        let (state, mark) = store.read(content.filter(|_| is_unchanged)).map_err(failed)?;
        Ok((store, state, mark))
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

    /// What is there, if `known` does not say it already.
    fn read(&self, known: Option<StateContent>) -> Result<(ApiState, Option<StoreMark>), StoreError> {
        // all tables are made by the first start
        let write = self.begin_write()?;
        write_forward(&write)?;
        self.next_delivery.store(deliveries::open(&write, Backoff::default().max_age)?, Ordering::Relaxed);
        write.commit().map_err(StoreError::new)?;
        let mut content = known.map_or_else(|| read_all(&self.begin_read()?), Ok)?;
        let mark = content.mark.take();
        Ok((content.into_state(), mark))
    }

    /// Makes changes durable, one on top of the other, and what is to be told of them: when this returns `Ok` they all
    /// outlive a crash, and when it returns an error nothing of any is there.
    pub fn commit(&self, group: &[ToldDelta]) -> Result<(), StoreError> {
        let write = self.begin_write()?;
        put(&write, group.iter().map(|told| &told.delta))?;
        for ToldDelta { tell, .. } in group {
            // an id is never used twice while the server runs, whether its transaction came to an end or not
            deliveries::add(&write, tell, self.next_delivery.fetch_add(tell.len() as u64, Ordering::Relaxed))?;
        }
        write.commit().map_err(StoreError::new)
    }

    /// Keeps what others made durable, with the revision that all of it stands for.
    pub(super) fn keep(&self, deltas: &[Delta], mark: &StoreMark) -> Result<(), StoreError> {
        let write = self.begin_write()?;
        put(&write, deltas.iter())?;
        write
            .open_table(MARK)
            .map_err(StoreError::new)?
            .insert((), encode(mark)?.as_slice())
            .map_err(StoreError::new)?;
        write.commit().map_err(StoreError::new)
    }
}

impl StateStore for Store {
    fn limits(&self) -> CommitLimits {
        CommitLimits { changes: usize::MAX, leftovers: MOST_LEFTOVERS }
    }

    fn commit(&self, group: &[ToldDelta], _: &ApiState) -> Result<(), CommitError> {
        Ok(self.commit(group)?)
    }
}

/// The state at `path`, which is a state file or a state directory, with the file that it is in; that file stays as it is,
/// and a server may have it open. `None` for a directory in which the API has never run.
pub fn stored_state(path: &Path) -> Result<Option<(PathBuf, ApiState)>, Problem> {
    let file = if path.is_dir() {
        let known = [FILE, LAST_GOOD].map(|name| path.join(name));
        let Some(file) = known.into_iter().find(|file| file.exists()) else { return Ok(None) };
        file
    } else {
        path.to_owned()
    };
    match read_committed(&file) {
        Ok(content) => Ok(Some((file, content.into_state()))),
        Err(fault @ StateFault::InUse) => {
            let hint = "it is written all the time: ask the server with --socket";
            Err(Problem::error(Place::whole(file.display().to_string()), fault.to_string(), hint))
        }
        Err(fault @ StateFault::Unreadable(_)) => {
            let hint = "name the state file of a server (ec2.redb), or the directory that it is in";
            Err(Problem::error(Place::whole(file.display().to_string()), fault.to_string(), hint))
        }
        Err(fault @ (StateFault::Damaged(_) | StateFault::Newer(_))) => Err(unsound(&file, &fault)),
    }
}

/// Puts changes into the tables, one on top of the other.
fn put<'d>(write: &WriteTransaction, deltas: impl Iterator<Item = &'d Delta>) -> Result<(), StoreError> {
    let mut records = write.open_table(RECORDS).map_err(StoreError::new)?;
    let mut tokens = write.open_table(TOKENS).map_err(StoreError::new)?;
    for delta in deltas {
        for id in &delta.remove {
            records.remove(id.as_str()).map_err(StoreError::new)?;
        }
        for record in &delta.put {
            records.insert(record.id().as_str(), encode(&**record)?.as_slice()).map_err(StoreError::new)?;
        }
        for key in &delta.forget {
            tokens.remove(key.as_str()).map_err(StoreError::new)?;
        }
        for (key, token) in &delta.tokens {
            tokens.insert(key.as_str(), encode(&**token)?.as_slice()).map_err(StoreError::new)?;
        }
    }
    Ok(())
}

/// Writes what is of an earlier format as it is written now: a member that this format has and that one had not gets its
/// default, once and for all.
fn write_forward(write: &WriteTransaction) -> Result<(), StoreError> {
    fn table<T>(write: &WriteTransaction, table: TableDefinition<'_, &str, &[u8]>) -> Result<(), StoreError>
    where
        T: Serialize + DeserializeOwned,
    {
        let mut table = write.open_table(table).map_err(StoreError::new)?;
        let mut anew = Vec::new();
        for entry in table.iter().map_err(StoreError::new)? {
            let (key, octets) = entry.map_err(StoreError::new)?;
            let written = encode(&decode::<T>(key.value(), octets.value())?)?;
            if written != octets.value() {
                anew.push((key.value().to_owned(), written));
            }
        }
        for (key, octets) in anew {
            table.insert(key.as_str(), octets.as_slice()).map_err(StoreError::new)?;
        }
        Ok(())
    }
    let mut format = write.open_table(FORMAT).map_err(StoreError::new)?;
    let number = format.get(()).map_err(StoreError::new)?.map_or(0, |number| number.value());
    if number < CURRENT_FORMAT {
        table::<StoredObject>(write, RECORDS)?;
        table::<Token>(write, TOKENS)?;
        format.insert((), CURRENT_FORMAT).map_err(StoreError::new)?;
    }
    Ok(())
}

/// Keeps a copy of a state file while the server starts: nothing waits for it.
fn copy_aside(path: PathBuf, octets: Vec<u8>) -> JoinHandle<()> {
    thread::spawn(move || {
        give_way();
        copy(&path, &octets);
        drop(octets);
        memory::give_back();
    })
}

fn copy(path: &Path, octets: &[u8]) {
    keep_copy(path, octets).unwrap_or_else(|error| warn!("no copy of {} can be kept: {error}", path.display()));
}

/// Makes a store without records: whole, or not at all, so that an empty file is never one that a start left behind.
fn make_empty(path: &Path) -> Result<(), StoreError> {
    let fresh = path.with_extension("redb.new");
    // of a start that did not come to its end
    let _ = fs::remove_file(&fresh);
    drop(Database::create(&fresh).map_err(StoreError::new)?);
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).map_err(StoreError::new)?;
    fs::rename(&fresh, path).map_err(StoreError::new)
}

/// The problem of a state file that cannot be used, with the way back.
fn unsound(path: &Path, fault: &StateFault) -> Problem {
    let shown = path.display();
    let hint = match (fault, copies(path).first()) {
        (StateFault::InUse, _) => "see --ec2-state: a directory is used by one server only".to_owned(),
        (StateFault::Unreadable(_), _) => "see --ec2-state: this user must be able to read and write it".to_owned(),
        (StateFault::Newer(_), Some((copy, _))) => format!(
            "start the version that wrote it; `vpcedns state verify` says which copies are of a format that this one knows, and `cp {} {shown}` goes back to the newest copy, without what was changed since",
            copy.display()
        ),
        (StateFault::Newer(_), None) => "start the version that wrote it, or restore a backup of before".to_owned(),
        (StateFault::Damaged(_), Some((copy, _))) => format!(
            "`vpcedns state verify` says which copies are sound, and from when; `cp {} {shown}` goes back to the newest",
            copy.display()
        ),
        (StateFault::Damaged(_), None) => {
            "no copy is here: restore it from a backup, or remove it to begin without objects".to_owned()
        }
    };
    Problem::error(Place::whole(shown.to_string()), fault.to_string(), hint)
}

#[cfg(test)]
mod tests {
    use super::super::record::{SecurityGroup, StoredObject, Tags, VpcRecord};
    use super::super::soundness::content;
    use super::super::state::{Edit, Token};
    use super::super::time::UnixMillis;
    use super::*;

    fn told(edit: Edit) -> ToldDelta {
        ToldDelta { delta: edit.into(), tell: Vec::new() }
    }

    #[test]
    fn what_was_committed_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let vpc = VpcRecord {
            id: "vpc-0123456789abcdef0".parse().unwrap(),
            owner: "000000000000".to_owned(),
            region: "us-east-1".parse().unwrap(),
            cidr_blocks: vec!["10.0.0.0/16".parse().unwrap()],
            ipv6_origins: Vec::new(),
            enable_dns_support: true,
            enable_dns_hostnames: false,
            enable_network_address_usage_metrics: false,
            instance_tenancy: "default".to_owned(),
            is_default: false,
            resolver: super::super::record::VpcResolverConfig::default(),
            listeners: Vec::new(),
            clients: Vec::new(),
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
            store.commit(&[told(edit)]).unwrap();
            store.commit(&[told(Edit { remove: vec!["sg-1".to_owned()], ..Edit::default() })]).unwrap();
            let second = Store::open(dir.path()).err().unwrap();
            assert!(second.to_string().contains("used by one server only"), "{second}");
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&Store::file(dir.path())), 0o600);
        let (_, state) = Store::open(dir.path()).unwrap();
        assert_eq!(state.records().count(), 1);
        assert_eq!((state.vpc(vpc.id), state.token("k")), (Some(&vpc), Some(&token)));
    }

    /// A state of some objects and tokens; the octets of its file.
    fn some_state(dir: &Path) -> Vec<u8> {
        let (store, _) = Store::open(dir).unwrap();
        for number in 0..40_u32 {
            let group = SecurityGroup {
                id: format!("sg-{number:08x}"),
                owner: "000000000000".to_owned(),
                vpc: "vpc-0123456789abcdef0".parse().unwrap(),
                name: format!("group {number}"),
                description: "d".repeat(200),
                rules: None,
                tags: Tags::new(),
            };
            let mut edit = Edit::put([StoredObject::SecurityGroup(group)]);
            let token = Token { parameters: "a".to_owned(), answer: "b".repeat(50), at: UnixMillis(7) };
            edit.token = Some((format!("k{number}"), token));
            store.commit(&[told(edit)]).unwrap();
        }
        drop(store);
        fs::read(Store::file(dir)).unwrap()
    }

    fn said(octets: &[u8]) -> Result<Vec<String>, String> {
        let content = content(octets).map_err(|fault| fault.to_string())?;
        let mut all: Vec<String> = content.records.iter().map(|record| format!("{record:?}")).collect();
        all.extend(content.tokens.iter().map(|token| format!("{token:?}")));
        Ok(all)
    }

    #[test]
    fn a_damaged_file_is_an_error_or_says_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let good = some_state(dir.path());
        let whole = said(&good).unwrap();
        assert_eq!(whole.len(), 80);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let (mut refused, mut wrong) = (0, Vec::new());
        let step = (good.len() / 1500).max(1) | 1;
        for at in (0..600).chain((600..good.len()).step_by(step)) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            match said(&bad) {
                Err(_) => refused += 1,
                Ok(other) if other == whole => {}
                Ok(other) => wrong.push((at, other.len())),
            }
        }
        for length in (0..good.len()).step_by(step) {
            match said(&good[..length]) {
                Err(_) => refused += 1,
                Ok(other) if other == whole => {}
                Ok(other) => wrong.push((length, other.len())),
            }
        }
        std::panic::set_hook(hook);
        assert!(wrong.is_empty(), "damage that goes unseen: {wrong:?}");
        assert!(refused > 500, "{refused} refused");
    }

    #[test]
    fn a_start_on_a_damaged_file_says_the_way_back_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let good = some_state(dir.path());
        let path = Store::file(dir.path());
        for _ in 0..5 {
            drop(Store::open(dir.path()).unwrap());
        }
        assert_eq!(copies(&path).len(), 1, "a file that has not changed is copied once");
        for bad in [&[][..], &good[..good.len() / 2], b"what is this"] {
            fs::write(&path, bad).unwrap();
            let problem = Store::open(dir.path()).err().unwrap().to_string();
            assert!(problem.contains("is damaged: ") && problem.contains("ec2.redb.copy1"), "{problem}");
            assert_eq!(fs::read(&path).unwrap(), bad, "it stays as it is");
        }
        fs::remove_file(&path).unwrap();
        let problem = Store::open(dir.path()).err().unwrap().to_string();
        assert!(problem.contains("it has gone"), "{problem}");
        fs::copy(copies(&path)[0].0.clone(), &path).unwrap();
        let (_, state) = Store::open(dir.path()).unwrap();
        assert_eq!(state.records().count(), 40);
    }
}
