//! Every code and every text of AWS's that the EC2 API answers with is in `docs/ec2-errors.md` with how it is known, and that page names
//! no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What codes begin with, and end with; a literal that does is a code, or one of `NO_CODES`.
const BEGINNINGS: [&str; 20] = [
    "Auth",
    "Cannot",
    "Cidr",
    "Conflict",
    "Default",
    "Dependency",
    "DryRunOperation",
    "Duplicate",
    "Existing",
    "Idempotent",
    "Incomplete",
    "Insufficient",
    "Invalid",
    "Last",
    "Malformed",
    "Missing",
    "NoSuch",
    "Not",
    "Throttling",
    "Unknown",
];
const ENDINGS: [&str; 15] = [
    "Already",
    "AlreadyExists",
    "Associated",
    "Error",
    "Exceeded",
    "Exception",
    "Expired",
    "Found",
    "Match",
    "NotEmpty",
    "Operation",
    "Permitted",
    "Timeout",
    "TooLarge",
    "Unavailable",
];
const NO_CODES: [&str; 9] = [
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "CidrBlock",
    "CidrIp",
    "CidrIpv4",
    "CidrIpv6",
    "Error",
    "Malformed",
    "NotFound",
];
const KNOWN_BY: [&str; 3] = ["page", "model", "common"];

#[test]
fn every_code_says_how_it_is_known() {
    let page = page();
    let listed: Vec<(&str, &str)> = rows(&page, 3).map(|row| (row[0].trim_matches('`'), row[2])).collect();
    let names: BTreeSet<&str> = listed.iter().map(|(code, _)| *code).collect();
    assert_eq!(names.len(), listed.len(), "a code is listed twice");
    let said = sources();
    let found: BTreeSet<&str> = literals(&said).into_iter().filter(|literal| is_code(literal)).collect();
    let missing: Vec<_> = found.difference(&names).collect();
    assert!(missing.is_empty(), "codes that docs/ec2-errors.md lacks: {missing:?}");
    let gone: Vec<_> = names.iter().filter(|name| !said.contains(&format!("\"{name}\""))).collect();
    assert!(gone.is_empty(), "docs/ec2-errors.md has codes that nothing answers with: {gone:?}");
    for (code, known) in listed {
        let is_told = known.starts_with("seen: ") || known.starts_with("none: ");
        assert!(KNOWN_BY.contains(&known) || is_told, "{code}: {known}");
    }
}

#[test]
fn every_text_of_aws_is_said_to_the_letter() {
    let (page, said) = (page(), sources());
    let words = literals(&said);
    let mut count = 0;
    for row in rows(&page, 2) {
        for part in row[1].split('*').filter(|part| part.len() > 8) {
            // "The vpc ID '": what an id is called is a literal of its own
            let kind = part.trim_start_matches("The ").trim_end_matches([' ', '\'']);
            assert!(said.contains(part) || words.contains(kind), "nothing says '{part}' of '{}'", row[1]);
            count += 1;
        }
    }
    assert!(count > 30, "only {count} parts of texts: the test shows little");
}

fn page() -> String {
    fs::read_to_string(root().join("docs/ec2-errors.md")).unwrap()
}

/// The cells of the rows of the table with so many columns, less its heading.
fn rows(page: &str, columns: usize) -> impl Iterator<Item = Vec<&str>> {
    let lines = page.lines().filter(|line| line.starts_with("| `"));
    lines
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>())
        .filter(move |row| row.len() == columns)
}

fn is_code(literal: &str) -> bool {
    let is_word = literal.chars().all(|c| c.is_ascii_alphanumeric() || c == '.') && literal.len() > 4;
    let is_named =
        BEGINNINGS.iter().any(|begin| literal.starts_with(begin)) || ENDINGS.iter().any(|end| literal.ends_with(end));
    is_word && literal.starts_with(|c: char| c.is_ascii_uppercase()) && is_named && !NO_CODES.contains(&literal)
}

/// What stands between quotation marks.
fn literals(sources: &str) -> BTreeSet<&str> {
    sources.lines().flat_map(|line| line.split('"').skip(1).step_by(2)).collect()
}

/// The API's sources less their tests, with strings of several lines in one.
fn sources() -> String {
    let mut all = String::new();
    let mut folders = vec![root().join("src/ec2")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_test = path.file_stem().is_some_and(|stem| stem == "tests" || stem == "testing");
            if path.is_dir() {
                folders.push(path);
            } else if !is_test {
                let text = fs::read_to_string(path).unwrap();
                all.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
            }
        }
    }
    joined(&all).replace("\\\"", "\"")
}

/// Text without the ends of lines that a string goes on after.
fn joined(text: &str) -> String {
    let mut parts = text.split("\\\n");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        all.push_str(part.trim_start());
    }
    all
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
