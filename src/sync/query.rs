//! The Query protocol: where a service is, what it is sent, what its answer says.

use std::fmt;
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
        let throttled =
            code.contains("Throttl") || code == "RequestLimitExceeded" || code == "TooManyRequestsException";
        let may_pass = throttled || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED);
        return Err((CallError::Refused(code, one_line(&text)), may_pass));
    }
    let wrong = |why: String| (CallError::Failed(format!("the answer to {action} {why}")), true);
    let root = parsed.map_err(wrong)?;
    let expected = format!("{action}Response");
    if root.name == expected { Ok(root) } else { Err(wrong(format!("is <{}> and not <{expected}>", root.name))) }
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
