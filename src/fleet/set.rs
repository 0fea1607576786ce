//! A set of files, and its parts. Knows no store and no disk.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::ec2::time::UnixMillis;
use crate::problem::count;
use crate::source::MAX_FILE_BYTES;

/// What a head is written like.
const FORM: u32 = 1;
/// Files of a set.
const MOST_FILES: usize = 5_000;
/// Octets of all files of a set.
const MOST_OCTETS: u64 = MAX_FILE_BYTES;
/// Octets of a path.
const MOST_PATH: usize = 512;
/// Octets of a head, which is one value of the store (`--max-request-bytes` of etcd is 1.5 MiB).
const MOST_HEAD: usize = 1_400_000;
/// Octets of a part, likewise.
pub(super) const MOST_PART: usize = 1 << 20;
/// A part of a file that goes on has as many at least.
const LEAST_PART: usize = 256 << 10;
/// One line in so many ends a part that is large enough.
const LINES: u32 = 256;

/// What a set is: all but the content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetHead {
    form: u32,
    /// Which set this is: one that was put there later has a greater one. Empty: none was ever put there.
    pub id: String,
    /// Who put it there.
    pub by: String,
    /// When.
    pub at: UnixMillis,
    /// In the order of their paths.
    pub files: Vec<SetFile>,
}

/// A file of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetFile {
    /// Below the directory, with `/` between its words.
    pub path: String,
    /// Its content, one after the other.
    pub parts: Vec<SetPart>,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPart {
    /// The hash of its content, in hexadecimal digits.
    pub sha256: String,
    /// How long it is.
    pub octets: u64,
}

/// A set with its content.
#[derive(Clone, Debug, Default)]
pub struct FileSet {
    /// What it is.
    pub head: SetHead,
    /// The content of each of its files.
    pub texts: Vec<Vec<u8>>,
}

impl Default for SetHead {
    /// That of a set which nobody ever put there.
    fn default() -> Self {
        Self { form: FORM, id: String::new(), by: String::new(), at: UnixMillis::default(), files: Vec::new() }
    }
}

impl SetFile {
    /// How long it is.
    pub fn octets(&self) -> u64 {
        self.parts.iter().map(|part| part.octets).fold(0, u64::saturating_add)
    }
}

impl SetPart {
    pub(super) fn of(content: &[u8]) -> Self {
        Self { sha256: HEXLOWER.encode(digest(&SHA256, content).as_ref()), octets: content.len() as u64 }
    }
}

impl SetHead {
    /// Of these files, for a set that is put there now; the paths and sizes are looked at.
    pub fn new(files: Vec<SetFile>, id: String, by: String, at: UnixMillis) -> Result<Self, String> {
        let head = Self { form: FORM, id, by, at, files };
        head.check()?;
        let octets = head.encoded().len();
        if octets > MOST_HEAD {
            return Err(format!("the list of its files has {octets} octets, and {MOST_HEAD} at most are kept"));
        }
        Ok(head)
    }

    /// The head in a value. An error where it is not one, or of a set that could not have been put there.
    pub fn read(value: &[u8]) -> Result<Self, String> {
        let head: Self = serde_json::from_slice(value).map_err(|error| format!("its head cannot be read: {error}"))?;
        if head.form != FORM {
            return Err(format!("its head has form {}, which is not known here", head.form));
        }
        head.check()?;
        Ok(head)
    }

    /// The value of it.
    pub fn encoded(&self) -> Vec<u8> {
        // strings and numbers can always be said in JSON
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Octets of all files.
    pub fn octets(&self) -> u64 {
        self.files.iter().map(SetFile::octets).fold(0, u64::saturating_add)
    }

    /// The parts of all files, by their hashes.
    pub(super) fn parts(&self) -> BTreeMap<&str, &SetPart> {
        self.files.iter().flat_map(|file| &file.parts).map(|part| (part.sha256.as_str(), part)).collect()
    }

    /// The file of a path.
    pub fn file(&self, path: &str) -> Option<&SetFile> {
        self.files.iter().find(|file| file.path == path)
    }

    fn check(&self) -> Result<(), String> {
        // the next one has to be greater: what begins with another digit is of the year 2527 or later
        let is_id = self.id.len() == 20 && self.id.starts_with('0') && is_hex(&self.id);
        let is_none = self.id.is_empty() && self.files.is_empty();
        if !is_id && !is_none {
            return Err(format!("it is called {:?}, which is the name of no set", self.id));
        }
        if self.files.len() > MOST_FILES {
            return Err(format!("it has {}, and {MOST_FILES} at most are kept", count(self.files.len(), "file")));
        }
        let (octets, mib) = (self.octets(), |octets: u64| octets >> 20);
        if octets > MOST_OCTETS {
            return Err(format!("its files have {} MiB, and {} at most are kept", mib(octets), mib(MOST_OCTETS)));
        }
        for SetFile { path, parts } in &self.files {
            check_path(path).map_err(|what| format!("the path {path:?} {what}"))?;
            let is_hash = |text: &str| text.len() == 64 && is_hex(text);
            let is_part = |part: &SetPart| part.octets <= MOST_PART as u64 && is_hash(&part.sha256);
            if let Some(part) = parts.iter().find(|part| !is_part(part)) {
                return Err(format!("{path} has a part {:?} of {} octets", part.sha256, part.octets));
            }
        }
        let paths: BTreeSet<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        if paths.len() < self.files.len() {
            return Err("it has a path twice".to_owned());
        }
        Ok(())
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a path stays below the directory that it is of; the text says why not.
fn check_path(path: &str) -> Result<(), &'static str> {
    if path.len() > MOST_PATH {
        return Err("is longer than 512 octets");
    }
    if path.starts_with('/') {
        return Err("is absolute");
    }
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return Err("has a control character or a backslash");
    }
    match path.split('/').find(|word| matches!(*word, "" | "." | "..")) {
        Some("..") => Err("leads out of the directory"),
        Some(_) => Err("is not written as paths are"),
        None => Ok(()),
    }
}

impl FileSet {
    /// The files of these paths and contents, for a set that is put there now.
    pub fn new(
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
        id: String,
        by: String,
        at: UnixMillis,
    ) -> Result<Self, String> {
        let files: BTreeMap<String, Vec<u8>> = files.into_iter().collect();
        let cut_file = |(path, text): (&String, &Vec<u8>)| SetFile { path: path.clone(), parts: named_parts(text) };
        let head = SetHead::new(files.iter().map(cut_file).collect(), id, by, at)?;
        Ok(Self { head, texts: files.into_values().collect() })
    }

    /// Of a head and the contents of its files, which are compared with it.
    pub(super) fn whole(head: SetHead, texts: Vec<Vec<u8>>) -> Result<Self, String> {
        for (file, text) in head.files.iter().zip(&texts) {
            let mut rest = text.as_slice();
            for part in &file.parts {
                let length = usize::try_from(part.octets).unwrap_or(usize::MAX);
                let (content, behind) =
                    rest.split_at_checked(length).ok_or_else(|| format!("{} is cut short", file.path))?;
                if SetPart::of(content) != *part {
                    return Err(format!("{} is not what its head says", file.path));
                }
                rest = behind;
            }
            if !rest.is_empty() {
                return Err(format!("{} is longer than its head says", file.path));
            }
        }
        Ok(Self { head, texts })
    }

    /// Every part of it with its content, by its hash.
    pub(super) fn contents(&self) -> BTreeMap<&str, &[u8]> {
        let mut contents = BTreeMap::new();
        for (file, text) in self.head.files.iter().zip(&self.texts) {
            let mut rest = text.as_slice();
            for part in &file.parts {
                let length = usize::try_from(part.octets).unwrap_or(usize::MAX).min(rest.len());
                let (content, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                contents.insert(part.sha256.as_str(), content);
                rest = behind;
            }
        }
        contents
    }

    /// Its files with their contents.
    pub fn files(&self) -> impl Iterator<Item = (&SetFile, &[u8])> {
        self.head.files.iter().zip(self.texts.iter().map(Vec::as_slice))
    }
}

fn named_parts(text: &[u8]) -> Vec<SetPart> {
    cut(text).into_iter().map(SetPart::of).collect()
}

/// A text in parts. They end behind lines that are chosen by what they say, so that a line which comes or goes changes one part
/// or two, and leaves those behind it as they are.
fn cut(text: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (part, behind) = rest.split_at_checked(length_of_part(rest)).unwrap_or((rest, &[]));
        parts.push(part);
        rest = behind;
    }
    parts
}

fn length_of_part(text: &[u8]) -> usize {
    let most = text.len().min(MOST_PART);
    let (mut hash, mut length) = (FNV_OFFSET, 0);
    for octet in text.iter().take(most) {
        length += 1;
        hash = (hash ^ u32::from(*octet)).wrapping_mul(FNV_PRIME);
        if *octet == b'\n' {
            // the low bits of FNV-1a are of the low bits of each octet alone
            if length >= LEAST_PART && (hash ^ (hash >> 16)).is_multiple_of(LINES) {
                return length;
            }
            hash = FNV_OFFSET;
        }
    }
    most
}

/// FNV-1a.
const FNV_OFFSET: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01234567890123456789";

    fn set(files: &[(&str, &str)]) -> Result<FileSet, String> {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        FileSet::new(files, ID.to_owned(), "me".to_owned(), UnixMillis(7))
    }

    fn lines(numbers: std::ops::Range<u32>) -> String {
        let line =
            |number: u32| format!("{{\"VpcEndpointId\": \"vpce-{:017x}\", \"State\": \"available\"}},\n", number * 7);
        numbers.fold(String::new(), |text, number| text + &line(number))
    }

    #[test]
    fn a_set_is_what_it_was_made_of() {
        let made = set(&[("b/c.toml", "c"), ("a.toml", ""), ("b.json", &lines(0..30_000))]).unwrap();
        let read = SetHead::read(&made.head.encoded()).unwrap();
        assert_eq!(read, made.head);
        assert_eq!(
            read.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
            ["a.toml", "b.json", "b/c.toml"]
        );
        assert_eq!(read.octets(), made.texts.iter().map(|text| text.len() as u64).sum::<u64>());
        let contents = made.contents();
        let joined =
            |file: &SetFile| file.parts.iter().flat_map(|part| contents[part.sha256.as_str()]).copied().collect();
        let texts: Vec<Vec<u8>> = read.files.iter().map(joined).collect();
        assert_eq!(FileSet::whole(read, texts).unwrap().texts, made.texts);
    }

    #[test]
    fn contents_that_are_not_what_the_head_says_are_refused() {
        let made = set(&[("a.toml", "text")]).unwrap();
        for (text, said) in
            [("texT", "a.toml is not what"), ("tex", "a.toml is cut short"), ("texts", "a.toml is longer")]
        {
            let error = FileSet::whole(made.head.clone(), vec![text.as_bytes().to_vec()]).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }

    #[test]
    fn a_line_that_comes_leaves_the_parts_behind_it_as_they_are() {
        let (before, after) = (lines(0..40_000), lines(0..40_000).replacen("},\n", "},\nnew\n", 1));
        let (before, after) = (named_parts(before.as_bytes()), named_parts(after.as_bytes()));
        assert!(before.len() > 3 && before.iter().all(|part| part.octets <= MOST_PART as u64), "{}", before.len());
        let new = after.iter().filter(|part| !before.contains(part)).count();
        assert_eq!(new, 1);
        // no line ends here
        assert_eq!(
            cut(&vec![b'x'; 2 * MOST_PART + 1]).iter().map(|part| part.len()).collect::<Vec<_>>(),
            [MOST_PART, MOST_PART, 1]
        );
    }

    #[test]
    fn paths_stay_below_their_directory() {
        for path in ["a.toml", "a/b c/..d.toml", "é.json", "...toml"] {
            assert!(set(&[(path, "")]).is_ok(), "{path}");
        }
        let long = "x".repeat(MOST_PATH + 1);
        for (path, said) in [
            ("../a.toml", "leads out"),
            ("a/../../b", "leads out"),
            ("/etc/passwd", "is absolute"),
            ("", "is not written"),
            ("a//b", "is not written"),
            ("./a", "is not written"),
            ("a/", "is not written"),
            ("a\n", "has a control"),
            ("a\\b", "has a control"),
            (long.as_str(), "is longer"),
        ] {
            let error = set(&[(path, "")]).unwrap_err();
            assert!(error.contains(said), "{path}: {error}");
        }
    }

    #[test]
    fn heads_that_could_not_have_been_put_there_are_refused() {
        let part = |sha256: &str, octets: u64| SetPart { sha256: sha256.to_owned(), octets };
        let hash = SetPart::of(b"x").sha256;
        let of = |files: Vec<(&str, Vec<SetPart>)>| {
            let files = files.into_iter().map(|(path, parts)| SetFile { path: path.to_owned(), parts }).collect();
            let head = SetHead { files, id: ID.to_owned(), ..SetHead::default() };
            SetHead::read(&head.encoded()).unwrap_err()
        };
        for (files, said) in [
            (vec![("a", vec![part("../../x", 1)])], "has a part"),
            (vec![("a", vec![part(&hash.to_uppercase(), 1)])], "has a part"),
            (vec![("a", vec![part(&hash, u64::MAX), part(&hash, u64::MAX)])], "MiB"),
            (vec![("a", vec![part(&hash, MOST_PART as u64 + 1)])], "has a part"),
            (vec![("a", vec![]), ("a", vec![])], "twice"),
            (vec![("a", vec![part(&hash, MOST_PART as u64); 257])], "its files have 257 MiB"),
        ] {
            let error = of(files);
            assert!(error.contains(said), "{error}");
        }
        let many: Vec<SetFile> = (0..=MOST_FILES).map(|n| SetFile { path: n.to_string(), parts: vec![] }).collect();
        assert!(SetHead::new(many, ID.to_owned(), String::new(), UnixMillis(0)).unwrap_err().contains("5001 files"));
        for id in ["1", "zzzz", "f1234567890123456789", "0123456789012345678X"] {
            let error = SetHead::new(vec![], id.to_owned(), String::new(), UnixMillis(0)).unwrap_err();
            assert!(error.contains("the name of no set"), "{error}");
        }
        assert!(SetHead::read(b"{").unwrap_err().contains("cannot be read"));
        let newer = SetHead { form: 2, ..SetHead::default() };
        assert!(SetHead::read(&newer.encoded()).unwrap_err().contains("form 2"));
    }
}
