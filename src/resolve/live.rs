//! A question that is asked to see what happens to it: the code that answers clients, with a recorder (invariant I7).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::Incoming;
use super::forwarded::ForwardedQuestion;
use super::resources::Resources;
use crate::answer::Question;
use crate::dns::{Class, NameBuf, SAFE_PAYLOAD};
use crate::forward::recorder::Recorder;
use crate::observe::{LiveAnswer, LiveQuestion};
use crate::snapshot::Snapshot;
use crate::wire::{Edns, Query, Transport};

/// What the client of `live` is answered now, over a stream, and what happened until then.
pub(super) async fn ask_live(resources: &Resources, snapshot: &Snapshot, live: &LiveQuestion) -> LiveAnswer {
    let name = NameBuf::from(&live.name);
    let octets = [live.name.wire(), &live.rtype.octets(), &Class::IN.octets()].concat();
    let question = Question { name: name.name(), rtype: live.rtype, recursion_desired: true };
    let query = Query {
        id: rand::random(),
        recursion_desired: true,
        checking_disabled: live.checking_disabled,
        authentic_data: true,
        question_octets: &octets,
        question,
        edns: Some(Edns { payload: SAFE_PAYLOAD, dnssec_ok: live.dnssec_ok, ..Edns::default() }),
    };
    // nobody sent a packet: these say who asks, and that the reply may be long
    let (peer, local) = (live.asker.peer().unwrap_or(IpAddr::from([0; 4])), live.asker.local());
    let peer = SocketAddr::new(peer, 0);
    let incoming = Incoming { packet: &[], peer, local, transport: Transport::Tcp, vpc: None };
    let recorder = Arc::new(Recorder::new());
    let client = live.asker.client(snapshot);
    let asked = ForwardedQuestion { resources, snapshot, client, query: &query, incoming, recorder: Some(&recorder) };
    let reply = asked.answered(None).await;
    LiveAnswer::new(&reply, &recorder)
}
