//! Signatures that AWS published ("Signature Version 4 test suite"), and requests that are signed here.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

/// 2015-08-30T12:36:00Z, the time of the whole suite.
const TIME: &str = "20150830T123600Z";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SCOPE: Scope<'_> = Scope { date: "20150830", region: "us-east-1", service: "service" };

/// Name in the suite, method, path, query, headers besides Host and X-Amz-Date, body, signature.
type Vector = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
);

/// All but those that follow S3's rules (paths as they are), and those that repeat another.
#[rustfmt::skip]
const SUITE: &[Vector] = &[
    ("get-header-key-duplicate", "GET", "/", "", &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")], "", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
    ("get-header-value-multiline", "GET", "/", "", &[("my-header1", "value1   value2      value3")], "", "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd"),
    ("get-header-value-order", "GET", "/", "", &[("my-header1", "value4"), ("my-header1", "value1"), ("my-header1", "value3"), ("my-header1", "value2")], "", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
    ("get-header-value-trim", "GET", "/", "", &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")], "", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    ("get-relative-relative-normalized", "GET", "/example1/example2/../..", "", &[], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-slash-normalized", "GET", "//", "", &[], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-slash-pointless-dot-normalized", "GET", "/./example", "", &[], "", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
    ("get-slashes-normalized", "GET", "//example//", "", &[], "", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
    ("get-unreserved", "GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", &[], "", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    ("get-utf8", "GET", "/ሴ", "", &[], "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    ("get-vanilla", "GET", "/", "", &[], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-vanilla-empty-query-key", "GET", "/", "Param1=value1", &[], "", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
    ("get-vanilla-query-order-encoded", "GET", "/", "Param-3=Value3&Param=Value2&%E1%88%B4=Value1", &[], "", "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"),
    ("get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", &[], "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ("get-vanilla-query-unreserved", "GET", "/", "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", &[], "", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
    ("get-vanilla-utf8-query", "GET", "/", "ሴ=bar", &[], "", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ("get-vanilla-with-session-token", "GET", "/", "", &[("x-amz-security-token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267")], "", "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"),
    ("post-header-key-case", "POST", "/", "", &[], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("post-header-key-sort", "POST", "/", "", &[("my-header1", "value1")], "", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
    ("post-vanilla", "POST", "/", "", &[], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("post-vanilla-query", "POST", "/", "Param1=value1", &[], "", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
    ("post-x-www-form-urlencoded", "POST", "/", "", &[("content-type", "application/x-www-form-urlencoded"), ("content-length", "13"), ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e")], "Param1=value1", "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
    ("post-x-www-form-urlencoded-parameters", "POST", "/", "", &[("content-type", "application/x-www-form-urlencoded; charset=utf-8"), ("content-length", "13"), ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e")], "Param1=value1", "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"),
    ("double-url-encode", "POST", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-west-2%3A892717189312%3Afunction%3Amy-rusty-fun/invocations", "", &[("host", "lambda.us-east-2.amazonaws.com"), ("x-amz-date", "20210511T154045Z")], "", "4b93abbcc68be32bd64c18e2c71150660ab4c29bbd6c32a383a7517a88fc1804"),
];

fn headers(extra: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in extra {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers.entry("host").or_insert(HeaderValue::from_static("example.amazonaws.com"));
    headers.entry("x-amz-date").or_insert(HeaderValue::from_static(TIME));
    headers
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

fn octets(hexadecimal: &str) -> Vec<u8> {
    HEXLOWER.decode(hexadecimal.as_bytes()).unwrap()
}

#[test]
fn the_published_signatures_verify() {
    for (name, method, path, query, extra, body, signature) in SUITE {
        let headers = headers(extra);
        let request = Request { method, path, query, headers: &headers, body: body.as_bytes() };
        let time = headers["x-amz-date"].to_str().unwrap();
        let scope = match *name {
            "double-url-encode" => Scope { date: "20210511", region: "us-east-2", service: "lambda" },
            _ => SCOPE,
        };
        let secret = Secret::new(SECRET);
        let verify = |secret: &Secret| verify(&request, &names(&headers), time, scope, secret, &octets(signature));
        assert!(verify(&secret), "{name}");
        assert!(!verify(&Secret::new("other")), "{name} verifies with any secret");
    }
}

#[test]
fn requests_are_signed_as_published() {
    let vector = |wanted: &str| SUITE.iter().find(|(name, ..)| *name == wanted).unwrap();
    for name in ["get-vanilla", "get-vanilla-with-session-token", "post-x-www-form-urlencoded"] {
        let (_, method, path, query, extra, body, signature) = vector(name);
        let mut headers = headers(extra);
        headers.remove(DATE_HEADER);
        let session_token = headers.remove(TOKEN_HEADER).map(|token| Secret::new(token.to_str().unwrap()));
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new(SECRET),
            session_token: session_token.clone(),
        };
        let request = Request { method, path, query, headers: &headers, body: body.as_bytes() };
        let now = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let added = sign(&request, &credentials, "us-east-1", "service", now).unwrap();
        assert_eq!(added[DATE_HEADER], TIME);
        assert_eq!(added.contains_key(TOKEN_HEADER), session_token.is_some());
        let authorization = added[header::AUTHORIZATION].to_str().unwrap();
        let begin = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=";
        assert!(authorization.starts_with(begin), "{authorization}");
        assert!(authorization.ends_with(&format!(", Signature={signature}")), "{name}: {authorization}");
    }
}

/// The signature of a presigned request covers all parameters but itself.
#[test]
fn a_presigned_request_verifies() {
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice\
                 %2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600&\
                 X-Amz-Signature=e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d";
    let headers = headers(&[]);
    let request = Request { method: "GET", path: "/", query, headers: &headers, body: b"" };
    let signature = octets("e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d");
    assert!(verify(&request, &["host"], TIME, SCOPE, &Secret::new(SECRET), &signature));
    let other = query.replace("Expires=3600", "Expires=3601");
    let request = Request { query: &other, ..request };
    assert!(!verify(&request, &["host"], TIME, SCOPE, &Secret::new(SECRET), &signature));
}

#[test]
fn what_differs_in_meaning_differs_in_signature() {
    let canonical = |query: &str| canonical_query(query);
    assert_eq!(canonical("b=2&a=1&a=0"), "a=0&a=1&b=2");
    assert_eq!(canonical("a=x+y"), canonical("a=x%20y"));
    assert_ne!(canonical("a=x+y"), canonical("a=x%2By"));
    assert_ne!(canonical("a=1%262"), canonical("a=1&2"));
    assert_eq!(canonical("a&&b="), "a=&b=");
    assert_eq!(canonical("a=%zz%4"), "a=%25zz%254");
    for (path, expected) in [("", "/"), ("/", "/"), ("/a/../..", "/"), ("/a/b/.", "/a/b/"), ("/a%2fb", "/a%252fb")] {
        assert_eq!(canonical_path(path), expected, "{path}");
    }
}

#[test]
fn credentials_that_no_header_can_hold_sign_nothing() {
    let headers = headers(&[]);
    let request = Request { method: "GET", path: "/", query: "", headers: &headers, body: b"" };
    for (access_key_id, token) in [("AK\nID", None), ("AKID", Some("to\nken"))] {
        let credentials = Credentials {
            access_key_id: access_key_id.into(),
            secret_access_key: Secret::new(SECRET),
            session_token: token.map(Secret::new),
        };
        assert!(sign(&request, &credentials, "us-east-1", "sns", UNIX_EPOCH).is_none());
    }
}
