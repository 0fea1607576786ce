//! Zones that are loaded, and the reply to a request of hickory's out of them.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::{Message, Metadata, ResponseCode};
use hickory_server::server::Request;

use crate::config::Limits;
use crate::dns::SAFE_PAYLOAD;
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

/// Makes [`PrivateZones`].
pub struct Builder {
    zones: Box<dyn Source>,
    policy: Option<Policy>,
}

impl Builder {
    /// Zones of a directory or file, as `--zones` takes it.
    pub fn from_dir(path: impl Into<PathBuf>) -> Self {
        Self::new(Files::new(vec![path.into()]))
    }

    /// Outputs of `aws ec2 describe-*` and the like: a name for messages, and the text, of each.
    pub fn from_cli_json<'t>(outputs: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let files: Vec<FileText> =
            outputs.into_iter().map(|(name, text)| FileText { path: name.into(), text: text.into() }).collect();
        Self::new(GivenZones(Some(read_json_set(&files))))
    }

    /// Zones in TOML.
    pub fn toml_str(text: &str) -> Self {
        Self::new(GivenZones(Some(read_toml(&"toml".into(), text))))
    }

    fn new(zones: impl Source + 'static) -> Self {
        Self { zones: Box::new(zones), policy: None }
    }

    /// Everything is answered here, as `vpcedns serve` with this policy does: what is not private is asked of the policy's
    /// upstreams, or of a FORWARD rule's, and aliases are followed. No inner handler is asked for anything.
    ///
    /// Clients of no VPC are refused unless the policy allows them.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Loads the zones; blocks while files are read. An error is everything that is wrong with them.
    pub fn build(self) -> Result<PrivateZones, LoadError> {
        let sources = Sources::new(vec![self.zones], Vec::new());
        let is_whole = self.policy.is_some();
        let (mut publisher, _) =
            Publisher::start(sources, self.policy.unwrap_or_else(private_only), &|_, _| {}).map_err(LoadError)?;
        let secret = CookieSecret::new(rand::random());
        let counters = Arc::new(Counters::default());
        let resolver = Resolver::new(publisher.snapshots().clone(), Limits::default(), secret, counters);
        publisher.invalidates(resolver.lookup().cache().clone());
        let publisher = Mutex::new(publisher);
        let loaded = Arc::new(LoadedZones { resolver, is_whole, publisher });
        Ok(PrivateZones { loaded, listener: SocketAddr::from(([127, 0, 0, 1], 53)) })
    }
}

/// Every client is served, so that the inner handler decides about strangers; what is not private counts as forwarded,
/// to an address (RFC 5737 3) that is never asked.
fn private_only() -> Policy {
    let everybody = ["0.0.0.0/0", "::/0"].into_iter().filter_map(|net| net.parse().ok()).collect();
    let nobody = Upstream::plain(SocketAddr::from(([192, 0, 2, 1], 53)));
    Policy { allow: everybody, upstreams: Arc::from([nobody]), ..Policy::default() }
}

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

/// Zones that are loaded. Clones, and the handlers that are made of them, share them: all follow a reload.
#[derive(Clone)]
pub struct PrivateZones {
    loaded: Arc<LoadedZones>,
    listener: SocketAddr,
}

struct LoadedZones {
    resolver: Resolver,
    /// Nothing is left to others.
    is_whole: bool,
    publisher: Mutex<Publisher>,
}

impl PrivateZones {
    /// The same zones, for a handler of the listener with this address: whoever asks there is a client of the VPC that has it
    /// among its `listeners`. hickory's requests do not say which listener they came to, so that each needs a handler.
    #[must_use]
    pub fn at(&self, listener: SocketAddr) -> Self {
        Self { listener, ..self.clone() }
    }

    /// Reads files that have changed, and serves what they say from here on: every question is answered out of what was
    /// before, or out of what is now. Blocks. An error is everything that is wrong, and what was served keeps serving.
    ///
    /// Zones that were given as text stay as they are.
    pub fn reload(&self) -> Result<(), LoadError> {
        let mut publisher = self.loaded.publisher.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = match publisher.prepare_load() {
            Ok(prepared) => publisher.publish_load(prepared),
            Err(failed) => *failed,
        };
        if outcome.is_good() { Ok(()) } else { Err(LoadError(outcome.problems)) }
    }

    /// What is probably not meant in what was loaded last.
    pub fn warnings(&self) -> Vec<Problem> {
        let publisher = self.loaded.publisher.lock().unwrap_or_else(PoisonError::into_inner);
        let last = publisher.status().last();
        last.into_iter().flat_map(|load| load.problems).filter(|problem| !problem.is_error()).collect()
    }

    /// What becomes of a request.
    pub(super) async fn handle(&self, request: &Request, transport: Transport) -> Handled {
        let incoming =
            Incoming { packet: request.as_slice(), peer: request.src(), local: self.listener, transport, vpc: None };
        let message = |octets: &[u8]| Box::new(Message::from_vec(octets).unwrap_or_else(|_| servfail(request)));
        match self.at_once(incoming) {
            AtOnce::Reply(octets) => Handled::Reply(message(&octets)),
            AtOnce::Silent => Handled::Silent,
            AtOnce::Pending(_) if self.loaded.is_whole => {
                let reply = self.loaded.resolver.resolve(incoming).await;
                reply.map_or(Handled::Silent, |octets| Handled::Reply(message(&octets)))
            }
            AtOnce::Pending(Some(aliases)) => Handled::LeadsOut(message(&aliases)),
            AtOnce::Pending(None) => Handled::NotPrivate,
        }
    }

    fn at_once(&self, incoming: Incoming<'_>) -> AtOnce {
        let resolver = &self.loaded.resolver;
        let longest = if incoming.transport.is_datagram() { SAFE_PAYLOAD } else { u16::MAX };
        let mut out = vec![0; longest.into()];
        // one snapshot for all of it (invariant I2)
        let batch = resolver.batch();
        match resolver.try_resolve(&batch, incoming, &mut out) {
            Outcome::Reply(len) => {
                out.truncate(len);
                AtOnce::Reply(out)
            }
            Outcome::Silent => AtOnce::Silent,
            Outcome::Pending => AtOnce::Pending(resolver.aliases(&batch, incoming)),
        }
    }
}

/// What can be said of a packet without asking anybody.
enum AtOnce {
    Reply(Vec<u8>),
    Silent,
    /// Others have to answer; for aliases of ours, where they lead.
    Pending(Option<Vec<u8>>),
}

/// What becomes of a request.
pub(super) enum Handled {
    /// This is the reply.
    Reply(Box<Message>),
    /// There is no reply, on purpose: a datagram of a stranger, of which not each is answered.
    Silent,
    /// These are aliases of ours, or SERVFAIL; someone else has to answer for the name to which the last one leads.
    LeadsOut(Box<Message>),
    /// Someone else has to answer.
    NotPrivate,
}

/// In place of a reply that hickory cannot read, as an upstream may give it; no other handler is to be asked then.
fn servfail(request: &Request) -> Message {
    let mut message = Message::query();
    message.metadata = Metadata::response_from_request(&request.metadata);
    message.metadata.response_code = ResponseCode::ServFail;
    message.queries = request.queries.queries().iter().map(|query| query.original().clone()).collect();
    message
}

/// What is wrong with zones that are not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError(Vec<Problem>);

impl LoadError {
    /// Each problem with its place and what to do about it, warnings too.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl std::error::Error for LoadError {}

/// A problem a line, and below it what to do.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if number == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
