//! The library's own source as data: tokens, definitions, imports and paths of each file.
//!
//! Reads as much of Rust as `architecture` needs. Comments, literals and items under `cfg(test)` or `cfg(doc)` are left
//! out. What a macro makes is not seen, nor which type a method belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// One file of the library.
pub(crate) struct SourceFile {
    /// Path below `src`, as in `model/check/zones.rs`.
    pub(crate) name: String,
    /// Module path below the crate, as in `["model", "check", "zones"]`; empty for `lib.rs`.
    pub(crate) module: Vec<String>,
    /// What stands at the file's outermost level: kind (`struct`, `fn`, ...) and name.
    pub(crate) outer: BTreeSet<(String, String)>,
    /// Structs, enums, traits and outermost type aliases, at any depth.
    pub(crate) types: Vec<String>,
    /// Name in this file -> path it stands for, by `use`; all visibilities.
    pub(crate) imports: BTreeMap<String, Vec<String>>,
    /// Paths of `use ...::*`.
    pub(crate) globs: Vec<Vec<String>>,
    /// Paths of two segments or more in code.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// Single names in code, for what comes by a glob.
    pub(crate) words: BTreeSet<String>,
}

impl SourceFile {
    /// Whether the file holds tests or what only tests use.
    pub(crate) fn is_test(&self) -> bool {
        let name = &self.name;
        name.contains("/tests/") || name.ends_with("/tests.rs") || name.ends_with("testing.rs")
    }

    /// Whether the file defines `name` outside any block.
    pub(crate) fn defines(&self, name: &str) -> bool {
        self.outer.iter().any(|(_, defined)| defined == name)
    }
}

/// Every Rust file below `src`, by its path.
pub(crate) fn library() -> Vec<SourceFile> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let paths = paths(&src);
    let name = |path: &Path| path.strip_prefix(&src).unwrap().display().to_string();
    paths.iter().map(|path| read(&name(path), &fs::read_to_string(path).unwrap())).collect()
}

/// The path of every Rust file below `src`, sorted.
pub(crate) fn paths(src: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    walk(src, &mut paths);
    paths.sort();
    paths
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// A file of the name `name` below `src` with the content `text`.
pub(crate) fn read(name: &str, text: &str) -> SourceFile {
    let tokens = without_test_items(&tokens(text));
    let mut file = SourceFile {
        name: name.to_owned(),
        module: module_path(name),
        outer: BTreeSet::new(),
        types: Vec::new(),
        imports: BTreeMap::new(),
        globs: Vec::new(),
        paths: BTreeSet::new(),
        words: BTreeSet::new(),
    };
    let (mut at, mut depth) = (0, 0_usize);
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => depth += 1,
            "}" => depth = depth.checked_sub(1).unwrap_or_else(|| panic!("{name}: braces do not match")),
            "use" if tokens[at + 1] != "<" => {
                let end = at + tokens[at..].iter().position(|token| token == ";").unwrap_or(tokens.len() - at);
                use_tree(&tokens[at + 1..end], &[], &mut file);
                at = end;
            }
            kind @ ("struct" | "enum" | "trait" | "type" | "fn" | "const" | "static" | "mod") => {
                if let Some(defined) = tokens.get(at + 1).filter(|token| is_word(token)) {
                    if depth == 0 {
                        file.outer.insert((kind.to_owned(), defined.clone()));
                    }
                    if matches!(kind, "struct" | "enum" | "trait") || (kind == "type" && depth == 0) {
                        file.types.push(defined.clone());
                    }
                }
            }
            word if is_word(word) && !follows_path(&tokens, at) => {
                let path = path_at(&tokens, at);
                if path.len() > 1 {
                    at += 2 * (path.len() - 1);
                    file.paths.insert(path);
                } else {
                    file.words.insert(word.to_owned());
                }
            }
            _ => {}
        }
        at += 1;
    }
    file
}

fn module_path(name: &str) -> Vec<String> {
    let path = name.strip_suffix(".rs").unwrap();
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// Whether the token at `at` belongs to a path or a value that began before it.
fn follows_path(tokens: &[String], at: usize) -> bool {
    at > 0 && (tokens[at - 1] == "::" || tokens[at - 1] == ".")
}

/// The words joined by `::` from `at` on.
fn path_at(tokens: &[String], at: usize) -> Vec<String> {
    let mut path = vec![tokens[at].clone()];
    let mut next = at + 1;
    while tokens.get(next).is_some_and(|token| token == "::") && tokens.get(next + 1).is_some_and(|t| is_word(t)) {
        path.push(tokens[next + 1].clone());
        next += 2;
    }
    path
}

/// Notes what a tree of `use` brings in; `before` is the path in front of it.
fn use_tree(tokens: &[String], before: &[String], file: &mut SourceFile) {
    let mut path = before.to_vec();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "::" => {}
            "*" => return file.globs.push(path),
            "{" => {
                for branch in branches(&tokens[at + 1..]) {
                    use_tree(branch, &path, file);
                }
                return;
            }
            "as" => {
                let alias = tokens[at + 1].clone();
                // `as _` brings a trait's methods in: no name, but a use
                let alias = if alias == "_" { format!("_ {}", path.join("::")) } else { alias };
                file.imports.insert(alias, path);
                return;
            }
            "self" if !path.is_empty() => {}
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    if let Some(name) = path.last() {
        file.imports.insert(name.clone(), path);
    }
}

/// The parts between commas of a `{...}` group, whose opening brace stands before `tokens`.
fn branches(tokens: &[String]) -> Vec<&[String]> {
    let (mut out, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth > 0 => depth -= 1,
            "}" | "," if depth == 0 => {
                if at > begin {
                    out.push(&tokens[begin..at]);
                }
                begin = at + 1;
                if token == "}" {
                    break;
                }
            }
            _ => {}
        }
    }
    out
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::`, and other characters one by one; comments and literals are left out.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let (c, next) = (chars[at], chars.get(at + 1).copied().unwrap_or(' '));
        if c == '/' && next == '/' {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if c == '/' && next == '*' {
            at = block_comment(&chars, at);
        } else if let Some(end) = literal(&chars, at) {
            at = end;
        } else if c.is_alphanumeric() || c == '_' {
            let word: String = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
            at += word.chars().count();
            out.push(word);
        } else if c == ':' && next == ':' {
            out.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                out.push(c.to_string());
            }
            at += 1;
        }
    }
    out
}

/// Where the block comment at `at` ends; they nest.
fn block_comment(chars: &[char], at: usize) -> usize {
    let (mut depth, mut at) = (0_usize, at);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    break;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// Where the string or character literal at `at` ends, if one begins there.
fn literal(chars: &[char], at: usize) -> Option<usize> {
    let inside_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    let mut open = at;
    while !inside_word && matches!(chars[open], 'b' | 'c' | 'r') && open < at + 2 && open + 1 < chars.len() {
        open += 1;
    }
    let raw = chars[at..open].contains(&'r');
    let hashes = if raw { chars[open..].iter().take_while(|c| **c == '#').count() } else { 0 };
    match chars.get(open + hashes)? {
        '"' if raw => {
            let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            let begin = open + hashes + 1;
            Some(begin + chars[begin..].windows(close.len()).position(|window| window == close)? + close.len())
        }
        '"' => Some(closing(chars, open + 1, '"')),
        '\'' if !raw => {
            let is_char = chars.get(open + 1) == Some(&'\\') || chars.get(open + 2) == Some(&'\'');
            is_char.then(|| closing(chars, open + 1, '\''))
        }
        _ => None,
    }
}

/// One past the unescaped `quote` from `at` on.
fn closing(chars: &[char], mut at: usize, quote: char) -> usize {
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The tokens less every item under `#[cfg(test)]` or `#[cfg(doc)]`.
fn without_test_items(tokens: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let attribute: String = tokens[at..].iter().take(7).map(String::as_str).collect();
        if attribute == "#[cfg(test)]" || attribute == "#[cfg(doc)]" {
            at = item_end(tokens, at + 7);
        } else {
            out.push(tokens[at].clone());
            at += 1;
        }
    }
    out
}

/// Where the item at `at` ends: after its block, its semicolon, or, for a field, its comma.
fn item_end(tokens: &[String], mut at: usize) -> usize {
    let mut depth = 0_usize;
    let mut is_use = false;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "use" if depth == 0 => is_use = true,
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                let after = tokens.get(at + 1).map(String::as_str);
                if depth == 0 && tokens[at] == "}" && !is_use && after != Some(";") {
                    return at + 1;
                }
            }
            ";" | "," if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// The readers of this file can read.
#[test]
fn source_is_read() {
    let file = read(
        "model/mod.rs",
        r##"
        //! struct InAComment;
        pub use apply::{Applied, deep::{self, Key as K}, other::*};
        use super::thing as _;
        struct Local<'a> { text: &'a str } // enum Not
        const QUOTES: &[u8] = b"struct \" Text"; const RAW: &str = r#"enum "Raw"#; const C: char = '"';
        fn outer() -> impl Copy + use<> { struct Inner; let x = crate::naming::resolve(&y, '\''); x.method(); child::call::<u8>(); }
        #[cfg(test)]
        use crate::test::{Only};
        #[cfg(test)]
        mod tests { struct Hidden; }
        trait Last {}
        "##,
    );
    assert_eq!(file.types, ["Local", "Inner", "Last"]);
    let imports: Vec<String> = file.imports.iter().map(|(name, path)| format!("{name}={}", path.join("::"))).collect();
    assert_eq!(
        imports,
        ["Applied=apply::Applied", "K=apply::deep::Key", "_ super::thing=super::thing", "deep=apply::deep"]
    );
    assert_eq!(file.globs, [["apply", "other"]]);
    let paths: Vec<String> = file.paths.iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["child::call", "crate::naming::resolve"]);
    assert!(file.defines("outer") && !file.defines("Inner") && !file.defines("Hidden"));
    assert_eq!(file.module, ["model"]);
}
