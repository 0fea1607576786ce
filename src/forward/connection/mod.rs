//! A connection to an upstream on which many questions are under way: TCP, TLS, HTTPS or QUIC.
//!
//! Made when there is a question, kept while there are more. Nothing here falls back to anything that is less secret.

mod https;
mod quic;
mod slot;
mod stream;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::budget::Budget;
use crate::forward::failure::Failure;
use crate::forward::query::UpstreamQuery;
use crate::forward::standing::Standing;
use crate::model::Protocol;
use https::HttpsConnection;
use quic::QuicConnection;
use slot::Slot;
use stream::StreamConnection;
pub use trust::Trust;

/// The place of the one connection to an upstream.
pub(super) struct Connections {
    standing: Arc<Standing>,
    trust: Trust,
    budget: Budget,
    patience: Duration,
    slot: Slot<OpenConnection>,
}

#[derive(Clone)]
enum OpenConnection {
    Stream(StreamConnection),
    Https(HttpsConnection),
    Quic(QuicConnection),
}

impl Connections {
    /// None yet; each is to be made within `patience`.
    pub(super) fn new(standing: Arc<Standing>, trust: Trust, budget: Budget, patience: Duration) -> Self {
        Self { standing, trust, budget, patience, slot: Slot::new() }
    }

    /// The reply to the query; the upstream's own, as nobody else can speak on the connection.
    ///
    /// A connection that was there before may have been closed when the question came: then it is asked once more on
    /// a new one (RFC 7766 6.2.4).
    pub(super) async fn ask(&self, query: &UpstreamQuery) -> Result<Vec<u8>, Failure> {
        loop {
            let connect = || open(Arc::clone(&self.standing), self.trust.clone(), self.budget.clone(), self.patience);
            let (connection, reused) = self.slot.get(OpenConnection::is_open, connect).await?;
            match connection.ask(query).await {
                Err(Failure::Closed) if reused => {}
                reply => return reply,
            }
        }
    }
}

impl OpenConnection {
    fn is_open(&self) -> bool {
        match self {
            Self::Stream(connection) => connection.is_open(),
            Self::Https(connection) => connection.is_open(),
            Self::Quic(connection) => connection.is_open(),
        }
    }

    async fn ask(&self, query: &UpstreamQuery) -> Result<Vec<u8>, Failure> {
        let reply = match self {
            // checked by the connection, which needs the id for it
            Self::Stream(connection) => return connection.ask(query.clone()).await,
            Self::Https(connection) => connection.ask(query).await?,
            Self::Quic(connection) => connection.ask(query).await?,
        };
        if query.is_answered_by(&reply) { Ok(reply) } else { Err(Failure::Mismatched) }
    }
}

async fn open(
    standing: Arc<Standing>,
    trust: Trust,
    budget: Budget,
    patience: Duration,
) -> Result<OpenConnection, Failure> {
    let opening = async {
        Ok(match standing.upstream.protocol {
            Protocol::Plain => {
                OpenConnection::Stream(StreamConnection::over(stream::connect(&standing).await?, budget))
            }
            // RFC 7858 9 has no name for it; servers that look for one look for this (IANA)
            Protocol::Tls => {
                OpenConnection::Stream(StreamConnection::over(secure(&standing, &trust, b"dot").await?, budget))
            }
            Protocol::Https => {
                let stream = secure(&standing, &trust, b"h2").await?;
                OpenConnection::Https(HttpsConnection::over(stream, &standing.upstream, budget).await?)
            }
            Protocol::Quic => OpenConnection::Quic(QuicConnection::open(&standing, &trust).await?),
        })
    };
    timeout(patience, opening).await.unwrap_or(Err(Failure::TimedOut))
}

/// TLS with whoever the upstream has to be (RFC 8310 8.1).
async fn secure(standing: &Standing, trust: &Trust, alpn: &[u8]) -> Result<TlsStream<tokio::net::TcpStream>, Failure> {
    let connector = TlsConnector::from(Arc::new(trust.client(alpn)?));
    let name = trust::server_name(&standing.upstream)?;
    Ok(connector.connect(name, stream::connect(standing).await?).await?)
}

#[cfg(test)]
mod tests;
