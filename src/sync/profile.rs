//! The files of the AWS CLI: profiles and SSO sessions (AWS CLI User Guide, "Configuration and credential file settings").

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::environment::Environment;
use crate::http_client::HostLookup;

/// The keys of one section.
pub(super) type ProfileSection = HashMap<String, String>;

/// What both files say of a profile. They are kept apart, as keys in one have another rank than keys in the other.
#[derive(Clone, Debug, Default)]
pub(super) struct AwsProfile {
    /// `~/.aws/config`
    pub(super) config: ProfileSection,
    /// `~/.aws/credentials`
    pub(super) shared: ProfileSection,
}

impl AwsProfile {
    /// A value; the credentials file holds over the other.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.shared.get(key).or_else(|| self.config.get(key)).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The text of both files.
pub(super) struct ProfileFiles {
    config: String,
    shared: String,
    /// Where they were looked for, for problems: `/root/.aws/config or /root/.aws/credentials`.
    pub(super) places: String,
}

impl ProfileFiles {
    /// Reads them. A file that is not there is empty; one that cannot be read is an error.
    pub(super) fn read(environment: &Environment) -> Result<Self, String> {
        let paths = [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")]
            .map(|(name, usual)| environment.aws_path(Some(name), usual));
        let read = |path: &Option<PathBuf>| match path.as_ref().map(|path| (path, std::fs::read_to_string(path))) {
            None => Ok(String::new()),
            Some((_, Ok(text))) => Ok(text),
            Some((_, Err(error))) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            Some((path, Err(error))) => Err(format!("{}: {error}", path.display())),
        };
        let [config, shared] = &paths;
        let named: Vec<String> = paths.iter().flatten().map(|path| path.display().to_string()).collect();
        let places = if named.is_empty() { "~/.aws, as HOME is not set".to_owned() } else { named.join(" or ") };
        Ok(Self { config: read(config)?, shared: read(shared)?, places })
    }

    /// A profile; `None` if neither file has it.
    pub(super) fn profile(&self, name: &str) -> Option<AwsProfile> {
        let in_config = |header: &str| match header.strip_prefix("profile") {
            Some(rest) if rest.starts_with([' ', '\t']) => rest.trim().trim_matches(['"', '\'']) == name,
            _ => header == "default" && name == "default",
        };
        let config = section(&self.config, in_config);
        let shared = section(&self.shared, |header| header == name);
        if config.is_none() && shared.is_none() {
            return None;
        }
        Some(AwsProfile { config: config.unwrap_or_default(), shared: shared.unwrap_or_default() })
    }

    /// A section `[sso-session NAME]`.
    pub(super) fn sso_session(&self, name: &str) -> Option<ProfileSection> {
        let is_named = |header: &str| {
            let rest = header.strip_prefix("sso-session").filter(|rest| rest.starts_with([' ', '\t']));
            rest.is_some_and(|rest| rest.trim().trim_matches(['"', '\'']) == name)
        };
        section(&self.config, is_named)
    }
}

/// The profile that is used, and whether somebody named it.
pub(super) fn profile_name(given: Option<&str>, environment: &Environment) -> (String, bool) {
    let named =
        given.or_else(|| environment.variable("AWS_PROFILE")).or_else(|| environment.variable("AWS_DEFAULT_PROFILE"));
    named.map_or_else(|| ("default".to_owned(), false), |name| (name.to_owned(), true))
}

/// The region that the environment of this process names, or the profile.
pub fn profile_region(name: Option<&str>) -> Option<String> {
    let environment = Environment::of_process(HostLookup::default());
    let region = environment.variable("AWS_REGION").or_else(|| environment.variable("AWS_DEFAULT_REGION"));
    if let Some(region) = region {
        return Some(region.to_owned());
    }
    let profile = ProfileFiles::read(&environment).ok()?.profile(&profile_name(name, &environment).0)?;
    profile.value("region").map(str::to_owned)
}

/// The keys of the sections whose header `is_meant`; `None` if there is none.
fn section(text: &str, is_meant: impl Fn(&str) -> bool) -> Option<ProfileSection> {
    let mut found: Option<ProfileSection> = None;
    let mut inside = false;
    for line in text.lines() {
        // a line that is indented belongs to the value above it, which is then a table
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) || is_nested {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            inside = is_meant(header.trim());
            if inside {
                found.get_or_insert_default();
            }
        } else if inside && let (Some(section), Some((key, value))) = (&mut found, line.split_once('=')) {
            section.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After the AWS CLI User Guide, "Configuration and credential file settings".
    const CONFIG: &str = "[default]\nregion=us-west-2\noutput=json\n\n[profile user1]\nregion = us-east-1\ns3 =\n  \
        region = no\n# [profile user1]\n[sso-session user1]\nsso_region = eu-west-1\n[profile \"of two\"]\na = b\n";

    fn files(shared: &str) -> ProfileFiles {
        ProfileFiles { config: CONFIG.to_owned(), shared: shared.to_owned(), places: String::new() }
    }

    #[test]
    fn profiles_are_found_in_both_files() {
        let files =
            files("[user1]\naws_access_key_id=AKIAI44QH8DHBEXAMPLE\naws_secret_access_key = a=b\nregion = eu-west-3\n");
        let value = |profile: &str, key: &str| files.profile(profile)?.value(key).map(str::to_owned);
        assert_eq!(value("default", "region").unwrap(), "us-west-2");
        assert_eq!(value("user1", "region").unwrap(), "eu-west-3");
        assert_eq!(value("user1", "aws_secret_access_key").unwrap(), "a=b");
        assert_eq!(value("of two", "a").unwrap(), "b");
        for none in ["sso-session user1", "profile user1", "user2"] {
            assert!(files.profile(none).is_none(), "{none}");
        }
    }

    #[test]
    fn sso_sessions_are_no_profiles() {
        let files = files("[only]\na = b\n");
        assert_eq!(files.sso_session("user1").unwrap()["sso_region"], "eu-west-1");
        assert!(files.sso_session("default").is_none());
        assert!(files.profile("only").is_some());
    }
}
