//! Clients in a subnet that has DNS64 get what `wire/dns64.rs` makes of the replies that are asked for here. Nothing made is
//! cached: the records that it is made of are.

use super::Incoming;
use super::forwarded::ForwardedQuestion;
use super::reply::relay_client;
use super::subnet::ClientSubnet;
use crate::answer::Question;
use crate::dns::{ExtendedError, InfoCode, Message, Rtype, extended_errors};
use crate::forward::recorder::{LiveEvent, record};
use crate::forward::relay::relay;
use crate::snapshot::{Client, Snapshot};
use crate::wire::Query;
use crate::wire::dns64::{self, Translation, addresses, alias, longest_ttl};

/// How the answer to a client's question is made where its name has no other; `None`: it is not.
pub(super) fn translation(
    snapshot: &Snapshot,
    client: Client<'_>,
    incoming: Incoming<'_>,
    subnet: Option<&ClientSubnet>,
    query: &Query<'_>,
) -> Option<Translation> {
    if !matches!(query.question.rtype, Rtype::AAAA | Rtype::PTR) {
        return None;
    }
    let address = subnet.and_then(ClientSubnet::address).unwrap_or(incoming.peer.ip());
    dns64::translation(snapshot, &client, address, query)
}

impl ForwardedQuestion<'_> {
    /// The reply to the client: `reply` unless its name lacks what can be made.
    pub(super) async fn translated(&self, translation: Translation) -> Vec<u8> {
        match translation {
            Translation::Addresses => {
                let reply = self.found().await;
                let Some(longest_ttl) = longest_ttl(&reply) else { return reply };
                record(self.recorder, || LiveEvent::Translated {
                    from: format!("the A records of {}", self.query.question.name),
                });
                let octets = self.query.question_octets;
                let name = octets.get(..octets.len().saturating_sub(4)).unwrap_or_default();
                let source = self.found_by(name, &Question { rtype: Rtype::A, ..self.query.question }).await;
                let source = Message::parse(&source).ok();
                let made = source.as_ref().and_then(|source| addresses(octets, source, longest_ttl));
                // such as a drill that chose the addresses
                self.relayed(made, source.as_ref().and_then(extended_error)).unwrap_or(reply)
            }
            // the prefix has no zone elsewhere: nobody is asked for the name itself (RFC 6147 5.3.1)
            Translation::Reverse(name) => {
                record(self.recorder, || LiveEvent::Translated { from: format!("the PTR of {}", name.name()) });
                let source = self.found_by(name.wire(), &Question { name: name.name(), ..self.query.question }).await;
                let source = Message::parse(&source).ok();
                let made = source.as_ref().and_then(|source| alias(self.query.question_octets, source, &name));
                self.relayed(made, source.as_ref().and_then(extended_error))
                    .unwrap_or_else(|| self.fail(InfoCode::OTHER, "the reply for the IPv4 address is malformed"))
            }
        }
    }

    fn relayed(&self, made: Option<Vec<u8>>, ede: Option<ExtendedError<'_>>) -> Option<Vec<u8>> {
        relay(&made?, &relay_client(self.query, self.resources, self.incoming, ede)).ok()
    }
}

/// What a reply says of itself besides its response code (RFC 8914).
fn extended_error<'m>(reply: &Message<'m>) -> Option<ExtendedError<'m>> {
    let (code, text) = extended_errors(reply.options()).next()?.split_first_chunk::<2>()?;
    Some(ExtendedError { code: InfoCode::new(u16::from_be_bytes(*code)), text: std::str::from_utf8(text).ok()? })
}
