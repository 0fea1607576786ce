//! What a transport needs of whoever answers, so that transports can be tried without a zone.
//!
//! Knows neither sockets nor DNS: a packet goes in, an [`Outcome`] comes out.

use std::future::Future;

use crate::naming::VpcId;
use crate::serve::respond::{Batch, Incoming, Outcome, Responder};

/// Answers packets; shared by all sockets. [`Responder`] is the real one.
pub trait Respondent: Send + Sync + 'static {
    /// What stays the same for packets that were received together.
    type Batch<'r>: RespondBatch
    where
        Self: 'r;

    /// Fixes the snapshot for packets that were received together; not to be held across an await.
    fn batch(&self) -> Self::Batch<'_>;

    /// The whole answer to a packet for which the batch said [`Outcome::Slow`]; `None`: no reply.
    fn resolve(&self, incoming: Incoming<'_>) -> impl Future<Output = Option<Vec<u8>>> + Send;

    /// The reply to a packet that cannot be taken on because too many wait already; `None`: no reply.
    fn overloaded(&self, incoming: Incoming<'_>) -> Option<Vec<u8>>;

    /// Whether there is such a VPC, for requests that name one.
    fn has_vpc(&self, vpc: VpcId) -> bool;
}

/// Answers the packets of one batch.
pub trait RespondBatch {
    /// Told of each packet of a batch before the first is answered.
    fn look_ahead(&self, _packet: &[u8]) {}

    /// Answers a packet at once, into `out`.
    fn respond(&self, incoming: Incoming<'_>, out: &mut [u8]) -> Outcome;
}

impl Respondent for Responder {
    type Batch<'r> = Batch<'r>;

    fn batch(&self) -> Batch<'_> {
        Responder::batch(self)
    }

    fn resolve(&self, incoming: Incoming<'_>) -> impl Future<Output = Option<Vec<u8>>> + Send {
        Responder::resolve(self, incoming)
    }

    fn overloaded(&self, incoming: Incoming<'_>) -> Option<Vec<u8>> {
        Responder::overloaded(self, incoming)
    }

    fn has_vpc(&self, vpc: VpcId) -> bool {
        self.snapshot().model.vpc(vpc).is_some()
    }
}

impl RespondBatch for Batch<'_> {
    fn look_ahead(&self, packet: &[u8]) {
        Batch::look_ahead(self, packet);
    }

    fn respond(&self, incoming: Incoming<'_>, out: &mut [u8]) -> Outcome {
        Batch::respond(self, incoming, out)
    }
}
