//! Every seed of the fuzz targets and every file of the corpora, through what the fuzz targets call.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::entry;

/// All files below a directory of the repository, sorted.
pub(crate) fn files(dir: &str) -> Vec<(PathBuf, Vec<u8>)> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, out) } else { out.push(path) }
        }
    }
    let mut paths = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "nothing below {dir}");
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// The octets as they are, as the question of a query, and as what follows one.
pub(crate) fn as_packets(octets: &[u8]) -> [Vec<u8>; 3] {
    let heads: [&[u8]; 3] = [
        b"",
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00",
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00\x00\x01\x00\x01",
    ];
    heads.map(|head| [head, octets].concat())
}

/// Packets that other name servers were tried with. BIND's are for its reader of names: a name behind two numbers.
#[test]
fn corpora() {
    for (path, octets) in files("tests/corpora") {
        println!("{}", path.display());
        entry::relay(&octets);
        for packet in as_packets(&octets) {
            entry::packet(&packet);
        }
        entry::toml(&octets);
        entry::json(&octets);
        entry::authorize(&octets);
        entry::form(&octets);
        entry::call(&octets);
    }
}

#[test]
fn seeds() {
    for (name, target) in entry::TARGETS {
        for (path, octets) in files(&format!("fuzz/corpus/{name}")) {
            println!("{}", path.display());
            target(&octets);
        }
    }
}

/// `fuzz/run` names its targets by these directories.
#[test]
fn each_target_has_a_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut dirs: Vec<String> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    dirs.sort();
    assert_eq!(dirs, entry::TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}
