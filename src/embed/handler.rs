//! A `RequestHandler` in front of any other: private names are answered, everything else is handed on.

use std::iter::{Empty, empty};
use std::slice::Iter;
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::ProtoError;
use hickory_proto::op::{Header, HeaderCounts, Message, Metadata, Query, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{RData, Record};
use hickory_proto::serialize::binary::{BinDecoder, BinEncoder};
use hickory_server::net::NetError;
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

impl<H: RequestHandler> PrivateDns<H> {
    /// The inner handler's answer for the name to which aliases of ours lead, behind them: it is never asked for a private name.
    async fn follow<T: Time>(&self, request: &Request, mut message: Box<Message>) -> Box<Message> {
        let Some(asked) = about_target(request, &message) else { return message };
        let kept = KeptReply::default();
        self.inner.handle_request::<_, T>(&asked, kept.clone()).await;
        match kept.take() {
            Some(reply) => {
                message.metadata.response_code = reply.metadata.response_code;
                message.answers.extend(reply.answers);
                message.authorities = reply.authorities;
                message.additionals = reply.additionals;
            }
            None => message.metadata.response_code = ResponseCode::ServFail,
        }
        message
    }
}

/// The client's question, for the name to which the last alias leads; `None`: there is none, as where we fail.
fn about_target(request: &Request, message: &Message) -> Option<Request> {
    let RData::CNAME(CNAME(target)) = &message.answers.last()?.data else { return None };
    let mut question = Message::query();
    question.metadata = request.metadata;
    question.edns.clone_from(&request.edns);
    question.add_query(Query::query(target.clone(), request.queries.queries().first()?.query_type()));
    Request::from_bytes(question.to_vec().ok()?, request.src(), request.protocol()).ok()
}

#[async_trait::async_trait]
impl<H: RequestHandler> RequestHandler for PrivateDns<H> {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut handle: R) -> ResponseInfo {
        let transport = if request.protocol() == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
        let mut message = match self.zones.handle(request, transport).await {
            Handled::Reply(message) => message,
            Handled::LeadsOut(aliases) => self.follow::<T>(request, aliases).await,
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

/// Keeps the reply of a handler, so that it can become part of another.
#[derive(Clone, Default)]
struct KeptReply(Arc<Mutex<Option<Message>>>);

impl KeptReply {
    fn take(self) -> Option<Message> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait::async_trait]
impl ResponseHandler for KeptReply {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut octets = Vec::new();
        let info = response.destructive_emit(&mut BinEncoder::new(&mut octets))?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Message::from_vec(&octets)?);
        Ok(info)
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
