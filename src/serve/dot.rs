//! DNS over TLS (RFC 7858): the framing of TCP inside TLS.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::resolve::Resolve;
use crate::serve::common::{Origin, ServeContext, Stopped};
use crate::serve::kind::ListenerKind;
use crate::serve::tcp::Spoken;
use crate::serve::{stream, tls};
use crate::wire::Transport;

/// `--tls`
pub(super) fn kind<R: Resolve>() -> ListenerKind<R> {
    ListenerKind {
        transport: Transport::Tls,
        flag: "--tls",
        socket: "TCP",
        path: "",
        addresses: |settings| &settings.tls,
        // RFC 7858 has no ALPN, RFC 9539 4.4 has "dot"
        open: |opening| opening.over_tls(&[&TLS12, &TLS13], &[b"dot"], Dot),
    }
}

/// What is spoken on a connection.
#[derive(Clone)]
struct Dot(TlsAcceptor);

impl<R: Resolve> Spoken<R> for Dot {
    const TRANSPORT: Transport = Transport::Tls;
    const TAKES_STRANGERS: bool = true;

    async fn serve(self, stream: TcpStream, from: Origin, context: Arc<ServeContext<R>>, mut stopped: Stopped) {
        if let Some(stream) = tls::shake_hands(&self.0, stream, &from, &context, &mut stopped).await {
            Box::pin(stream::serve(stream, from, context, stopped)).await;
        }
    }
}
