//! One connection to one member: calls of gRPC over HTTP/2 (`doc/PROTOCOL-HTTP2.md` of gRPC), many at one time.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, header};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::SetOnce;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::access::{EtcdAccess, server_name};
use super::error::EtcdError;
use super::messages::{AuthenticateRequest, AuthenticateResponse};

/// Time for a connection, and for its encryption.
const CONNECT: Duration = Duration::from_secs(1);
/// Time in which a connection that fails says why.
const MOMENT: Duration = Duration::from_millis(50);
/// Time for a member to say that it knows who asks: it makes that slow.
const SIGN_IN: Duration = Duration::from_secs(3);
/// What a member may send before it is read: the answers of a load are large.
const WINDOW: u32 = 4 << 20;
/// Largest message that is read, in octets. A watch may tell of many transactions at once.
const MAX_MESSAGE: usize = 256 << 20;
/// A message's length stands behind one octet, which says whether it is compressed.
const PREFIX: usize = 5;

/// An open connection.
pub(super) struct MemberChannel {
    member: String,
    requests: SendRequest<Bytes>,
    driver: JoinHandle<()>,
    /// Why the connection ended.
    ended: Arc<SetOnce<String>>,
    /// What calls are marked with where etcd has users.
    token: Option<HeaderValue>,
    scheme: &'static str,
}

impl Drop for MemberChannel {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl MemberChannel {
    /// Connects to the member at `HOST:PORT`, and says who asks.
    pub(super) async fn open(member: &str, access: &EtcdAccess) -> Result<Self, EtcdError> {
        let failed = |why: String| EtcdError::Unreachable(format!("{member}: {why}"));
        let connected = timeout(CONNECT, TcpStream::connect(member)).await;
        let stream =
            connected.map_err(|_| failed("no answer".to_owned()))?.map_err(|error| failed(error.to_string()))?;
        stream.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
        let mut channel = match access.connector()? {
            None => Self::speak(member, "http", stream).await?,
            Some(tls) => {
                let name = server_name(member).map_err(failed)?;
                let encrypted = timeout(CONNECT, tls.connect(name, stream)).await;
                let encrypted = encrypted.map_err(|_| failed("no TLS handshake".to_owned()))?;
                Self::speak(member, "https", encrypted.map_err(|error| failed(error.to_string()))?).await?
            }
        };
        if let Some(who) = access.user()? {
            let path = "/etcdserverpb.Auth/Authenticate";
            let known: Result<AuthenticateResponse, _> =
                channel.unary::<AuthenticateRequest, _>(path, &who, SIGN_IN).await;
            let known = known.map_err(|error| match error {
                EtcdError::Said { message, .. } => EtcdError::Unusable(format!("{member} says: {message}")),
                error => EtcdError::Unreachable(error.to_string()),
            })?;
            let token = HeaderValue::from_str(&known.token);
            channel.token = Some(token.map_err(|error| failed(format!("a token of letters that are none: {error}")))?);
        }
        Ok(channel)
    }

    async fn speak<S>(member: &str, scheme: &'static str, stream: S) -> Result<Self, EtcdError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = h2::client::Builder::new();
        builder.enable_push(false).initial_window_size(WINDOW).initial_connection_window_size(4 * WINDOW);
        let begun = timeout(CONNECT, builder.handshake(stream)).await;
        let begun = begun.map_err(|_| EtcdError::Unreachable(format!("{member}: no answer")))?;
        let (requests, connection) = begun.map_err(|error| EtcdError::Unreachable(format!("{member}: {error}")))?;
        let ended = Arc::new(SetOnce::new());
        let end = Arc::clone(&ended);
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                // set here alone
                let _ = end.set(error.to_string());
            }
        });
        Ok(Self { member: member.to_owned(), requests, driver, ended, token: None, scheme })
    }

    /// Whether it takes calls, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        !self.driver.is_finished()
    }

    /// The one answer to a call, which comes within `patience`.
    pub(super) async fn unary<Q, A>(&self, path: &'static str, question: &Q, patience: Duration) -> Result<A, EtcdError>
    where
        Q: Message,
        A: Message + Default,
    {
        let answered = async {
            let mut answers = self.stream(path, question).await?;
            answers.end_questions();
            let answer = answers.next().await?.ok_or_else(|| answers.unanswered("the answer is empty"))?;
            // the status comes behind it
            while answers.next().await?.is_some() {}
            Ok(answer)
        };
        let answered = timeout(patience, answered).await;
        if let Ok(Err(EtcdError::Unanswered(_))) = &answered
            && let Ok(why) = timeout(MOMENT, self.ended.wait()).await
        {
            // the connection knows more than the call on it, such as that a certificate is wanted
            return Err(unanswered(&self.member, why));
        }
        let late = || EtcdError::Unanswered(format!("{}: nothing within {} ms", self.member, patience.as_millis()));
        answered.unwrap_or_else(|_| Err(late()))
    }

    /// The answers to a call, which goes on until it is dropped.
    pub(super) async fn stream<Q, A>(&self, path: &'static str, question: &Q) -> Result<AnswerStream<A>, EtcdError>
    where
        Q: Message,
        A: Message + Default,
    {
        let unanswered = |error: &dyn std::fmt::Display| EtcdError::Unanswered(format!("{}: {error}", self.member));
        let mut request = Request::post(format!("{}://{}{path}", self.scheme, self.member))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            // a member that has lost its cluster says so, and does not fall silent
            .header("hasleader", "true");
        if let Some(token) = &self.token {
            request = request.header("token", token);
        }
        let request = request.body(()).map_err(|error| unanswered(&error))?;
        let ready = self.requests.clone().ready().await;
        let mut requests = ready.map_err(|error| EtcdError::Unreachable(format!("{}: {error}", self.member)))?;
        let (response, mut questions) = requests.send_request(request, false).map_err(|error| unanswered(&error))?;
        questions.send_data(framed(question), false).map_err(|error| unanswered(&error))?;
        Ok(AnswerStream {
            member: self.member.clone(),
            questions,
            response: Response::Head(response),
            head: HeaderMap::new(),
            buffer: BytesMut::new(),
            of: PhantomData,
        })
    }
}

fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut octets = BytesMut::with_capacity(PREFIX + length);
    octets.put_u8(0);
    // a message of 4 GiB is none that is made here
    octets.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    octets.extend_from_slice(&message.encode_to_vec());
    octets.freeze()
}

/// The answers to a call. It ends when this is dropped.
pub struct AnswerStream<A> {
    member: String,
    questions: SendStream<Bytes>,
    response: Response,
    /// Where nothing is answered, the status is among the headers.
    head: HeaderMap,
    buffer: BytesMut,
    of: PhantomData<fn() -> A>,
}

enum Response {
    Head(ResponseFuture),
    Body(RecvStream),
}

impl<A: Message + Default> AnswerStream<A> {
    /// The next answer; `None` at the end. May be dropped while it waits, without loss.
    pub async fn next(&mut self) -> Result<Option<A>, EtcdError> {
        loop {
            if let Some(answer) = self.take_whole()? {
                return Ok(Some(answer));
            }
            match &mut self.response {
                Response::Head(response) => {
                    let response = response.await.map_err(|error| self.unanswered(&error.to_string()))?;
                    if !response.status().is_success() {
                        return Err(self.unanswered(&format!("HTTP status {}", response.status())));
                    }
                    let (head, body) = response.into_parts();
                    self.head = head.headers;
                    self.response = Response::Body(body);
                }
                Response::Body(body) => {
                    let Some(chunk) = body.data().await else {
                        let trailers = body.trailers().await;
                        let trailers = trailers.map_err(|error| unanswered(&self.member, &error.to_string()))?;
                        return self.status(trailers.as_ref().unwrap_or(&self.head)).map(|()| None);
                    };
                    let chunk = chunk.map_err(|error| unanswered(&self.member, &error.to_string()))?;
                    let released = body.flow_control().release_capacity(chunk.len());
                    released.map_err(|error| unanswered(&self.member, &error.to_string()))?;
                    self.buffer.extend_from_slice(&chunk);
                }
            }
        }
    }

    fn take_whole(&mut self) -> Result<Option<A>, EtcdError> {
        let Some((prefix, rest)) = self.buffer.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let [compressed, length @ ..] = *prefix;
        let length = u32::from_be_bytes(length) as usize;
        if compressed != 0 || length > MAX_MESSAGE {
            return Err(self.unanswered("the answer is compressed or too long"));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        let answer = A::decode(self.buffer.split_to(length));
        answer.map(Some).map_err(|error| self.unanswered(&error.to_string()))
    }

    fn status(&self, trailers: &HeaderMap) -> Result<(), EtcdError> {
        let word = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
        match word("grpc-status").and_then(|status| status.parse().ok()) {
            Some(0) => Ok(()),
            Some(code) => {
                let message = word("grpc-message").unwrap_or("no reason");
                let message = percent_encoding::percent_decode_str(message).decode_utf8_lossy().into_owned();
                Err(EtcdError::Said { code, message })
            }
            None => Err(self.unanswered("the answer has no status")),
        }
    }

    /// There is nothing more to ask.
    fn end_questions(&mut self) {
        // a stream that has ended meanwhile says why when it is read
        let _ = self.questions.send_data(Bytes::new(), true);
    }

    fn unanswered(&self, why: &str) -> EtcdError {
        unanswered(&self.member, why)
    }
}

fn unanswered(member: &str, why: &str) -> EtcdError {
    EtcdError::Unanswered(format!("{member}: {why}"))
}
