//! One connection of HTTP: its bounds, its idle time, and its end.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};

use super::Requests;
use crate::config::Limits;
use crate::resolve::Resolve;
use crate::serve::certificates::Certificates;
use crate::serve::common::{Origin, ServeContext, Stopped};
use crate::serve::single;

/// Most octets of a request's head: a question of 2,112 octets fits into a URI three times over.
const HEAD: usize = 16 * 1024;
/// Streams that a client may open before it has heard how many it may (RFC 9113 6.5.2), and so the least.
pub(super) const STREAMS: u32 = 100;
/// Octets of one stream that may be under way: one message.
const STREAM_WINDOW: u32 = 1 << 16;
/// Octets of all streams of a connection that may be under way.
const CONNECTION_WINDOW: u32 = 1 << 18;
/// How long a connection that was told to end, and has nothing to answer, may take for its goodbye.
const GOODBYE: Duration = Duration::from_millis(200);

/// Answers the requests that come in on `stream` until the client leaves, falls silent, or the server stops.
pub(in crate::serve) async fn serve<R, S>(
    stream: S,
    from: Origin,
    certificates: Arc<Certificates>,
    shared: Arc<ServeContext<R>>,
    stopped: Stopped,
) where
    R: Resolve,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (limits, peer) = (shared.limits.clone(), from.peer);
    let (busy, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let requests = Arc::new(Requests {
        shared,
        from,
        certificates,
        host: OnceLock::new(),
        long: single::one_long_message(),
        busy,
        seen,
    });
    if let Err(error) = run(stream, requests, &limits, stopped).await {
        tracing::debug!(%peer, %error, "a connection ended");
    }
}

async fn run<R, S>(
    stream: S,
    requests: Arc<Requests<R>>,
    limits: &Limits,
    mut stopped: Stopped,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    R: Resolve,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = builder(limits);
    let service = service_fn(|request| Arc::clone(&requests).answer(request));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut stopped = pin!(stopped.closing());
    let mut tick = pin!(sleep(limits.tcp_idle));
    let (mut closing, mut before) = (false, 0);
    loop {
        let ends = tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            () = &mut stopped, if !closing => true,
            () = &mut tick => {
                let seen = requests.seen.load(Ordering::Relaxed);
                let idle = requests.busy.load(Ordering::Relaxed) == 0 && std::mem::replace(&mut before, seen) == seen;
                if idle && closing {
                    // it has had its goodbye, or does not take it
                    return Err(io::Error::from(io::ErrorKind::TimedOut).into());
                }
                idle
            }
        };
        if ends {
            closing = true;
            // "Connection: close", or a GOAWAY after which what was asked is answered (RFC 9113 6.8)
            connection.as_mut().graceful_shutdown();
        }
        tick.as_mut().reset(Instant::now() + if closing { GOODBYE } else { limits.tcp_idle });
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.tcp_idle)
        .max_buf_size(HEAD)
        // who has said all still gets the answer
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32::try_from(limits.tcp_pipeline).unwrap_or(u32::MAX).max(STREAMS))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD as u32)
        .max_send_buf_size(2 * single::MESSAGE);
    builder
}
