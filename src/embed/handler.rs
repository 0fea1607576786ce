//! A `RequestHandler` in front of any other: private names are answered, everything else is handed on.

use std::iter::{Empty, empty};
use std::slice::Iter;

use hickory_proto::ProtoError;
use hickory_proto::op::{Header, HeaderCounts, Message, Metadata, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinDecoder, BinEncoder};
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder, Queries};

use super::zones::{Handled, PrivateZones};
use crate::dns::SAFE_PAYLOAD;
use crate::wire::{MIN_UDP, Transport};

/// Answers what is private, by the rules of the UDP front; everything else is the inner handler's.
pub struct PrivateDns<H> {
    zones: PrivateZones,
    inner: H,
}

impl PrivateZones {
    /// A handler that answers what is private, and hands everything else to `inner`.
    pub fn in_front_of<H: RequestHandler>(&self, inner: H) -> PrivateDns<H> {
        PrivateDns { zones: self.clone(), inner }
    }
}

#[async_trait::async_trait]
impl<H: RequestHandler> RequestHandler for PrivateDns<H> {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut handle: R) -> ResponseInfo {
        let transport = if request.protocol() == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
        let mut message = match self.zones.handle(request, transport).await {
            Handled::Reply(message) => message,
            Handled::Silent => return info(&Metadata::response_from_request(&request.metadata)),
            Handled::NotPrivate => return self.inner.handle_request::<R, T>(request, handle).await,
        };
        let none = Queries::read(&mut BinDecoder::new(&[]), 0).ok();
        // not every error repeats the question
        let queries = none.as_ref().filter(|_| message.queries.is_empty()).unwrap_or(&request.queries);
        if transport.is_datagram() {
            let takes = request.edns.as_ref().map_or(0, |edns| edns.max_payload().min(SAFE_PAYLOAD));
            fit(queries, &mut message, MIN_UDP.max(takes.into()));
        }
        let outcome = handle.send_response(response(queries, &message)).await;
        sent(outcome, &message.metadata)
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

type RecordSlice<'m> = Iter<'m, Record>;

fn response<'m>(
    queries: &'m Queries,
    message: &'m Message,
) -> MessageResponse<'m, 'm, RecordSlice<'m>, RecordSlice<'m>, Empty<&'m Record>, RecordSlice<'m>> {
    MessageResponseBuilder::new(queries, message.edns.as_ref()).build(
        message.metadata,
        &message.answers,
        &message.authorities,
        empty(),
        &message.additionals,
    )
}

/// Truncates a message that hickory would write in more than `limit` octets, which the client takes. hickory names the question
/// once more in full where we refer to it, goes by the size that our OPT says, and loses the OPT when it truncates.
fn fit(queries: &Queries, message: &mut Message, limit: usize) {
    if written(queries, message).is_ok_and(|octets| octets <= limit) {
        return;
    }
    message.metadata.truncation = true;
    for section in [&mut message.answers, &mut message.authorities, &mut message.additionals] {
        section.clear();
    }
}

/// How many octets hickory writes.
fn written(queries: &Queries, message: &Message) -> Result<usize, ProtoError> {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    response(queries, message).destructive_emit(&mut encoder)?;
    Ok(encoder.offset())
}

/// What hickory logs of a response; one that could not be sent had that header.
fn sent<E>(outcome: Result<ResponseInfo, E>, metadata: &Metadata) -> ResponseInfo {
    outcome.unwrap_or_else(|_| info(metadata))
}

fn info(metadata: &Metadata) -> ResponseInfo {
    Header { metadata: *metadata, counts: HeaderCounts::default() }.into()
}
