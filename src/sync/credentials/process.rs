//! Credentials of a process that a profile names (AWS CLI User Guide, "Sourcing credentials with an external process").

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;
use tokio::time::timeout;

use super::issued::{CredentialError, Issued};

/// How long it may take. Some ask a person, on a terminal or in a browser.
const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Versioned {
    version: u32,
}

/// Runs `command` in a shell and reads what it prints. What it says besides goes where our own messages go.
pub(super) async fn run(command: &str, profile: &str) -> Result<Issued, CredentialError> {
    run_within(TIMEOUT, command).await.map_err(|what| {
        // the command itself is not shown: people write keys into it
        let hint = "run the command by hand: it has to print what the AWS CLI User Guide asks for in \"Sourcing \
                    credentials with an external process\"";
        CredentialError::new(format!("credential_process of profile '{profile}' {what}"), hint)
    })
}

async fn run_within(limit: Duration, command: &str) -> Result<Issued, String> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    // `Command::output` would take its standard error away
    let output = async { shell.spawn()?.wait_with_output().await };
    let done = timeout(limit, output).await.map_err(|_| format!("took longer than {} s", limit.as_secs_f32()))?;
    let done = done.map_err(|error| format!("cannot be run: {error}"))?;
    if !done.status.success() {
        return Err(format!("failed: {}", done.status));
    }
    let printed: Versioned = serde_json::from_slice(&done.stdout)
        .map_err(|_| "printed no JSON with Version, AccessKeyId and SecretAccessKey".to_owned())?;
    if printed.version != 1 {
        return Err(format!("printed Version {}: 1 is known", printed.version));
    }
    Issued::from_json(&done.stdout).map_err(|why| format!("printed what {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_prints_keys() {
        let found =
            run(r#"echo '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}'"#, "p");
        let found = found.await.unwrap();
        assert_eq!((&*found.credentials.access_key_id, found.credentials.secret_access_key.reveal()), ("a", "b"));
        assert_eq!(found.credentials.session_token.unwrap().reveal(), "c");
        for (command, why) in [
            ("exit 3", "failed: exit status: 3"),
            ("echo", "printed no JSON"),
            ("/nowhere/hidden", "failed: exit status: 127"),
            ("echo '{\"Version\": 1, \"SecretAccessKey\": \"hidden\"}'", "is not JSON with AccessKeyId"),
            ("echo '{\"Version\": 2, \"AccessKeyId\": \"a\", \"SecretAccessKey\": \"b\"}'", "Version 2"),
            (
                "echo '{\"Version\": 1, \"AccessKeyId\": \"a\", \"SecretAccessKey\": \"b\", \"Expiration\": \"x\"}'",
                "no time",
            ),
        ] {
            let error = run(command, "p").await.unwrap_err();
            assert!(
                error.what.starts_with("credential_process of profile 'p' ") && error.what.contains(why),
                "{error}"
            );
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_process_that_does_not_end_is_ended() {
        let why = run_within(Duration::from_millis(10), "exec sleep 600").await.unwrap_err();
        assert!(why.starts_with("took longer than"), "{why}");
    }
}
