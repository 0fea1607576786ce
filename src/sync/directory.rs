//! Where outputs are kept: `DIR/<account>-<region>/ec2.json`.
//!
//! One region is one file, so that a rename publishes all of it or nothing; its directory tells the account, as the
//! reader of the AWS CLI's outputs wants it. A file that would not change is not written.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::caution::Caution;
use super::fetch::Fetched;
use super::seen_zones::{SUMMARIES, retained};
use super::zone::ZoneOutputs;
use crate::regular;

/// The file of a region.
pub const FILE: &str = "ec2.json";

/// What became of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// What became of it.
    pub outcome: WriteOutcome,
    /// Objects that are in it although this round did not find them: the next one decides.
    pub unconfirmed: usize,
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

/// Writes a region below `dir`. A kind that was not read stays as the last file has it, and so does what `caution` doubts.
pub fn write(dir: &Path, mut fetched: Fetched, caution: &mut Caution) -> io::Result<Written> {
    let home = dir.join(home_name(&fetched));
    let path = home.join(FILE);
    let before = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let unchanged = |text: &str| before.as_deref() == Some(text);
    // most rounds end here, and need not know what is in the file
    if fetched.left_out.is_empty() && unchanged(&text(&fetched, &[])) {
        caution.is_settled();
        return Ok(Written { path, outcome: WriteOutcome::Unchanged, unconfirmed: 0 });
    }
    let outputs: Vec<Value> = before.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let unconfirmed = caution.put_back(&mut fetched, &outputs);
    let text = text(&fetched, &outputs);
    if unchanged(&text) {
        return Ok(Written { path, outcome: WriteOutcome::Unchanged, unconfirmed });
    }
    if let Some(what) = shrunk(&outputs, &fetched).filter(|_| caution.holds(&text)) {
        return Ok(Written { path, outcome: WriteOutcome::Held(what), unconfirmed });
    }
    DirBuilder::new().recursive(true).mode(0o700).create(&home)?;
    // hidden, and without .json: no reader takes it for an output
    let temporary = home.join(format!(".{FILE}.{}", std::process::id()));
    regular::replace(&path, &temporary, text.as_bytes())?;
    if unconfirmed == 0 {
        caution.is_settled();
    }
    Ok(Written { path, outcome: WriteOutcome::Written, unconfirmed })
}

/// The directory of an account in a region.
fn home_name(fetched: &Fetched) -> String {
    format!("{}-{}", fetched.account, fetched.region)
}

/// All outputs that are kept below `dir`; none where they cannot be read.
pub(super) fn outputs(dir: &Path) -> Vec<Value> {
    let homes = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let texts = homes.filter_map(|home| fs::read_to_string(home.path().join(FILE)).ok());
    texts.filter_map(|text| serde_json::from_str::<Vec<Value>>(&text).ok()).flatten().collect()
}

/// Outputs below `dir` of another account or region than those of `fetched`.
pub(super) fn of_another(dir: &Path, fetched: &Fetched) -> io::Result<Option<PathBuf>> {
    let own = home_name(fetched);
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name() != *own && entry.path().join(FILE).is_file() {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
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
    let mut zones: Vec<&ZoneOutputs> = fetched.zones.iter().map(|zone| &**zone).collect();
    let earlier = if fetched.keeps_zones { ZoneOutputs::among(before) } else { Vec::new() };
    zones.extend(earlier.iter().filter(|zone| fetched.zones.iter().all(|read| read.id != zone.id)));
    zones.sort_by(|a, b| a.id.cmp(&b.id));
    for zone in &zones {
        outputs.extend([zone.hosted.to_string(), records(zone)]);
    }
    // of zones that were read earlier the records are there, too
    let is_unread = |_: &Value, id: &str| zones.iter().all(|zone| zone.id != id);
    let seen = fetched.seen_zones.iter().chain(seen_earlier(fetched, before));
    outputs.extend(seen.filter_map(|list| retained(list, is_unread)).map(|list| list.to_string()));
    format!("[\n{}\n]\n", outputs.join(",\n"))
}

/// What VPCs saw when the file was written and are not known to see no more.
fn seen_earlier<'a>(fetched: &'a Fetched, before: &'a [Value]) -> impl Iterator<Item = &'a Value> {
    let is_read = |vpc: &Value| fetched.seen_zones.iter().any(|list| list["VPCId"] == *vpc);
    let is_there = |vpc: &Value| vpc.as_str().is_some_and(|vpc| fetched.has("Vpcs", "VpcId", vpc));
    before.iter().filter(move |output| {
        let vpc = &output["VPCId"];
        fetched.keeps_zones && output.get(SUMMARIES).is_some() && !is_read(vpc) && is_there(vpc)
    })
}

/// The list `key` of the outputs of a file.
fn kept<'a>(before: &'a [Value], key: &str) -> Option<&'a [Value]> {
    before.iter().find_map(|output| output.get(key)?.as_array()).map(Vec::as_slice)
}

/// The first kind of which more than half has gone.
fn shrunk(before: &[Value], fetched: &Fetched) -> Option<String> {
    let lists = fetched.lists.iter().filter_map(|(key, objects)| Some((*key, kept(before, key)?.len(), objects.len())));
    let sets = |zones: &mut dyn Iterator<Item = &ZoneOutputs>| zones.map(ZoneOutputs::record_sets).sum::<usize>();
    let (old, new) = (ZoneOutputs::among(before), || fetched.zones.iter().map(|zone| &**zone));
    let of_zones = [
        ("HostedZones", old.len(), fetched.zones.len()),
        ("ResourceRecordSets", sets(&mut old.iter()), sets(&mut new())),
    ];
    let of_zones = of_zones.into_iter().filter(|_| !fetched.keeps_zones);
    lists
        .chain(of_zones)
        .find_map(|(key, old, new)| (new < old - old / 2).then(|| format!("{new} {key} are left of {old}")))
}

/// The records of a zone, and of which: the CLI's output does not tell.
fn records(zone: &ZoneOutputs) -> String {
    let key = "ResourceRecordSets";
    let sets = list(key, zone.records[key].as_array().map(Vec::as_slice).unwrap_or_default());
    format!("{{\"HostedZoneId\": {}, {}", Value::from(zone.id.as_str()), sets.trim_start_matches('{'))
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
            attributes: vec![json!({"VpcId": "vpc-1", "EnableDnsSupport": {"Value": true}})],
            ..Fetched::of_lists(vec![
                ("Vpcs", vec![json!({"VpcId": "vpc-1"})]),
                ("Reservations", vec![json!({"ReservationId": "r-1"})]),
            ])
        }
    }

    /// One round of `vpcedns sync`.
    fn once(dir: &Path, fetched: Fetched) -> Written {
        write(dir, fetched, &mut Caution::once(false)).unwrap()
    }

    #[test]
    fn a_region_is_written_once_and_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let first = once(dir.path(), fetched());
        let path = dir.path().join("111122223333-eu-west-1/ec2.json");
        assert_eq!(first, Written { path, outcome: WriteOutcome::Written, unconfirmed: 0 });
        assert_eq!(fs::metadata(&first.path).unwrap().permissions().mode() & 0o777, 0o600);
        let outputs: Value = serde_json::from_str(&fs::read_to_string(&first.path).unwrap()).unwrap();
        assert_eq!(outputs[0], json!({"Vpcs": [{"VpcId": "vpc-1"}]}));
        assert_eq!(outputs[2], json!({"VpcId": "vpc-1", "EnableDnsSupport": {"Value": true}}));
        let stamp = || fs::metadata(&first.path).unwrap().modified().unwrap();
        let before = stamp();
        assert_eq!(once(dir.path(), fetched()).outcome, WriteOutcome::Unchanged);
        assert_eq!(stamp(), before);
        // nothing is left beside it
        assert_eq!(fs::read_dir(first.path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_kind_that_is_denied_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = once(dir.path(), fetched()).path;
        let mut denied = fetched();
        denied.lists.pop();
        denied.left_out = vec![("Reservations", "denied".to_owned())];
        once(dir.path(), denied);
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains("\"r-1\""), "{text}");
    }

    fn vpcs(count: usize) -> Fetched {
        let vpcs = (0..count).map(|at| json!({"VpcId": format!("vpc-{at}")})).collect();
        let output = |at| json!({"VpcId": format!("vpc-{at}"), "EnableDnsSupport": {"Value": true}});
        Fetched { lists: vec![("Vpcs", vpcs)], attributes: (0..count).map(output).collect(), ..fetched() }
    }

    #[test]
    fn what_shrinks_by_more_than_half_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let outcome = |count, accepts| write(dir.path(), vpcs(count), &mut Caution::once(accepts)).unwrap().outcome;
        let held = |text: &str| WriteOutcome::Held(text.to_owned());
        for (count, accepts, expected) in [
            (5, false, WriteOutcome::Written),
            (3, false, WriteOutcome::Written),
            (1, false, held("1 Vpcs are left of 3")),
            (2, false, WriteOutcome::Written),
            (1, false, WriteOutcome::Written),
            (0, false, held("0 Vpcs are left of 1")),
            (0, false, held("0 Vpcs are left of 1")),
            (0, true, WriteOutcome::Written),
            (0, false, WriteOutcome::Unchanged),
            (9, false, WriteOutcome::Written),
        ] {
            assert_eq!(outcome(count, accepts), expected, "{count}");
        }
    }

    /// Of rounds that follow one another, each with so many VPCs: outcome, objects in doubt, and VPCs in the file.
    #[test]
    fn what_goes_has_to_be_gone_twice_and_most_of_it_three_times() {
        use WriteOutcome::{Unchanged, Written};
        let dir = tempfile::tempdir().unwrap();
        let mut caution = Caution::of_rounds();
        let mut round = |count| {
            let written = write(dir.path(), vpcs(count), &mut caution).unwrap();
            let text = fs::read_to_string(&written.path).unwrap();
            let outputs: Vec<Value> = serde_json::from_str(&text).unwrap();
            assert_eq!(text.matches("EnableDnsSupport").count(), kept(&outputs, "Vpcs").unwrap().len());
            (written.outcome, written.unconfirmed, kept(&outputs, "Vpcs").unwrap().len())
        };
        let held = || WriteOutcome::Held("1 Vpcs are left of 5".to_owned());
        for (count, expected) in [
            (6, (Written, 0, 6)),
            (5, (Unchanged, 1, 6)),
            (6, (Unchanged, 0, 6)),
            (5, (Unchanged, 1, 6)),
            (5, (Written, 0, 5)),
            (1, (Unchanged, 4, 5)),
            (1, (held(), 0, 5)),
            (5, (Unchanged, 0, 5)),
            (1, (Unchanged, 4, 5)),
            (1, (held(), 0, 5)),
            (1, (held(), 0, 5)),
            (1, (Written, 0, 1)),
            (0, (Unchanged, 1, 1)),
        ] {
            assert_eq!(round(count), expected, "{count}");
        }
    }

    #[test]
    fn outputs_are_copied_without_what_is_beside_them() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        once(from.path(), fetched());
        fs::write(from.path().join("notes.txt"), "x").unwrap();
        copy_outputs(from.path(), to.path()).unwrap();
        copy_outputs(&from.path().join("absent"), to.path()).unwrap();
        assert!(to.path().join("111122223333-eu-west-1/ec2.json").is_file());
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 1);
    }
}
