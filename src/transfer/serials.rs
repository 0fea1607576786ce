//! Serial numbers of zones: they never fall (RFC 1982), whatever becomes of the process, the clock or the file.
//!
//! All zones count by one counter, which is the clock's seconds where those are further: so a zone that went and comes back
//! is newer than it was. The file is replaced as a whole and synced before anybody hears of a serial.
//!
//! | what happens | what is done |
//! |---|---|
//! | the clock goes back | the counter goes on by itself |
//! | the clock jumps ahead by years | it is not followed (`FARTHEST`) |
//! | the file is an older copy, the machine was restored, or has started anew | every zone gets a new serial, past the clock (`MISSED`) |
//! | the file is lost or cannot be read | the same (`LEAD`) |
//!
//! A file that this machine has written since it started, and nobody has touched since, is continued: it says when and in
//! which run of the machine it was written, and the file system says when it last changed.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::dns::{DnsName, parse_name};
use crate::export::{EndpointZones, ViewId};
use crate::regular;

/// The first line of the file.
const HEAD: &str = "vpcedns serials 1";
/// The clock is followed ahead by so many seconds (eight years) and no further: a serial that has jumped cannot come back.
const FARTHEST: u32 = 1 << 28;
/// Changes that a copy of the file may have missed, where the clock cannot tell.
const MISSED: u32 = 1 << 20;
/// Changes by which serials may be ahead of the clock: from half of it on, rounds are slower than the clock.
const LEAD: u32 = 86_400;
/// Longest file: some millions of zones.
const MOST_BYTES: u64 = 1 << 30;
/// Why a file is not believed that holds something else, or less, than was written.
const ANOTHER: &str = "it is not what was written";
/// The file system's time of a file that was just written differs by so much from ours, in milliseconds.
const TOUCHED_MS: u64 = 2000;

/// A zone of a view.
pub(super) type ZoneId = (ViewId, DnsName);

/// What is kept of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ZoneSerial {
    pub(super) serial: u32,
    /// What it held then.
    pub(super) digest: u128,
}

/// The serials of all zones, and where they are kept.
#[derive(Debug)]
pub(super) struct SerialBook {
    path: PathBuf,
    counter: u32,
    zones: HashMap<ZoneId, ZoneSerial>,
    /// Every zone is to get a new serial, as secondaries may have newer ones than the file.
    in_doubt: bool,
    /// Held as long as this is the one who writes.
    _lock: File,
}

/// Whether `a` comes after `b` (RFC 1982 3.2).
pub(super) fn is_newer(a: u32, b: u32) -> bool {
    let ahead = a.wrapping_sub(b);
    ahead != 0 && ahead < 1 << 31
}

/// Why there is no book.
#[derive(Debug)]
pub(super) enum NoBook {
    /// Another process has it.
    Taken,
    Failed(io::Error),
}

impl SerialBook {
    /// Opens the file at `path`, which may not be there yet; the text says why its serials are in doubt.
    pub(super) fn open(path: &Path) -> Result<(Self, Option<String>), NoBook> {
        let lock_path = beside(path, "lock");
        let was_here = lock_path.exists();
        let lock = File::options().create(true).truncate(false).write(true).open(lock_path).map_err(NoBook::Failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(NoBook::Taken),
            Err(fs::TryLockError::Error(error)) => return Err(NoBook::Failed(error)),
        }
        let (kept, doubt) = match regular::read_text(path, MOST_BYTES) {
            Ok((text, metadata)) => match KeptSerials::read(&text) {
                Some(kept) => {
                    let doubt = kept.doubt(&metadata);
                    (Some(kept), doubt)
                }
                None => (None, Some(ANOTHER)),
            },
            Err(error) if error.kind() == io::ErrorKind::InvalidData => (None, Some(ANOTHER)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(NoBook::Failed(error)),
            Err(_) if was_here => (None, Some("it is not there any more")),
            Err(_) => {
                let (path, zones) = (path.to_owned(), HashMap::new());
                return Ok((Self { path, counter: clock(), zones, in_doubt: true, _lock: lock }, None));
            }
        };
        if doubt.is_some() {
            next_second();
        }
        // the clock and LEAD are past all that was given out, unless those serials did not follow the clock
        let made_up = clock().wrapping_add(LEAD);
        let counter = match &kept {
            Some(kept) if doubt.is_none() => kept.counter,
            Some(kept) if is_newer(kept.counter, made_up) => kept.counter.wrapping_add(MISSED),
            _ => made_up,
        };
        let zones = kept.map(|kept| kept.zones).unwrap_or_default();
        let book = Self { path: path.to_owned(), counter, zones, in_doubt: doubt.is_some(), _lock: lock };
        Ok((book, doubt.map(str::to_owned)))
    }

    /// The serials of zones that hold this now: a zone that is new, or holds something else, gets a new one. `own`: the
    /// newest serial that a zone's own SOA record says. The second value is whether anything is new.
    pub(super) fn next(
        &mut self,
        zones: HashMap<ZoneId, u128>,
        own: Option<u32>,
    ) -> (HashMap<ZoneId, ZoneSerial>, bool) {
        let is_kept = |zone: &ZoneId, digest: u128| {
            self.zones.get(zone).copied().filter(|kept| kept.digest == digest && !self.in_doubt)
        };
        let is_same =
            zones.len() == self.zones.len() && zones.iter().all(|(zone, digest)| is_kept(zone, *digest).is_some());
        let serial = next_serial(self.counter, clock(), own);
        let of = |(zone, digest): (ZoneId, u128)| {
            let kept = is_kept(&zone, digest).unwrap_or(ZoneSerial { serial, digest });
            (zone, kept)
        };
        (zones.into_iter().map(of).collect(), !is_same)
    }

    /// Whether serials are so far ahead of the clock that they must not grow faster than it.
    pub(super) fn is_ahead(&self) -> bool {
        is_newer(self.counter, clock().wrapping_add(LEAD / 2))
    }

    /// Keeps these serials: when this returns without an error they are on disk.
    pub(super) fn keep(&mut self, zones: &HashMap<ZoneId, ZoneSerial>) -> io::Result<()> {
        let newest = zones.values().map(|zone| zone.serial);
        let counter =
            newest.fold(self.counter, |newest, serial| if is_newer(serial, newest) { serial } else { newest });
        let text = KeptSerials { boot: boot(), written_ms: clock_ms(), counter, zones: zones.clone() }.write();
        regular::replace(&self.path, &beside(&self.path, "new"), text.as_bytes())?;
        self.zones.clone_from(zones);
        self.counter = counter;
        self.in_doubt = false;
        Ok(())
    }
}

/// The serial of what is new: past the counter, and as far as the clock and a zone's own serial are.
fn next_serial(counter: u32, clock: u32, own: Option<u32>) -> u32 {
    let mut serial = counter.wrapping_add(1);
    if is_newer(clock, serial) && clock.wrapping_sub(serial) < FARTHEST {
        serial = clock;
    }
    own.filter(|own| is_newer(*own, serial)).unwrap_or(serial)
}

/// What the file says.
struct KeptSerials {
    /// The run of the machine in which it was written.
    boot: String,
    written_ms: u64,
    counter: u32,
    zones: HashMap<ZoneId, ZoneSerial>,
}

impl KeptSerials {
    /// Why what the file says may be older than what secondaries have.
    fn doubt(&self, metadata: &fs::Metadata) -> Option<&'static str> {
        if self.boot != boot() || self.boot.is_empty() {
            Some("the machine has started anew since it was written")
        } else if changed_ms(metadata).abs_diff(self.written_ms) > TOUCHED_MS {
            Some("it was put there or touched after it was written")
        } else {
            None
        }
    }

    fn write(&self) -> String {
        let mut text = format!("{HEAD}\nwritten {} {}\ncounter {}\n", self.written_ms, self.boot, self.counter);
        for ((view, apex), ZoneSerial { serial, digest }) in &self.zones {
            let vpc = view.vpc.map_or_else(|| "-".to_owned(), |vpc| vpc.to_string());
            let _ = writeln!(text, "{vpc} {} {apex} {serial} {digest:032x}", view.endpoint_zones.as_str());
        }
        let _ = writeln!(text, "end {}", self.zones.len());
        text
    }

    /// `None` where the text is another, or ends too early.
    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        (lines.next()? == HEAD).then_some(())?;
        let (written_ms, boot) = lines.next()?.strip_prefix("written ")?.split_once(' ')?;
        let (written_ms, boot) = (written_ms.parse().ok()?, boot.to_owned());
        let counter = lines.next()?.strip_prefix("counter ")?.parse().ok()?;
        let mut zones = HashMap::new();
        for line in lines {
            if let Some(count) = line.strip_prefix("end ") {
                return (count.parse() == Ok(zones.len())).then_some(Self { boot, written_ms, counter, zones });
            }
            let words: Vec<&str> = line.split(' ').collect();
            let [vpc, choice, apex, serial, digest] = words.as_slice() else { return None };
            let vpc = if *vpc == "-" { None } else { Some(vpc.parse().ok()?) };
            let (_, endpoint_zones) = EndpointZones::WORDS.into_iter().find(|(word, _)| word == choice)?;
            let apex = DnsName::from_wire(&parse_name(apex, None).ok()?)?;
            let zone = ZoneSerial { serial: serial.parse().ok()?, digest: u128::from_str_radix(digest, 16).ok()? };
            zones.insert((ViewId { vpc, endpoint_zones }, apex), zone);
        }
        None
    }
}

/// Waits for the next second: who was in doubt earlier in this one has made up serials from it.
fn next_second() {
    let into_second = clock_ms() % 1000;
    thread::sleep(Duration::from_millis(1000 - into_second));
}

/// A file beside that of the serials.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

/// This run of the machine (random(4)); empty where nobody tells.
fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// When the file was last changed or put there, in milliseconds since 1970; no program can set that time.
fn changed_ms(metadata: &fs::Metadata) -> u64 {
    let (seconds, nanoseconds) =
        (metadata.ctime().max(0).cast_unsigned(), metadata.ctime_nsec().max(0).cast_unsigned());
    seconds * 1000 + nanoseconds / 1_000_000
}

fn clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn clock() -> u32 {
    super::now() as u32
}

#[cfg(test)]
mod tests;
