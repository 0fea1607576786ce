//! The order of modules, and what some of them must never mention, read off the source itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::rust_source;

/// Longest file of the library, in lines: what is longer holds two ideas.
const MAX_LINES: usize = 600;

/// Words that code of the core must not have: it has no runtime, file, socket or format (I3), and no clock, lock or
/// randomness (I1).
///
/// Socket addresses are values, and fine.
const FORBIDDEN_IN_CORE: [&str; 28] = [
    // runtimes, files, sockets
    "tokio",
    "std::fs",
    "std::io",
    "std::os",
    "std::path",
    "std::thread",
    "std::env",
    "UdpSocket",
    "TcpListener",
    "TcpStream",
    "socket2",
    // formats, and the server that is not ours
    "toml::",
    "serde_json",
    "jsonc",
    "quick_xml",
    "hickory_server",
    // clocks
    "std::time",
    "Instant",
    "SystemTime",
    // locks, and what is shared and changes
    "Mutex",
    "RwLock",
    "Condvar",
    "ArcSwap",
    "Atomic",
    // randomness; seeded hashing is `foldhash`
    "rand::",
    "SystemRandom",
    "getrandom",
    "std::hash::RandomState",
];

/// The modules of which I3 speaks.
const CORE: [&str; 6] = ["dns", "naming", "model", "snapshot", "answer", "wire"];

/// The catalogue is a TOML file that is compiled in; one file reads it.
const READS_THE_CATALOGUE: &str = "naming/catalogue_data.rs";

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file of the library, by its path below `src`, with its text.
fn files() -> Vec<(String, String)> {
    let paths = rust_source::paths(&src());
    let name = |path: &Path| path.strip_prefix(src()).unwrap().display().to_string();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The modules in the order in which lib.rs declares them.
fn order() -> Vec<String> {
    let text = fs::read_to_string(src().join("lib.rs")).unwrap();
    let modules = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    modules.map(str::to_owned).collect()
}

/// The lines of code of a file: no comments, and nothing from the tests at its end on.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    (1..).zip(text[..end].lines()).map(|(number, line)| (number, line.split_once("//").map_or(line, |(code, _)| code)))
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs") || name.ends_with("testing.rs")
}

/// Modules named by `crate::x` and `crate::{x, y}` in a line.
fn modules_named(line: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut named = BTreeSet::new();
    for rest in line.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => drop(named.insert(word(rest))),
            Some(group) => {
                // names at the first level of the braces
                let (mut depth, mut at_start) = (0, true);
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => at_start = true,
                        c if c.is_alphanumeric() && at_start && depth == 0 => {
                            named.insert(word(&group[at..]));
                            at_start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    named
}

#[test]
fn uses_run_with_the_flow() {
    let order = order();
    assert!(order.len() > 10, "lib.rs declares its modules, one a line: {order:?}");
    let rank = |module: &str| order.iter().position(|known| known == module);
    let mut against = Vec::new();
    for (name, text) in files() {
        let module = name.split(['/', '.']).next().unwrap();
        let Some(own) = rank(module) else {
            assert!(["lib", "main"].contains(&module), "src/{name} belongs to no module of lib.rs");
            continue;
        };
        if is_test(&name) {
            continue;
        }
        for (number, line) in code(&text) {
            assert!(
                !line.ends_with("crate::{"),
                "src/{name}:{number}: one `use crate::module` a line, for this test to read"
            );
            for used in modules_named(line) {
                let Some(other) = rank(&used) else {
                    panic!("src/{name}:{number}: crate::{used} is no module of lib.rs")
                };
                if other > own {
                    against.push(format!("src/{name}:{number}: {module} uses {used}, which comes after it in lib.rs"));
                }
            }
        }
    }
    assert!(against.is_empty(), "{}", against.join("\n"));
}

#[test]
fn the_core_has_no_runtime_file_format_clock_lock_or_randomness() {
    let mut found = Vec::new();
    for (name, text) in files() {
        if !CORE.contains(&name.split(['/', '.']).next().unwrap()) || is_test(&name) {
            continue;
        }
        for (number, line) in code(&text) {
            let allowed = |word: &str| word == "toml::" && name == READS_THE_CATALOGUE;
            let words = FORBIDDEN_IN_CORE.iter().filter(|word| line.contains(**word) && !allowed(word));
            found.extend(words.map(|word| format!("src/{name}:{number}: {word}")));
        }
    }
    assert!(found.is_empty(), "the core must not know of\n{}", found.join("\n"));
}

#[test]
fn unsafe_code_is_in_three_files() {
    let is_unsafe = |text: &str| {
        code(text).any(|(_, line)| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe"))
    };
    let with: Vec<String> = files().into_iter().filter(|(_, text)| is_unsafe(text)).map(|(name, _)| name).collect();
    // descriptors by number, the one call that gives memory back after a large load, system calls of the UDP front
    assert_eq!(with, ["descriptors/environment.rs", "memory.rs", "serve/mmsg.rs"]);
}

#[test]
fn files_are_short() {
    let long = files().into_iter().map(|(name, text)| (name, text.lines().count())).filter(|(_, n)| *n > MAX_LINES);
    let long: Vec<_> = long.collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines, split them: {long:?}");
}

/// The readers of this file can read.
#[test]
fn names_are_found_in_lines() {
    let named = |line: &str| modules_named(line).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(named("use crate::model::Model;"), "model");
    assert_eq!(named("    let x = crate::naming::resolve(&name).or(crate::wire::X);"), "naming wire");
    assert_eq!(named("use crate::{answer::{Reply, Part}, wire};"), "answer wire");
    assert_eq!(named("pub(crate) use x;"), "");
}
