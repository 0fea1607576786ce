//! `vpcedns.toml`: walks the tables of `config`, so that a setting declared there is read here.

use std::borrow::Cow;

use crate::config::{Form, Limits, Setting, Settings};
use crate::problem::{FileName, Problem, nearest};

use super::doc::{DocNode, Entry, Value, parse_toml};
use super::lines::Lines;
use super::reader::Reader;

/// The settings in `text`, the content of `path`, over the defaults; and everything that is wrong with it.
pub fn read_settings(path: &FileName, text: &str) -> (Settings, Vec<Problem>) {
    let lines = Lines::new(path.clone(), text);
    let mut reader = Reader::new(&lines);
    let (root, syntax_errors) = parse_toml(text);
    let mut settings = Settings::default();
    if syntax_errors.is_empty() {
        for entry in root.entries() {
            match Settings::find(&entry.key) {
                Some(setting) => read(&mut reader, setting, &entry.node, &mut settings),
                None if entry.key == "limits" => limits(&mut reader, &entry.node, &mut settings.limits),
                None => unknown(&mut reader, entry),
            }
        }
    }
    for error in syntax_errors {
        reader.error(error.at, error.what, error.hint);
    }
    (settings, reader.into_problems())
}

fn unknown(reader: &mut Reader<'_>, entry: &Entry<'_>) {
    let limits = Limits::TABLE.iter().map(|limit| limit.key);
    let hint = match nearest(&entry.key, Settings::KEYS.iter().copied().chain(limits)) {
        Some(key) if Settings::KEYS.contains(&key) => format!("did you mean '{key}'?"),
        Some(key) => format!("'{key}' is a limit: put it below a line [limits]"),
        None => format!("keys of vpcedns.toml: {}", Settings::KEYS.join(", ")),
    };
    reader.error(entry.key_at, format!("unknown key '{}'", entry.key), hint);
}

fn read(reader: &mut Reader<'_>, setting: &Setting, node: &DocNode<'_>, settings: &mut Settings) {
    let errors = reader.errors();
    let texts: Vec<Cow<'_, str>> = match setting.form {
        Form::Switch => match node.value {
            Value::Boolean(value) => vec![value.to_string().into()],
            _ => return reader.expected(node, "true or false"),
        },
        Form::Choice(_) | Form::One => text(reader, setting, node).into_iter().collect(),
        Form::List => {
            let items = reader.array(node);
            items.iter().filter_map(|item| text(reader, setting, item)).collect()
        }
    };
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    if reader.errors() == errors
        && let Err(fault) = setting.set(settings, &texts)
    {
        reader.error(node.at, fault.what, fault.hint);
    }
}

/// The text of one value, if it is a valid one.
fn text<'n>(reader: &mut Reader<'_>, setting: &Setting, node: &'n DocNode<'_>) -> Option<Cow<'n, str>> {
    let text: Cow<'n, str> = match &node.value {
        Value::Integer(digits) if setting.form == Form::One => digits.as_ref().into(),
        Value::Table(entries) if setting.form == Form::List => words(reader, entries)?.into(),
        _ => reader.text(node)?.into(),
    };
    match setting.check(&text) {
        Ok(()) => Some(text),
        Err(fault) => {
            reader.error(node.at, fault.what, fault.hint);
            None
        }
    }
}

/// A table as the words of a flag, `KEY=VALUE` each, a list as several.
fn words(reader: &mut Reader<'_>, entries: &[Entry<'_>]) -> Option<String> {
    let mut words = Vec::new();
    for Entry { key, node, .. } in entries {
        let values = if let Value::Array(items) = &node.value { items } else { std::slice::from_ref(node) };
        for value in values {
            let text = reader.text(value)?;
            if text.contains(char::is_whitespace) {
                reader.error(value.at, format!("'{text}' has a space in it"), "");
                return None;
            }
            words.push(format!("{key}={text}"));
        }
    }
    Some(words.join(" "))
}

fn limits(reader: &mut Reader<'_>, node: &DocNode<'_>, limits: &mut Limits) {
    let Value::Table(entries) = &node.value else {
        return reader.error(
            node.at,
            "expected a table of limits",
            "such as [limits] and below it tcp_idle_ms = 10000",
        );
    };
    for Entry { key, key_at, node } in entries {
        let Value::Integer(digits) = &node.value else {
            reader.expected(node, "a whole number");
            continue;
        };
        let set = match digits.parse() {
            Ok(value) => limits.set(key, value),
            // negative, or more than 64 bits hold
            Err(_) => Limits::find(key).and_then(|limit| {
                Err(format!("limit {key} = {digits} is out of range: {} to {}", limit.least, limit.most))
            }),
        };
        if let Err(what) = set {
            reader.error(*key_at, what, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Dnssec, Upstreams};
    use crate::dns::DnsName;

    fn read(text: &str) -> (Settings, Vec<String>) {
        let (settings, problems) = read_settings(&"vpcedns.toml".into(), text);
        (settings, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn settings_are_read_with_their_places() {
        let text = "zones = [\"a\", \"b.toml\"]\nlisten = [\"127.0.0.1:5300\", \"::1\"]\nforward = [\"none\"]\n\
                    forward_ca = \"ca.pem\"\nforward_0x20 = true\nallow = [\"192.0.2.0/24\"]\nhttp = \"127.0.0.1:9153\"\ntls = [\"::1\"]\n\
                    https = [\"10.0.0.2\", \"127.0.0.1:8443\"]\nquic = [\"10.0.0.2\"]\ntls_cert = \"a.pem\"\naa = true\nlog = \"debug\"\n\
                    forward_special = [\"10.in-addr.arpa\"]\nprivate_only = [\"*.corp.example\"]\n\
                    rebind_protection = true\nrebind_allow = [\"lan.example\"]\n\
                    dnssec = \"validate\"\ndnssec_anchors = \"root.key\"\ndnssec_insecure = [\"corp.example\"]\n\
                    [limits]\ntcp_idle_ms = 500\n";
        let (settings, problems) = read(text);
        assert_eq!(problems, [""; 0]);
        assert_eq!(settings.listen.len(), 2);
        assert_eq!((settings.forward_ca, settings.forward_0x20), (Some("ca.pem".into()), true));
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<DnsName>>();
        assert_eq!(settings.forward_special, names(&["10.in-addr.arpa"]));
        assert_eq!(settings.private_only, names(&["*.corp.example"]));
        assert_eq!((settings.rebind_protection, settings.rebind_allow), (true, names(&["lan.example"])));
        assert_eq!((settings.dnssec, settings.dnssec_anchors), (Dnssec::Validate, Some("root.key".into())));
        assert_eq!(settings.dnssec_insecure, names(&["corp.example"]));
        let addresses = [settings.tls, settings.https, settings.quic].into_iter().flatten();
        let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
        assert_eq!(addresses, ["[::1]:853", "10.0.0.2:443", "127.0.0.1:8443", "10.0.0.2:853"]);
        assert_eq!((settings.tls_cert, settings.tls_key), (Some("a.pem".into()), None));
        let limits = Limits { tcp_idle: Duration::from_millis(500), ..Limits::default() };
        assert_eq!((settings.forward, settings.limits), (Upstreams::None, limits));
    }

    #[test]
    fn a_list_may_be_of_tables_and_numbers_need_no_quotes() {
        let words =
            "sync = [\"region=eu-west-1 vpc=vpc-1234abcd vpc=vpc-ec43eb89\", \"profile=prod\"]\nsync_every = \"60\"\n";
        let tables = "sync_every = 60\n[[sync]]\nregion = \"eu-west-1\"\nvpc = [\"vpc-1234abcd\", \"vpc-ec43eb89\"]\n\n\
                      [[sync]]\nprofile = \"prod\"\n";
        assert_eq!(read(tables), read(words));
        assert_eq!((read(tables).0.sync.len(), read(tables).1), (2, vec![]));
        assert_eq!(
            read("[[sync]]\nregion = \"us-east1\"\n\n[[sync]]\nprofil = \"a\"\n\n[[sync]]\nprofile = \"a b\"\n").1,
            [
                "vpcedns.toml:1:1: error: 'us-east1' does not have the form of a region\n  hint: did you mean 'us-east-1'?",
                "vpcedns.toml:4:1: error: 'profil=a' is of no known key\n  hint: such as eu-west-1, or \
                 'region=eu-west-1 profile=prod'; keys are region, profile, role, external_id, endpoint, endpoint_address, names and vpc",
                "vpcedns.toml:8:11: error: 'a b' has a space in it",
            ]
        );
    }

    #[test]
    fn faults_are_said_with_their_places() {
        let text = "forward_special = [\"corp.example\"]\nlisen = [\"127.0.0.1:5300\"]\nforward = [\"system\", \"10.0.0.2\"]\n\
                    tcp_idle_ms = 3\naa = \"yes\"\n[limits]\ntcp_idle = 1\ndrain_ms = 9999999\nstale_s = -1\n";
        assert_eq!(
            read(text).1,
            [
                "vpcedns.toml:1:20: error: 'corp.example' is not a special name\n  hint: special names are localhost, \
                 test, home.arpa, 10.in-addr.arpa, ..., or '.' for all",
                "vpcedns.toml:2:1: error: unknown key 'lisen'\n  hint: did you mean 'listen'?",
                "vpcedns.toml:3:11: error: 'system' and 'none' stand alone\n  hint: give one of them, or addresses",
                "vpcedns.toml:4:1: error: unknown key 'tcp_idle_ms'\n  hint: 'tcp_idle_ms' is a limit: put it below a \
                 line [limits]",
                "vpcedns.toml:5:6: error: expected true or false, found 'yes'",
                "vpcedns.toml:7:1: error: unknown limit 'tcp_idle': did you mean 'tcp_idle_ms'?",
                "vpcedns.toml:8:1: error: limit drain_ms = 9999999 is out of range: 0 to 600000",
                "vpcedns.toml:9:1: error: limit stale_s = -1 is out of range: 0 to 604800",
            ]
        );
    }

    /// What `vpcedns config` prints, with every default taken out of its comment, is the defaults.
    #[test]
    fn the_template_says_the_defaults() {
        let template = crate::config::template();
        assert_eq!(read(&template), (Settings::default(), vec![]), "as it is printed");
        let uncommented = |line: &str| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest.to_owned(),
            _ => line.to_owned(),
        };
        let lines: Vec<String> = template.lines().map(uncommented).collect();
        assert_eq!(read(&lines.join("\n")), (Settings::default(), vec![]), "with every default in force");
        let said = |key: &str| lines.iter().any(|line| line.trim_start_matches("# ").starts_with(&format!("{key} = ")));
        let keys = Settings::TABLE.iter().map(|setting| setting.key).chain(Limits::TABLE.iter().map(|limit| limit.key));
        for key in keys {
            assert!(said(key), "{key} is not in the template");
        }
    }

    /// A key that is declared is accepted, and sets what it names.
    #[test]
    fn every_key_is_read_from_the_file() {
        for setting in Settings::TABLE {
            let mut expected = Settings::default();
            setting.set(&mut expected, &[setting.example]).unwrap();
            let value = match setting.form {
                Form::Switch => setting.example.to_owned(),
                Form::Choice(_) | Form::One => format!("{:?}", setting.example),
                Form::List => format!("[{:?}]", setting.example),
            };
            assert_eq!(read(&format!("{} = {value}\n", setting.key)), (expected, vec![]), "{}", setting.key);
        }
        for limit in Limits::TABLE {
            for value in [limit.least, limit.most] {
                let (settings, problems) = read(&format!("[limits]\n{} = {value}\n", limit.key));
                assert_eq!((limit.value(&settings.limits), problems), (value, vec![]), "{}", limit.key);
            }
        }
    }
}
