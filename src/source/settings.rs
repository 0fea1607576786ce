//! `vpcedns.toml`: the same settings as the flags, by the same names.

use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::{
    Dnssec, HTTPS_PORT, Limits, Settings, SpecialName, TLS_PORT, UpstreamWord, Upstreams, parse_address_or,
};
use crate::naming::DnsName;
use crate::problem::{At, Problem};

use super::doc::{Value, parse_toml};
use super::lines::Lines;
use super::reader::{Fields, Keys, Reader};
use super::values::{Fault, Text};

const KEYS: &[&str] = &[
    "zones",
    "listen",
    "forward",
    "forward_ca",
    "forward_0x20",
    "dnssec",
    "dnssec_anchors",
    "dnssec_insecure",
    "allow",
    "http",
    "tls",
    "https",
    "quic",
    "tls_cert",
    "tls_key",
    "ec2_api",
    "ec2_state",
    "ec2_keys",
    "ec2_host",
    "sns_endpoint",
    "ec2_webhook",
    "aa",
    "log",
    "limits",
    "forward_special",
    "private_only",
    "rebind_protection",
    "rebind_allow",
];

impl Text for UpstreamWord {
    const EXAMPLE: &'static str = "10.0.0.2:53";
    fn read(text: &str) -> Result<Self, Fault> {
        text.parse().map_err(|what: String| Fault::new(what, ""))
    }
}

impl Text for Dnssec {
    const EXAMPLE: &'static str = "validate";
    fn read(text: &str) -> Result<Self, Fault> {
        text.parse().map_err(|what: String| Fault::new(what, ""))
    }
}

impl Text for SpecialName {
    const EXAMPLE: &'static str = "10.in-addr.arpa";
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
        let words: Vec<UpstreamWord> = words.iter().map(|at| at.value.clone()).collect();
        Upstreams::from_words(&words).map_err(|what| reader.error(node.at, what, "")).ok()
    });
    let zones: Vec<At<File>> = fields.list(reader, "zones");
    let listen: Vec<At<std::net::SocketAddr>> = fields.list(reader, "listen");
    let allow: Vec<At<IpNet>> = fields.list(reader, "allow");
    let forward_special: Vec<At<SpecialName>> = fields.list(reader, "forward_special");
    let private_only: Vec<At<DnsName>> = fields.list(reader, "private_only");
    let dnssec_insecure: Vec<At<DnsName>> = fields.list(reader, "dnssec_insecure");
    let rebind_allow: Vec<At<DnsName>> = fields.list(reader, "rebind_allow");
    let tls: Vec<At<Encrypted<TLS_PORT>>> = fields.list(reader, "tls");
    let https: Vec<At<Encrypted<HTTPS_PORT>>> = fields.list(reader, "https");
    let quic: Vec<At<Encrypted<TLS_PORT>>> = fields.list(reader, "quic");
    let hosts: Vec<At<Host>> = fields.list(reader, "ec2_host");
    let said = |key: &str| fields.has(key);
    let mut text = |key: &str| fields.node(reader, key).and_then(|node| reader.text(node)).map(str::to_owned);
    let (ec2_state, ec2_keys) = (text("ec2_state").map(PathBuf::from), text("ec2_keys").map(PathBuf::from));
    let (sns_endpoint, ec2_webhook, log) = (text("sns_endpoint"), text("ec2_webhook"), text("log"));
    Settings {
        zones: said("zones").then(|| zones.into_iter().map(|at| at.value.0).collect()),
        listen: said("listen").then(|| listen.iter().map(|at| at.value).collect()),
        forward,
        forward_ca: fields.node(reader, "forward_ca").and_then(|node| reader.text(node)).map(PathBuf::from),
        forward_0x20: fields.flag(reader, "forward_0x20").map(|at| at.value),
        dnssec: fields.optional(reader, "dnssec").map(|at| at.value),
        dnssec_anchors: fields.optional(reader, "dnssec_anchors").map(|at: At<File>| at.value.0),
        dnssec_insecure: said("dnssec_insecure").then(|| dnssec_insecure.into_iter().map(|at| at.value).collect()),
        allow: said("allow").then(|| allow.iter().map(|at| at.value).collect()),
        http: fields.optional(reader, "http").map(|at| at.value),
        tls: said("tls").then(|| tls.iter().map(|at| at.value.0).collect()),
        https: said("https").then(|| https.iter().map(|at| at.value.0).collect()),
        quic: said("quic").then(|| quic.iter().map(|at| at.value.0).collect()),
        tls_cert: fields.optional(reader, "tls_cert").map(|at: At<File>| at.value.0),
        tls_key: fields.optional(reader, "tls_key").map(|at: At<File>| at.value.0),
        ec2_api: fields.optional(reader, "ec2_api").map(|at| at.value),
        ec2_state,
        ec2_keys,
        ec2_host: said("ec2_host").then(|| hosts.into_iter().map(|at| at.value.0).collect()),
        sns_endpoint,
        ec2_webhook,
        aa: fields.flag(reader, "aa").map(|at| at.value),
        forward_special: said("forward_special").then(|| forward_special.into_iter().map(|at| at.value.0).collect()),
        private_only: said("private_only").then(|| private_only.into_iter().map(|at| at.value).collect()),
        rebind_protection: fields.flag(reader, "rebind_protection").map(|at| at.value),
        rebind_allow: said("rebind_allow").then(|| rebind_allow.into_iter().map(|at| at.value).collect()),
        log,
        limits: limits(reader, fields),
    }
}

/// A directory or file, as it is written.
struct File(PathBuf);

impl Text for File {
    const EXAMPLE: &'static str = "path/to/file";
    fn read(text: &str) -> Result<Self, Fault> {
        Ok(Self(text.into()))
    }
}

/// An address of an encrypted listener, which has port `PORT` if it says none.
struct Encrypted<const PORT: u16>(std::net::SocketAddr);

impl<const PORT: u16> Text for Encrypted<PORT> {
    const EXAMPLE: &'static str = "10.0.0.2:853";
    fn read(text: &str) -> Result<Self, Fault> {
        let address = parse_address_or(text, PORT);
        address
            .map(Self)
            .ok_or_else(|| Fault::new(format!("'{text}' is no address"), "such as 10.0.0.2:853 or [fd00::2]:853"))
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
                    forward_ca = \"ca.pem\"\nforward_0x20 = true\nallow = [\"192.0.2.0/24\"]\nhttp = \"127.0.0.1:9153\"\ntls = [\"::1\"]\n\
                    https = [\"10.0.0.2\", \"127.0.0.1:8443\"]\nquic = [\"10.0.0.2\"]\ntls_cert = \"a.pem\"\naa = true\nlog = \"debug\"\n\
                    forward_special = [\"10.in-addr.arpa\"]\nprivate_only = [\"*.corp.example\"]\n\
                    rebind_protection = true\nrebind_allow = [\"lan.example\"]\n\
                    dnssec = \"validate\"\ndnssec_anchors = \"root.key\"\ndnssec_insecure = [\"corp.example\"]\n\
                    [limits]\ntcp_idle_ms = 500\n";
        let (settings, problems) = read_settings(&"vpcedns.toml".into(), text);
        assert_eq!(problems, []);
        assert_eq!(settings.listen.unwrap().len(), 2);
        assert_eq!((settings.forward_ca, settings.forward_0x20), (Some("ca.pem".into()), Some(true)));
        let names = |names: &[&str]| Some(names.iter().map(|name| name.parse().unwrap()).collect::<Vec<DnsName>>());
        assert_eq!(settings.forward_special, names(&["10.in-addr.arpa"]));
        assert_eq!(settings.private_only, names(&["*.corp.example"]));
        assert_eq!((settings.rebind_protection, settings.rebind_allow), (Some(true), names(&["lan.example"])));
        assert_eq!((settings.dnssec, settings.dnssec_anchors), (Some(Dnssec::Validate), Some("root.key".into())));
        assert_eq!(settings.dnssec_insecure, names(&["corp.example"]));
        let addresses = [settings.tls, settings.https, settings.quic].into_iter().flatten().flatten();
        let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
        assert_eq!(addresses, ["[::1]:853", "10.0.0.2:443", "127.0.0.1:8443", "10.0.0.2:853"]);
        assert_eq!((settings.tls_cert, settings.tls_key), (Some("a.pem".into()), None));
        assert_eq!((settings.forward, settings.limits), (Some(Upstreams::None), vec![("tcp_idle_ms".to_owned(), 500)]));

        let text = "forward_special = [\"corp.example\"]\nlisen = [\"127.0.0.1:5300\"]\nforward = [\"system\", \"10.0.0.2\"]\n[limits]\ntcp_idle = 1\ndrain_ms = 9999999\n";
        let (_, problems) = read_settings(&"vpcedns.toml".into(), text);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "vpcedns.toml:2:1: error: unknown key 'lisen'\n  hint: did you mean 'listen'?",
                "vpcedns.toml:3:11: error: 'system' and 'none' stand alone: give one of them, or addresses",
                "vpcedns.toml:1:20: error: 'corp.example' is no special name: such are localhost, test, home.arpa, \
                 10.in-addr.arpa, or '.' for all",
                "vpcedns.toml:5:1: error: unknown limit 'tcp_idle': did you mean 'tcp_idle_ms'?",
                "vpcedns.toml:6:1: error: limit drain_ms = 9999999 is out of range: 0 to 600000",
            ]
        );
    }
}
