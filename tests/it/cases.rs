//! Inputs of real users that failed once, in `tests/cases`: zones as they had them, and questions with their answers.
//!
//! `questions.txt` is a table as in `answers.rs`; `# problems` lines at its head say what is wrong with the zones. Ids and
//! addresses are made up.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{check, lines, policy};
use vpcedns::model::Model;
use vpcedns::naming::Suffix;
use vpcedns::snapshot::Snapshot;
use vpcedns::source::Sources;

/// The directories that have questions.
fn cases() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut all: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.join("questions.txt").exists());
    all.sort();
    all
}

fn load(zones: PathBuf) -> (Option<Model>, String) {
    let loaded = Sources::of_files(vec![zones]).load(&|_, _| {});
    (loaded.model, lines(&loaded.problems))
}

/// `vpce-...-@suffix@` with the suffix that an endpoint has for which no source gives one.
fn with_suffixes(table: &str) -> String {
    let mut pieces = table.split("@suffix@");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let id = &text[text.rfind("vpce-").unwrap()..text.len() - 1];
        text += &Suffix::derive(id.parse().unwrap()).to_string();
        text += piece;
    }
    text
}

#[test]
fn what_failed_once_is_answered() {
    let cases = cases();
    assert!(!cases.is_empty());
    for case in cases {
        println!("{}", case.display());
        let table = with_suffixes(&fs::read_to_string(case.join("questions.txt")).unwrap());
        let (wanted, table): (Vec<&str>, Vec<&str>) = table.lines().partition(|line| line.starts_with('#'));
        let (model, problems) = load(case.join("zones"));
        let model = model.unwrap_or_else(|| panic!("{} does not load:\n{problems}", case.display()));
        for problem in wanted.iter().map(|line| line.trim_start_matches(['#', ' '])) {
            assert!(problems.contains(problem), "{}: no '{problem}' in\n{problems}", case.display());
        }
        assert_eq!(problems.is_empty(), wanted.is_empty(), "{problems}");
        check(&Snapshot::compile(model, policy(), 1), &table.join("\n"));
    }
}
