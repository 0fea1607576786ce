//! Settings that are given and change nothing, as what they belong to is off.
//!
//! Knows what the settings say, and nothing of files: `server/upstreams.rs` knows those that the model can put to use.

use super::settings::{Setting, Settings};
use crate::problem::{Place, Problem};

/// Settings that belong to others.
struct Dependents {
    keys: &'static [&'static str],
    /// Whether what they belong to is on.
    is_used: fn(&Settings) -> bool,
    /// What would put them to use.
    used_with: &'static str,
}

const DEPENDENTS: [Dependents; 11] = [
    Dependents { keys: &["http_host", "http_token"], is_used: |of| of.http.is_some(), used_with: "--http" },
    Dependents { keys: &["sync_dir", "sync_every"], is_used: |of| !of.sync.is_empty(), used_with: "--sync" },
    Dependents { keys: &["doh_tokens"], is_used: |of| !of.https.is_empty(), used_with: "--https" },
    Dependents {
        keys: &["tls_cert", "tls_key"],
        is_used: |of| !(of.tls.is_empty() && of.https.is_empty() && of.quic.is_empty()),
        used_with: "--tls, --https or --quic",
    },
    Dependents { keys: &["rebind_allow"], is_used: |of| of.rebind_protection, used_with: "--rebind-protection" },
    Dependents {
        keys: &["transfer_keys", "transfer_serials"],
        is_used: |of| !of.transfer.is_empty(),
        used_with: "--transfer",
    },
    Dependents {
        keys: &["ec2_state", "sns_endpoint", "ec2_webhook"],
        is_used: |of| of.ec2_api.is_some() || of.store.is_some(),
        used_with: "--ec2-api or --store",
    },
    Dependents {
        keys: &["store_ca", "store_cert", "store_key", "store_password"],
        is_used: |of| of.store.is_some(),
        used_with: "--store",
    },
    Dependents { keys: &["ec2_keys", "ec2_host"], is_used: |of| of.ec2_api.is_some(), used_with: "--ec2-api" },
    Dependents {
        // a listener is one machine's, and a store many machines'
        keys: &["ec2_listen"],
        is_used: |of| of.ec2_api.is_some() && of.store.is_none(),
        used_with: "--ec2-api and a state of this server's own",
    },
    Dependents {
        keys: &["query_log_one_of"],
        is_used: |of| of.query_log.is_some() || of.dnstap.is_some(),
        used_with: "--query-log or --dnstap",
    },
];

/// A warning for each setting that is not as it is by default, and changes nothing. Files that these name need not be read.
pub fn unused(settings: &Settings) -> Vec<Problem> {
    let idle = DEPENDENTS.iter().filter(|dependents| !(dependents.is_used)(settings));
    let keys = idle.flat_map(|dependents| dependents.keys.iter().map(|key| (*key, dependents.used_with)));
    keys.filter_map(|(key, used_with)| Some((Settings::find(key)?, used_with)))
        .filter(|(setting, _)| !setting.is_default(settings))
        .map(|(setting, used_with)| warning(setting, used_with))
        .collect()
}

fn warning(setting: &Setting, used_with: &str) -> Problem {
    let place = Place::whole(format!("--{}", setting.flag()));
    Problem::warning(
        place,
        format!("is not used: it belongs to {used_with}"),
        format!("give {used_with}, or leave it out"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings with these values, each a key and a text.
    fn with(values: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (key, text) in values {
            Settings::find(key).unwrap().set(&mut settings, &[text]).unwrap();
        }
        settings
    }

    /// Each of them alone is a warning; beside what it belongs to, it is none.
    #[test]
    fn what_belongs_to_something_that_is_off_is_named() {
        for (key, used_with) in [
            ("http_host", "http"),
            ("http_token", "http"),
            ("sync_dir", "sync"),
            ("sync_every", "sync"),
            ("doh_tokens", "https"),
            ("tls_cert", "tls"),
            ("tls_cert", "https"),
            ("tls_key", "quic"),
            ("rebind_allow", "rebind_protection"),
            ("transfer_keys", "transfer"),
            ("transfer_serials", "transfer"),
            ("ec2_state", "ec2_api"),
            ("ec2_state", "store"),
            ("sns_endpoint", "ec2_api"),
            ("ec2_webhook", "store"),
            ("store_ca", "store"),
            ("store_cert", "store"),
            ("store_key", "store"),
            ("store_password", "store"),
            ("ec2_keys", "ec2_api"),
            ("ec2_host", "ec2_api"),
            ("ec2_listen", "ec2_api"),
            ("query_log_one_of", "query_log"),
            ("query_log_one_of", "dnstap"),
        ] {
            let example = |key: &'static str| (key, Settings::find(key).unwrap().example);
            let said = unused(&with(&[example(key)]));
            let flag = Settings::find(used_with).unwrap().flag();
            let [said] = &said[..] else { panic!("{key}: {said:?}") };
            assert!(!said.is_error() && said.place.to_string() == format!("--{}", key.replace('_', "-")), "{said}");
            assert!(said.hint.contains(&format!("--{flag}")), "{said}");
            assert_eq!(unused(&with(&[example(key), example(used_with)])), [], "{key} with {used_with}");
        }
        assert_eq!(unused(&Settings::default()), []);
        let shared = [("ec2_listen", "10.0.0.0/24"), ("ec2_api", "127.0.0.1:4566"), ("store", "etcd://a")];
        assert_eq!(unused(&with(&shared)).len(), 1, "a shared store has no listeners");
    }
}
