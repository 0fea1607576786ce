//! What happens to a question that is asked now: what `/v1/explain?live` says besides the explanation, and `vpcedns trace`.

use hickory_proto::op::Message as ParsedReply;
use serde::{Deserialize, Serialize};

use crate::dns::{DnsName, HeaderFlags, InfoCode, Message, Rtype, extended_errors, rcode_of, u16_at};
use crate::explain::{Asker, RecordText, text};
use crate::forward::recorder::{RecordedEvent, Recorder};

/// A question that is asked now.
#[derive(Clone, Debug)]
pub struct LiveQuestion {
    /// Whose it is.
    pub asker: Asker,
    /// The name asked for.
    pub name: DnsName,
    /// The type asked for.
    pub rtype: Rtype,
    /// DO: the client wants signatures (RFC 3225 3).
    pub dnssec_ok: bool,
    /// CD: the client validates by itself (RFC 4035 3.2.2).
    pub checking_disabled: bool,
}

/// The reply that the client gets, and what happened until then.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct LiveAnswer {
    /// The response code.
    pub rcode: String,
    /// The answer section.
    pub answer: Vec<RecordText>,
    /// The authority section.
    pub authority: Vec<RecordText>,
    /// Extended errors in words (RFC 8914).
    pub extended_errors: Vec<String>,
    /// AD: the answer is authentic (RFC 4035 3.2.3), by this server's validation or the upstream's word.
    pub authentic_data: bool,
    /// Milliseconds from question to reply.
    pub took_ms: f64,
    /// What happened, in order.
    pub events: Vec<RecordedEvent>,
}

impl LiveAnswer {
    /// Out of the octets of a reply.
    pub fn new(reply: &[u8], recorder: &Recorder) -> Self {
        let (events, took_ms) = recorder.end();
        let (mut answer, mut authority) = (Vec::new(), Vec::new());
        if let Ok(parsed) = ParsedReply::from_vec(reply) {
            answer.extend(parsed.answers.iter().map(text));
            authority.extend(parsed.authorities.iter().map(text));
        }
        let message = Message::parse(reply).ok();
        let errors = message.as_ref().map(|message| extended_errors(message.options()).map(error_text).collect());
        Self {
            rcode: message.as_ref().map_or(rcode_of(reply), Message::rcode).to_string(),
            answer,
            authority,
            extended_errors: errors.unwrap_or_default(),
            authentic_data: message.is_some_and(|message| message.flags().has(HeaderFlags::AD)),
            took_ms,
            events,
        }
    }
}

/// `Network Error: 10.0.0.2:53 timed out`, or what stands for either.
fn error_text(data: &[u8]) -> String {
    let code = u16_at(data, 0).map_or(InfoCode::OTHER, InfoCode::new);
    let extra = String::from_utf8_lossy(data.get(2..).unwrap_or_default());
    if extra.is_empty() { format!("{code:?}") } else { format!("{code:?}: {extra}") }
}
