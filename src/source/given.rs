//! Files that came by another way than the file system: one who has a directory sends it to one who has not.
//!
//! ```text
//! gather_files  directories -> texts, with the files that others of them name
//! read_given    texts       -> parts, as the files source would read them
//! ```

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::problem::{Place, Problem};

use super::beside::FilesBeside;
use super::contract::{Declared, PartId};
use super::gate::Unwatched;
use super::opened::{Opened, tidy};
use super::parallel::in_parallel;
use super::parts::{JSON, enough_memory};
use super::scan::{FoundFile, Scanned, is_json, is_toml, place, read_text, scan_all};
use super::{FileText, read_json_set, read_toml_with};

/// Every file below `dirs` that would be read, and those that others of them name, with its text. Fails with all that is
/// wrong with them by themselves.
pub fn gather_files(dirs: &[PathBuf]) -> Result<Vec<FileText>, Vec<Problem>> {
    let Scanned { files, mut problems, .. } = scan_all(dirs);
    let read = in_parallel(&files, |FoundFile { path, .. }| {
        let text = FileText { path: path.display().to_string().into(), text: read_text(path)? };
        let opened = Opened::new(dirs, &Unwatched);
        let problems =
            if is_toml(path) { read_toml_with(&text.path, &text.text, &opened).problems } else { Vec::new() };
        let named: Vec<PathBuf> = opened.into_files().into_iter().map(|opened| opened.file.path).collect();
        Ok((text, named, problems))
    });
    let (mut texts, mut named) = (Vec::new(), BTreeSet::new());
    for file in read {
        match file {
            Ok((text, beside, wrong)) => {
                texts.push(text);
                problems.extend(wrong);
                named.extend(beside);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let json: Vec<FileText> = texts.iter().filter(|text| !is_toml(Path::new(&*text.path))).cloned().collect();
    problems.extend(read_json_set(&json).problems);
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    for path in named.into_iter().filter(|path| files.iter().all(|file| file.path != *path)) {
        let text = read_text(&path).map_err(|problem| vec![problem])?;
        texts.push(FileText { path: path.display().to_string().into(), text });
    }
    Ok(texts)
}

/// The same of one directory: each file with its path below it. A file that a link outside of the directory leads to is refused,
/// and so is what is no directory.
pub fn gather_below(dir: &Path) -> Result<Vec<(String, FileText)>, Vec<Problem>> {
    let wrong = |path: &Path, what: &str, hint: &str| Problem::error(place(path), what, hint);
    if !dir.is_dir() {
        return Err(vec![wrong(dir, "is not a directory", "name the directory that has the files")]);
    }
    let texts = gather_files(&[dir.to_owned()])?;
    let (base, real) = (tidy(dir), fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned()));
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for text in texts {
        let path = PathBuf::from(&*text.path);
        let below = tidy(&path).strip_prefix(&base).ok().and_then(Path::to_str).map(str::to_owned);
        let is_inside = fs::canonicalize(&path).is_ok_and(|real_path| real_path.starts_with(&real));
        match below.filter(|_| is_inside) {
            Some(below) => files.push((below, text)),
            None => problems.push(wrong(&path, "is outside of the directory, by a link", "put the file itself there")),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

/// What these files declare: a part for each TOML file, and one for all JSON files. Files of other names are there for
/// those that name them.
pub fn read_given(files: &[FileText]) -> Result<Vec<(PartId, Declared)>, Problem> {
    enough_memory(files.iter().map(|file| file.text.len() as u64).collect())?;
    let by_path: HashMap<PathBuf, &FileText> = files.iter().map(|file| (tidy(Path::new(&*file.path)), file)).collect();
    let beside = GivenBeside(&by_path);
    let of_kind = |is: fn(&Path) -> bool| files.iter().filter(move |file| is(Path::new(&*file.path)));
    let toml: Vec<&FileText> = of_kind(is_toml).collect();
    let json: Vec<FileText> = of_kind(is_json).cloned().collect();
    let declared = in_parallel(&toml, |file| read_toml_with(&file.path, &file.text, &beside));
    let paths = toml.iter().map(|file| PartId::File(PathBuf::from(&*file.path)));
    let mut parts: Vec<(PartId, Declared)> = paths.zip(declared).collect();
    if !json.is_empty() {
        parts.push((JSON, read_json_set(&json)));
    }
    Ok(parts)
}

/// The part that a file is read into; `None`: it is there for those that name it.
pub fn given_part(path: &Path) -> Option<PartId> {
    if is_toml(path) {
        return Some(PartId::File(path.to_owned()));
    }
    is_json(path).then_some(JSON)
}

/// Files that were given, for those that name them.
struct GivenBeside<'f>(&'f HashMap<PathBuf, &'f FileText>);

impl FilesBeside for GivenBeside<'_> {
    fn open(&self, at: &Place, name: &str) -> Result<FileText, Problem> {
        let from = Path::new(&*at.file);
        let path = tidy(&from.parent().unwrap_or(from).join(name));
        self.0.get(&path).copied().cloned().ok_or_else(|| {
            let what = format!("{} is not among the files that were given", path.display());
            Problem::error(at.clone(), what, "put it beside the file that names it, or below")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const VPC: &str = "[[vpc]]\nvpc_id = \"vpc-ec43eb89\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.0.0.0/16\"]\n";
    const ZONE: &str =
        "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-ec43eb89\"]\nfile = \"sub/../db.corp\"\n";
    const MASTER: &str =
        "$TTL 60\n@ SOA ns.corp.example. a.corp.example. 1 2 3 4 5\n@ NS ns.corp.example.\ndb A 10.0.9.9\n";

    /// What is gathered reads as the directory does, master files included, whatever they are called.
    #[test]
    fn given_files_declare_what_the_directory_does() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().to_owned();
        let write = |name: &str, text: &str| fs::write(base.join(name), text).unwrap();
        write("vpc.toml", VPC);
        write("zone.toml", ZONE);
        write("db.corp", MASTER);
        write("empty.json", "{\"Vpcs\": []}");
        write("README.md", "nothing of ours");
        let files = gather_files(std::slice::from_ref(&base)).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.path.rsplit('/').next().unwrap().to_owned()).collect();
        assert_eq!(names, ["empty.json", "vpc.toml", "zone.toml", "db.corp"]);
        let parts = read_given(&files).unwrap();
        let declared: Vec<_> = parts.iter().map(|(_, part)| (part.inputs.len(), part.problems.clone())).collect();
        assert_eq!(declared, [(1, vec![]), (1, vec![]), (0, vec![])]);
        // without the master file
        let without: Vec<FileText> = files.into_iter().filter(|file| !file.path.ends_with("db.corp")).collect();
        let parts = read_given(&without).unwrap();
        let problem = parts.iter().flat_map(|(_, part)| &part.problems).next().unwrap();
        assert_eq!(problem.place.line, 4);
        assert!(problem.what.ends_with("db.corp is not among the files that were given"), "{problem}");
    }

    #[test]
    fn what_is_wrong_with_a_directory_is_told_before_it_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().to_owned();
        for (name, text, said) in [
            ("a.toml", "[[vpc]]\nvpcid = 1\n", "unknown key 'vpcid'"),
            (
                "b.toml",
                "[[hosted_zone]]\nname = \"a.example\"\nfile = \"../x.zone\"\n",
                "is outside the zones directory",
            ),
            ("c.json", "{", "unterminated object"),
        ] {
            fs::write(base.join(name), text).unwrap();
            let problems = gather_files(std::slice::from_ref(&base)).unwrap_err();
            assert!(problems.iter().any(|problem| problem.to_string().contains(said)), "{name}: {problems:?}");
            fs::remove_file(base.join(name)).unwrap();
        }
        let problems = gather_files(&[base.join("none")]).unwrap_err();
        assert!(problems[0].what.starts_with("cannot be read"), "{problems:?}");
    }

    #[test]
    fn files_of_a_directory_are_named_below_it_and_links_out_are_refused() {
        let (dir, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let base = dir.path();
        fs::create_dir_all(base.join("..data/sub")).unwrap();
        fs::write(base.join("..data/sub/vpc.toml"), VPC).unwrap();
        fs::write(base.join("..data/zone.toml"), ZONE).unwrap();
        fs::write(base.join("..data/db.corp"), MASTER).unwrap();
        // as Kubernetes shows a ConfigMap
        for name in ["sub", "zone.toml", "db.corp"] {
            symlink(format!("..data/{name}"), base.join(name)).unwrap();
        }
        let names = |at: &Path| gather_below(at).unwrap().into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        assert_eq!(names(base), ["sub/vpc.toml", "zone.toml", "db.corp"]);
        assert_eq!(names(&base.join("sub/../.")), ["sub/vpc.toml", "zone.toml", "db.corp"]);
        fs::write(beside.path().join("out.toml"), "").unwrap();
        symlink(beside.path().join("out.toml"), base.join("out.toml")).unwrap();
        let problems = gather_below(base).unwrap_err();
        assert!(problems[0].to_string().contains("out.toml: error: is outside of the directory"), "{problems:?}");
        let problems = gather_below(&base.join("zone.toml")).unwrap_err();
        assert_eq!(problems[0].what, "is not a directory");
    }
}
