//! A set as a source of objects: what its files declare, as the files of a directory would.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::follow::FollowedSet;
use super::set::{FileSet, SetFile, SetHead};
use crate::problem::{Place, Problem};
use crate::source::{
    FileText, LoadTrigger, PartId, Progress, Reading, Source, SourceHealth, SourceId, given_part, read_given,
};

/// A set that is followed.
pub struct SetSource {
    id: SourceId,
    set: Arc<FollowedSet>,
    /// What the last reading was of.
    read: Option<Arc<FileSet>>,
}

impl SetSource {
    /// By this name.
    pub fn new(id: SourceId, set: Arc<FollowedSet>) -> Self {
        Self { id, set, read: None }
    }
}

impl Source for SetSource {
    fn id(&self) -> SourceId {
        self.id.clone()
    }

    fn read(&mut self, _: Progress<'_>) -> Reading {
        self.set.keep();
        self.read = self.set.next();
        let mut reading = self.read.as_ref().map_or_else(Reading::default, |next| {
            reading(&in_store(self.set.name()), self.set.served().as_deref().unwrap_or(&SetHead::default()), next)
                .unwrap_or_else(|problem| Reading { problems: vec![problem], ..Reading::default() })
        });
        let trouble = self.set.health().trouble();
        let behind = trouble.is_some();
        let warn = |what: String, hint: &str| Problem::warning(Place::whole("--store"), what, hint);
        let served = "the files that were served last are served meanwhile";
        reading.problems.extend(trouble.map(|what| warn(what, served)));
        reading.problems.extend(self.set.unkept().map(|why| {
            warn(format!("the pushed files are not kept: {why}"), "a start without the store would serve older ones")
        }));
        reading.health = SourceHealth { behind, ..SourceHealth::default() };
        reading.as_of = self.set.health().contact().filter(|_| behind);
        reading
    }

    fn taken(&mut self) {
        if let Some(read) = self.read.take() {
            self.set.serves(read);
        }
    }

    fn origin(&self) -> Option<String> {
        let served = self.set.served().filter(|head| !head.by.is_empty())?;
        Some(format!("pushed by {}", served.by))
    }

    fn watch(&mut self, trigger: LoadTrigger) {
        self.set.start(trigger);
    }
}

/// A set that stays as it is, as a source. In problems, `before` stands before the paths of its files.
pub fn fixed(before: &str, set: &FileSet) -> Result<Box<dyn Source>, Problem> {
    struct Fixed(SourceId, Reading);
    impl Source for Fixed {
        fn id(&self) -> SourceId {
            self.0.clone()
        }
        fn read(&mut self, _: Progress<'_>) -> Reading {
            std::mem::take(&mut self.1)
        }
    }
    let reading = reading(before, &SetHead::default(), set)?;
    Ok(Box::new(Fixed(SourceId::new("pushed"), reading)))
}

/// What stands before the paths of a set of the store.
pub fn in_store(name: &str) -> String {
    format!("store:{name}/")
}

fn part(before: &str, path: &str) -> Option<PartId> {
    given_part(Path::new(&format!("{before}{path}")))
}

/// What differs from the set that is served.
fn reading(before: &str, served: &SetHead, set: &FileSet) -> Result<Reading, Problem> {
    let parts_of =
        |head: &SetHead| head.files.iter().filter_map(|file| part(before, &file.path)).collect::<BTreeSet<_>>();
    let (old, new) = (parts_of(served), parts_of(&set.head));
    let is_new = |file: &&SetFile| served.file(&file.path) != Some(*file);
    let is_gone = |file: &&SetFile| set.head.file(&file.path).is_none();
    let touched = set.head.files.iter().filter(is_new).chain(served.files.iter().filter(is_gone));
    let touched: BTreeSet<Option<PartId>> = touched.map(|file| part(before, &file.path)).collect();
    // a file that others name: all that may name it are read
    let all_toml = touched.contains(&None);
    let is_read = |part: &Option<PartId>| match part {
        None => true,
        Some(PartId::File(_)) => all_toml || touched.contains(part),
        Some(PartId::Set(_)) => touched.contains(part),
    };
    let mut texts = Vec::new();
    for (file, octets) in set.files().filter(|(file, _)| is_read(&part(before, &file.path))) {
        let path = format!("{before}{}", file.path);
        let text = std::str::from_utf8(octets)
            .map_err(|_| Problem::error(Place::whole(path.clone()), "is not UTF-8 text", "push it again as UTF-8"))?;
        texts.push(FileText { path: path.into(), text: text.to_owned() });
    }
    let parts = read_given(&texts)?;
    let gone = old.difference(&new).cloned().collect();
    Ok(Reading { parts, gone, ..Reading::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2::time::UnixMillis;

    fn set(files: &[(&str, &str)]) -> FileSet {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        FileSet::new(files, "01234567890123456789".to_owned(), "me".to_owned(), UnixMillis(7)).unwrap()
    }

    const VPC: &str = "[[vpc]]\nvpc_id = \"vpc-ec43eb89\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.0.0.0/16\"]\n";
    const ZONE: &str = "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-ec43eb89\"]\nfile = \"db.corp\"\n";
    const MASTER: &str =
        "$TTL 60\n@ SOA ns.corp.example. a.corp.example. 1 2 3 4 5\n@ NS ns.corp.example.\ndb A 10.0.9.9\n";

    #[test]
    fn what_differs_is_read_and_nothing_else() {
        let first = [("a/zone.toml", ZONE), ("a/db.corp", MASTER), ("vpc.toml", VPC), ("x.json", "{\"Vpcs\": []}")];
        let edited = |path: &str, text: &'static str| {
            set(&first.map(|(known, old)| if known == path { (known, text) } else { (known, old) }))
        };
        let before = set(&first);
        let without = |path: &str| set(&first.iter().copied().filter(|(known, _)| *known != path).collect::<Vec<_>>());
        let read = |after: &FileSet| {
            let Reading { parts, gone, .. } = reading("store:zones/", &before.head, after).unwrap();
            let named = |id: &PartId| match id {
                PartId::File(path) => path.display().to_string().replacen("store:zones/", "", 1),
                PartId::Set(name) => (*name).to_owned(),
            };
            let objects = parts.iter().map(|(id, part)| format!("{}:{}", named(id), part.inputs.len()));
            (objects.collect::<Vec<_>>(), gone.iter().map(named).collect::<Vec<_>>())
        };
        let all = reading("store:zones/", &SetHead::default(), &before).unwrap();
        assert!(all.parts.iter().all(|(_, part)| part.problems.is_empty()), "{:?}", all.parts);
        assert_eq!(all.parts.len(), 3);
        assert_eq!(read(&before), (vec![], vec![]));
        assert_eq!(read(&edited("vpc.toml", "")).0, ["vpc.toml:0"]);
        assert_eq!(read(&edited("x.json", "{\"Subnets\": []}")).0, ["json:0"]);
        assert_eq!(
            read(&edited("a/db.corp", "$TTL 5\n@ SOA ns.corp.example. a.corp.example. 1 2 3 4 5\n@ NS a.b.\n")).0,
            ["a/zone.toml:1", "vpc.toml:1"]
        );
        assert_eq!(read(&without("x.json")), (vec![], vec!["json".to_owned()]));
        assert_eq!(read(&without("vpc.toml")), (vec![], vec!["vpc.toml".to_owned()]));
    }

    #[test]
    fn what_is_no_text_is_told_by_its_name() {
        let files = [("a.toml".to_owned(), vec![0xff])];
        let bad = FileSet::new(files, "01234567890123456789".to_owned(), String::new(), UnixMillis(0)).unwrap();
        let problem = reading("store:zones/", &SetHead::default(), &bad).unwrap_err();
        assert_eq!((&*problem.place.file, problem.what.as_str()), ("store:zones/a.toml", "is not UTF-8 text"));
        // nobody else's file is reached from a set
        let out = set(&[(
            "zone.toml",
            "[[hosted_zone]]\nname = \"a.example\"\nvpc_ids = [\"vpc-ec43eb89\"]\nfile = \"../../etc/passwd\"\n",
        )]);
        let read = reading("store:zones/", &SetHead::default(), &out).unwrap();
        assert!(read.parts.iter().flat_map(|(_, part)| &part.problems).any(Problem::is_error), "{:?}", read.parts);
    }
}
