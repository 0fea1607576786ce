//! Where a store is that several servers share, in words.

use std::fmt;
use std::str::FromStr;

use crate::problem::Fault;

/// A cluster of etcd, and what is ours in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreAddress {
    /// Whether the connections are encrypted.
    pub is_encrypted: bool,
    /// The user of etcd.
    pub user: Option<String>,
    /// `HOST:PORT` of each member.
    pub members: Vec<String>,
    /// What all keys begin with.
    pub prefix: String,
}

const PLAIN: &str = "etcd://";
const ENCRYPTED: &str = "etcds://";
const PORT: u16 = 2379;
/// What keys begin with where nothing is said.
const PREFIX: &str = "/vpcedns";
const HINT: &str = "such as etcd://10.0.0.11:2379,10.0.0.12:2379,10.0.0.13:2379/vpcedns";

impl FromStr for StoreAddress {
    type Err = Fault;

    /// `etcd://[USER@]HOST[:PORT][,HOST[:PORT]...][/PREFIX]`, or `etcds://` for TLS.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |what: &str| Fault::new(format!("'{text}' {what}"), HINT);
        let is_encrypted = text.starts_with(ENCRYPTED);
        let rest = text.strip_prefix(if is_encrypted { ENCRYPTED } else { PLAIN });
        let rest = rest.ok_or_else(|| fault("names no store"))?;
        let (members, prefix) = rest.split_once('/').map_or((rest, PREFIX), |(members, _)| {
            let prefix = rest.get(members.len()..).unwrap_or_default().trim_end_matches('/');
            (members, if prefix.is_empty() { PREFIX } else { prefix })
        });
        let (user, members) = match members.rsplit_once('@') {
            // not repeated: others read what is printed
            Some((user, _)) if user.contains(':') => {
                let hint = "everybody on this machine sees it: put it into a file, and name that by --store-password";
                return Err(Fault::new("the store has a password in it", hint));
            }
            Some(("", _)) => return Err(fault("names an empty user")),
            Some((user, members)) => (Some(user.to_owned()), members),
            None => (None, members),
        };
        let members: Option<Vec<String>> = members.split(',').map(member).collect();
        let members = members.ok_or_else(|| fault("names a member that is no HOST:PORT"))?;
        Ok(Self { is_encrypted, user, members, prefix: prefix.to_owned() })
    }
}

/// `HOST:PORT`; an IPv6 address stands in brackets.
fn member(text: &str) -> Option<String> {
    let (host, port) = match text.rsplit_once(':').filter(|_| !text.ends_with(']')) {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (text, PORT),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_good = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')),
    };
    is_good.then(|| format!("{host}:{port}"))
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { ENCRYPTED } else { PLAIN };
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        write!(f, "{scheme}{user}{}{}", self.members.join(","), self.prefix)
    }
}

/// For the table of settings.
pub(super) fn store_address(text: &str) -> Result<StoreAddress, Fault> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_members_and_a_prefix() {
        for (text, shown) in [
            ("etcd://a", "etcd://a:2379/vpcedns"),
            ("etcd://a:1,10.0.0.1,[::1]:3/x/y/", "etcd://a:1,10.0.0.1:2379,[::1]:3/x/y"),
            ("etcd://[::1]/", "etcd://[::1]:2379/vpcedns"),
            ("etcds://dns@a,b/x", "etcds://dns@a:2379,b:2379/x"),
        ] {
            assert_eq!(text.parse::<StoreAddress>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_names_no_store_is_said() {
        for (text, what) in [
            ("http://a", "'http://a' names no store"),
            ("etcd://", "'etcd://' names a member that is no HOST:PORT"),
            ("etcd://a,/x", "'etcd://a,/x' names a member that is no HOST:PORT"),
            ("etcd://a:x", "'etcd://a:x' names a member that is no HOST:PORT"),
            ("etcd://::1", "'etcd://::1' names a member that is no HOST:PORT"),
            ("etcd://u:p@a", "the store has a password in it"),
            ("etcds://@a", "'etcds://@a' names an empty user"),
        ] {
            assert_eq!(text.parse::<StoreAddress>().unwrap_err().what, what);
        }
    }
}
