//! Where outputs are kept: `DIR/<account>-<region>/ec2.json`.
//!
//! One region is one file, so that a rename publishes all of it or nothing; its directory tells the account, as the
//! reader of the AWS CLI's outputs wants it. A file that would not change is not written.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::fetch::Fetched;

/// The file of a region.
pub const FILE: &str = "ec2.json";

/// What became of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// What became of it.
    pub outcome: WriteOutcome,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It is new, or another one.
    Written,
    /// It was as it is already.
    Unchanged,
    /// It is as it was: so much less than before may be a mistake. The text says what.
    Held(String),
}

/// Writes a region below `dir`. A kind that was not read stays as the last file has it. With `guard`, a file is held where
/// a kind has shrunk by more than half.
pub fn write(dir: &Path, fetched: &Fetched, guard: bool) -> io::Result<Written> {
    let home = dir.join(format!("{}-{}", fetched.account, fetched.region));
    let path = home.join(FILE);
    let before = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let outputs: Vec<Value> = before.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let text = text(fetched, &outputs);
    if before.as_deref() == Some(&text) {
        return Ok(Written { path, outcome: WriteOutcome::Unchanged });
    }
    if let Some(what) = shrunk(&outputs, fetched).filter(|_| guard) {
        return Ok(Written { path, outcome: WriteOutcome::Held(what) });
    }
    DirBuilder::new().recursive(true).mode(0o700).create(&home)?;
    // hidden, and without .json: no reader takes it for an output
    let temporary = home.join(format!(".{FILE}.{}", std::process::id()));
    let outcome = replace(&temporary, &path, &text);
    if outcome.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    outcome.and_then(|()| File::open(&home)?.sync_all())?;
    Ok(Written { path, outcome: WriteOutcome::Written })
}

fn replace(temporary: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

/// Copies the outputs of every region below `from` to `to`; one that is not there is as good as an empty one.
pub fn copy_outputs(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let source = entry.path().join(FILE);
        if source.is_file() {
            let home = to.join(entry.file_name());
            fs::create_dir_all(&home)?;
            fs::copy(source, home.join(FILE))?;
        }
    }
    Ok(())
}

/// Outputs of the CLI in one array, an object a line: a problem with an object has a line of its own.
fn text(fetched: &Fetched, before: &[Value]) -> String {
    let mut outputs = Vec::new();
    for (key, objects) in &fetched.lists {
        outputs.push(list(key, objects));
    }
    for (key, _) in &fetched.left_out {
        outputs.extend(kept(before, key).map(|objects| list(key, objects)));
    }
    outputs.extend(fetched.attributes.iter().map(Value::to_string));
    format!("[\n{}\n]\n", outputs.join(",\n"))
}

/// The list `key` of the outputs of a file.
fn kept<'a>(before: &'a [Value], key: &str) -> Option<&'a [Value]> {
    before.iter().find_map(|output| output.get(key)?.as_array()).map(Vec::as_slice)
}

/// The first kind of which more than half has gone.
fn shrunk(before: &[Value], fetched: &Fetched) -> Option<String> {
    fetched.lists.iter().find_map(|(key, objects)| {
        let (old, new) = (kept(before, key)?.len(), objects.len());
        (new < old - old / 2).then(|| format!("{new} {key} are left of {old}"))
    })
}

fn list(key: &str, objects: &[Value]) -> String {
    let mut text = format!("{{\"{key}\": [");
    for (at, object) in objects.iter().enumerate() {
        let _ = write!(text, "{}\n  {object}", if at == 0 { "" } else { "," });
    }
    text.push_str("\n]}");
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    fn fetched() -> Fetched {
        Fetched {
            account: "111122223333".to_owned(),
            region: "eu-west-1".parse().unwrap(),
            lists: vec![
                ("Vpcs", vec![json!({"VpcId": "vpc-1"})]),
                ("Reservations", vec![json!({"ReservationId": "r-1"})]),
            ],
            attributes: vec![json!({"VpcId": "vpc-1", "EnableDnsSupport": {"Value": true}})],
            left_out: vec![],
        }
    }

    #[test]
    fn a_region_is_written_once_and_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let first = write(dir.path(), &fetched(), true).unwrap();
        assert_eq!(
            first,
            Written { path: dir.path().join("111122223333-eu-west-1/ec2.json"), outcome: WriteOutcome::Written }
        );
        assert_eq!(fs::metadata(&first.path).unwrap().permissions().mode() & 0o777, 0o600);
        let outputs: Value = serde_json::from_str(&fs::read_to_string(&first.path).unwrap()).unwrap();
        assert_eq!(outputs[0], json!({"Vpcs": [{"VpcId": "vpc-1"}]}));
        assert_eq!(outputs[2], json!({"VpcId": "vpc-1", "EnableDnsSupport": {"Value": true}}));
        let stamp = || fs::metadata(&first.path).unwrap().modified().unwrap();
        let before = stamp();
        assert_eq!(write(dir.path(), &fetched(), true).unwrap().outcome, WriteOutcome::Unchanged);
        assert_eq!(stamp(), before);
        // nothing is left beside it
        assert_eq!(fs::read_dir(first.path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_kind_that_is_denied_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &fetched(), true).unwrap();
        let mut denied = fetched();
        denied.lists.pop();
        denied.left_out = vec![("Reservations", "denied".to_owned())];
        write(dir.path(), &denied, true).unwrap();
        let text = fs::read_to_string(dir.path().join("111122223333-eu-west-1/ec2.json")).unwrap();
        assert!(text.contains("\"r-1\""), "{text}");
    }

    #[test]
    fn what_shrinks_by_more_than_half_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let vpcs = |count: usize| {
            let vpcs = (0..count).map(|at| json!({"VpcId": format!("vpc-{at}")})).collect();
            Fetched { lists: vec![("Vpcs", vpcs)], ..fetched() }
        };
        let outcome = |count, guard| write(dir.path(), &vpcs(count), guard).unwrap().outcome;
        let held = |text: &str| WriteOutcome::Held(text.to_owned());
        for (count, guard, expected) in [
            (5, true, WriteOutcome::Written),
            (3, true, WriteOutcome::Written),
            (1, true, held("1 Vpcs are left of 3")),
            (2, true, WriteOutcome::Written),
            (1, true, WriteOutcome::Written),
            (0, true, held("0 Vpcs are left of 1")),
            (0, true, held("0 Vpcs are left of 1")),
            (0, false, WriteOutcome::Written),
            (0, true, WriteOutcome::Unchanged),
            (9, true, WriteOutcome::Written),
        ] {
            assert_eq!(outcome(count, guard), expected, "{count}");
        }
    }

    #[test]
    fn outputs_are_copied_without_what_is_beside_them() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(from.path(), &fetched(), true).unwrap();
        fs::write(from.path().join("notes.txt"), "x").unwrap();
        copy_outputs(from.path(), to.path()).unwrap();
        copy_outputs(&from.path().join("absent"), to.path()).unwrap();
        assert!(to.path().join("111122223333-eu-west-1/ec2.json").is_file());
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 1);
    }
}
