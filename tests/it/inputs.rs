//! Inputs of the kinds that real users have, in `tests/inputs/*.txt`: what they load as, what is said of them, what is answered.
//!
//! Each case is a heading, files, `warns` or `fails` with what is said (a part of each message, and as many lines as there are
//! messages), and `asks` with questions as in `answers.rs`. `@network` in place of a file is the network of `route53.rs`.

use std::fs;
use std::panic;
use std::path::Path;

use crate::common::{check, lines, policy};
use crate::route53::NETWORK;
use vpcedns::snapshot::Snapshot;
use vpcedns::source::Sources;

/// One case: where it stands, its files, what is said, and the questions.
#[derive(Default)]
struct Case {
    name: String,
    files: Vec<(String, String)>,
    says: Vec<String>,
    fails: bool,
    asks: String,
}

fn cases(path: &Path) -> Vec<Case> {
    let text = fs::read_to_string(path).unwrap();
    let mut cases: Vec<Case> = vec![];
    let mut section = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            cases.push(Case { name: format!("{}: {name}", path.display()), ..Case::default() });
            section.clear();
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if line == "@network" {
            case.files.push(("a-network.json".to_owned(), NETWORK.to_owned()));
        } else if let Some(name) = line.strip_prefix("--- ") {
            name.clone_into(&mut section);
            case.fails |= name == "fails";
            if !matches!(name, "warns" | "fails" | "asks") {
                case.files.push((name.to_owned(), String::new()));
            }
        } else if !section.is_empty() {
            match section.as_str() {
                "warns" | "fails" => case.says.extend((!line.is_empty()).then(|| line.to_owned())),
                "asks" => case.asks.extend([line, "\n"]),
                _ => case.files.last_mut().unwrap().1.extend([line, "\n"]),
            }
        }
    }
    cases
}

fn hold(case: &Case) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in &case.files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let loaded = Sources::of_files(vec![dir.path().to_owned()]).load(&|_, _| {});
    let problems = lines(&loaded.problems).replace(&format!("{}/", dir.path().display()), "");
    for said in &case.says {
        assert!(problems.contains(said), "{}: no '{said}' in\n{problems}", case.name);
    }
    assert_eq!(loaded.problems.len(), case.says.len(), "{}: what is said is\n{problems}", case.name);
    assert_eq!(loaded.model.is_none(), case.fails, "{}:\n{problems}", case.name);
    if let Some(model) = loaded.model {
        check(&Snapshot::compile(model, policy(), 1), &case.asks);
    }
}

/// So many are there at least.
const CASES: usize = 64;

#[test]
fn inputs_of_real_users() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let cases: Vec<Case> = files.iter().flat_map(|path| cases(path)).collect();
    // each is tried, so that one run shows all that is wrong
    let wrong = cases.iter().filter(|case| {
        println!("{}", case.name);
        panic::catch_unwind(|| hold(case)).is_err()
    });
    let wrong: Vec<&str> = wrong.map(|case| case.name.as_str()).collect();
    assert!(wrong.is_empty(), "{} inputs: {wrong:#?}", wrong.len());
    assert!(cases.len() >= CASES, "{} inputs", cases.len());
}

/// What is said of a file holds for as long as that is so, whatever else is loaded.
#[test]
fn what_is_said_of_a_file_is_said_until_it_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("a.json", r#"{"Dreams": []}"#);
    write("b.toml", "[[vpc]]\nvpc_id = \"vpc-00000001\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.0.0.0/16\"]\n");
    let mut sources = Sources::of_files(vec![dir.path().to_owned()]);
    let mut said = || {
        let problems = sources.load(&|_, _| {}).problems;
        assert_eq!(sources.reports()[0].problems, problems);
        problems.iter().map(|problem| problem.what.clone()).collect::<Vec<_>>()
    };
    let unknown = ["is not a known output of the AWS CLI: it is left out"];
    assert_eq!(said(), unknown);
    assert_eq!(said(), unknown, "nothing was read");
    write("c.toml", "[[vpc]]\nvpc_id = \"vpc-00000002\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.1.0.0/16\"]\n");
    assert_eq!(said(), unknown, "something else was read");
    write("a.json", r#"{"Vpcs": []}"#);
    assert_eq!(said(), [""; 0]);
}
