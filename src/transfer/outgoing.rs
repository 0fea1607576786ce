//! A zone to messages, each written before the next is made: however large the zone, one message is in memory.
//!
//! "the server sends a sequence of messages ... the first record is the SOA, and so is the last" (RFC 5936 2.2). All of it comes
//! out of one snapshot, which lives as long as the transfer.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::record::{own_opt, put_record};
use super::request::ZoneRequest;
use crate::dns::{HEADER_LEN, Header, OPT_LEN};
use crate::export::{ExportedRecord, ZoneItem};

/// Longest message (RFC 1035 4.2.2).
const MESSAGE: usize = 65_535;
/// A message is sent when it has so many octets, so that a secondary has something to do.
const ENOUGH: usize = 16_384;

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) records: u64,
    pub(super) octets: u64,
}

/// Sends the zone. Each message is to be taken within `patience`; `beat` is called for each that was.
pub(super) async fn send<S: AsyncWrite + Unpin>(
    request: ZoneRequest,
    stream: &mut S,
    patience: Duration,
    beat: impl Fn(),
) -> io::Result<Sent> {
    let gone = || io::Error::other("the zone is not there any more");
    let view = request.zones.view(request.secondary.view);
    let zone = view.zone(&request.apex).ok_or_else(gone)?;
    let soa = zone.soa(request.serial);
    let records = zone.items().filter_map(|item| match item {
        ZoneItem::Record(record) => Some(record),
        ZoneItem::LeftOut(..) => None,
    });
    let records = std::iter::once(soa.clone()).chain(records).chain([soa]);
    let mut messages = Messages::new(&request);
    for record in records {
        if !messages.put(&record) {
            messages.write(stream, patience).await?;
            beat();
            // others on this thread go on, however fast the zone is read
            tokio::task::yield_now().await;
            if !messages.put(&record) {
                return Err(io::Error::other(format!("a record of {} has no room in a message", record.owner)));
            }
        }
    }
    messages.write(stream, patience).await?;
    beat();
    Ok(messages.sent)
}

/// The message that is being made.
struct Messages<'r> {
    request: &'r ZoneRequest,
    /// The length prefix, and the message.
    octets: Vec<u8>,
    header: Header,
    /// The MAC of the message before; the first one follows that of the request.
    mac: Option<Vec<u8>>,
    sent: Sent,
}

/// Octets of the length in front of a message (RFC 1035 4.2.2).
const PREFIX: usize = 2;

impl<'r> Messages<'r> {
    fn new(request: &'r ZoneRequest) -> Self {
        let header = Header { additional: 0, ..Header::of(&request.head).unwrap_or_default() };
        let mut octets = Vec::with_capacity(2 * ENOUGH);
        octets.extend([0; PREFIX]);
        // the first message has the question (RFC 5936 2.2.1)
        octets.extend(&request.head);
        Self { request, octets, header, mac: None, sent: Sent::default() }
    }

    /// Adds a record; false: this message has to be sent first.
    fn put(&mut self, record: &ExportedRecord<'_>) -> bool {
        let length = record.owner.wire().len() + 10 + record.data.len();
        let reserved = PREFIX + OPT_LEN + self.request.secondary.tsig.record_len();
        let is_full = self.header.answers > 0 && self.octets.len() + length > ENOUGH;
        if is_full || self.octets.len() + length + reserved > MESSAGE || self.header.answers == u16::MAX {
            return false;
        }
        put_record(&mut self.octets, record);
        self.header.answers += 1;
        self.sent.records += 1;
        true
    }

    /// Signs the message, sends it, and begins the next.
    async fn write<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, patience: Duration) -> io::Result<()> {
        let mut message = self.octets.split_off(PREFIX);
        let tsig = &self.request.secondary.tsig;
        let is_first = self.mac.is_none();
        if is_first && self.request.edns {
            message.extend(own_opt());
            self.header.additional = 1;
        }
        if let Some(head) = message.first_chunk_mut() {
            *head = self.header.octets();
        }
        let now = super::now();
        self.mac = Some(match &self.mac {
            None => tsig.sign_reply(&mut message, &self.request.mac, now),
            Some(before) => tsig.sign_next(&mut message, before, now),
        });
        let Ok(length) = u16::try_from(message.len()) else { return Err(io::ErrorKind::InvalidData.into()) };
        let octets = &mut self.octets;
        octets.clear();
        octets.extend(length.to_be_bytes());
        octets.append(&mut message);
        timeout(patience, stream.write_all(octets)).await??;
        self.sent.octets += octets.len() as u64;
        self.header = Header { questions: 0, answers: 0, additional: 0, ..self.header };
        octets.clear();
        octets.extend([0; PREFIX + HEADER_LEN]);
        Ok(())
    }
}
