//! No circle between files: whoever reads one file can read what it uses first.
//!
//! An arrow runs from a file to the file that defines what it names, through re-exports: `super::Name`, re-exported by
//! the parent from a sibling, is an arrow to that sibling. No arrow: a declaration `mod x;` alone, and what a file takes
//! from a module that holds it (`mod.rs` has the words that the files below it share).

use std::collections::{BTreeMap, BTreeSet};

use crate::common::rust_source::{self, SourceFile};

/// file -> file it uses -> one of the names by which it does.
type Arrows<'a> = BTreeMap<&'a str, BTreeMap<&'a str, String>>;

/// Files by module path.
struct Modules<'a>(BTreeMap<&'a [String], &'a SourceFile>);

/// What a path leads to.
enum Target<'a> {
    Module(&'a SourceFile),
    /// Something that this file defines.
    Item(&'a SourceFile),
    /// Another crate, a local name, or what a macro made.
    Unknown,
}

impl<'a> Modules<'a> {
    fn new(files: &'a [SourceFile]) -> Self {
        Modules(files.iter().map(|file| (file.module.as_slice(), file)).collect())
    }

    fn child(&self, of: &SourceFile, name: &str) -> Option<&'a SourceFile> {
        let path = [of.module.as_slice(), &[name.to_owned()]].concat();
        self.0.get(path.as_slice()).copied()
    }

    /// Follows `path` as the code of `from` means it.
    fn follow(&self, from: &'a SourceFile, path: &[String], seen: &mut BTreeSet<(String, String)>) -> Target<'a> {
        match path[0].as_str() {
            "crate" => self.within(self.0[[].as_slice()], &path[1..], seen),
            "self" => self.within(from, &path[1..], seen),
            "super" => {
                let up = path.iter().take_while(|segment| *segment == "super").count();
                match from.module.len().checked_sub(up).and_then(|length| self.0.get(&from.module[..length])) {
                    Some(parent) => self.within(parent, &path[up..], seen),
                    None => Target::Unknown,
                }
            }
            _ => self.within(from, path, seen),
        }
    }

    /// Follows `path` below the module of `at`.
    fn within(&self, at: &'a SourceFile, path: &[String], seen: &mut BTreeSet<(String, String)>) -> Target<'a> {
        let Some((name, rest)) = path.split_first() else { return Target::Module(at) };
        if !seen.insert((at.name.clone(), path.join("::"))) {
            return Target::Unknown;
        }
        let child = self.child(at, name);
        if at.defines(name) && (child.is_none() || at.outer.iter().any(|(kind, n)| n == name && kind != "mod")) {
            return Target::Item(at);
        }
        if let Some(import) = at.imports.get(name).filter(|_| child.is_none() || rest.is_empty()) {
            let full = [import.as_slice(), rest].concat();
            match self.follow(at, &full, seen) {
                Target::Unknown => {}
                found => return found,
            }
        }
        if let Some(child) = child {
            return match self.within(child, rest, seen) {
                // what a macro made there, or an item of an enum
                Target::Unknown => Target::Item(child),
                found => found,
            };
        }
        for glob in &at.globs {
            if let Target::Module(module) = self.follow(at, glob, seen)
                && module.name != at.name
                && let found @ (Target::Module(_) | Target::Item(_)) = self.within(module, path, seen)
            {
                return found;
            }
        }
        Target::Unknown
    }
}

fn arrows(files: &[SourceFile]) -> Arrows<'_> {
    let modules = Modules::new(files);
    let mut out = Arrows::new();
    for file in files.iter().filter(|file| !file.is_test() && !["lib.rs", "main.rs"].contains(&file.name.as_str())) {
        let used = out.entry(&file.name).or_default();
        let single = file.words.iter().filter(|_| !file.globs.is_empty()).map(|word| vec![word.clone()]);
        for path in file.imports.values().chain(&file.paths).cloned().chain(single) {
            if let Target::Item(to) = modules.follow(file, &path, &mut BTreeSet::new())
                && !file.module.starts_with(&to.module)
                && !to.is_test()
            {
                used.entry(&to.name).or_insert_with(|| path.join("::"));
            }
        }
    }
    out
}

/// Sets of files of which each leads to each, in order.
fn circles<'a>(arrows: &Arrows<'a>) -> Vec<Vec<&'a str>> {
    let reach = |from: &'a str| {
        let (mut reached, mut todo) = (BTreeSet::new(), vec![from]);
        while let Some(file) = todo.pop() {
            let next = arrows.get(file).into_iter().flat_map(BTreeMap::keys);
            todo.extend(next.filter(|next| reached.insert(**next)));
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = arrows.keys().map(|file| (*file, reach(file))).collect();
    let mutual = |file: &'a str| -> Vec<&'a str> {
        reached[file]
            .iter()
            .copied()
            .filter(|other| reached.get(other).is_some_and(|back| back.contains(file)))
            .collect()
    };
    let found: BTreeSet<Vec<&str>> = arrows.keys().map(|file| mutual(file)).filter(|circle| circle.len() > 1).collect();
    found.into_iter().collect()
}

#[test]
fn files_make_no_circles() {
    let files = rust_source::library();
    let arrows = arrows(&files);
    let found = circles(&arrows);
    let mut wrong = Vec::new();
    for circle in &found {
        wrong.push(format!("{circle:?}"));
        for from in circle {
            let within = arrows[from].iter().filter(|(to, _)| circle.contains(to));
            wrong.extend(within.map(|(to, name)| format!("    {from} -> {to}, by {name}")));
        }
    }
    assert!(wrong.is_empty(), "circles between files:\n{}", wrong.join("\n"));
}

/// Arrows run through re-exports, globs, aliases and paths in code, and not along `mod` or test code.
#[test]
fn arrows_are_found() {
    let files = |texts: &[(&str, &str)]| -> Vec<SourceFile> {
        texts.iter().map(|(name, text)| rust_source::read(name, text)).collect()
    };
    let check = |texts: &[(&str, &str)], expected: &str| {
        let files = files(texts);
        let arrows = arrows(&files);
        let all = arrows.iter().flat_map(|(from, to)| to.keys().map(move |to| format!("{from}>{to}")));
        assert_eq!(all.collect::<Vec<_>>().join(" "), expected);
    };
    let lib = ("lib.rs", "pub mod a; pub mod b;");
    let room = ("a/mod.rs", "mod x; mod y; pub use x::{X, make}; pub use y::*;");
    check(
        &[lib, room, ("a/x.rs", "pub struct X; pub fn make() {}"), ("a/y.rs", "use super::X; pub struct Y(X);")],
        "a/mod.rs>a/x.rs a/y.rs>a/x.rs",
    );
    check(
        &[lib, room, ("a/x.rs", "use super::Y; pub struct X;"), ("a/y.rs", "use super::X; pub struct Y;")],
        "a/mod.rs>a/x.rs a/x.rs>a/y.rs a/y.rs>a/x.rs",
    );
    check(
        &[lib, room, ("a/x.rs", "pub struct X;"), ("a/y.rs", ""), ("b.rs", "use crate::a; fn f() { a::X::new(); }")],
        "a/mod.rs>a/x.rs b.rs>a/x.rs",
    );
    check(
        &[
            lib,
            ("a.rs", "pub(crate) use crate::b::B as Other;"),
            ("b.rs", "use crate::a::*; pub struct B; fn f(x: Other) {}"),
        ],
        "a.rs>b.rs",
    );
    check(&[lib, ("a/mod.rs", "mod x; pub struct A;"), ("a/x.rs", "use super::A;")], "");
    check(
        &[
            lib,
            ("a.rs", "fn f() { crate::b::g() }"),
            ("b.rs", "pub fn g() {} #[cfg(test)] mod tests { use crate::a::f; }"),
        ],
        "a.rs>b.rs",
    );
}
