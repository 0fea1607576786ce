//! The file of keys with which secondaries take zones over:
//!
//! ```toml
//! [[key]]
//! name = "vpc-a.secondaries"
//! algorithm = "hmac-sha256"          # the default; or hmac-sha384, hmac-sha512
//! secret = "..."                     # base64, as tsig-keygen prints it
//! vpc_id = "vpc-ec43eb89"            # whose zones; without it, those of clients of no VPC
//! endpoint_zones = "each"            # the default; or whole, none
//! notify = ["10.0.0.53:53"]          # secondaries that are told of changes
//! ```

use std::net::SocketAddr;

use data_encoding::BASE64;

use super::doc::DocNode;
use super::key_file::{KeyFile, secret_text};
use super::reader::{Fields, Keys, Reader, distinct};
use super::values::{Text, one_of};
use crate::config::{Secret, TransferKey, TsigAlgorithm};
use crate::dns::DnsName;
use crate::export::{EndpointZones, ViewId};
use crate::naming::VpcId;
use crate::problem::{At, Fault, FileName, Problem};

const FILE: KeyFile<TransferKey> = KeyFile {
    file: "a file of transfer keys",
    table: &["key"],
    what: "key",
    needs: "name, secret and vpc_id",
    read_one,
    name: |key| key.name.to_string(),
};
const KEYS: &[&str] = &["name", "algorithm", "secret", "vpc_id", "endpoint_zones", "notify"];
/// What makes a secret.
const KEYGEN: &str = "`tsig-keygen` or `head -c 32 /dev/urandom | base64` makes one";
/// Octets of a secret, at least (RFC 8945 8: "keys SHOULD be at least as long as the digest", and half of it is too few).
const LEAST_SECRET: usize = 16;

impl Text for TsigAlgorithm {
    const EXAMPLE: &'static str = "hmac-sha256";

    fn read(text: &str) -> Result<Self, Fault> {
        word(text, "TSIG algorithm", &Self::WORDS)
    }
}

impl Text for EndpointZones {
    const EXAMPLE: &'static str = "each";

    fn read(text: &str) -> Result<Self, Fault> {
        word(text, "choice of zones", &Self::WORDS)
    }
}

fn word<T: Copy>(text: &str, what: &str, words: &[(&str, T)]) -> Result<T, Fault> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    found.ok_or_else(|| Fault::new(format!("'{text}' is not a valid {what}"), one_of(text, &known)))
}

/// Keys out of `text`, the content of `path`, and everything that is wrong with it.
///
/// A file without a key is an error: nobody could take a zone over.
pub fn read_transfer_keys(path: &FileName, text: &str) -> (Vec<TransferKey>, Vec<Problem>) {
    FILE.read(path, text)
}

/// One key, with the place of its name.
fn read_one(reader: &mut Reader<'_>, node: &DocNode<'_>) -> Option<At<TransferKey>> {
    let before = reader.errors();
    let fields = reader.table(node, "[[key]]", Keys::Only(KEYS))?;
    let name: Option<At<DnsName>> = fields.required(reader, "name");
    let algorithm: Option<At<TsigAlgorithm>> = fields.optional(reader, "algorithm");
    let secret = read_secret(reader, &fields);
    let vpc: Option<At<VpcId>> = fields.optional(reader, "vpc_id");
    let endpoint_zones: Option<At<EndpointZones>> = fields.optional(reader, "endpoint_zones");
    let notify: Vec<At<SocketAddr>> = fields.list(reader, "notify");
    distinct(reader, &notify);
    let (name, secret) = (name?, secret?);
    (reader.errors() == before).then(|| {
        let endpoint_zones = endpoint_zones.map_or_else(EndpointZones::default, |at| at.value);
        let view = ViewId { vpc: vpc.map(|at| at.value), endpoint_zones };
        let algorithm = algorithm.map_or_else(TsigAlgorithm::default, |at| at.value);
        let notify = notify.into_iter().map(|at| at.value).collect();
        At::new(TransferKey { name: name.value, algorithm, secret, view, notify }, name.place)
    })
}

fn read_secret(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Secret> {
    let (node, text) = secret_text(reader, fields, "secret", KEYGEN)?;
    match BASE64.decode(text.as_bytes()) {
        Ok(octets) if octets.len() >= LEAST_SECRET => return Some(Secret::new(text)),
        Ok(_) => reader.error(node.at, format!("secret has less than {LEAST_SECRET} octets"), KEYGEN),
        Err(_) => reader.error(node.at, "secret is not base64", KEYGEN),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<TransferKey>, Vec<String>) {
        let (keys, problems) = read_transfer_keys(&"keys.toml".into(), text);
        (keys, problems.iter().map(ToString::to_string).collect())
    }

    const GOOD: &str = "[[key]]\nname = \"A.example\"\nsecret = \"c2VjcmV0c2VjcmV0c2VjcmV0\"\nvpc_id = \"vpc-ec43eb89\"\n\
                        endpoint_zones = \"whole\"\nalgorithm = \"hmac-sha512\"\nnotify = [\"127.0.0.1:5301\", \"[::1]\"]\n";

    #[test]
    fn keys_are_read_and_none_is_printed() {
        let (keys, problems) = read(GOOD);
        assert_eq!(problems, [""; 0]);
        let [key] = &keys[..] else { panic!("{keys:?}") };
        assert_eq!((key.name.to_string(), key.algorithm), ("a.example".into(), TsigAlgorithm::Sha512));
        assert_eq!(key.view.vpc.unwrap().to_string(), "vpc-ec43eb89");
        assert_eq!(key.view.endpoint_zones, EndpointZones::Whole);
        assert_eq!(key.notify, ["127.0.0.1:5301".parse().unwrap(), "[::1]:53".parse().unwrap()]);
        assert!(!format!("{key:?}").contains("c2Vj"));
    }

    #[test]
    fn problems_name_the_place_and_no_secret() {
        let short = GOOD.replace("c2VjcmV0c2VjcmV0c2VjcmV0", "c2hvcnQ=");
        for (text, what) in [
            (short.as_str(), "keys.toml:3:10: error: secret has less than 16 octets"),
            (&GOOD.replace("c2Vj", "?2Vj"), "keys.toml:3:10: error: secret is not base64"),
            (&GOOD.replace("whole", "every"), "keys.toml:5:18: error: 'every' is not a valid choice of zones"),
            (&GOOD.replace("sha512", "sha1"), "keys.toml:6:13: error: 'hmac-sha1' is not a valid TSIG algorithm"),
            (&[GOOD, GOOD].concat(), "keys.toml:9:8: error: key a.example is declared twice"),
            ("", "keys.toml: error: no key in this file"),
            ("[[key]]\nname = \"a\"\n", "keys.toml:1:1: error: [[key]] has no 'secret'"),
        ] {
            let (_, problems) = read(text);
            assert!(problems[0].starts_with(what), "{problems:?}");
            assert!(!problems.concat().contains("2Vj"), "{problems:?}");
        }
    }
}
