//! `vpcedns.toml`: the same settings as the flags, by the same names.

use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::{Limits, Settings, UpstreamWord, Upstreams};
use crate::problem::{At, Problem};

use super::doc::{Value, parse_toml};
use super::lines::Lines;
use super::reader::{Fields, Keys, Reader};
use super::values::{Fault, Text};

const KEYS: &[&str] = &[
    "zones",
    "listen",
    "forward",
    "allow",
    "http",
    "ec2_api",
    "ec2_state",
    "ec2_keys",
    "ec2_host",
    "sns_endpoint",
    "ec2_webhook",
    "aa",
    "log",
    "limits",
];

impl Text for UpstreamWord {
    const EXAMPLE: &'static str = "10.0.0.2:53";
    fn read(text: &str) -> Result<Self, Fault> {
        text.parse().map_err(|what: String| Fault::new(what, ""))
    }
}

/// Settings out of `text`, the content of `path`, and everything that is wrong with it.
pub fn read_settings(path: &Arc<str>, text: &str) -> (Settings, Vec<Problem>) {
    let lines = Lines::new(Arc::clone(path), text);
    let mut reader = Reader::new(&lines);
    let (root, syntax_errors) = parse_toml(text);
    let mut settings = Settings::default();
    if syntax_errors.is_empty() {
        if let Some(fields) = reader.table(&root, "vpcedns.toml", Keys::Only(KEYS)) {
            settings = read(&mut reader, &fields);
        }
    } else {
        for error in syntax_errors {
            reader.error(error.at, error.what, error.hint);
        }
    }
    (settings, reader.into_problems())
}

fn read(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Settings {
    let words: Vec<At<UpstreamWord>> = fields.list(reader, "forward");
    let forward = fields.node(reader, "forward").and_then(|node| {
        let words: Vec<UpstreamWord> = words.iter().map(|at| at.value).collect();
        Upstreams::from_words(&words).map_err(|what| reader.error(node.at, what, "")).ok()
    });
    let zones: Vec<At<Zones>> = fields.list(reader, "zones");
    let listen: Vec<At<std::net::SocketAddr>> = fields.list(reader, "listen");
    let allow: Vec<At<IpNet>> = fields.list(reader, "allow");
    let hosts: Vec<At<Host>> = fields.list(reader, "ec2_host");
    let said = |key: &str| fields.has(key);
    let mut text = |key: &str| fields.node(reader, key).and_then(|node| reader.text(node)).map(str::to_owned);
    let (ec2_state, ec2_keys) = (text("ec2_state").map(PathBuf::from), text("ec2_keys").map(PathBuf::from));
    let (sns_endpoint, ec2_webhook, log) = (text("sns_endpoint"), text("ec2_webhook"), text("log"));
    Settings {
        zones: said("zones").then(|| zones.into_iter().map(|at| at.value.0).collect()),
        listen: said("listen").then(|| listen.iter().map(|at| at.value).collect()),
        forward,
        allow: said("allow").then(|| allow.iter().map(|at| at.value).collect()),
        http: fields.optional(reader, "http").map(|at| at.value),
        ec2_api: fields.optional(reader, "ec2_api").map(|at| at.value),
        ec2_state,
        ec2_keys,
        ec2_host: said("ec2_host").then(|| hosts.into_iter().map(|at| at.value.0).collect()),
        sns_endpoint,
        ec2_webhook,
        aa: fields.flag(reader, "aa").map(|at| at.value),
        log,
        limits: limits(reader, fields),
    }
}

/// A directory or file, as it is written.
struct Zones(PathBuf);

impl Text for Zones {
    const EXAMPLE: &'static str = "zones";
    fn read(text: &str) -> Result<Self, Fault> {
        Ok(Self(text.into()))
    }
}

/// A host name, as it is written.
struct Host(String);

impl Text for Host {
    const EXAMPLE: &'static str = "ec2.corp.example";
    fn read(text: &str) -> Result<Self, Fault> {
        Ok(Self(text.to_owned()))
    }
}

fn limits(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Vec<(String, u64)> {
    let Some(node) = fields.node(reader, "limits") else { return Vec::new() };
    let Value::Table(entries) = &node.value else {
        reader.error(node.at, "expected a table of limits", "such as [limits] and below it tcp_idle_ms = 10000");
        return Vec::new();
    };
    let mut limits = Vec::new();
    for entry in entries {
        let Value::Integer(digits) = &entry.node.value else {
            reader.error(entry.node.at, format!("limit {} is no integer", entry.key), "");
            continue;
        };
        let Ok(value) = digits.parse() else {
            reader.error(entry.node.at, format!("limit {} = {digits} is out of range", entry.key), "");
            continue;
        };
        match Limits::default().set(&entry.key, value) {
            Ok(()) => limits.push((entry.key.to_string(), value)),
            Err(what) => reader.error(entry.key_at, what, ""),
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_their_places() {
        let text = "zones = [\"a\", \"b.toml\"]\nlisten = [\"127.0.0.1:5300\", \"::1\"]\nforward = [\"none\"]\n\
                    allow = [\"192.0.2.0/24\"]\nhttp = \"127.0.0.1:9153\"\naa = true\nlog = \"debug\"\n\
                    [limits]\ntcp_idle_ms = 500\n";
        let (settings, problems) = read_settings(&"vpcedns.toml".into(), text);
        assert_eq!(problems, []);
        assert_eq!(settings.listen.unwrap().len(), 2);
        assert_eq!((settings.forward, settings.limits), (Some(Upstreams::None), vec![("tcp_idle_ms".to_owned(), 500)]));

        let text = "lisen = [\"127.0.0.1:5300\"]\nforward = [\"system\", \"10.0.0.2\"]\n[limits]\ntcp_idle = 1\ndrain_ms = 9999999\n";
        let (_, problems) = read_settings(&"vpcedns.toml".into(), text);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "vpcedns.toml:1:1: error: unknown key 'lisen'\n  hint: did you mean 'listen'?",
                "vpcedns.toml:2:11: error: 'system' and 'none' stand alone: give one of them, or addresses",
                "vpcedns.toml:4:1: error: unknown limit 'tcp_idle': did you mean 'tcp_idle_ms'?",
                "vpcedns.toml:5:1: error: limit drain_ms = 9999999 is out of range: 0 to 600000",
            ]
        );
    }
}
