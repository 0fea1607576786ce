//! Whether a state file is sound, and what it holds: read in memory, so that the file itself stays as it is, damaged
//! or not.

use std::fs::{self, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use redb::backends::InMemoryBackend;
use redb::{
    Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError,
};
use ring::digest::{Context, SHA256};

use super::codec::{StoreError, decode};
use super::deliveries::{DELIVERIES, Queued};
use super::record::StoredObject;
use super::state::{ApiState, Delta, Token};
use super::store_mark::StoreMark;
use crate::regular;
use crate::source::parallel::in_parallel;

/// Records by id.
pub(super) const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
/// Client tokens by account and token.
pub(super) const TOKENS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("tokens");
/// The revision of a shared store that the file stands for, if it is one's last good state.
pub(super) const MARK: TableDefinition<'_, (), &[u8]> = TableDefinition::new("mark");
/// The number of the format that the file has; a file without one is of the time before there were numbers.
pub(super) const FORMAT: TableDefinition<'_, (), u32> = TableDefinition::new("format");
/// The format that is written. It is another number where an earlier version would lose or misread something.
pub(super) const CURRENT_FORMAT: u32 = 1;
/// Largest state file that is read.
const MAX_STATE_BYTES: u64 = 16 << 30;
/// How often a file that is written meanwhile is read.
const TRIES: usize = 5;
/// The time between: longer than a commit takes.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);
/// Records that a thread decodes before it takes others.
const DECODED_AT_ONCE: usize = 4096;
/// Copies that are kept.
pub(super) const COPIES: usize = 3;

/// What a state file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StateContent {
    /// The number of its format; 0: it has none.
    pub format: u32,
    /// Every object.
    pub records: Vec<StoredObject>,
    /// Client tokens with their keys.
    pub tokens: Vec<(String, Token)>,
    /// Notifications that are still to be delivered.
    pub deliveries: usize,
    /// The revision of a shared store that this stands for.
    pub mark: Option<StoreMark>,
}

impl StateContent {
    /// Its objects and tokens, in memory.
    pub fn into_state(self) -> ApiState {
        let mut state = ApiState::default();
        let put = self.records.into_iter().map(Arc::new).collect();
        let tokens = self.tokens.into_iter().map(|(key, token)| (key, Arc::new(token))).collect();
        state.apply(&Delta { put, tokens, ..Delta::default() });
        state
    }
}

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFault {
    /// The system refuses it.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// Another process has it open.
    #[error("is used by another server")]
    InUse,
    /// It is not what was written.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// A later version wrote it, in a format of this number.
    #[error(
        "was written by a newer version of vpcedns: its format is {0}, and this one knows formats up to {CURRENT_FORMAT}"
    )]
    Newer(u32),
}

/// What the state file at `path` holds, whether a server has it open or not: what was committed last when reading began. A page
/// that is written meanwhile has another checksum; then all is read again. `InUse` where that happens every time.
pub(super) fn read_committed(path: &Path) -> Result<StateContent, StateFault> {
    let read = || content(&regular::read(path, MAX_STATE_BYTES)?.0);
    for _ in 0..TRIES {
        match read() {
            Err(StateFault::Damaged(_)) => thread::sleep(BETWEEN_TRIES),
            other => return other,
        }
    }
    // damaged, or written all the time
    read_sound(path)
}

/// What the state file at `path` holds, if all of it is as it was written: every page has its checksum. `InUse` if a server
/// has it open.
pub fn read_sound(path: &Path) -> Result<StateContent, StateFault> {
    read_sound_file(path).map(|file| file.content)
}

/// A state file that was read whole.
pub(super) struct SoundFile {
    /// What it holds.
    pub content: StateContent,
    /// Its octets.
    pub octets: Vec<u8>,
    metadata: Metadata,
}

impl SoundFile {
    /// Whether the file at `path` is still the one that was read, and nobody has written it.
    pub(super) fn is_unchanged(&self, path: &Path) -> bool {
        let stamp = |metadata: &Metadata| (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        fs::metadata(path).is_ok_and(|now| stamp(&now) == stamp(&self.metadata))
    }
}

/// The same with the octets that were read.
pub(super) fn read_sound_file(path: &Path) -> Result<SoundFile, StateFault> {
    let (file, _) = regular::open(path)?;
    match file.try_lock() {
        Ok(()) => file.unlock()?,
        Err(TryLockError::WouldBlock) => return Err(StateFault::InUse),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let (octets, metadata) = regular::read(path, MAX_STATE_BYTES)?;
    Ok(SoundFile { content: content(&octets)?, octets, metadata })
}

/// The same of the octets of a file.
pub fn content(octets: &[u8]) -> Result<StateContent, StateFault> {
    if octets.is_empty() {
        return Err(StateFault::Damaged("it is empty".to_owned()));
    }
    read_octets(octets, read_all)
}

/// What tells the contents of two files apart, whatever pages they are in; `None` for one that is not sound.
fn digest(octets: &[u8]) -> Option<[u8; 32]> {
    let digest = read_octets(octets, |read| {
        let mut digest = Context::new(&SHA256);
        let mut add = |octets: &[u8]| {
            digest.update(&octets.len().to_le_bytes());
            digest.update(octets);
        };
        add(&format_of(read)?.to_le_bytes());
        for table in [RECORDS, TOKENS] {
            each(read, table, |key, octets| {
                add(key.as_bytes());
                add(octets);
                Ok(())
            })?;
            add(b"the end of a table");
        }
        each(read, MARK, |(), octets| {
            add(octets);
            Ok(())
        })?;
        // each start counts the tries of those that are there
        each(read, DELIVERIES, |_, _| {
            add(b"a delivery");
            Ok(())
        })?;
        Ok(digest.finish())
    });
    digest.ok().and_then(|digest| digest.as_ref().try_into().ok())
}

/// Reads the octets of a state file by `read`, if all of them are as they were written.
fn read_octets<T>(
    octets: &[u8],
    read: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
) -> Result<T, StateFault> {
    // what reads it has assertions that damage can break
    let read = panic::catch_unwind(AssertUnwindSafe(|| read_database(octets, read)));
    read.unwrap_or_else(|_| Err(StateFault::Damaged("its pages contradict each other".to_owned())))
}

fn read_database<T>(
    octets: &[u8],
    work: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
) -> Result<T, StateFault> {
    let damaged = |error: &dyn std::fmt::Display| StateFault::Damaged(error.to_string());
    let memory = InMemoryBackend::new();
    memory.set_len(octets.len() as u64).and_then(|()| memory.write(0, octets)).map_err(|error| damaged(&error))?;
    let mut database = Database::builder().create_with_backend(memory).map_err(|error| damaged(&error))?;
    match database.check_integrity() {
        Ok(true) => {}
        Ok(false) => return Err(StateFault::Damaged("a checksum is wrong".to_owned())),
        Err(error) => return Err(damaged(&error)),
    }
    let read = database.begin_read().map_err(|error| damaged(&error))?;
    // first of all: what a newer version wrote need not be readable
    let format = format_of(&read).map_err(|error| damaged(&error.in_words()))?;
    if format > CURRENT_FORMAT {
        return Err(StateFault::Newer(format));
    }
    work(&read).map_err(|error| damaged(&error.in_words()))
}

/// The number of a database's format; 0: it has none.
fn format_of(read: &ReadTransaction) -> Result<u32, StoreError> {
    let table = match read.open_table(FORMAT) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(0),
        Err(error) => return Err(StoreError::new(error)),
    };
    let number = table.get(()).map_err(StoreError::new)?;
    Ok(number.map_or(0, |number| number.value()))
}

/// Everything in a database; tables that are not there are empty.
pub(super) fn read_all(read: &ReadTransaction) -> Result<StateContent, StoreError> {
    let mut content = StateContent { format: format_of(read)?, ..StateContent::default() };
    let mut parts: Vec<Vec<(String, Vec<u8>)>> = Vec::new();
    each(read, RECORDS, |id, octets| {
        let entry = (id.to_owned(), octets.to_owned());
        match parts.last_mut().filter(|part| part.len() < DECODED_AT_ONCE) {
            Some(part) => part.push(entry),
            None => parts.push(vec![entry]),
        }
        Ok(())
    })?;
    let decoded = in_parallel(&parts, |part| part.iter().map(|(id, octets)| record(id, octets)).collect());
    for part in decoded.into_iter().collect::<Result<Vec<Vec<StoredObject>>, _>>()? {
        content.records.extend(part);
    }
    each(read, TOKENS, |key, octets| {
        content.tokens.push((key.to_owned(), decode(key, octets)?));
        Ok(())
    })?;
    each(read, DELIVERIES, |_, octets| {
        decode::<Queued>("a delivery", octets)?;
        content.deliveries += 1;
        Ok(())
    })?;
    each(read, MARK, |(), octets| {
        content.mark = Some(decode("the revision", octets)?);
        Ok(())
    })?;
    Ok(content)
}

/// The record that is kept as `id`.
fn record(id: &str, octets: &[u8]) -> Result<StoredObject, StoreError> {
    let record = decode::<StoredObject>(id, octets)?;
    if record.id() != id {
        return Err(StoreError::new(format!("{} is kept as {id}", record.id())));
    }
    Ok(record)
}

/// Calls `work` with each key and value of a table, if that is there.
fn each<K: Key + 'static>(
    read: &ReadTransaction,
    table: TableDefinition<'_, K, &'static [u8]>,
    mut work: impl FnMut(K::SelfType<'_>, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let table = match read.open_table(table) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(StoreError::new(error)),
    };
    for entry in table.iter().map_err(StoreError::new)? {
        let (key, octets) = entry.map_err(StoreError::new)?;
        work(key.value(), octets.value())?;
    }
    Ok(())
}

/// Keeps the octets of the state file at `path`, which is sound, as its newest copy; the oldest goes. A file that holds what the
/// newest copy holds is not copied again: each start changes the file, and three starts would push out all that was.
pub(super) fn keep_copy(path: &Path, octets: &[u8]) -> io::Result<()> {
    let newest = regular::read(&copy_path(path, 1), MAX_STATE_BYTES).ok().and_then(|(newest, _)| digest(&newest));
    if newest.is_some_and(|newest| digest(octets) == Some(newest)) {
        return Ok(());
    }
    let fresh = path.with_extension("redb.copy");
    if let Err(error) = write_durably(&fresh, octets) {
        // half a copy is none
        let _ = fs::remove_file(&fresh);
        return Err(error);
    }
    for number in (1..COPIES).rev() {
        match fs::rename(copy_path(path, number), copy_path(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(fresh, copy_path(path, 1))
}

/// Writes a file that is for nobody but this user.
fn write_durably(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(octets)?;
    file.sync_all()
}

/// The copies of the state file at `path` that are there, newest first, with the times at which they were made.
pub fn copies(path: &Path) -> Vec<(PathBuf, SystemTime)> {
    let made = |copy: PathBuf| fs::metadata(&copy).and_then(|metadata| metadata.modified()).ok().map(|at| (copy, at));
    (1..=COPIES).filter_map(|number| made(copy_path(path, number))).collect()
}

fn copy_path(path: &Path, number: usize) -> PathBuf {
    path.with_extension(format!("redb.copy{number}"))
}
