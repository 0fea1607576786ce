//! Plans in a line each. `e2e/sync_credentials.py` compares them with botocore's.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::*;
use crate::sync::environment::Environment;

const CONFIG: &str = "\
[default]
region = eu-west-1
[profile reader]
role_arn = arn:aws:iam::111122223333:role/reader
source_profile = shared
external_id = x-1
role_session_name = dns
duration_seconds = 900
[profile far]
role_arn = arn:aws:iam::444455556666:role/far
source_profile = reader
[profile self]
role_arn = arn:aws:iam::111122223333:role/self
source_profile = self
[profile circle]
role_arn = arn:aws:iam::111122223333:role/a
source_profile = circle-b
[profile circle-b]
role_arn = arn:aws:iam::111122223333:role/b
source_profile = circle
[profile of-environment]
role_arn = arn:aws:iam::111122223333:role/reader
credential_source = Environment
[profile of-container]
role_arn = arn:aws:iam::111122223333:role/reader
credential_source = EcsContainer
[profile of-instance]
role_arn = arn:aws:iam::111122223333:role/reader
credential_source = Ec2InstanceMetadata
[profile of-nothing]
role_arn = arn:aws:iam::111122223333:role/reader
[profile of-both]
role_arn = arn:aws:iam::111122223333:role/reader
source_profile = shared
credential_source = Environment
[profile of-lost]
role_arn = arn:aws:iam::111122223333:role/reader
source_profile = lost
[profile of-empty]
role_arn = arn:aws:iam::111122223333:role/reader
source_profile = default
[profile of-mars]
role_arn = arn:aws:iam::111122223333:role/reader
credential_source = Mars
[profile mfa]
role_arn = arn:aws:iam::111122223333:role/reader
source_profile = shared
mfa_serial = arn:aws:iam::111122223333:mfa/me
[profile token]
role_arn = arn:aws:iam::111122223333:role/token
web_identity_token_file = /token
[profile token-alone]
web_identity_token_file = /token
[profile sso]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = Reader
[profile sso-old]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 111122223333
sso_role_name = Reader
[profile sso-half]
sso_session = corp
sso_role_name = Reader
[profile sso-lost]
sso_session = lost
sso_account_id = 111122223333
sso_role_name = Reader
[profile process]
credential_process = print keys
[profile login]
login_session = arn:aws:iam::111122223333:user/me
[profile plain]
aws_access_key_id = AKIAPLAIN
aws_secret_access_key = hidden
[profile half]
aws_access_key_id = AKIAHALF
[profile both]
credential_process = print keys
aws_access_key_id = AKIAPLAIN
aws_secret_access_key = hidden
[sso-session corp]
sso_region = eu-central-1
sso_start_url = https://corp.awsapps.com/start
";
const SHARED: &str = "\
[shared]
aws_access_key_id = AKIASHARED
aws_secret_access_key = hidden
[self]
aws_access_key_id = AKIASELF
aws_secret_access_key = hidden
";

/// The plan, or its error, on one line.
fn planned(profile: Option<&str>, variables: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let files =
        [("AWS_CONFIG_FILE", place("config", CONFIG)), ("AWS_SHARED_CREDENTIALS_FILE", place("credentials", SHARED))];
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let files = files.map(|(name, value)| (name.to_owned(), value));
    let environment = Environment::new(files.into_iter().chain(variables), Arc::new(|| UNIX_EPOCH));
    let plan = match plan(profile, &environment) {
        Ok(plan) => plan,
        Err(error) => {
            assert!(!error.to_string().contains("hidden"), "{error}");
            return error.what.replace(dir.path().to_str().unwrap(), "");
        }
    };
    assert!(!format!("{plan:?}").contains("hidden"), "{plan:?}");
    let base = match &plan.base {
        Base::Keys(keys) => keys.credentials.access_key_id.clone(),
        Base::WebIdentity(identity) => format!("{} for {}", identity.token_file.display(), identity.role.arn),
        Base::Sso(sso) => format!("SSO {} in {}: {} of {}", sso.cache_key, sso.region, sso.role, sso.account),
        Base::Process { command, .. } => command.clone(),
        Base::Container(_) => "container".to_owned(),
        Base::Metadata { .. } => "metadata".to_owned(),
    };
    plan.roles.iter().fold(base, |text, role| {
        let name = role.arn.rsplit('/').next().unwrap_or_default();
        let extras = [&role.external_id, &role.session_name, &role.duration_seconds];
        extras.into_iter().flatten().fold(format!("{text} > {name}"), |text, extra| format!("{text} {extra}"))
    })
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "hidden")];
const TOKEN: [(&str, &str); 2] =
    [("AWS_WEB_IDENTITY_TOKEN_FILE", "/eks"), ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/eks")];
const ECS: [(&str, &str); 1] = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1")];

#[test]
fn the_order_is_that_of_the_aws_cli() {
    let all = [KEYS.as_slice(), &TOKEN, &ECS].concat();
    let named = |profile: &'static str| [("AWS_PROFILE", profile)];
    for (profile, variables, expected) in [
        (None, all.clone(), "AKIAENV"),
        (Some("shared"), all.clone(), "AKIASHARED"),
        (None, [TOKEN.as_slice(), &named("shared")].concat(), "/eks for arn:aws:iam::111122223333:role/eks"),
        (None, [TOKEN.as_slice(), &named("reader")].concat(), "AKIASHARED > reader x-1 dns 900"),
        (None, [KEYS.as_slice(), &named("shared")].concat(), "AKIAENV"),
        (None, named("shared").to_vec(), "AKIASHARED"),
        (None, TOKEN.to_vec(), "/eks for arn:aws:iam::111122223333:role/eks"),
        (Some("token"), TOKEN.to_vec(), "/token for arn:aws:iam::111122223333:role/token"),
        (None, ECS.to_vec(), "container"),
        (Some("default"), ECS.to_vec(), "container"),
        (None, vec![], "metadata"),
        (Some("process"), vec![], "print keys"),
        (Some("plain"), vec![], "AKIAPLAIN"),
        (Some("both"), vec![], "print keys"),
        (Some("sso"), vec![], "SSO corp in eu-central-1: Reader of 111122223333"),
        (Some("sso-old"), vec![], "SSO https://corp.awsapps.com/start in eu-west-1: Reader of 111122223333"),
    ] {
        assert_eq!(planned(profile, &variables), expected, "{profile:?} {variables:?}");
    }
}

#[test]
fn roles_are_assumed_by_what_their_profiles_name() {
    for (profile, variables, expected) in [
        ("reader", vec![], "AKIASHARED > reader x-1 dns 900"),
        ("far", vec![], "AKIASHARED > reader x-1 dns 900 > far"),
        ("self", vec![], "AKIASELF > self"),
        ("of-environment", KEYS.to_vec(), "AKIAENV > reader"),
        ("of-container", ECS.to_vec(), "container > reader"),
        ("of-instance", vec![], "metadata > reader"),
    ] {
        assert_eq!(planned(Some(profile), &variables), expected, "{profile}");
    }
}

#[test]
fn what_leads_nowhere_is_said() {
    let off = ("AWS_EC2_METADATA_DISABLED", "TRUE");
    for (profile, variables, expected) in [
        (Some("none"), vec![], "profile 'none' is not in /config or /credentials"),
        (None, vec![("AWS_PROFILE", "none")], "profile 'none' is not in /config or /credentials"),
        (Some("circle"), vec![], "profile 'circle' is the source_profile of itself, by circle, circle-b"),
        (
            Some("of-nothing"),
            vec![],
            "profile 'of-nothing' has a role_arn and neither source_profile nor credential_source",
        ),
        (Some("of-both"), vec![], "profile 'of-both' has both source_profile and credential_source"),
        (
            Some("of-lost"),
            vec![],
            "profile 'of-lost' has the source_profile 'lost', which is not in /config or /credentials",
        ),
        (Some("of-empty"), vec![], "profile 'default', a source_profile, has no credentials"),
        (
            Some("of-mars"),
            vec![],
            "profile 'of-mars' has credential_source = Mars, and there are Environment, EcsContainer and Ec2InstanceMetadata",
        ),
        (
            Some("of-environment"),
            vec![],
            "profile 'of-environment' has credential_source = Environment, and AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY are not set",
        ),
        (
            Some("of-container"),
            vec![],
            "profile 'of-container' has credential_source = EcsContainer, and there are no container credentials here",
        ),
        (
            Some("of-instance"),
            vec![off],
            "profile 'of-instance' has credential_source = Ec2InstanceMetadata, and AWS_EC2_METADATA_DISABLED is true",
        ),
        (Some("mfa"), vec![], "profile 'mfa' wants a code of an MFA device, which nobody is asked for here"),
        (Some("login"), vec![], "profile 'login' is one of `aws login`, which is not known here"),
        (
            Some("token-alone"),
            vec![],
            "web identity: /token is named, and no role, neither here nor in profile 'token-alone'",
        ),
        (Some("sso-half"), vec![], "profile 'sso-half' has SSO without sso_account_id"),
        (
            Some("sso-lost"),
            vec![],
            "profile 'sso-lost' names the sso_session 'lost', and no section [sso-session lost] is there",
        ),
        (Some("half"), vec![], "profile 'half' has an aws_access_key_id and no aws_secret_access_key beside it"),
        (None, vec![KEYS[0]], "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"),
        (
            None,
            vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://credentials.example/")],
            "container credentials: 'http://credentials.example/' is neither https:// nor on this machine or beside it",
        ),
        (None, vec![("AWS_METADATA_SERVICE_TIMEOUT", "0")], "AWS_METADATA_SERVICE_TIMEOUT is '0'"),
        (
            None,
            vec![off],
            "no credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, profile 'default' has none in \
             /config or /credentials, and AWS_EC2_METADATA_DISABLED is true",
        ),
    ] {
        assert_eq!(planned(profile, &variables), expected, "{profile:?}");
    }
}
