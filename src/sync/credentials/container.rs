//! Credentials of a container: ECS tasks, EKS pod identity, Greengrass (SDKs and Tools Reference Guide, "Container
//! credential provider").

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{ACCEPT, AUTHORIZATION};
use axum::http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::Full;

use super::super::environment::Environment;
use super::ask::{client_nearby, fetched, told};
use super::issued::{CredentialError, Issued};
use crate::config::Secret;
use crate::http_client::absolute_url;

/// ECS, which names only a path.
const ECS: &str = "http://169.254.170.2";
/// Hosts that may be asked without TLS, besides this machine: ECS, and EKS's agent over both families.
const NEARBY: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
/// How long one request may take, and how many there are (botocore, `ContainerMetadataFetcher`).
const TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 3;

const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";

/// Where a container gets its credentials, and what it shows for them.
#[derive(Clone, Debug)]
pub(super) struct Container {
    url: Uri,
    token: Option<ContainerToken>,
}

#[derive(Clone, Debug)]
enum ContainerToken {
    /// A file that is rewritten now and then.
    File(PathBuf),
    Text(Secret),
}

impl Container {
    /// What the environment names; `None` where it names nothing.
    pub(super) fn of(environment: &Environment) -> Result<Option<Self>, CredentialError> {
        let text = match (environment.variable(RELATIVE_URI), environment.variable(FULL_URI)) {
            (Some(path), _) => format!("{ECS}{path}"),
            (None, Some(url)) => url.to_owned(),
            (None, None) => return Ok(None),
        };
        let wrong = |what: String| {
            let hint = format!("the platform sets {RELATIVE_URI} or {FULL_URI}: unset it where there is none");
            CredentialError::new(format!("container credentials: {what}"), hint)
        };
        let url = absolute_url(&text).map_err(|why| wrong(format!("'{text}' is {why}")))?;
        if !may_be_asked(&url) {
            return Err(wrong(format!("'{text}' is neither https:// nor on this machine or beside it")));
        }
        let file = environment.variable(TOKEN_FILE).map(|path| ContainerToken::File(path.into()));
        let token = file.or_else(|| environment.variable(TOKEN).map(|text| ContainerToken::Text(Secret::new(text))));
        Ok(Some(Self { url, token }))
    }

    /// Asks for them.
    pub(super) async fn fetch(&self, environment: &Environment) -> Result<Issued, CredentialError> {
        let wrong = |what: String, hint: &str| CredentialError::new(format!("container credentials: {what}"), hint);
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            let (text, name) = match token {
                ContainerToken::File(path) => {
                    let text = std::fs::read_to_string(path).map_err(|error| {
                        wrong(format!("{TOKEN_FILE} {}: {error}", path.display()), "is the token's volume mounted?")
                    })?;
                    (text.trim_end().to_owned(), TOKEN_FILE)
                }
                ContainerToken::Text(text) => (text.reveal().to_owned(), TOKEN),
            };
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                wrong(format!("{name} has characters that no header can hold"), "is it the right file?")
            })?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let broken = |why: String| wrong(why, "look at the task's role, or at the logs of EKS's pod identity agent");
        let http = client_nearby(&self.url, TIMEOUT, environment).map_err(broken)?;
        let (status, body) =
            fetched(&http, ATTEMPTS, &request).await.map_err(|why| broken(format!("{}: {why}", self.url)))?;
        if status != StatusCode::OK {
            return Err(broken(format!("{}: {}", self.url, told(status, &body))));
        }
        Issued::from_json(&body).map_err(|why| broken(format!("the answer of {} {why}", self.url)))
    }
}

/// Without TLS only what is on this machine or beside it: whoever can set a variable could have the token sent elsewhere.
fn may_be_asked(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme_str() == Some("https") || is_loopback || NEARBY.contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_to_this_machine_or_over_tls() {
        for (url, expected) in [
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://127.0.0.1:51678/", true),
            ("http://localhost/", true),
            ("https://credentials.example/", true),
            ("http://credentials.example/", false),
            ("http://169.254.169.254/", false),
            ("http://127.0.0.1.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(may_be_asked(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
