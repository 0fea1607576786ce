//! IAM Identity Center, and the tokens that `aws sso login` leaves behind.

use super::*;

const SSO: &str = "[profile sso]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Net Reader\n\
                   [sso-session corp]\nsso_region = eu-central-1\nsso_start_url = https://corp.awsapps.com/start\n\
                   [profile old]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\n\
                   sso_account_id = 111122223333\nsso_role_name = Net Reader\n";
/// `printf corp | sha1sum`, and of the start URL: so `aws sso login` names its files.
const SESSION_CACHE: &str = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
const START_URL_CACHE: &str = ".aws/sso/cache/a51746d4aa793ae07b25e90c3a5db96fc7832bd7.json";

/// What `aws sso login` leaves behind.
fn login(token: &str, expires: u64) -> String {
    let (expires, registered) = (at(expires), at(NOW + 90 * 24 * 60 * MINUTE));
    format!(
        r#"{{"startUrl": "https://corp.awsapps.com/start", "region": "eu-central-1", "accessToken": "{token}",
            "expiresAt": "{expires}", "clientId": "client", "clientSecret": "hidden client", "refreshToken": "hidden r1",
            "registrationExpiresAt": "{registered}"}}"#
    )
}

/// IAM Identity Center: credentials for the tokens `hidden one` and `hidden two`, and the second for `hidden r1`.
fn identity_center(asked: &Asked) -> (u16, String) {
    match asked.line.as_str() {
        "GET /federation/credentials?role_name=Net+Reader&account_id=111122223333" => {
            let (id, expires) = match asked.headers["x-amz-sso_bearer_token"].as_str() {
                "hidden one" => ("ASIA1", NOW + 60 * MINUTE),
                "hidden two" => ("ASIA2", NOW + 120 * MINUTE),
                _ => return (401, r#"{"message": "Session token not found or invalid"}"#.to_owned()),
            };
            let expires = expires * 1000;
            let body = format!(
                r#"{{"roleCredentials": {{"accessKeyId": "{id}", "secretAccessKey": "hidden of {id}",
                    "sessionToken": "hidden token", "expiration": {expires}}}}}"#
            );
            (200, body)
        }
        "POST /token" => {
            let said: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
            assert_eq!((&said["clientId"], &said["clientSecret"]), (&"client".into(), &"hidden client".into()));
            match said["refreshToken"].as_str() {
                Some("hidden r1") => {
                    (200, r#"{"accessToken": "hidden two", "expiresIn": 3600, "refreshToken": "hidden r2"}"#.to_owned())
                }
                _ => (
                    400,
                    r#"{"error": "invalid_grant", "error_description": "Invalid refresh token provided"}"#.to_owned(),
                ),
            }
        }
        _ => (404, String::new()),
    }
}

async fn sso_machine() -> Machine {
    let machine = Machine::new(identity_center).await.file(".aws/config", SSO);
    machine.with("AWS_ENDPOINT_URL_SSO", "URL").with("AWS_ENDPOINT_URL_SSO_OIDC", "URL")
}

#[tokio::test]
async fn a_login_is_renewed_and_kept() {
    let machine = sso_machine().await.file(SESSION_CACHE, &login("hidden one", NOW + 60 * MINUTE));
    let credentials = machine.credentials(Some("sso"));
    assert_eq!(key(&credentials).await, "ASIA1");
    assert_eq!(machine.lines().len(), 1);

    machine.turn(50 * MINUTE);
    assert_eq!(key(&credentials).await, "ASIA2");
    let lines = machine.lines();
    assert_eq!(lines[0], "POST /token");
    assert!(lines[1].starts_with("GET /federation/credentials?") && lines.len() == 2, "{lines:?}");

    let path = machine.home.path().join(SESSION_CACHE);
    let kept: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (name, value) in [
        ("accessToken", "hidden two"),
        ("refreshToken", "hidden r2"),
        ("expiresAt", "2026-11-26T18:50:00Z"),
        ("clientId", "client"),
        ("startUrl", "https://corp.awsapps.com/start"),
    ] {
        assert_eq!(kept[name], value, "{name}");
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_login_that_cannot_be_renewed_is_used_while_it_is_good() {
    let good_for = |left: u64| login("hidden one", NOW + left).replace("hidden r1", "hidden r0");
    let machine = sso_machine().await.file(SESSION_CACHE, &good_for(5 * MINUTE));
    assert_eq!(key(&machine.credentials(Some("sso"))).await, "ASIA1");
    machine.turn(5 * MINUTE);
    let told = why(&machine.credentials(Some("sso"))).await;
    let expected = "SSO of profile 'sso': the token expired at 2026-11-26T17:05:00.000Z, and";
    assert!(
        told.starts_with(expected)
            && told.contains("did not renew it: 400 Bad Request")
            && told.contains("invalid_grant"),
        "{told}"
    );
    assert!(told.ends_with("run `aws sso login --profile sso` as the user that this process runs as"), "{told}");
    // what `aws sso login` then writes is taken up
    machine.write(SESSION_CACHE, &login("hidden two", NOW + 60 * MINUTE));
    assert_eq!(key(&machine.credentials(Some("sso"))).await, "ASIA2");
}

#[tokio::test]
async fn the_older_kind_of_login_is_used_until_it_expires() {
    let machine = sso_machine().await.file(START_URL_CACHE, &login("hidden one", NOW + MINUTE));
    assert_eq!(key(&machine.credentials(Some("old"))).await, "ASIA1");
    machine.turn(MINUTE);
    assert!(
        why(&machine.credentials(Some("old")))
            .await
            .contains("expired at 2026-11-26T17:01:00.000Z, and cannot be renewed")
    );
    assert!(machine.lines().iter().all(|line| line.starts_with("GET ")));
}

#[tokio::test]
async fn a_login_that_is_missing_or_broken_is_told() {
    let machine = sso_machine().await;
    let told = why(&machine.credentials(Some("sso"))).await;
    assert!(
        told.contains("ee0bfd2552fbd840c02cc48b6e823320543c450f.json: no token: No such file or directory"),
        "{told}"
    );
    for (text, expected) in [
        ("", "is not a JSON object"),
        (r#"["hidden"]"#, "is not a JSON object"),
        (r#"{"accessToken": {"hidden": 1}}"#, "has no accessToken"),
        (r#"{"accessToken": "hidden", "expiresAt": "hidden"}"#, "has no time in expiresAt"),
        (&login("hidden gone", NOW + 60 * MINUTE), "the token is not taken: 401 Unauthorized"),
        (&login("hidden\\u0001", NOW + 60 * MINUTE), "the token is no header's value"),
    ] {
        machine.write(SESSION_CACHE, text);
        let told = why(&machine.credentials(Some("sso"))).await;
        assert!(told.contains(expected) && told.contains("`aws sso login --profile sso`"), "{told}");
    }
    machine.answers(|_| (403, r#"{"message": "No access"}"#.to_owned()));
    machine.write(SESSION_CACHE, &login("hidden one", NOW + 60 * MINUTE));
    let told = why(&machine.credentials(Some("sso"))).await;
    assert!(
        told.contains("role Net Reader in 111122223333: 403 Forbidden")
            && told.contains("has the user this role there?"),
        "{told}"
    );
    machine.answers(|_| (200, r#"{"roleCredentials": {"accessKeyId": "a", "secretAccessKey": "hidden"}}"#.to_owned()));
    assert!(why(&machine.credentials(Some("sso"))).await.contains("the answer is not JSON with roleCredentials"));
}
