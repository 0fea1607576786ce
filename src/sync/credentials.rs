//! Who asks: access keys from the environment, from a profile, or from a process that a profile names.
//!
//! The order is the AWS CLI's ("Configuration and credential precedence"): a profile that is named on the command line
//! holds over the environment's keys, these hold over the default profile. Whatever a profile has that is not known here
//! (SSO, roles) is reached by `credential_process = aws configure export-credentials --format process`.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::config::Secret;
use crate::ec2::auth::sigv4::Credentials;

/// Access keys of a profile, or of the environment.
#[derive(Clone, Debug)]
pub struct ProfileKeys(Credentials);

/// What `credential_process` prints (AWS CLI User Guide, "Sourcing credentials with an external process").
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessOutput {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

type ProfileSection = HashMap<String, String>;

impl ProfileKeys {
    /// The keys of profile `name`, or those that the environment or its profile has; the text says what is missing.
    pub fn load(name: Option<&str>) -> Result<Self, String> {
        let from_environment = || {
            let (access_key_id, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
            Some(keys(access_key_id, secret, variable("AWS_SESSION_TOKEN")))
        };
        if name.is_none()
            && let Some(credentials) = from_environment()
        {
            return Ok(Self(credentials));
        }
        let name = profile_name(name);
        let section = profile(&name);
        if let (Some(id), Some(secret)) = (section.get("aws_access_key_id"), section.get("aws_secret_access_key")) {
            return Ok(Self(keys(id.clone(), secret.clone(), section.get("aws_session_token").cloned())));
        }
        match section.get("credential_process") {
            Some(command) => run(command).map(Self),
            None => Err(format!(
                "no access keys: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and the profile '{name}' has \
                 none\n  hint: an emulator takes any, such as test; for SSO and roles give the profile a \
                 credential_process"
            )),
        }
    }

    /// The keys.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.0
    }
}

/// The region that the environment names, or the profile.
pub fn profile_region(name: Option<&str>) -> Option<String> {
    let from_environment = || variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    from_environment().or_else(|| profile(&profile_name(name)).remove("region"))
}

/// The URL that the environment names in place of AWS's.
pub fn endpoint_of_environment() -> Option<String> {
    variable("AWS_ENDPOINT_URL_EC2").or_else(|| variable("AWS_ENDPOINT_URL"))
}

fn keys(access_key_id: String, secret: String, session_token: Option<String>) -> Credentials {
    Credentials { access_key_id, secret_access_key: Secret::new(secret), session_token: session_token.map(Secret::new) }
}

/// A variable of the environment that says something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn profile_name(given: Option<&str>) -> String {
    given.map(str::to_owned).or_else(|| variable("AWS_PROFILE")).unwrap_or_else(|| "default".to_owned())
}

/// What both files say of a profile; the credentials file holds over the other.
fn profile(name: &str) -> ProfileSection {
    let file = |variable_name: &str, usual: &str| {
        let path = variable(variable_name).map(PathBuf::from);
        let path = path.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".aws").join(usual)));
        path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
    };
    let mut section = section(&file("AWS_CONFIG_FILE", "config"), name, true);
    section.extend(self::section(&file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), name, false));
    section
}

/// The keys of one profile in the text of a file. In the config file a profile but the default one is `[profile NAME]`.
fn section(text: &str, name: &str, is_config: bool) -> ProfileSection {
    let mut section = ProfileSection::new();
    let mut inside = false;
    for line in text.lines() {
        // a line that is indented belongs to the value above it, which is then a table
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) || is_nested {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let header = header.trim();
            let named = if is_config { header.strip_prefix("profile ").map(str::trim) } else { Some(header) };
            inside = named.or((header == "default").then_some(header)) == Some(name);
        } else if inside && let Some((key, value)) = line.split_once('=') {
            section.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    section
}

/// Runs a `credential_process` and reads what it prints.
fn run(command: &str) -> Result<Credentials, String> {
    let wrong = |what: String| format!("credential_process '{command}' {what}");
    let done = std::process::Command::new("sh").arg("-c").arg(command).stderr(std::process::Stdio::inherit()).output();
    let done = done.map_err(|error| wrong(format!("cannot be run: {error}")))?;
    if !done.status.success() {
        return Err(wrong(format!("failed: {}", done.status)));
    }
    // serde's text would show what was printed, which is a secret
    let printed: ProcessOutput = serde_json::from_slice(&done.stdout)
        .map_err(|_| wrong("printed no JSON with Version, AccessKeyId and SecretAccessKey".to_owned()))?;
    if printed.version != 1 {
        return Err(wrong(format!("printed Version {}: 1 is known", printed.version)));
    }
    Ok(keys(printed.access_key_id, printed.secret_access_key, printed.session_token))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After the AWS CLI User Guide, "Configuration and credential file settings".
    const CONFIG: &str = "[default]\nregion=us-west-2\noutput=json\n\n[profile user1]\nregion = us-east-1\ns3 =\n  \
        region = no\n# [profile user1]\n[sso-session user1]\nregion = no\n";

    #[test]
    fn profiles_are_found_in_both_files() {
        assert_eq!(section(CONFIG, "default", true)["region"], "us-west-2");
        assert_eq!(section(CONFIG, "user1", true)["region"], "us-east-1");
        assert!(section(CONFIG, "sso-session user1", true).is_empty());
        let text = "[user1]\naws_access_key_id=AKIAI44QH8DHBEXAMPLE\naws_secret_access_key = a=b\n";
        assert_eq!(section(text, "user1", false)["aws_secret_access_key"], "a=b");
        assert!(section(text, "default", false).is_empty());
    }

    #[test]
    fn a_process_prints_keys() {
        let found = run(r#"echo '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}'"#);
        let found = found.unwrap();
        assert_eq!((found.access_key_id.as_str(), found.secret_access_key.reveal()), ("a", "b"));
        assert_eq!(found.session_token.unwrap().reveal(), "c");
        for (command, why) in [
            ("exit 3", "failed"),
            ("echo '{\"Version\": 1, \"SecretAccessKey\": \"very-secret\"}'", "printed no JSON"),
            ("echo '{\"Version\": 2, \"AccessKeyId\": \"a\", \"SecretAccessKey\": \"b\"}'", "Version 2"),
        ] {
            assert!(run(command).unwrap_err().contains(why), "{command}");
        }
    }
}
