//! One upstream and one question: how it is dressed, which way it goes, and what is done about a poor reply.
//!
//! Knows nothing of other upstreams, and of time only what its rules need: who waits decides how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::budget::Budget;
use crate::config::Limits;
use crate::dns::{HeaderFlags, Message, Rcode, cookie_in, rcode_of};
use crate::forward::connection::{Connections, Trust};
use crate::forward::failure::Failure;
use crate::forward::manners::Dress;
use crate::forward::query::{Outbound, UpstreamQuery, cookie_of, is_truncated};
use crate::forward::standing::{Standing, UnderWay};
use crate::forward::udp::{Heard, HeardReceiver, Pool};
use crate::model::Upstream;

/// An upstream and the ways to it.
pub(super) struct Peer {
    pub(super) standing: Arc<Standing>,
    datagrams: Pool,
    connections: Connections,
    most: usize,
    mix_case: bool,
}

/// One try of several at one question.
pub(super) struct Try<'a> {
    /// How often this upstream was asked the same before.
    pub(super) earlier: usize,
    /// What is known before the try is over, or when it never is.
    pub(super) so_far: &'a SoFar,
    /// It is a question of ours, which no bound of clients' questions holds up.
    pub(super) is_probe: bool,
}

/// See [`Try`].
#[derive(Default)]
pub(super) struct SoFar {
    /// The question goes over TCP, as its reply by UDP was truncated or cannot be believed.
    pub(super) over_tcp: AtomicBool,
    /// No reply came in the time in which one was to be expected.
    pub(super) late: AtomicBool,
}

/// A first attempt that somebody else sends.
pub(super) struct Attempt {
    _under_way: UnderWay,
    pub(super) dress: Dress,
}

/// What came of a question over UDP.
pub(super) enum UdpOutcome {
    /// A reply, whole and believed.
    Reply(Vec<u8>),
    /// Nothing: it is to be asked by TCP.
    UseTcp,
}

impl Peer {
    pub(super) fn new(upstream: Upstream, limits: &Limits, (trust, budget): (&Trust, &Budget), mix_case: bool) -> Self {
        let standing = Arc::new(Standing::new(upstream));
        Self {
            datagrams: Pool::new(limits.forward_sockets, Arc::clone(&standing)),
            connections: Connections::new(Arc::clone(&standing), trust.clone(), budget.clone(), limits.forward_timeout),
            standing,
            most: limits.forward_in_flight_per_upstream,
            mix_case,
        }
    }

    /// The upstream's reply, sound and whole, but perhaps an error.
    pub(super) async fn ask(&self, outbound: &Outbound<'_>, this: &Try<'_>) -> Result<Vec<u8>, Failure> {
        // a second try is part of the first, which is still under way
        let _under_way = if this.earlier == 0 && !this.is_probe { Some(self.standing.begin(self.most)?) } else { None };
        self.standing.asked();
        let dress = self.dress(this.earlier);
        let reply = self.ask_dressed(outbound, &dress, this).await?;
        self.better(outbound, &dress, this, reply).await
    }

    /// Begins what [`ask`](Self::ask) does, for whoever sends the question in the open by itself.
    pub(super) fn begin(&self, outbound: &Outbound<'_>) -> Result<(Attempt, UpstreamQuery), Failure> {
        let under_way = self.standing.begin(self.most)?;
        self.standing.asked();
        let dress = self.dress(0);
        let query = UpstreamQuery::new(outbound, &dress);
        Ok((Attempt { _under_way: under_way, dress }, query))
    }

    /// Ends what [`begin`](Self::begin) began, once something is heard.
    pub(super) async fn go_on(
        &self,
        outbound: &Outbound<'_>,
        this: &Try<'_>,
        attempt: &Attempt,
        heard: HeardReceiver,
    ) -> Result<Vec<u8>, Failure> {
        let heard = heard.await.unwrap_or(Err(Failure::Closed))?;
        let reply = match self.take(heard, outbound, &attempt.dress)? {
            UdpOutcome::Reply(reply) => reply,
            UdpOutcome::UseTcp => self.over_tcp(outbound, &attempt.dress, this).await?,
        };
        self.better(outbound, &attempt.dress, this, reply).await
    }

    /// How long to wait for the attempt of this round, from 0, before another is made beside it.
    pub(super) fn patience(&self, round: usize, most: Duration) -> Duration {
        (self.standing.health().patience(most) * (1 << round)).min(most)
    }

    /// The reply, or a better one where the upstream has something against how it was asked.
    async fn better(
        &self,
        outbound: &Outbound<'_>,
        dress: &Dress,
        this: &Try<'_>,
        reply: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        if !(dress.edns && outbound.edns) {
            if outbound.edns && this.earlier > 0 {
                self.standing.manners().answered_without_edns(Instant::now());
            }
            return Ok(reply);
        }
        match rcode_of(&reply) {
            // RFC 6891 7: it does not know EDNS, or something else is wrong with the question
            Rcode::FORMERR | Rcode::NOTIMP => {
                let bare = Dress { edns: false, ..dress.clone() };
                match self.ask_dressed(outbound, &bare, this).await {
                    Ok(better) if !matches!(rcode_of(&better), Rcode::FORMERR | Rcode::NOTIMP) => {
                        // a reply with EDNS is of one that knows it, and means something else
                        if !has_opt(&reply) {
                            self.standing.manners().answered_without_edns(Instant::now());
                        }
                        Ok(better)
                    }
                    _ => Ok(reply),
                }
            }
            // the lower bits of BADCOOKIE: worth a closer look
            code if code.number() == Rcode::BADCOOKIE.in_header() && full_rcode(&reply) == Rcode::BADCOOKIE => {
                // RFC 7873 5.3: once more with the cookie that came along, and then by TCP
                let again = self.ask_dressed(outbound, &self.dress(this.earlier), this).await?;
                if full_rcode(&again) == Rcode::BADCOOKIE && !self.standing.upstream.is_encrypted() {
                    return self.over_connection(outbound, &Dress { cookie: None, ..dress.clone() }, this).await;
                }
                Ok(again)
            }
            _ => Ok(reply),
        }
    }

    /// The same beside clients' questions, and within `patience`.
    pub(super) async fn ask_beside(&self, outbound: &Outbound<'_>, patience: Duration) -> Result<Vec<u8>, Failure> {
        let this = Try { earlier: 0, so_far: &SoFar::default(), is_probe: true };
        timeout(patience, self.ask(outbound, &this)).await.unwrap_or(Err(Failure::TimedOut))
    }

    fn dress(&self, earlier: usize) -> Dress {
        let (manners, now) = (self.standing.manners(), Instant::now());
        if self.standing.upstream.is_encrypted() {
            manners.encrypted(now)
        } else {
            manners.in_the_open(earlier, self.mix_case, now)
        }
    }

    async fn ask_dressed(&self, outbound: &Outbound<'_>, dress: &Dress, this: &Try<'_>) -> Result<Vec<u8>, Failure> {
        if self.standing.upstream.is_encrypted() {
            return self.over_connection(outbound, dress, this).await;
        }
        let query = UpstreamQuery::new(outbound, dress);
        match self.take(self.datagrams.ask(query).await?, outbound, dress)? {
            UdpOutcome::Reply(reply) => Ok(reply),
            UdpOutcome::UseTcp => self.over_tcp(outbound, dress, this).await,
        }
    }

    /// What to make of what was heard over UDP; learns from it what can be learnt.
    pub(super) fn take(&self, heard: Heard, outbound: &Outbound<'_>, dress: &Dress) -> Result<UdpOutcome, Failure> {
        match heard {
            Heard::Reply(mut reply) => {
                let (is_sound, believed) = self.learn(&reply, dress);
                outbound.restore_case(&mut reply);
                match (is_truncated(&reply), is_sound) {
                    (false, true) if believed => return Ok(UdpOutcome::Reply(reply)),
                    (false, false) => return Err(Failure::Malformed),
                    // RFC 2181 9: what is truncated is ignored, and asked for over TCP
                    _ => {}
                }
            }
            Heard::OtherCase => {
                if self.standing.manners().kept_case(false, Instant::now()) {
                    let upstream = &self.standing.upstream;
                    tracing::info!(%upstream, "the upstream changes the case of letters: it is sent them as they are");
                }
            }
            Heard::UseTcp => {}
        }
        Ok(UdpOutcome::UseTcp)
    }

    /// Asks by TCP what cannot be had by UDP.
    async fn over_tcp(&self, outbound: &Outbound<'_>, dress: &Dress, this: &Try<'_>) -> Result<Vec<u8>, Failure> {
        self.over_connection(outbound, &Dress { mix_case: false, ..dress.clone() }, this).await
    }

    async fn over_connection(
        &self,
        outbound: &Outbound<'_>,
        dress: &Dress,
        this: &Try<'_>,
    ) -> Result<Vec<u8>, Failure> {
        this.so_far.over_tcp.store(!self.standing.upstream.is_encrypted(), Ordering::Relaxed);
        let asked = Instant::now();
        let reply = self.connections.ask(&UpstreamQuery::new(outbound, dress)).await?;
        let now = Instant::now();
        // of a plain upstream UDP is the measure
        if self.standing.upstream.is_encrypted() {
            self.standing.replied(&reply, now - asked, now);
        }
        if dress.cookie.is_some() && cookie_of(&reply).is_none() {
            self.standing.manners().gives_no_cookie();
        }
        match Message::parse(&reply) {
            Err(_) => Err(Failure::Malformed),
            // nothing is longer than what a stream takes: it is not the whole answer, and there is no other way to get it
            Ok(message) if message.flags().has(HeaderFlags::TC) => Err(Failure::Truncated),
            Ok(_) => Ok(reply),
        }
    }

    /// Learns from a datagram what the upstream can: whether it is a whole message, and whether it is believed. It is
    /// not when it lacks the cookie that all others have had, as it may be somebody else's (RFC 7873 5.3).
    fn learn(&self, reply: &[u8], dress: &Dress) -> (bool, bool) {
        let Ok(message) = Message::parse(reply) else { return (false, false) };
        let mut manners = self.standing.manners();
        if dress.mix_case {
            manners.kept_case(true, Instant::now());
        }
        if !dress.edns {
            return (true, true);
        }
        let opt = message.opt();
        if opt.is_some() {
            manners.answered_edns(Instant::now());
        }
        let cookie = opt.and_then(|opt| cookie_in(reply.get(opt.rdata)?));
        match cookie.and_then(|cookie| cookie.split_first_chunk::<8>()) {
            Some((_, server)) => {
                manners.gave_cookie(server);
                (true, true)
            }
            None => (true, !manners.gives_cookies()),
        }
    }
}

fn has_opt(reply: &[u8]) -> bool {
    Message::parse(reply).is_ok_and(|message| message.opt().is_some())
}

fn full_rcode(reply: &[u8]) -> Rcode {
    Message::parse(reply).map_or(Rcode::NOERROR, |message| message.rcode())
}

#[cfg(test)]
mod tests;
