//! Requests that are right, and each way in which one can be wrong.

use std::time::UNIX_EPOCH;

use axum::http::{HeaderMap, HeaderValue};

use super::sigv4::{Credentials, sign};
use super::*;
use crate::config::{ActionPattern, Secret};

/// As botocore's `SigV4QueryAuth` made it, with the secret `secret of AKREADER`.
const PRESIGNED: &str = "Action=DescribeVpcs&Version=2016-11-15&Filter.1.Value.1=a%20b%2Bc&X-Amz-Algorithm=AWS4-HMAC-SHA256&\
     X-Amz-Credential=AKREADER%2F20150830%2Feu-west-1%2Fec2%2Faws4_request&X-Amz-Date=20150830T123600Z&\
     X-Amz-Expires=900&X-Amz-SignedHeaders=host&\
     X-Amz-Signature=12269b7a87b32d257e82574cd995a99159d766f5f3aedcdef4ec3a11e1158d17";

const BODY: &str = "Action=DescribeVpcs&Version=2016-11-15";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

fn access() -> AccessPolicy {
    let key = |id: &str, account: &str, actions: &[&str]| AccessKey {
        access_key_id: id.into(),
        secret_access_key: Secret::new(format!("secret of {id}")),
        account_id: account.into(),
        actions: actions.iter().map(|text| ActionPattern::parse(text).unwrap()).collect(),
    };
    AccessPolicy::Keys(AccessKeys::new([
        key("AKREADER", "111111111111", &["Describe*"]),
        key("AKWRITER", "222222222222", &["*"]),
    ]))
}

fn credentials(id: &str) -> Credentials {
    Credentials {
        access_key_id: id.into(),
        secret_access_key: Secret::new(format!("secret of {id}")),
        session_token: None,
    }
}

/// A request in parts that a test can change.
#[derive(Clone)]
struct Sent {
    method: &'static str,
    path: &'static str,
    query: String,
    headers: HeaderMap,
    body: &'static str,
}

impl Sent {
    fn unsigned() -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("127.0.0.1:4566"));
        headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"));
        Self { method: "POST", path: "/", query: String::new(), headers, body: BODY }
    }

    fn signed_by(credentials: &Credentials, service: &str, at: SystemTime) -> Self {
        let mut sent = Self::unsigned();
        let added = sign(&sent.request(), credentials, "eu-west-1", service, at).unwrap();
        sent.headers.extend(added);
        sent
    }

    fn signed() -> Self {
        Self::signed_by(&credentials("AKREADER"), "ec2", now())
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// The Authorization header with `from` replaced.
    fn edited(mut self, from: &str, to: &str) -> Self {
        let text = self.headers["authorization"].to_str().unwrap();
        assert!(text.contains(from), "{text}");
        let edited = HeaderValue::from_str(&text.replacen(from, to, 1)).unwrap();
        self.headers.insert("authorization", edited);
        self
    }

    fn request(&self) -> Request<'_> {
        let Self { method, path, query, headers, body } = self;
        Request { method, path, query, headers, body: body.as_bytes() }
    }

    fn authorize(&self, at: SystemTime) -> Result<Principal, Refusal> {
        authorize(&access(), &self.request(), at)
    }

    /// `code: message` of the refusal, with its status before it.
    #[track_caller]
    fn refused(&self) -> String {
        let Refusal { status, code, message } = self.authorize(now()).unwrap_err();
        format!("{status} {code}: {message}")
    }
}

/// The signature is what botocore's `SigV4Auth` makes of the same request.
#[test]
fn requests_are_signed_as_botocore_does() {
    assert_eq!(
        Sent::signed().headers["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKREADER/20150830/eu-west-1/ec2/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=207606942a8331cfa7603d95df2211d846814aac9890bdc24e284da61afd384b"
    );
}

#[test]
fn a_signed_request_has_a_caller() {
    let caller = Sent::signed().authorize(now()).unwrap();
    assert_eq!(caller.access_key_id.as_deref(), Some("AKREADER"));
    assert_eq!((caller.account_id.as_str(), caller.region.as_deref()), ("111111111111", Some("eu-west-1")));
    assert_eq!(caller.may_call("DescribeVpcs"), Ok(()));
    let refusal = caller.may_call("DeleteVpc").unwrap_err();
    assert_eq!((refusal.status, refusal.code), (403, "UnauthorizedOperation"));
    assert_eq!(refusal.message, "You are not authorized to perform this operation.");
    let writer = Sent::signed_by(&credentials("AKWRITER"), "ec2", now()).authorize(now()).unwrap();
    assert_eq!((writer.account_id.as_str(), writer.may_call("DeleteVpc")), ("222222222222", Ok(())));
    // what is not signed may be added on the way, and spaces do not matter
    assert!(Sent::signed().with("x-forwarded-for", "192.0.2.1").authorize(now()).is_ok());
    assert!(Sent::signed().edited(", SignedHeaders", ",SignedHeaders").authorize(now()).is_ok());
}

#[test]
fn a_request_that_was_changed_does_not_verify() {
    let told = "403 SignatureDoesNotMatch: The request signature we calculated does not match the signature you \
                provided. Check your AWS Secret AccessPolicy Key and signing method. Consult the service documentation for \
                details.";
    let changed: [fn(&mut Sent); 8] = [
        |sent| sent.method = "GET",
        |sent| sent.path = "/x",
        |sent| sent.query = "Action=DeleteVpc".into(),
        |sent| sent.body = "Action=DeleteVpc&VpcId=vpc-1",
        |sent| drop(sent.headers.insert("host", HeaderValue::from_static("other"))),
        |sent| assert!(sent.headers.append("content-type", HeaderValue::from_static("text/plain"))),
        |sent| drop(sent.headers.remove("content-type")),
        |sent| drop(sent.headers.insert("x-amz-date", HeaderValue::from_static("20150830T123601Z"))),
    ];
    for (at, change) in changed.iter().enumerate() {
        let mut sent = Sent::signed();
        change(&mut sent);
        assert_eq!(sent.refused(), told, "change {at}");
    }
    assert_eq!(
        Sent::signed().edited("Signature=", "Signature=0").refused().split(':').next(),
        Some("400 IncompleteSignature")
    );
    assert_eq!(Sent::signed().edited("eu-west-1", "us-east-1").refused(), told);
    assert_eq!(Sent::signed().edited("content-type;", "").refused(), told);
    let mut other = credentials("AKREADER");
    other.secret_access_key = Secret::new("secret of AKWRITER");
    assert_eq!(Sent::signed_by(&other, "ec2", now()).refused(), told);
    // a signature for no body is none for a body, whatever the header says of it
    let mut unsigned_payload = Sent::unsigned().with("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let added = sign(&unsigned_payload.request(), &credentials("AKREADER"), "eu-west-1", "ec2", now()).unwrap();
    unsigned_payload.headers.extend(added);
    unsigned_payload.body = "Action=DeleteVpc";
    assert_eq!(unsigned_payload.refused(), told);
}

#[test]
fn credentials_that_are_not_known_are_refused_as_ec2_does() {
    let told = "401 AuthFailure: AWS was not able to validate the provided access credentials";
    assert_eq!(Sent::signed_by(&credentials("AKOTHER"), "ec2", now()).refused(), told);
    let mut temporary = credentials("AKREADER");
    temporary.session_token = Some(Secret::new("token"));
    assert_eq!(Sent::signed_by(&temporary, "ec2", now()).refused(), told);
    let mut in_query = Sent::signed();
    in_query.query = "X-Amz-Security-Token=token".into();
    assert_eq!(in_query.refused(), told);
    assert_eq!(
        Sent::unsigned().refused(),
        "400 MissingParameter: The request must contain the parameter AWSAccessKeyId"
    );
}

#[test]
fn requests_are_for_ec2_today() {
    assert_eq!(
        Sent::signed_by(&credentials("AKREADER"), "sns", now()).refused(),
        "403 SignatureDoesNotMatch: Credential should be scoped to correct service: 'ec2'."
    );
    let of_day = "403 SignatureDoesNotMatch: X-Amz-Date must be YYYYMMDDTHHMMSSZ, of the day in the credential scope.";
    assert_eq!(Sent::signed().edited("/20150830/", "/20150831/").refused(), of_day);
    let mut sent = Sent::signed();
    sent.headers.insert("x-amz-date", HeaderValue::from_static("20150830T126600Z"));
    assert_eq!(sent.refused(), of_day);
}

#[test]
fn requests_last_five_minutes() {
    let sent = Sent::signed();
    let (five, more) = (Duration::from_secs(300), Duration::from_secs(301));
    assert!(sent.authorize(now() + five).is_ok());
    assert!(sent.authorize(now() - five).is_ok());
    for at in [now() + more, now() - more] {
        let refusal = sent.authorize(at).unwrap_err();
        assert_eq!((refusal.status, refusal.code, &*refusal.message), (400, "RequestExpired", "Request has expired."));
    }
}

#[test]
fn malformed_authorization_is_told_by_its_part() {
    let begins = |sent: Sent, end: &str| {
        let told = sent.refused();
        let begin = "400 IncompleteSignature: The request signature does not conform to AWS standards: ";
        assert_eq!(told.strip_prefix(begin), Some(end), "{told}");
    };
    let edited = |from: &str, to: &str| Sent::signed().edited(from, to);
    begins(edited("AWS4-HMAC-SHA256", "AWS3"), "the Authorization header does not begin with AWS4-HMAC-SHA256");
    begins(
        edited("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256X"),
        "the Authorization header does not begin with AWS4-HMAC-SHA256",
    );
    begins(edited("Credential=", "Credentials="), "the Authorization header has a part that is not known");
    begins(edited("SignedHeaders=", "Signature=x, SignedHeaders="), "the Authorization header has a part twice");
    begins(
        Sent::unsigned().with("authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host"),
        "Authorization header requires 'Signature' parameter.",
    );
    begins(
        edited("/aws4_request", "/aws5_request"),
        "Credential is not ACCESS-KEY-ID/YYYYMMDD/REGION/SERVICE/aws4_request.",
    );
    begins(edited("AKREADER", "AK READER"), "Credential has a part that is empty, too long, or of other characters.");
    begins(edited("eu-west-1", ""), "Credential has a part that is empty, too long, or of other characters.");
    begins(edited("content-type;host", "host;content-type"), "SignedHeaders are not sorted.");
    begins(edited("content-type;host", "host;host"), "SignedHeaders are not sorted.");
    begins(edited("content-type;host;", ""), "SignedHeaders must have 'host'.");
    begins(edited("Signature=", "Signature=xx"), "Signature is not 64 hexadecimal digits.");
    begins(Sent::signed().with("authorization", "x"), "there are two Authorization headers");
    begins(Sent::signed().with("x-amz-date", "x"), "Authorization header requires one 'X-Amz-Date' header.");
    let mut dateless = Sent::signed();
    dateless.headers.remove("x-amz-date");
    begins(dateless, "Authorization header requires one 'X-Amz-Date' header.");
    let mut both = Sent::signed();
    both.query = "X-Amz-Signature=00".into();
    begins(both, "it is signed both in the Authorization header and in the query");
}

#[test]
fn presigned_requests_last_as_long_as_they_say() {
    let presigned = |query: &str| Sent { method: "GET", query: query.into(), body: "", ..Sent::unsigned() };
    let query = PRESIGNED;
    let sent = presigned(query);
    let caller = sent.authorize(now()).unwrap();
    assert_eq!(caller.account_id, "111111111111");
    assert!(sent.authorize(now() + Duration::from_secs(900)).is_ok());
    for at in [now() + Duration::from_secs(901), now() - Duration::from_secs(301)] {
        assert_eq!(sent.authorize(at).unwrap_err().code, "RequestExpired");
    }
    let code = |query: &str| presigned(query).authorize(now()).unwrap_err().code;
    assert_eq!(code(&query.replace("DescribeVpcs", "DescribeVpcs2")), "SignatureDoesNotMatch");
    assert_eq!(code(&query.replace("X-Amz-Expires=900", "X-Amz-Expires=9000")), "SignatureDoesNotMatch");
    assert_eq!(code(&query.replace("X-Amz-Expires=900", "X-Amz-Expires=604801")), "IncompleteSignature");
    assert_eq!(code(&query.replace("X-Amz-Expires=900&", "")), "IncompleteSignature");
    assert_eq!(code(&query.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512")), "IncompleteSignature");
    assert_eq!(code(&format!("{query}&X-Amz-Expires=900")), "IncompleteSignature");
}

#[test]
fn an_open_api_takes_any_credentials_or_none() {
    let open = |sent: &Sent| authorize(&AccessPolicy::Open, &sent.request(), now()).unwrap();
    let caller = open(&Sent::signed_by(&credentials("test"), "ec2", UNIX_EPOCH));
    assert_eq!((caller.access_key_id.as_deref(), caller.region.as_deref()), (Some("test"), Some("eu-west-1")));
    assert_eq!((caller.account_id.as_str(), caller.may_call("DeleteVpc")), (OPEN_ACCOUNT, Ok(())));
    for sent in [Sent::unsigned(), Sent::unsigned().with("authorization", "Basic eA==")] {
        let caller = open(&sent);
        assert_eq!((caller.access_key_id, caller.region, caller.account_id), (None, None, OPEN_ACCOUNT.to_owned()));
    }
}

#[test]
fn keys_that_are_none_let_nobody_in() {
    let none = AccessPolicy::Keys(AccessKeys::default());
    assert_eq!(authorize(&none, &Sent::signed().request(), now()).unwrap_err().code, "AuthFailure");
    assert_eq!(authorize(&none, &Sent::unsigned().request(), now()).unwrap_err().code, "MissingParameter");
}

#[test]
fn an_open_api_listens_on_this_machine_only() {
    let may = |access: &AccessPolicy, address: &str| may_listen(access, address.parse().unwrap());
    for address in ["127.0.0.1:4566", "127.8.0.1:1", "[::1]:4566", "[::ffff:127.0.0.1]:4566"] {
        assert_eq!(may(&AccessPolicy::Open, address), Ok(()), "{address}");
    }
    for address in ["0.0.0.0:4566", "[::]:4566", "10.0.0.1:4566", "[::ffff:10.0.0.1]:4566"] {
        let problem = may(&AccessPolicy::Open, address).unwrap_err().to_string();
        let what = "would let everybody change everything: there are no access keys\n  hint: give a file of access keys \
                    with --ec2-keys, or listen on 127.0.0.1";
        assert_eq!(problem, format!("--ec2-api: error: {address} {what}"));
        assert_eq!(may(&access(), address), Ok(()), "{address}");
    }
}
