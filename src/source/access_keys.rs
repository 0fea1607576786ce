//! The file of access keys that may call the EC2 API:
//!
//! ```toml
//! [[access_key]]
//! access_key_id = "AKIAIOSFODNN7EXAMPLE"
//! secret_access_key = "..."
//! account_id = "123456789012"
//! actions = ["Describe*", "CreateVpcEndpoint"] # "*" for all
//! ```

use super::doc::DocNode;
use super::key_file::{KeyFile, secret_text};
use super::reader::{Fields, Keys, Reader};
use super::values::Text;
use crate::config::{AccessKey, ActionPattern, Secret};
use crate::problem::{At, Fault, FileName, Problem};

const FILE: KeyFile<AccessKey> = KeyFile {
    file: "a file of access keys",
    table: &["access_key"],
    what: "access key",
    needs: "access_key_id, secret_access_key, account_id and actions",
    read_one,
    name: |key| key.access_key_id.clone(),
};
const KEYS: &[&str] = &["access_key_id", "secret_access_key", "account_id", "actions"];

struct KeyId(String);
struct Account(String);

impl Text for KeyId {
    const EXAMPLE: &'static str = "AKIAIOSFODNN7EXAMPLE";
    fn read(text: &str) -> Result<Self, Fault> {
        // what stands in a credential scope ends at a slash (SigV4)
        let sound =
            (1..=128).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
        let hint = "1 to 128 letters, digits and _, such as AKIAIOSFODNN7EXAMPLE";
        sound
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| Fault::new(format!("'{text}' is not a valid access key id"), hint))
    }
}

impl Text for Account {
    const EXAMPLE: &'static str = "123456789012";
    fn read(text: &str) -> Result<Self, Fault> {
        let sound = text.len() == 12 && text.bytes().all(|octet| octet.is_ascii_digit());
        let fault = || Fault::new(format!("'{text}' is not a valid account id"), "12 digits, such as 123456789012");
        sound.then(|| Self(text.to_owned())).ok_or_else(fault)
    }
}

impl Text for ActionPattern {
    const EXAMPLE: &'static str = "Describe*";
    fn read(text: &str) -> Result<Self, Fault> {
        let hint = "the name of an action without 'ec2:', * stands for any characters: Describe*, CreateVpcEndpoint";
        Self::parse(text).ok_or_else(|| Fault::new(format!("'{text}' names no actions"), hint))
    }
}

/// Access keys out of `text`, the content of `path`, and everything that is wrong with it.
///
/// A file without a key is an error: without keys the API would be open.
pub fn read_access_keys(path: &FileName, text: &str) -> (Vec<AccessKey>, Vec<Problem>) {
    FILE.read(path, text)
}

/// One key, with the place of its id.
fn read_one(reader: &mut Reader<'_>, node: &DocNode<'_>) -> Option<At<AccessKey>> {
    let before = reader.errors();
    let fields = reader.table(node, "[[access_key]]", Keys::Only(KEYS))?;
    let id: Option<At<KeyId>> = fields.required(reader, "access_key_id");
    let secret = read_secret(reader, &fields);
    let account: Option<At<Account>> = fields.required(reader, "account_id");
    let actions: Vec<At<ActionPattern>> = fields.list(reader, "actions");
    if !fields.has("actions") {
        fields.missing_with(reader, "actions", "add actions = [\"*\"], or a list such as [\"Describe*\"]");
    } else if actions.is_empty() && reader.errors() == before {
        reader.warning(fields.at, "this access key may call nothing", "actions = [\"*\"] allows everything");
    }
    let (id, secret_access_key, account) = (id?, secret?, account?);
    (reader.errors() == before).then(|| {
        let actions = actions.into_iter().map(|at| at.value).collect();
        let key = AccessKey { access_key_id: id.value.0, secret_access_key, account_id: account.value.0, actions };
        At::new(key, id.place)
    })
}

fn read_secret(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Secret> {
    let missing = "add secret_access_key = \"...\", as the client has it";
    let (node, text) = secret_text(reader, fields, "secret_access_key", missing)?;
    if text.is_empty() {
        reader.error(node.at, "secret_access_key is empty", "anybody could sign with it");
        return None;
    }
    Some(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<AccessKey>, Vec<String>) {
        let (keys, problems) = read_access_keys(&"keys.toml".into(), text);
        (keys, problems.iter().map(ToString::to_string).collect())
    }

    const GOOD: &str = "[[access_key]]\naccess_key_id = \"AKIDEXAMPLE\"\nsecret_access_key = \"hush\"\n\
                        account_id = \"123456789012\"\nactions = [\"Describe*\", \"CreateVpc\"]\n";

    #[test]
    fn keys_are_read() {
        let (keys, problems) = read(GOOD);
        assert_eq!(problems, [""; 0]);
        let [key] = &keys[..] else { panic!("{keys:?}") };
        assert_eq!((key.access_key_id.as_str(), key.account_id.as_str()), ("AKIDEXAMPLE", "123456789012"));
        assert_eq!(key.secret_access_key.reveal(), "hush");
        assert!(key.may_call("DescribeVpcs") && key.may_call("CreateVpc") && !key.may_call("DeleteVpc"));
    }

    #[test]
    fn problems_name_the_place_and_no_secret() {
        let text = "[[access_key]]\naccess_key_id = \"AK ID\"\nsecret_access_key = 271828182\naccount_id = \"1234\"\n\
                    actions = [\"ec2:Describe*\"]\n\n[[access_key]]\nsecret = \"hush\"\n";
        let (keys, problems) = read(text);
        assert_eq!(keys, []);
        assert_eq!(
            problems,
            [
                "keys.toml:2:17: error: 'AK ID' is not a valid access key id\n  hint: 1 to 128 letters, digits and _, such as \
                 AKIAIOSFODNN7EXAMPLE",
                "keys.toml:3:21: error: secret_access_key is not a string\n  hint: write it in quotes",
                "keys.toml:4:14: error: '1234' is not a valid account id\n  hint: 12 digits, such as 123456789012",
                "keys.toml:5:12: error: 'ec2:Describe*' names no actions\n  hint: the name of an action without \
                 'ec2:', * stands for any characters: Describe*, CreateVpcEndpoint",
                "keys.toml:8:1: error: unknown key 'secret'\n  hint: keys of [[access_key]]: access_key_id, \
                 secret_access_key, account_id, actions",
                "keys.toml:7:1: error: [[access_key]] has no 'access_key_id'\n  hint: add access_key_id = \
                 \"AKIAIOSFODNN7EXAMPLE\"",
                "keys.toml:7:1: error: [[access_key]] has no 'secret_access_key'\n  hint: add secret_access_key = \
                 \"...\", as the client has it",
                "keys.toml:7:1: error: [[access_key]] has no 'account_id'\n  hint: add account_id = \"123456789012\"",
                "keys.toml:7:1: error: [[access_key]] has no 'actions'\n  hint: add actions = [\"*\"], or a list such \
                 as [\"Describe*\"]",
            ]
        );
        assert!(!problems.concat().contains("271828182"));
    }

    #[test]
    fn a_file_without_keys_opens_nothing() {
        for text in ["", "# later\n", "access_key = []\n"] {
            let (keys, problems) = read(text);
            assert_eq!((keys, problems.len()), (vec![], 1), "{text}");
            assert!(problems[0].starts_with("keys.toml: error: no access key"), "{problems:?}");
        }
    }

    #[test]
    fn a_key_is_declared_once() {
        let (keys, problems) = read(&[GOOD, GOOD].concat());
        assert_eq!(keys.len(), 1);
        assert_eq!(
            problems,
            ["keys.toml:7:17: error: access key AKIDEXAMPLE is declared twice\n  hint: the other is at keys.toml:2:17"]
        );
    }

    #[test]
    fn empty_secrets_and_empty_lists_are_told() {
        let (keys, problems) = read(&GOOD.replace("hush", ""));
        assert_eq!((keys.len(), problems.len()), (0, 1));
        assert!(problems[0].contains("3:21: error: secret_access_key is empty"), "{problems:?}");
        let (keys, problems) = read(&GOOD.replace("[\"Describe*\", \"CreateVpc\"]", "[]"));
        assert_eq!((keys.len(), problems.len()), (1, 1));
        assert!(problems[0].contains("warning: this access key may call nothing"), "{problems:?}");
    }
}
