//! Credentials of the machine itself: an instance, a container.

use super::*;

/// The metadata service of an instance with a role; its keys are numbered, and good for an hour from `NOW` on, then two, ...
fn instance() -> impl FnMut(&Asked) -> (u16, String) + Send {
    let mut issued = 0;
    move |asked| match asked.line.as_str() {
        "PUT /latest/api/token" if asked.headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600" => {
            (200, "hidden session".to_owned())
        }
        _ if asked.headers.get("x-aws-ec2-metadata-token").map(String::as_str) != Some("hidden session") => {
            (401, String::new())
        }
        "GET /latest/meta-data/iam/security-credentials/" => (200, "reader".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/reader" => {
            issued += 1;
            (200, json(&format!("ASIA{issued}"), NOW + issued * 60 * MINUTE))
        }
        _ => (404, String::new()),
    }
}

#[tokio::test]
async fn an_instance_has_credentials_and_they_are_refreshed_before_they_expire() {
    let machine = Machine::new(instance()).await.with("AWS_EC2_METADATA_SERVICE_ENDPOINT", "URL/");
    let credentials = machine.credentials(None);
    assert_eq!(key(&credentials).await, "ASIA1");
    assert_eq!(machine.lines().len(), 3);

    machine.turn(49 * MINUTE);
    assert_eq!(key(&credentials.clone()).await, "ASIA1");
    assert!(machine.lines().is_empty(), "credentials that are good for 11 minutes are asked for again");

    machine.turn(MINUTE);
    assert_eq!(key(&credentials).await, "ASIA2");
    assert_eq!(key(&credentials).await, "ASIA2");
    assert_eq!(machine.lines().len(), 3);
}

#[tokio::test]
async fn credentials_that_are_still_good_bridge_an_outage() {
    let machine = Machine::new(instance()).await.with("AWS_EC2_METADATA_SERVICE_ENDPOINT", "URL");
    let credentials = machine.credentials(None);
    assert_eq!(key(&credentials).await, "ASIA1");
    machine.answers(|_| (500, "out of order".to_owned()));
    machine.asked();

    machine.turn(51 * MINUTE);
    for _ in 0..3 {
        assert_eq!(key(&credentials).await, "ASIA1");
    }
    assert_eq!(machine.lines().len(), 1, "a service that fails is asked with every call");
    machine.turn(31);
    assert_eq!(key(&credentials).await, "ASIA1");
    assert_eq!(machine.lines().len(), 1);

    machine.turn(9 * MINUTE);
    assert!(why(&credentials).await.contains("500 Internal Server Error: out of order"));
    machine.answers(instance());
    machine.clock.store(NOW, Ordering::Relaxed);
    assert_eq!(key(&credentials).await, "ASIA1");
}

#[tokio::test]
async fn many_who_ask_at_once_cause_one_request() {
    let machine = Machine::new(instance()).await.with("AWS_EC2_METADATA_SERVICE_ENDPOINT", "URL");
    let credentials = machine.credentials(None);
    let all = futures_util::future::join_all((0..8).map(|_| key(&credentials))).await;
    assert_eq!(all, vec!["ASIA1"; 8]);
    assert_eq!(machine.lines().len(), 3);
}

#[tokio::test]
async fn what_a_metadata_service_says_instead_is_told() {
    let role = r#"{"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role reader"}"#;
    for (at, status, body, expected) in [
        ("token", 403, "", "no token: 403 Forbidden; on an EC2 instance allow IMDSv2"),
        ("credentials/", 404, "", "the instance has no role; attach an instance profile"),
        ("credentials/", 200, "", "the instance has no role"),
        ("credentials/", 200, "../../user-data", "no role: 200 OK: ../../user-data"),
        (
            "reader",
            200,
            role,
            "role reader: AssumeRoleUnauthorizedAccess: EC2 cannot assume the role reader; the trust",
        ),
        ("reader", 200, "<html>hidden", "role reader: the answer is not JSON with AccessKeyId"),
        ("reader", 200, r#"{"AccessKeyId": "a", "SecretAccessKey": {"hidden": 1}}"#, "the answer is not JSON"),
        ("reader", 503, "busy", "503 Service Unavailable: busy"),
    ] {
        let mut good = instance();
        let machine =
            Machine::new(move |asked| if asked.line.ends_with(at) { (status, body.to_owned()) } else { good(asked) });
        let machine = machine.await.with("AWS_EC2_METADATA_SERVICE_ENDPOINT", "URL");
        let told = why(&machine.credentials(None)).await;
        let looked_at =
            "no credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, profile 'default' has none in";
        assert!(told.starts_with(looked_at) && told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn a_metadata_service_that_is_silent_is_not_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let machine = Machine::new(|_| (404, String::new())).await.with("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url);
    assert!(why(&machine.credentials(None)).await.contains(&format!("({url}): no response within 1000 ms")));
    drop(listener);
    assert!(why(&machine.credentials(None)).await.contains("Connection refused"));
}

#[tokio::test]
async fn a_container_shows_its_token_as_it_is_now() {
    let machine = Machine::new(|asked| match asked.headers.get("authorization").map(String::as_str) {
        Some("hidden one") => (200, json("ASIA1", NOW + 60 * MINUTE)),
        Some("hidden two") => (200, json("ASIA2", NOW + 120 * MINUTE)),
        _ => (403, r#"{"code": "AccessDenied", "message": "no association"}"#.to_owned()),
    });
    let machine = machine.await.with("AWS_CONTAINER_CREDENTIALS_FULL_URI", "URL/v1/credentials");
    let path = machine.write("token", "hidden one\n");
    let machine = machine.with("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path.to_str().unwrap());
    let credentials = machine.credentials(None);
    assert_eq!(key(&credentials).await, "ASIA1");
    assert_eq!(machine.lines(), ["GET /v1/credentials"]);
    machine.write("token", "hidden two\n");
    machine.turn(55 * MINUTE);
    assert_eq!(key(&credentials).await, "ASIA2");

    machine.turn(120 * MINUTE);
    assert!(
        why(&credentials)
            .await
            .contains("the credentials expired at 2026-11-26T19:00:00.000Z, and this machine's clock")
    );
    machine.write("token", "hidden three");
    let told = why(&credentials).await;
    assert!(
        told.starts_with("container credentials: ")
            && told.contains("403 Forbidden")
            && told.contains("no association"),
        "{told}"
    );
    machine.write("token", "hidden\u{1}");
    assert!(why(&credentials).await.contains("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE has characters"));
    fs::remove_file(path).unwrap();
    assert!(
        why(&credentials)
            .await
            .contains("/token: No such file or directory (os error 2); is the token's volume mounted?")
    );
}
