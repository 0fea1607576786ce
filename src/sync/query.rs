//! The Query protocol: what a service is sent, and what its answer says, whose XML Route 53's has too.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::http::{Request, StatusCode, Uri};
use http_body_util::Full;
use tokio::time::sleep;

use super::xml::Element;
use crate::ec2::auth::signed_form::signed_form;
use crate::ec2::auth::sigv4::Credentials;
use crate::ec2::notify::backoff::Backoff;
use crate::http_client::one_line;
use crate::naming::Region;

/// Pauses between the attempts of one call.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(200), cap: Duration::from_secs(20), max_age: Duration::from_secs(600) };

/// A service of AWS that is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Api {
    /// What its host names begin with, and what is signed for.
    pub(super) service: &'static str,
    pub(super) version: &'static str,
}

pub(super) const EC2: Api = Api { service: "ec2", version: "2016-11-15" };
pub(super) const STS: Api = Api { service: "sts", version: "2011-06-15" };

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// The service said no: its code and its text.
    Refused(String, String),
    /// There was no whole answer, or none that can be read.
    Failed(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code, text) => write!(f, "{code}: {text}"),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

/// Codes that say that the credentials are no longer good: the sets of EC2, of STS and of services that speak JSON.
const REFUSED_CREDENTIALS: [&str; 9] = [
    "RequestExpired",
    "RequestTimeTooSkewed",
    "ExpiredToken",
    "ExpiredTokenException",
    "AuthFailure",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
];

impl CallError {
    /// Whether the credentials were refused, for what they are and not for what was asked.
    pub(super) fn refuses_credentials(&self) -> bool {
        matches!(self, Self::Refused(code, _) if REFUSED_CREDENTIALS.contains(&code.as_str()))
    }

    /// Whether the same call will fail until somebody does something: it is denied, or not known.
    pub(super) fn is_denial(&self) -> bool {
        let Self::Refused(code, _) = self else { return false };
        let passes = is_throttled(code) || code.starts_with("Internal") || code.contains("Unavailable");
        !passes && !self.refuses_credentials()
    }
}

/// A call, and with an error whether another attempt may do better.
pub(super) type CallAttempt<T> = Result<T, (CallError, bool)>;

/// The first good outcome, or the last bad one, of up to `most` attempts.
pub(super) async fn retried<T, F>(most: u32, mut attempt: impl FnMut() -> F) -> Result<T, CallError>
where
    F: Future<Output = CallAttempt<T>>,
{
    let mut made = 0;
    loop {
        made += 1;
        let (error, may_pass) = match attempt().await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        if !may_pass || made >= most {
            return Err(error);
        }
        tracing::debug!(attempt = made, "call failed, and is made again: {error}");
        let at = BACKOFF.next(made, UNIX_EPOCH, UNIX_EPOCH, rand::random());
        sleep(at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or(BACKOFF.cap)).await;
    }
}

/// A call as it is sent, signed for `region`.
pub(super) fn signed_call(
    url: Uri,
    (api, region): (Api, &Region),
    action: &str,
    parameters: &[(String, String)],
    credentials: &Credentials,
) -> Result<Request<Full<Bytes>>, String> {
    let fixed = [("Action", action), ("Version", api.version)];
    let given = parameters.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let pairs = fixed.into_iter().chain(given);
    let request = signed_form(url, pairs, credentials, (region.as_str(), api.service), SystemTime::now())?;
    request.ok_or_else(|| "the credentials have characters that no header can hold".to_owned())
}

/// What an answer says; with an error, whether asking again may help.
pub(super) fn read_answer(action: &str, status: StatusCode, body: &[u8]) -> CallAttempt<Element> {
    let parsed = str::from_utf8(body).map_err(|_| "is not text".to_owned()).and_then(Element::parse);
    if !status.is_success() {
        let said = parsed.ok().and_then(|root| {
            let error = root.find("Error")?;
            Some((error.child("Code")?.text.clone(), error.child("Message").map_or("", |text| &text.text).to_owned()))
        });
        let Some((code, text)) = said else {
            let told = format!("{status}: {}", one_line(&String::from_utf8_lossy(body)));
            return Err((CallError::Failed(told), status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS));
        };
        let may_pass = may_pass(status, &code);
        return Err((CallError::Refused(code, one_line(&text)), may_pass));
    }
    let wrong = |why: String| (CallError::Failed(format!("the answer to {action} {why}")), true);
    let root = parsed.map_err(wrong)?;
    let expected = format!("{action}Response");
    if root.name == expected { Ok(root) } else { Err(wrong(format!("is <{}> and not <{expected}>", root.name))) }
}

/// Whether an error may pass.
pub(super) fn may_pass(status: StatusCode, code: &str) -> bool {
    is_throttled(code) || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

/// Whether a service says that it was asked too often.
pub(super) fn is_throttled(code: &str) -> bool {
    code.contains("Throttl") || code == "RequestLimitExceeded" || code == "TooManyRequestsException"
}

/// A page of a list.
pub(super) struct AnswerPage {
    pub(super) content: PageContent,
    /// What it holds, as a hash; ids of requests and tokens aside.
    pub(super) digest: u64,
    /// The token of the page behind it.
    pub(super) next: Option<String>,
}

/// What a page holds.
pub(super) enum PageContent {
    /// The same as a page that was read before: its octets.
    Known(Bytes),
    Read(Element),
}

impl PageContent {
    /// The page as it is read.
    pub(super) fn element(self, action: &str) -> Result<Element, CallError> {
        match self {
            Self::Read(element) => Ok(element),
            Self::Known(body) => read_answer(action, StatusCode::OK, &body).map_err(|(error, _)| error),
        }
    }
}

/// The same as [`read_answer`], without reading a page that is `known` by its digest.
pub(super) fn read_page(action: &str, status: StatusCode, body: &Bytes, known: Option<u64>) -> CallAttempt<AnswerPage> {
    let (digest, next) = skim(body);
    // a token with a reference in it is read as all else
    if status.is_success() && known == Some(digest) && next.is_none_or(|next| !next.contains('&')) {
        let next = next.map(str::to_owned);
        return Ok(AnswerPage { content: PageContent::Known(body.clone()), digest, next });
    }
    let element = read_answer(action, status, body)?;
    let next = element.child("nextToken").map(|token| token.text.trim().to_owned()).filter(|token| !token.is_empty());
    Ok(AnswerPage { content: PageContent::Read(element), digest, next })
}

/// The hash of an answer without the id of its request and the token of the next page, and that token.
fn skim(body: &[u8]) -> (u64, Option<&str>) {
    let text = str::from_utf8(body).unwrap_or_default();
    let place = |open: &str, close: &str| {
        let from = text.find(open)? + open.len();
        let length = text.get(from..)?.find(close)?;
        Some(from..from + length)
    };
    let token = place("<nextToken>", "</nextToken>");
    let mut left_out: Vec<Range<usize>> =
        place("<requestId>", "</requestId>").into_iter().chain(token.clone()).collect();
    left_out.sort_by_key(|range| range.start);
    let mut hasher = foldhash::quality::FixedState::default().build_hasher();
    let mut from = 0;
    for range in left_out {
        hasher.write(body.get(from..range.start).unwrap_or_default());
        from = range.end;
    }
    hasher.write(body.get(from..).unwrap_or_default());
    (hasher.finish(), token.and_then(|token| text.get(token)).filter(|token| !token.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> CallAttempt<Element> {
        read_answer("DescribeVpcs", StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn answers_are_whole_and_the_right_ones() {
        assert!(read(200, "<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>").is_ok());
        for body in ["", "<DescribeVpcsResponse><vpcSet>", "<html/>", "<DescribeSubnetsResponse/>", "{}"] {
            let (error, may_pass) = read(200, body).unwrap_err();
            assert!(may_pass, "{body}: {error}");
        }
    }

    #[test]
    fn pages_that_hold_the_same_are_known_by_their_digest() {
        let page = |request: &str, vpc: &str, token: &str| {
            Bytes::from(format!(
                "<DescribeVpcsResponse><requestId>{request}</requestId><vpcSet><item><vpcId>{vpc}</vpcId></item></vpcSet>{token}\
                 </DescribeVpcsResponse>"
            ))
        };
        let token = |token: &str| format!("<nextToken>{token}</nextToken>");
        let read = |body: &Bytes, known| read_page("DescribeVpcs", StatusCode::OK, body, known).unwrap();
        let first = read(&page("r-1", "vpc-1", &token("a")), None);
        assert!(matches!(first.content, PageContent::Read(_)));
        assert_eq!(first.next.as_deref(), Some("a"));
        let again = read(&page("r-2", "vpc-1", &token("b")), Some(first.digest));
        assert!(matches!(again.content, PageContent::Known(_)));
        assert_eq!(again.next.as_deref(), Some("b"));
        assert!(again.content.element("DescribeVpcs").unwrap().child("vpcSet").is_some());
        let other = read(&page("r-3", "vpc-2", &token("b")), Some(first.digest));
        assert!(matches!(other.content, PageContent::Read(_)));
        let escaped = read(&page("r-4", "vpc-1", &token("a&amp;b")), Some(first.digest));
        assert_eq!((matches!(escaped.content, PageContent::Read(_)), escaped.next.as_deref()), (true, Some("a&b")));
        let last = read(&page("r-5", "vpc-1", &token("")), Some(first.digest));
        assert_eq!((matches!(last.content, PageContent::Known(_)), last.next), (true, None));
        let failed =
            read_page("DescribeVpcs", StatusCode::SERVICE_UNAVAILABLE, &page("r", "vpc-1", ""), Some(first.digest));
        assert!(failed.is_err());
    }

    #[test]
    fn errors_are_told_apart() {
        let error = |code: &str| {
            format!("<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors></Response>")
        };
        for (status, code, may_pass) in [
            (503, "RequestLimitExceeded", true),
            (400, "Throttling", true),
            (500, "InternalError", true),
            (403, "UnauthorizedOperation", false),
            (401, "AuthFailure", false),
            (400, "InvalidAction", false),
        ] {
            let (found, again) = read(status, &error(code)).unwrap_err();
            assert_eq!(again, may_pass, "{code}");
            assert_eq!(found.to_string(), format!("{code}: m"));
        }
        assert!(read(502, "<html>Bad gateway").unwrap_err().1);
        assert!(!read(404, "not here").unwrap_err().1);
    }
}
