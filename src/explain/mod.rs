//! Why an answer is what it is: the same `answer` and `encode` as for a packet, with a trace (invariant I7).
//!
//! ```text
//! asker   whose question it is
//! told    a decision -> the reply in words, with what DNS64 makes of it
//! here    both, and how the rules came to it
//! ```

mod asker;
mod told;

use serde::{Deserialize, Serialize};

pub use asker::Asker;
pub use told::{RecordText, ToldAnswer, tell, text};

use crate::answer::{Decision, Question, Reason, advice, answer, delay};
use crate::dns::{DnsName, NameBuf, Rtype};
use crate::model::{Key, OutboundEndpoint};
use crate::snapshot::{Client, Snapshot};
use told::{Translated, told, translated};

/// The answer to a question, and how it came to be.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Explanation {
    /// The name asked for.
    pub name: String,
    /// The type asked for.
    #[serde(rename = "type")]
    pub rtype: String,
    /// Whose question it would be: an address, a network, or the id of a VPC.
    pub from: String,
    /// The VPC whose client that is.
    pub vpc: Option<String>,
    /// The generation of the snapshot that was asked.
    pub generation: u64,
    /// What was looked at, in order.
    pub steps: Vec<String>,
    /// The response code; none if others are asked.
    pub rcode: Option<String>,
    /// The answer section.
    pub answer: Vec<RecordText>,
    /// The authority section.
    pub authority: Vec<RecordText>,
    /// The resolvers that are asked, in order; empty if nobody is.
    pub forwarded_to: Vec<String>,
    /// Whether these are the name servers to which a private zone delegates the name, and not resolvers.
    #[serde(default)]
    pub delegated: bool,
    /// The reason in one line, as in the extended error of a reply.
    pub reason: String,
    /// The info-code of that extended error (RFC 8914 4).
    pub info_code: u16,
    /// What would make the name private.
    pub advice: Vec<String>,
}

/// The answer to `asker`'s question for `name`, how it came to be, and what would make the name private.
pub fn explain(snapshot: &Snapshot, asker: Asker, name: &DnsName, rtype: Rtype) -> Explanation {
    let explained = explain_answer(snapshot, asker, name, rtype);
    // one that has an answer needs none
    if !explained.answer.is_empty() {
        return explained;
    }
    let buf = NameBuf::from(name);
    Explanation { advice: advice(&snapshot.model, &asker.client(snapshot), &buf.name()), ..explained }
}

/// The same without the advice, for which every endpoint and every service is looked at.
pub fn explain_answer(snapshot: &Snapshot, asker: Asker, name: &DnsName, rtype: Rtype) -> Explanation {
    let buf = NameBuf::from(name);
    let question = Question { name: buf.name(), rtype, recursion_desired: true };
    let client = asker.client(snapshot);
    let mut steps = asker.of_network(snapshot);
    let decision = answer(snapshot, client, &question, 0, &mut steps);
    steps.extend(delay(snapshot, &client, &question).map(|(drill, _)| format!("{drill}, for {}", drill.whom())));
    steps.extend(views(snapshot, &client, &decision));
    steps.extend(outbound(&decision));
    steps.extend(validation(snapshot, &client, &decision));
    let (mut told, mut authority) = told(snapshot, &question, &decision);
    let made = asker.peer().and_then(|address| translated(snapshot, &client, address, &question, &decision));
    if let Some(made) = made {
        steps.push(made.to_string());
        if let Translated::Made(instead, its_authority, _) = made {
            (told, authority) = (instead, its_authority);
        }
    }
    let reason = decision.reason();
    Explanation {
        name: name.to_string(),
        rtype: rtype.to_string(),
        from: asker.to_string(),
        vpc: client.view.vpc.as_ref().map(|vpc| vpc.vpc_id.to_string()),
        generation: snapshot.generation,
        steps,
        advice: Vec::new(),
        rcode: told.rcode,
        answer: told.answer,
        authority,
        forwarded_to: told.forwarded_to,
        delegated: is_delegated(&decision),
        reason: told.reason,
        info_code: reason.info_code().number(),
    }
}

/// From where others are asked, where a rule names an outbound endpoint.
fn outbound(decision: &Decision<'_>) -> Option<String> {
    let (Reason::Rule(rule) | Reason::DelegateRule(rule, _)) = decision.reason() else { return None };
    let OutboundEndpoint { id, addresses } = rule.outbound.as_ref()?;
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    Some(match &addresses[..] {
        [] => format!("the addresses of the outbound endpoint {id} are not known here: the system chooses one"),
        _ => format!("asked from {}, of the outbound endpoint {id}, where it is on this host", addresses.join(" or ")),
    })
}

/// Whether the name servers of a delegation are asked.
fn is_delegated(decision: &Decision<'_>) -> bool {
    matches!(decision.reason(), Reason::DelegateRule(..)) && matches!(decision, Decision::Forward(_))
}

/// That the reply is validated, and who wants it.
fn validation(snapshot: &Snapshot, client: &Client<'_>, decision: &Decision<'_>) -> Option<String> {
    // the name servers of a delegation are asked, and not these
    let Decision::Forward(forward) = decision else { return None };
    let whose = match &client.view.vpc {
        _ if snapshot.policy.dnssec_validation => "--dnssec validate".to_owned(),
        Some(vpc) => format!("dnssec_validation of {}", vpc.vpc_id),
        None => return None,
    };
    let is_so = !is_delegated(decision) && snapshot.validates(client, forward.upstreams);
    is_so.then(|| format!("the reply is validated (DNSSEC): {whose}"))
}

/// Which views hold of the objects that the decision is about, where several were read.
fn views(snapshot: &Snapshot, client: &Client<'_>, decision: &Decision<'_>) -> Vec<String> {
    let vpc = client.view.vpc.as_ref().map(|vpc| Key::Vpc(vpc.vpc_id));
    let endpoint = decision.reason().endpoint();
    let subnets = endpoint.into_iter().flat_map(|e| e.interfaces.iter().map(|i| Key::Subnet(i.subnet)));
    let keys = vpc.into_iter().chain(endpoint.map(|e| Key::Endpoint(e.id))).chain(subnets);
    keys.filter_map(|key| snapshot.model.note(&key).map(str::to_owned)).collect()
}
