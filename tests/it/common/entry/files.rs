//! Text that an operator wrote: settings, access keys, /etc/resolv.conf, several outputs of the AWS CLI at once.

use std::net::SocketAddr;

use vpcedns::config::Settings;
use vpcedns::forward::system::read_resolv_conf;
use vpcedns::model::{Object, RecordData, parse_rdata, show_rdata};
use vpcedns::problem::{Place, Problem};
use vpcedns::source::{FileText, FilesBeside, read_access_keys, read_json_set, read_settings, read_toml_with};

/// Any text in the place of `vpcedns.toml` gives settings inside their bounds, or problems with a place in it.
pub fn settings(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (settings, problems) = read_settings(&"fuzz.toml".into(), &text);
    let lines = told(&problems, &text);
    if lines == 0 {
        let limits = &settings.limits;
        assert!((512..=4096).contains(&limits.udp_payload) && limits.tcp_connections > 0, "{limits:?}");
    } else {
        // what is wrong leaves the default
        assert!(!settings.log.is_empty() && !Settings::default().log.is_empty());
    }
}

/// Any text in the place of a file with access keys opens nothing, and shows no secret, unless it has whole keys.
pub fn access_keys(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (keys, problems) = read_access_keys(&"fuzz.toml".into(), &text);
    told(&problems, &text);
    assert!(!keys.is_empty() || problems.iter().any(Problem::is_error), "no keys, and nobody said so");
    for key in &keys {
        assert!(!key.access_key_id.is_empty() && key.account_id.len() == 12 && !key.actions.is_empty());
        assert!(!format!("{:?}", key.secret_access_key).contains("EXAMPLEKEY"));
    }
}

/// Any text in the place of /etc/resolv.conf gives at most three resolvers, none of them this server, or says why not.
pub fn resolv_conf(data: &[u8]) {
    let own: SocketAddr = "127.0.0.1:53".parse().expect("an address");
    let text = String::from_utf8_lossy(data);
    let (resolvers, problems) = read_resolv_conf(&text, &[own]);
    told(&problems, &text);
    assert!(resolvers.len() <= 3 && !resolvers.contains(&own), "{resolvers:?}");
    assert!(!resolvers.is_empty() || !problems.is_empty(), "no resolver, and nobody said so");
    for resolver in &resolvers {
        assert!(resolver.port() == 53 && !resolver.ip().is_unspecified(), "{resolver}");
    }
}

/// Any texts in the place of several outputs of the AWS CLI, one after each line `---`, are joined in any order alike.
pub fn json_set(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut files: Vec<FileText> = text
        .split("\n---\n")
        .take(8)
        .zip(1..)
        .map(|(text, number)| FileText { path: format!("{number}.json").into(), text: text.to_owned() })
        .collect();
    let one_way = read_json_set(&files);
    let objects = one_way.inputs.len();
    super::serve(one_way);
    files.reverse();
    let other_way = read_json_set(&files);
    assert_eq!(objects, other_way.inputs.len(), "the order of files decides what is read");
    super::serve(other_way);
}

/// Texts in the place of files: the first is called `1`.
struct Texts<'t>(Vec<&'t str>);

impl FilesBeside for Texts<'_> {
    fn open(&self, at: &Place, name: &str) -> Result<FileText, Problem> {
        let number = name.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let text = number.and_then(|number| self.0.get(number));
        let text = text.ok_or_else(|| Problem::error(at.clone(), format!("no file is called {name}"), ""))?;
        Ok(FileText { path: name.into(), text: (*text).to_owned() })
    }
}

/// Any texts in the place of a master file and those that it includes, one after each line `---`, are a zone that is
/// served, or are refused with problems at lines that they have. A record is shown as text that is read as the same.
pub fn zone_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let texts: Vec<&str> = text.split("\n---\n").take(4).collect();
    let zone = "[[hosted_zone]]\nname = \"corp.example\"\nclients_of_no_vpc = true\nfile = \"1\"\n";
    let loaded = read_toml_with(&"fuzz.toml".into(), zone, &Texts(texts.clone()));
    for problem in &loaded.problems {
        let file = problem.place.file.parse::<usize>().ok().and_then(|number| texts.get(number - 1));
        told(std::slice::from_ref(problem), file.copied().unwrap_or(zone));
    }
    for input in &loaded.inputs {
        let Object::HostedZone(zone) = &*input.object else { panic!("a hosted zone is {input:?}") };
        for record in &zone.records {
            let RecordData::Records { rtype, rdata, .. } = &record.data else { panic!("records are {record:?}") };
            for data in rdata {
                let shown = show_rdata(*rtype, &data.value);
                let again = parse_rdata(*rtype, &shown).unwrap_or_else(|error| panic!("{shown}: {error}"));
                assert_eq!(again, data.value, "{rtype} {shown}");
            }
        }
    }
    super::serve(loaded);
}

/// The number of errors; each problem says something, at a line that the text has.
fn told(problems: &[Problem], text: &str) -> usize {
    for problem in problems {
        assert!(!problem.what.is_empty() && !problem.to_string().is_empty());
        let line = problem.place.line as usize;
        assert!(line <= text.lines().count() + 1, "line {line} of {:?}", text.lines().count());
    }
    problems.iter().filter(|problem| problem.is_error()).count()
}
