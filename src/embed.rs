//! Private DNS inside of a server on hickory-server, as in a Rust test: no port 53, no child process.
//!
//! [`PrivateDns`] answers what is private for the client, by the rules and octets of the UDP front, and hands everything
//! else to another handler: a `Catalog`, a forwarder, or [`Refuse`].
//!
//! ```
//! use hickory_server::Server;
//! use vpcedns::embed::{Builder, Refuse};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let zones = r#"
//!     [[vpc]]
//!     vpc_id = "vpc-00000001"
//!     region = "us-east-1"
//!     cidr_blocks = ["127.0.0.0/8"]
//!
//!     [[hosted_zone]]
//!     name = "corp.example"
//!     vpc_ids = ["*"]
//!     clients_of_no_vpc = true
//!     records = [{ name = "db", type = "A", values = ["10.0.1.99"] }]
//! "#;
//! let handler = Builder::toml_str(zones).build(Refuse).unwrap();
//! let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
//! let address = socket.local_addr().unwrap();
//! let mut server = Server::new(handler);
//! server.register_socket(socket);
//! // point what is tested at `address`
//! # let _ = address;
//! server.shutdown_gracefully().await.unwrap();
//! # });
//! ```
//!
//! What hickory's request does not have cannot decide: a client's VPC is known by its address, or by the listener that
//! [`Builder::listener`] names for the handler. A FORWARD rule's resolvers are not asked, nor the target of an alias that
//! leads out: such questions go to the inner handler.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::{Header, HeaderCounts, Message, Metadata, ResponseCode};
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;

use crate::config::Limits;
use crate::model::Upstream;
use crate::observe::Counters;
use crate::problem::Problem;
use crate::publish::Publisher;
use crate::resolve::{Incoming, Outcome, Resolve, Resolver};
use crate::snapshot::Policy;
use crate::source::{
    Declared, FileText, Files, PartId, Progress, Reading, Source, SourceId, Sources, read_json_set, read_toml,
};
use crate::wire::{CookieSecret, Transport};

/// Zones that were given as text, once and for all.
struct GivenZones(Option<Declared>);

impl Source for GivenZones {
    fn id(&self) -> SourceId {
        SourceId::new("given")
    }

    fn read(&mut self, _: Progress<'_>) -> Reading {
        let parts = self.0.take().map(|declared| (PartId::Set("given"), declared));
        Reading { parts: parts.into_iter().collect(), ..Reading::default() }
    }
}

/// Makes a [`PrivateDns`].
pub struct Builder {
    zones: Box<dyn Source>,
    listener: SocketAddr,
}

impl Builder {
    /// Zones of a directory or file, as `--zones` takes it.
    pub fn from_dir(path: impl Into<PathBuf>) -> Self {
        Self::new(Files::new(vec![path.into()]))
    }

    /// Outputs of `aws ec2 describe-*`: a name for messages, and the text, of each.
    pub fn from_cli_json<'t>(outputs: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let files: Vec<FileText> =
            outputs.into_iter().map(|(name, text)| FileText { path: name.into(), text: text.into() }).collect();
        Self::new(GivenZones(Some(read_json_set(&files))))
    }

    /// Zones in TOML.
    pub fn toml_str(text: &str) -> Self {
        Self::new(GivenZones(Some(read_toml(&Arc::from("toml"), text))))
    }

    fn new(zones: impl Source + 'static) -> Self {
        Self { zones: Box::new(zones), listener: SocketAddr::from(([127, 0, 0, 1], 53)) }
    }

    /// The address that clients ask, where a VPC lists it in `listeners`: hickory's requests do not say it, so that each
    /// listener has a handler of its own.
    #[must_use]
    pub fn listener(self, listener: SocketAddr) -> Self {
        Self { listener, ..self }
    }

    /// The handler in front of `inner`; everything that is wrong with the zones, if there is an error.
    pub fn build<H: RequestHandler>(self, inner: H) -> Result<PrivateDns<H>, Vec<Problem>> {
        let sources = Sources::new(vec![self.zones], Vec::new());
        let (publisher, _) = Publisher::start(sources, policy(), &|_, _| {})?;
        let snapshots = publisher.snapshots().clone();
        let secret = CookieSecret::new(rand::random());
        let resolver = Resolver::new(snapshots, Limits::default(), secret, Arc::new(Counters::default()));
        Ok(PrivateDns { inner, resolver, publisher: Mutex::new(publisher), listener: self.listener })
    }
}

/// Every client is served, so that the inner handler decides about strangers; what is not private counts as forwarded,
/// to an address (RFC 5737 3) that is never asked.
fn policy() -> Policy {
    let everybody = ["0.0.0.0/0", "::/0"].into_iter().filter_map(|net| net.parse().ok()).collect();
    let nobody = Upstream::plain(SocketAddr::from(([192, 0, 2, 1], 53)));
    Policy { allow: everybody, upstreams: Arc::from([nobody]), ..Policy::default() }
}

/// Answers what is private; everything else is the inner handler's.
pub struct PrivateDns<H> {
    inner: H,
    resolver: Resolver,
    publisher: Mutex<Publisher>,
    listener: SocketAddr,
}

impl<H> PrivateDns<H> {
    /// Reads the files again; blocks. Fails with everything that is wrong, and serves what it served then. Zones that were
    /// given as text stay as they are.
    pub fn reload(&self) -> Result<(), Vec<Problem>> {
        let mut publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = match publisher.prepare_load() {
            Ok(prepared) => publisher.publish_load(prepared),
            Err(failed) => *failed,
        };
        if outcome.is_good() { Ok(()) } else { Err(outcome.problems) }
    }

    /// The answer to a request; `None` where the inner handler has to give it.
    fn answer(&self, request: &Request) -> Option<Message> {
        let transport = if request.protocol() == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
        let incoming =
            Incoming { packet: request.as_slice(), peer: request.src(), local: self.listener, transport, vpc: None };
        let mut out = vec![0; usize::from(u16::MAX)];
        let outcome = self.resolver.try_resolve(&self.resolver.batch(), incoming, &mut out);
        let Outcome::Reply(len) = outcome else { return None };
        Message::from_vec(out.get(..len)?).ok()
    }
}

#[async_trait::async_trait]
impl<H: RequestHandler> RequestHandler for PrivateDns<H> {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut handle: R) -> ResponseInfo {
        let Some(message) = self.answer(request) else {
            return self.inner.handle_request::<R, T>(request, handle).await;
        };
        let response = MessageResponseBuilder::new(&request.queries, message.edns.as_ref()).build(
            message.metadata,
            &message.answers,
            &message.authorities,
            [],
            &message.additionals,
        );
        sent(handle.send_response(response).await, &message.metadata)
    }
}

/// Refuses everything: for those who want private names alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refuse;

#[async_trait::async_trait]
impl RequestHandler for Refuse {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut handle: R) -> ResponseInfo {
        let builder = MessageResponseBuilder::from_message_request(request);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = ResponseCode::Refused;
        let response = builder.build_no_records(metadata);
        sent(handle.send_response(response).await, &metadata)
    }
}

/// What hickory logs of a response; one that could not be sent had that header.
fn sent<E>(outcome: Result<ResponseInfo, E>, metadata: &Metadata) -> ResponseInfo {
    outcome.unwrap_or_else(|_| Header { metadata: *metadata, counts: HeaderCounts::default() }.into())
}
