//! Secondaries are told of changes (RFC 1996), each by a lane of its own.
//!
//! A lane holds the newest serial of each zone that its secondary has not acknowledged: as many as there are zones, however
//! long it is down. While it is silent one zone is told again after 1 s, 2 s, 4 s, ... up to a minute; when it answers, the rest
//! follows. A secondary that is loading zones at the time, as for a change of the catalog, can forget what it has acknowledged: it is
//! told once more. What a secondary refuses is not told again until it changes: it does not have that zone.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use super::TransferContext;
use super::keys::Secondary;
use super::record::put_record;
use super::serials::ZoneId;
use super::tsig::{TsigFault, TsigRecord};
use crate::config::Metric;
use crate::dns::{Class, DnsName, Header, HeaderFlags, Message, Opcode, Rcode, Rtype};

/// Messages that wait for a reply at one time.
const AT_ONCE: usize = 16;
/// How long a reply is awaited.
const PATIENCE: Duration = Duration::from_secs(2);
/// The first pause after silence; it doubles up to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long after it was acknowledged a change is told once more.
const AGAIN: Duration = Duration::from_secs(10);
/// Room for a reply.
const REPLY: usize = 4096;

/// All lanes.
pub(super) struct NotifyLanes(Vec<Arc<NotifyLane>>);

/// What one secondary has not acknowledged.
struct NotifyLane {
    secondary: Arc<Secondary>,
    target: SocketAddr,
    /// The address that it takes for its primary's, where one is known.
    source: Option<IpAddr>,
    waiting: Mutex<HashMap<DnsName, UntoldChange>>,
    woken: Notify,
}

/// A serial that a secondary has not acknowledged, or not again.
#[derive(Clone, Copy, Debug)]
struct UntoldChange {
    serial: u32,
    is_repeated: bool,
}

/// Starts a lane for each secondary of each key.
pub(super) fn start(context: &Arc<TransferContext>, own: &[SocketAddr], tasks: &mut JoinSet<()>) -> NotifyLanes {
    let mut lanes = Vec::new();
    for secondary in context.keys.all() {
        for &target in &secondary.notify {
            let source = own.iter().map(SocketAddr::ip).find(|ip| ip.is_ipv4() == target.is_ipv4());
            let secondary = Arc::clone(secondary);
            let lane =
                Arc::new(NotifyLane { secondary, target, source, waiting: Mutex::default(), woken: Notify::new() });
            tasks.spawn(Arc::clone(&lane).run(Arc::clone(context)));
            lanes.push(lane);
        }
    }
    NotifyLanes(lanes)
}

impl NotifyLanes {
    /// Has the secondaries of each zone's view told of its serial.
    pub(super) fn tell(&self, changed: &[(ZoneId, u32)]) {
        for lane in &self.0 {
            let own = changed.iter().filter(|((view, _), _)| *view == lane.secondary.view);
            let untold = |serial: u32| UntoldChange { serial, is_repeated: false };
            lane.waiting().extend(own.map(|((_, apex), serial)| (apex.clone(), untold(*serial))));
            lane.woken.notify_one();
        }
    }
}

/// What a secondary said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Yes,
    No(Rcode),
}

impl NotifyLane {
    fn waiting(&self) -> MutexGuard<'_, HashMap<DnsName, UntoldChange>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>, context: Arc<TransferContext>) {
        let (mut failures, mut again) = (0u32, HashMap::<DnsName, (u32, Instant)>::new());
        loop {
            again.retain(|zone, (serial, due)| {
                let is_due = *due <= Instant::now();
                if is_due {
                    let repeated = UntoldChange { serial: *serial, is_repeated: true };
                    self.waiting().entry(zone.clone()).or_insert(repeated);
                }
                !is_due
            });
            let count = if failures == 0 { AT_ONCE } else { 1 };
            let zones: Vec<(DnsName, u32)> =
                self.waiting().iter().take(count).map(|(zone, change)| (zone.clone(), change.serial)).collect();
            if zones.is_empty() {
                match again.values().map(|(_, due)| *due).min() {
                    Some(due) => {
                        let _ = timeout_at(due, self.woken.notified()).await;
                    }
                    None => self.woken.notified().await,
                }
                continue;
            }
            let said = match self.tell(&context, &zones).await {
                Ok(said) => said,
                Err(error) => {
                    debug!(target = %self.target, %error, "a NOTIFY could not be sent");
                    Vec::new()
                }
            };
            let count = |result| context.counters.count_values(Metric::Notifies, &[result]);
            zones.iter().skip(said.len()).for_each(|_| count("unanswered"));
            for (zone, serial, said) in &said {
                count(if *said == Said::Yes { "acknowledged" } else { "refused" });
                if let Said::No(rcode) = said {
                    let (key, target) = (&self.secondary.name, self.target);
                    debug!(%zone, %key, %target, %rcode, "a secondary does not take a NOTIFY");
                }
                let mut waiting = self.waiting();
                let told = waiting.get(zone).copied().filter(|change| change.serial == *serial);
                if let Some(told) = told {
                    waiting.remove(zone);
                    if *said == Said::Yes && !told.is_repeated {
                        again.insert(zone.clone(), (*serial, Instant::now() + AGAIN));
                    }
                }
            }
            if said.len() == zones.len() {
                failures = 0;
                continue;
            }
            if !said.is_empty() {
                failures = 0;
            } else if failures == 0 {
                warn!(target = %self.target, key = %self.secondary.name, "a secondary does not answer to NOTIFY; it is told again");
            }
            let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(6)).min(LONGEST_PAUSE);
            failures = failures.saturating_add(1);
            tokio::time::sleep(pause).await;
        }
    }

    /// Tells of these zones at once; returns what was answered in time.
    async fn tell(&self, context: &TransferContext, zones: &[(DnsName, u32)]) -> io::Result<Vec<(DnsName, u32, Said)>> {
        let any = if self.target.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        let socket = UdpSocket::bind(SocketAddr::new(self.source.unwrap_or(any), 0)).await?;
        // a new port for each attempt, and replies from there alone
        socket.connect(self.target).await?;
        let mut asked = HashMap::new();
        for (zone, serial) in zones {
            let id = free_id(&asked);
            let mut message = self.message(context, id, zone, *serial);
            let mac = self.secondary.tsig.sign_request(&mut message, super::now());
            socket.send(&message).await?;
            asked.insert(id, (zone, *serial, mac));
        }
        let (mut said, mut reply, until) = (Vec::new(), vec![0; REPLY], Instant::now() + PATIENCE);
        while !asked.is_empty() {
            let Ok(Ok(len)) = timeout_at(until, socket.recv(&mut reply)).await else { break };
            let Some((id, what)) = self.read(reply.get(..len).unwrap_or_default(), &asked) else { continue };
            if let Some((zone, serial, _)) = asked.remove(&id) {
                said.push((zone.clone(), serial, what));
            }
        }
        Ok(said)
    }

    /// The NOTIFY of a zone, with its SOA record as a hint (RFC 1996 3.7).
    fn message(&self, context: &TransferContext, id: u16, zone: &DnsName, serial: u32) -> Vec<u8> {
        let flags = HeaderFlags::new(Opcode::NOTIFY.number() << 11) | HeaderFlags::AA;
        let header = Header { id, flags, questions: 1, ..Header::default() };
        let mut message = header.octets().to_vec();
        message.extend(zone.wire());
        message.extend(Rtype::SOA.octets());
        message.extend(Class::IN.octets());
        let zones = context.zones.load();
        let exported =
            zones.as_ref().and_then(|zones| zones.view(self.secondary.view).zone(zone).map(|zone| zone.soa(serial)));
        if let Some(soa) = exported {
            put_record(&mut message, &soa);
            if let Some(head) = message.first_chunk_mut() {
                *head = Header { answers: 1, ..header }.octets();
            }
        }
        message
    }

    /// The id and meaning of a reply to one of these; `None`: it is none, or nobody knows who sent it.
    fn read(&self, packet: &[u8], asked: &HashMap<u16, (&DnsName, u32, Vec<u8>)>) -> Option<(u16, Said)> {
        let message = Message::parse(packet).ok()?;
        let header = message.header();
        let (_, _, mac) = asked.get(&header.id)?;
        let is_reply = header.flags.has(HeaderFlags::QR) && header.flags.opcode() == Opcode::NOTIFY;
        is_reply.then_some(())?;
        let rcode = header.flags.rcode();
        let tsig = TsigRecord::of(&message).ok()?;
        let is_signed =
            tsig.as_ref().is_some_and(|tsig| self.secondary.tsig.check(packet, tsig, Some(mac), super::now()).is_ok());
        match (rcode, is_signed) {
            (Rcode::NOERROR, true) => Some((header.id, Said::Yes)),
            (Rcode::NOERROR, false) => None,
            (rcode, false) => {
                let (target, key) = (self.target, &self.secondary.name);
                let why = match tsig.and_then(|tsig| TsigFault::of(tsig.error)) {
                    Some(TsigFault::Signature) => "the secret of its key is another one",
                    Some(TsigFault::Key) => "it does not know the key",
                    Some(TsigFault::Time) => "its clock and ours differ",
                    // NSD answers so where it does not have the zone
                    _ => return Some((header.id, Said::No(rcode))),
                };
                warn!(%target, %key, %rcode, "a secondary refuses NOTIFY: {why}");
                Some((header.id, Said::No(rcode)))
            }
            (rcode, true) => Some((header.id, Said::No(rcode))),
        }
    }
}

fn free_id<T>(taken: &HashMap<u16, T>) -> u16 {
    loop {
        let id = rand::random();
        if !taken.contains_key(&id) {
            return id;
        }
    }
}
