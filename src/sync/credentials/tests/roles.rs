//! Roles: by web identity, by other roles, by `--role`.

use super::*;

fn assumed(action: &str, id: &str, expires: u64) -> (u16, String) {
    let expires = at(expires);
    let text = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>hidden of {id}</SecretAccessKey><SessionToken>hidden token\
         </SessionToken><Expiration>{expires}</Expiration></Credentials></{action}Result></{action}Response>"
    );
    (200, text)
}

fn refused(code: &str) -> (u16, String) {
    (403, format!("<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"))
}

fn param(asked: &Asked, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(asked.body.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_web_identity_assumes_a_role() {
    let machine = Machine::new(|asked| {
        assert_eq!(param(asked, "Action").unwrap(), "AssumeRoleWithWebIdentity");
        assert!(!asked.headers.contains_key("authorization"));
        match param(asked, "WebIdentityToken").as_deref() {
            Some("hidden.jwt+/=") => assumed("AssumeRoleWithWebIdentity", "ASIA1", NOW + 60 * MINUTE),
            _ => refused("InvalidIdentityToken"),
        }
    });
    let machine =
        machine.await.with("AWS_ENDPOINT_URL_STS", "URL").with("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/eks");
    let path = machine.write("jwt", "hidden.jwt+/=\n");
    let machine = machine.with("AWS_WEB_IDENTITY_TOKEN_FILE", path.to_str().unwrap());
    let credentials = machine.credentials(None);
    assert_eq!(key(&credentials).await, "ASIA1");
    let asked = machine.asked();
    assert_eq!(param(&asked[0], "RoleArn").unwrap(), "arn:aws:iam::111122223333:role/eks");
    assert_eq!(param(&asked[0], "RoleSessionName").unwrap(), "vpcedns");

    machine.write("jwt", "hidden.old");
    let told = why(&machine.credentials(None)).await;
    let expected = "web identity, role arn:aws:iam::111122223333:role/eks: AssumeRoleWithWebIdentity: InvalidIdentityToken: no; is the token";
    assert!(told.starts_with(expected), "{told}");
    fs::remove_file(path).unwrap();
    assert!(why(&machine.credentials(None)).await.contains("/jwt: No such file or directory"));
}

#[tokio::test]
async fn roles_are_assumed_one_with_another() {
    let config = "[profile far]\nrole_arn = arn:aws:iam::444455556666:role/far\nsource_profile = near\nexternal_id = x&1\n\
                  [profile near]\nrole_arn = arn:aws:iam::111122223333:role/near\nsource_profile = me\nduration_seconds = 900\n\
                  [profile me]\naws_access_key_id = AKIAME\naws_secret_access_key = hidden of AKIAME\n";
    let machine = Machine::new(|asked| {
        let by =
            asked.headers["authorization"].split("Credential=").nth(1).unwrap().split('/').next().unwrap().to_owned();
        assert!(asked.headers["authorization"].contains("/eu-west-1/sts/aws4_request"));
        let role = param(asked, "RoleArn").unwrap().rsplit('/').next().unwrap().to_owned();
        match (role.as_str(), by.as_str(), param(asked, "ExternalId").as_deref()) {
            ("near", "AKIAME", None) if param(asked, "DurationSeconds").unwrap() == "900" => {
                assumed("AssumeRole", "ASIANEAR", NOW + 15 * MINUTE)
            }
            ("far", "ASIANEAR", Some("x&1")) => assumed("AssumeRole", "ASIAFAR", NOW + 60 * MINUTE),
            ("third", "ASIAFAR", Some("x-3")) => assumed("AssumeRole", "ASIATHIRD", NOW + 30 * MINUTE),
            _ => refused("AccessDenied"),
        }
    });
    let machine = machine.await.with("AWS_ENDPOINT_URL", "URL").file(".aws/config", config);
    let far = machine.credentials(Some("far"));
    assert_eq!(key(&far).await, "ASIAFAR");
    assert_eq!(machine.lines().len(), 2);

    // --role on top, of the same far
    let role = |external_id: Option<&str>| AssumedRole {
        arn: "arn:aws:iam::777788889999:role/third".to_owned(),
        external_id: external_id.map(str::to_owned),
        ..AssumedRole::default()
    };
    assert_eq!(key(&far.assuming(role(Some("x-3")))).await, "ASIATHIRD");
    assert_eq!(machine.lines().len(), 1);
    let told = why(&far.assuming(role(None))).await;
    let expected =
        "role arn:aws:iam::777788889999:role/third: AssumeRole: AccessDenied: no; the role's trust policy has to allow";
    assert!(told.starts_with(expected), "{told}");
}

#[tokio::test]
async fn a_role_outlives_the_credentials_that_assume_it() {
    let config = "[default]\ncredential_process = cat $HOME/printed\n";
    let machine = Machine::new(|asked| {
        if asked.headers["authorization"].contains("Credential=AKIANEW/") {
            assumed("AssumeRole", "ASIA1", NOW + 60 * MINUTE)
        } else {
            refused("ExpiredToken")
        }
    });
    let machine = machine.await.with("AWS_ENDPOINT_URL", "URL");
    let printed = |id: &str| {
        machine.write(
            "printed",
            &format!(r#"{{"Version": 1, "AccessKeyId": "{id}", "SecretAccessKey": "hidden of {id}"}}"#),
        )
    };
    let path = printed("AKIAOLD");
    machine.write(".aws/config", &config.replace("$HOME", path.parent().unwrap().to_str().unwrap()));
    let own = machine.credentials(None);
    let role = own.assuming(AssumedRole { arn: "arn:aws:iam::1:role/r".to_owned(), ..AssumedRole::default() });
    assert!(why(&role).await.contains("ExpiredToken"));
    assert_eq!(key(&own).await, "AKIAOLD");
    printed("AKIANEW");
    assert_eq!(key(&role).await, "ASIA1");
}

#[tokio::test]
async fn refused_credentials_are_loaded_anew() {
    let keys = |id: &str| format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = hidden of {id}\n");
    let machine = Machine::new(|_| (404, String::new())).await.file(".aws/credentials", &keys("AKIA1"));
    let credentials = machine.credentials(None);
    let used = credentials.current().await.unwrap();
    assert!(!credentials.replace(&used).await, "the same keys are no others");
    machine.write(".aws/credentials", &keys("AKIA2"));
    let used = credentials.current().await.unwrap();
    assert_eq!(used.access_key_id, "AKIA1");
    assert!(credentials.replace(&used).await);
    assert_eq!(key(&credentials).await, "AKIA2");
    // who was refused later, with what is no longer in use, throws nothing away
    assert!(credentials.replace(&used).await);
    assert_eq!(key(&credentials).await, "AKIA2");
}
