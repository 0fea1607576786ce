//! DNS over HTTPS (RFC 8484): GET and POST, over HTTP/2 and HTTP/1.1.
//!
//! | request | reply |
//! |---|---|
//! | `GET` or `HEAD /dns-query?dns=<base64url>` | 200 and the DNS reply, whatever its response code |
//! | `POST /dns-query`, `application/dns-message` | the same |
//! | `/dns-query/<VPC id>` in place of `/dns-query` | the same, as a client of that VPC, if the address may be one |
//! | `/dns-query/<token>` | the same, as a client of the token's VPC, whatever the address |
//! | another path, or a VPC that is not there | 404 |
//! | a host that is neither the address asked nor a name of the certificate | 421 |
//! | another method | 405 |
//! | no `dns=`, no base64url, or no DNS question | 400 |
//! | a body that is late, too long, or of another type | 408, 413, 415 |
//! | a second long body while one of the connection is coming in | 429 |
//!
//! Knows HTTP and nothing of DNS but how long a reply stays fresh.

pub(super) mod connection;
mod fresh;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Frame, Incoming as Body, SizeHint};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::observe::requested_host;
use crate::resolve::{Incoming, NamedVpc, Resolve};
use crate::serve::certificates::Certificates;
use crate::serve::common::{Origin, ServeContext, Stopped};
use crate::serve::kind::ListenerKind;
use crate::serve::single::{self, Collect, Long, MESSAGE, Refused};
use crate::serve::tcp::Spoken;
use crate::serve::tls;
use crate::wire::Transport;

/// Where questions go; RFC 8484 leaves it to the server, and its examples have this.
const PATH: &str = "/dns-query";
/// The type of questions and replies (RFC 8484 6).
const DNS_MESSAGE: &str = "application/dns-message";

const NOT_FOUND: &str = "questions go to /dns-query, or to /dns-query/ and a VPC's id";

/// Most octets of a body that are read although they are refused.
const DISCARDED: usize = 4 * MESSAGE;

/// `--https`
pub(super) fn kind<R: Resolve>() -> ListenerKind<R> {
    ListenerKind {
        transport: Transport::Https,
        flag: "--https",
        socket: "TCP",
        path: PATH,
        addresses: |settings| &settings.https,
        open: |opening| {
            let certificates = Arc::clone(opening.certificates);
            opening.over_tls(&[&TLS12, &TLS13], &[b"h2", b"http/1.1"], |tls| Doh { tls, certificates })
        },
    }
}

/// What is spoken on a connection.
#[derive(Clone)]
struct Doh {
    tls: TlsAcceptor,
    certificates: Arc<Certificates>,
}

impl<R: Resolve> Spoken<R> for Doh {
    const TRANSPORT: Transport = Transport::Https;
    const TAKES_STRANGERS: bool = true;

    async fn serve(self, stream: TcpStream, from: Origin, context: Arc<ServeContext<R>>, mut stopped: Stopped) {
        if let Some(stream) = tls::shake_hands(&self.tls, stream, &from, &context, &mut stopped).await {
            Box::pin(connection::serve(stream, from, self.certificates, context, stopped)).await;
        }
    }
}

/// What the requests of one connection share.
struct Requests<R> {
    shared: Arc<ServeContext<R>>,
    from: Origin,
    certificates: Arc<Certificates>,
    /// The host of the first request that was for us; others rarely come.
    host: OnceLock<String>,
    long: Long,
    /// Requests that are being answered.
    busy: AtomicUsize,
    /// Requests so far.
    seen: AtomicUsize,
}

/// A request that gets no DNS reply.
#[derive(Debug, PartialEq, Eq)]
struct HttpRefusal(StatusCode, &'static str);

impl<R: Resolve> Requests<R> {
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Result<Response<HttpReply>, Infallible> {
        let _busy = Busy::new(&self);
        self.from.heartbeat.beat();
        let head = request.method() == Method::HEAD;
        let (parts, mut body) = request.into_parts();
        let mut response = match self.dns_reply(&parts, &mut body).await {
            Ok(reply) => dns_response(reply),
            Err(refusal) => {
                // a client that still writes might not see the status
                let _ = timeout(self.shared.limits.tcp_idle, discard(&mut body)).await;
                refusal.into_response()
            }
        };
        if head {
            // the length is that of the body which GET would get (RFC 9110 8.6)
            let length = response.body().size_hint().exact().unwrap_or_default();
            response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
            *response.body_mut() = Full::default();
        }
        Ok(response.map(|octets| HttpReply { octets, _request: body }))
    }

    async fn dns_reply(&self, parts: &Parts, body: &mut Body) -> Result<Vec<u8>, HttpRefusal> {
        self.check_host(parts)?;
        let vpc = self.vpc(parts.uri.path())?;
        let packet = match parts.method {
            Method::GET | Method::HEAD => question_of(parts.uri.query().unwrap_or_default())?,
            Method::POST => self.question_in(&parts.headers, body).await?,
            _ => return Err(HttpRefusal(StatusCode::METHOD_NOT_ALLOWED, "use GET or POST (RFC 8484 4.1)")),
        };
        let incoming = Incoming { vpc, ..self.from.incoming(&packet) };
        let reply = single::reply(&self.shared, incoming).await;
        reply.ok_or(HttpRefusal(StatusCode::BAD_REQUEST, "that is no DNS question"))
    }

    /// Refuses requests for hosts that are not this server: a page's owner can point a name of theirs here, and a browser
    /// that reuses the connection would let their script ask (DNS rebinding).
    fn check_host(&self, parts: &Parts) -> Result<(), HttpRefusal> {
        let misdirected = HttpRefusal(StatusCode::MISDIRECTED_REQUEST, "the certificate here has no such name");
        let host = requested_host(&parts.headers, &parts.uri).map_err(|_| misdirected)?;
        if self.host.get().is_some_and(|known| known == host) {
            return Ok(());
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_asked = bare.parse() == Ok(self.from.local.ip());
        if !is_asked && !self.certificates.have_name(bare) {
            return Err(HttpRefusal(StatusCode::MISDIRECTED_REQUEST, "the certificate here has no such name"));
        }
        let _ = self.host.set(host.to_owned());
        Ok(())
    }

    /// The VPC that the path names.
    fn vpc(&self, path: &str) -> Result<Option<NamedVpc>, HttpRefusal> {
        let not_found = HttpRefusal(StatusCode::NOT_FOUND, NOT_FOUND);
        match path.strip_prefix(PATH) {
            Some("") => Ok(None),
            Some(rest) => {
                let name = rest.strip_prefix('/').ok_or(not_found)?;
                let proven = self.shared.doh_tokens.get(name).map(|vpc| NamedVpc::Proven(*vpc));
                let named = proven.or_else(|| name.parse().ok().map(NamedVpc::Claimed));
                let there =
                    named.filter(|(NamedVpc::Proven(vpc) | NamedVpc::Claimed(vpc))| self.shared.resolver.has_vpc(*vpc));
                there.map(Some).ok_or(HttpRefusal(StatusCode::NOT_FOUND, NOT_FOUND))
            }
            None => Err(not_found),
        }
    }

    async fn question_in(&self, headers: &HeaderMap, body: &mut Body) -> Result<Vec<u8>, HttpRefusal> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(DNS_MESSAGE) {
            return Err(HttpRefusal(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the Content-Type has to be application/dns-message",
            ));
        }
        let too_long = HttpRefusal(StatusCode::PAYLOAD_TOO_LARGE, "a DNS message has at most 65535 octets");
        let mut collect = Collect::new(MESSAGE, &self.long);
        let all = async {
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| HttpRefusal(StatusCode::BAD_REQUEST, "the body breaks off"))?;
                match frame.data_ref().map_or(Ok(()), |data| collect.push(data)) {
                    Ok(()) => {}
                    Err(Refused::TooLong) => return Err(too_long),
                    Err(Refused::TooMany) => {
                        return Err(HttpRefusal(StatusCode::TOO_MANY_REQUESTS, "one long message at a time"));
                    }
                }
            }
            Ok(())
        };
        let late = |_| HttpRefusal(StatusCode::REQUEST_TIMEOUT, "the body took too long");
        timeout(self.shared.limits.tcp_idle, all).await.map_err(late)??;
        Ok(collect.octets().to_vec())
    }
}

/// The body of a response, with that of its request: HTTP/2 cancels a stream whose request is dropped while it comes in,
/// and the client would get that in place of its status (RFC 9113 8.1).
struct HttpReply {
    octets: Full<Bytes>,
    _request: Body,
}

impl hyper::body::Body for HttpReply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.octets).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.octets.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.octets.size_hint()
    }
}

/// Reads what is left of a body that is refused, up to a bound.
async fn discard(body: &mut Body) {
    let mut left = DISCARDED;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// The question in `dns=` (RFC 8484 4.1.1; RFC 6570 leaves other parameters alone).
fn question_of(query: &str) -> Result<Vec<u8>, HttpRefusal> {
    let mut parameters = query.split('&').filter_map(|parameter| parameter.strip_prefix("dns="));
    let text =
        parameters.next().ok_or(HttpRefusal(StatusCode::BAD_REQUEST, "the question is missing: ?dns=<base64url>"))?;
    let no_base64 = HttpRefusal(StatusCode::BAD_REQUEST, "dns= is not base64url without padding (RFC 4648 5)");
    URL_SAFE_NO_PAD.decode(text).map_err(|_| no_base64)
}

fn dns_response(reply: Vec<u8>) -> Response<Full<Bytes>> {
    let freshness = fresh::seconds(&reply);
    let mut response = Response::new(Full::from(reply));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(DNS_MESSAGE));
    // private: the next client of a shared cache may be one of another VPC
    if let Ok(value) = format!("private, max-age={freshness}").try_into() {
        headers.insert(header::CACHE_CONTROL, value);
    }
    response
}

impl HttpRefusal {
    fn into_response(self) -> Response<Full<Bytes>> {
        let Self(status, text) = self;
        let mut response = Response::new(Full::from(format!("{text}\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
        }
        response
    }
}

/// Counts a request for as long as it is being answered.
struct Busy<'r>(&'r AtomicUsize);

impl<'r> Busy<'r> {
    fn new<R>(requests: &'r Requests<R>) -> Self {
        requests.seen.fetch_add(1, Ordering::Relaxed);
        requests.busy.fetch_add(1, Ordering::Relaxed);
        Self(&requests.busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
