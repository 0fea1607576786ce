//! What every answer uses, whichever way it comes about.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ipnet::IpNet;

use super::rate::ReplyLimit;
use crate::config::{Limits, Metric};
use crate::forward::UpstreamLookup;
use crate::observe::{Counters, QueryLog, ToldNames};
use crate::snapshot::Drill;
use crate::wire::{ClientCookie, CookieSecret};

/// Upstreams and their cache, limits, the cookie secret and counters; shared by all answers of a resolver.
pub(super) struct Resources {
    pub(super) lookup: Arc<UpstreamLookup>,
    pub(super) limits: Limits,
    pub(super) secret: CookieSecret,
    pub(super) counters: Arc<Counters>,
    /// Names of which the log has been told.
    pub(super) told: ToldNames,
    /// Replies to strangers.
    pub(super) strangers: ReplyLimit,
    /// Replies to clients, where there is a limit (`--rate-limit`).
    pub(super) clients: Option<ReplyLimit>,
    /// Forwarders that say whom they ask for (`--ecs-from`).
    pub(super) ecs_from: Vec<IpNet>,
    /// Told of answers.
    pub(super) query_log: Option<QueryLog>,
}

impl Resources {
    /// Counts an answer that a drill changed or delayed.
    #[cold]
    pub(super) fn count_drill(&self, drill: &Drill) {
        self.counters.count_labelled(Metric::DrilledAnswers, &[drill.fault.place()]);
    }

    /// The client's cookie and a fresh one of ours, as they go into a reply (RFC 7873 5.2.3).
    pub(super) fn cookie(&self, client: ClientCookie, peer: IpAddr) -> [u8; 24] {
        let mut cookie = [0; 24];
        let (front, back) = cookie.split_at_mut(client.0.len());
        front.copy_from_slice(&client.0);
        back.copy_from_slice(&self.secret.server_cookie(client, peer, unix_second()));
        cookie
    }
}

/// The time, in seconds since 1970, as cookies have it (RFC 9018 4.3).
pub(super) fn unix_second() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as u32
}
