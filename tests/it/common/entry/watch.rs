//! What the system tells of files, in any order: a file counts as half written from its first write to its end.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vpcedns::source::{FileStamp, LEFT_OPEN, Ledger, Readable};

/// Two looks are so far apart.
const APART: Duration = Duration::from_millis(250);
/// Two octets are one happening: what, and to which of the files. More of them show nothing new.
const MOST: usize = 512;

/// How a file is by what was told of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Unknown,
    /// Until its writer closes it.
    Open,
    /// Until two looks agree.
    Doubted,
    Complete,
}

/// Any happenings leave each file either half written or not, as the last of them says; no look ends a write that is
/// still to be closed, and two that agree end every doubt.
pub fn watch(data: &[u8]) {
    let paths: Vec<PathBuf> = (0..4).map(|number| PathBuf::from(format!("/zones/{number}.toml"))).collect();
    let mut expected: HashMap<&Path, Expected> = HashMap::new();
    let (mut ledger, mut now) = (Ledger::default(), Instant::now());
    // no file is there, so that every look is the same
    let look = |_: &Path| -> Option<FileStamp> { None };
    for happening in data.chunks_exact(2).take(MOST) {
        let path = paths[usize::from(happening[1] % 4)].as_path();
        match happening[0] % 7 {
            0 => {
                ledger.written(path.to_owned(), now);
                expected.insert(path, Expected::Open);
            }
            1 => {
                ledger.completed(path.to_owned());
                expected.insert(path, Expected::Complete);
            }
            2 => {
                ledger.gone(path);
                expected.insert(path, Expected::Unknown);
            }
            3 => {
                ledger.doubt(path.to_owned(), None, now, APART);
                // one that is open stays so
                if expected.get(path) != Some(&Expected::Open) {
                    expected.insert(path, Expected::Doubted);
                }
            }
            4 => {
                ledger.doubt_all(now, APART, &look);
                expected.values_mut().filter(|is| **is == Expected::Open).for_each(|is| *is = Expected::Doubted);
            }
            5 => {
                now += APART;
                let doubted = expected.values().any(|is| *is == Expected::Doubted);
                assert_eq!(ledger.judge(now, &look), doubted);
                expected.values_mut().filter(|is| **is == Expected::Doubted).for_each(|is| *is = Expected::Complete);
            }
            _ => {
                now += LEFT_OPEN;
                let half = paths.iter().filter(|path| ledger.half_written(path, now) != Readable::Whole).count();
                assert_eq!(ledger.left_open(now).count(), half, "each of them is named after that time");
            }
        }
        for path in &paths {
            let is = expected.get(path.as_path()).copied().unwrap_or(Expected::Unknown);
            let half = matches!(is, Expected::Open | Expected::Doubted);
            assert_eq!(ledger.half_written(path, now) != Readable::Whole, half);
            assert_eq!(ledger.is_complete(path), is == Expected::Complete);
        }
        let doubted = expected.values().any(|is| *is == Expected::Doubted);
        assert!(!doubted || ledger.next_due(now).is_some_and(|due| due <= now + APART), "a doubt has its time");
    }
    ledger.forget_complete(&|_| true);
    assert!(paths.iter().all(|path| !ledger.is_complete(path)));
}
