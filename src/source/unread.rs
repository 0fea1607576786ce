//! Files that lie among those that are read, and look as if somebody meant them to be read.
//!
//! Knows endings, and neither opens files nor knows what they hold. A README or a script is nobody's mistake.

use std::path::Path;

use crate::problem::{Place, Problem};

const JSON: &str = "save the AWS CLI's output with `--output json` in a file that ends in .json";

/// Endings of files that are not read, and what would be.
const ENDINGS: [(&[&str], &str); 5] = [
    (&["yaml", "yml"], JSON),
    (&["jsonl", "ndjson", "json5", "jsonc", "csv"], JSON),
    (&["JSON", "TOML", "Json", "Toml"], "endings are lower case: .json or .toml"),
    (
        &["tf", "tfvars", "tfstate", "hcl"],
        "objects are read from .toml files with Terraform's argument names, and from the AWS CLI's output in .json files",
    ),
    (&["gz", "zst", "zip"], "unpack it"),
];

/// A warning about a file that is not read, where its ending says that it might have been meant to.
pub(super) fn warning(path: &Path) -> Option<Problem> {
    let ending = path.extension()?.to_str()?;
    let (_, hint) = ENDINGS.iter().find(|(endings, _)| endings.contains(&ending))?;
    // x.toml.gz was meant to be read, backup.zip was not
    let inner = path.file_stem().map(Path::new).and_then(Path::extension);
    let packed = matches!(ending, "gz" | "zst" | "zip");
    if packed && !inner.is_some_and(|inner| inner == "toml" || inner == "json") {
        return None;
    }
    Some(Problem::warning(
        Place::whole(path.display().to_string()),
        format!("is not read: its name ends in .{ending}"),
        *hint,
    ))
}

/// A warning about a master file that nothing names.
pub(super) fn zone_file(path: &Path) -> Problem {
    let name = path.file_name().unwrap_or_default().display();
    Problem::warning(
        Place::whole(path.display().to_string()),
        "is not read: no [[hosted_zone]] names it",
        format!("add file = \"{name}\" to the [[hosted_zone]] whose records it has"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_look_like_objects_are_named() {
        for (name, said) in [
            ("endpoints.yaml", true),
            ("endpoints.yml", true),
            ("thumbs.db", false),
            ("endpoints.jsonl", true),
            ("VPCS.JSON", true),
            ("main.tf", true),
            ("terraform.tfstate", true),
            ("vpcs.json.gz", true),
            ("backup.zip", false),
            ("README.md", false),
            ("fetch.sh", false),
            ("z.toml~", false),
            ("Makefile", false),
            ("notes.txt", false),
        ] {
            let problem = warning(Path::new(name));
            assert_eq!(problem.is_some(), said, "{name}");
            assert!(problem.is_none_or(|problem| !problem.is_error() && !problem.hint.is_empty()), "{name}");
        }
    }
}
