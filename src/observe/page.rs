//! The web page at `/`: static files out of the binary. What it shows it reads from the routes of `/v1` and `/metrics`.
//!
//! The policy lets nothing in but these files and answers of this server (CSP 3; W3C Trusted Types 4.1): data that says
//! `<script>` is text, as the script makes text of all data, and would not run if it did not.

use axum::Router;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What a client that does not want HTML gets: the routes.
const ROUTES: &str = "vpcedns\n\n/healthz\n/readyz\n/metrics\n/v1/status\n/v1/generation\n/v1/explain?name=NAME&type=A&from=ADDRESS\n/v1/report?vpc=VPC&word=WORD&status=off&offset=0&limit=100\n/v1/matrix?vpc=PART&offset=0\n/v1/endpoints?vpc=PART&word=WORD&state=available&offset=0&limit=100\n/v1/sources\n/v1/diff?vpc=VPC\n/v1/drills\nPOST /v1/drills?zone=ZONE or ?name=NAME&fault=FAULT, &seconds=300&vpc=VPC&client=NETWORK\nPOST /v1/drills/end?id=NUMBER or ?all\nPOST /v1/flush?name=NAME, ?zone=NAME or ?all\nPOST /v1/reload\nPOST /v1/sync or ?accept\nPOST /v1/log?level=LEVEL\n";

/// The routes of the page.
pub(super) fn page<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(index))
        .route("/page.css", get(|| async { file("text/css; charset=utf-8", include_str!("page/page.css")) }))
        .route("/page.js", get(|| async { file(SCRIPT, include_str!("page/page.js")) }))
        .route("/element.js", get(|| async { file(SCRIPT, include_str!("page/element.js")) }))
        .route("/matrix.js", get(|| async { file(SCRIPT, include_str!("page/matrix.js")) }))
        .route("/live.js", get(|| async { file(SCRIPT, include_str!("page/live.js")) }))
        .route("/page.svg", get(|| async { file("image/svg+xml", include_str!("page/page.svg")) }))
}

/// The page for browsers, which say that they take HTML, and the list of routes for all others.
async fn index(headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if accept.into_iter().any(|value| value.contains("text/html")) {
        return file("text/html; charset=utf-8", include_str!("page/index.html"));
    }
    file("text/plain; charset=utf-8", ROUTES)
}

/// A file with what browsers are told to refuse. It is asked for again each time, as another version may serve it.
fn file(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, &str); 8] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept"),
    ];
    (headers, text).into_response()
}
