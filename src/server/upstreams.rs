//! Upstream resolvers and their validation, as the settings say.

use std::net::SocketAddr;
use std::path::Path;

use super::reload::warn_of;
use crate::budget::Budget;
use crate::config::{Limits, Settings, Upstreams};
use crate::forward::system::system_resolvers;
use crate::forward::validate::Validation;
use crate::forward::{Forwarder, Options, Trust};
use crate::model::Upstream;
use crate::problem::{At, Place, Problem};
use crate::source::refuse_own;

/// Whom to ask for what is not ours. Ourselves are left out of the system's resolvers, and refused if named.
pub(super) fn upstreams(forward: Upstreams, listen: &[SocketAddr]) -> Result<Vec<Upstream>, Vec<Problem>> {
    match forward {
        Upstreams::None => Ok(Vec::new()),
        Upstreams::System => {
            let (resolvers, problems) = system_resolvers(listen);
            warn_of(&problems);
            Ok(resolvers.into_iter().map(Upstream::plain).collect())
        }
        Upstreams::These(upstreams) => {
            let at: Vec<_> = upstreams.iter().map(|u| At::new(u.clone(), Place::whole("--forward"))).collect();
            let problems = refuse_own(&at, listen);
            if problems.is_empty() { Ok(upstreams) } else { Err(problems) }
        }
    }
}

/// Asks upstreams, and trusts those whose certificates come from the system's authorities or from those of a file.
pub(super) fn forwarder(
    ca: Option<&Path>,
    mix_case: bool,
    budget: Budget,
    limits: &Limits,
) -> Result<Forwarder, Vec<Problem>> {
    let trust = ca.map_or_else(
        || Ok(Trust::default()),
        |file| {
            let hint = "name a PEM file with the certificates of the authorities";
            let problem = |what| vec![Problem::error(Place::whole(file.display().to_string()), what, hint)];
            Trust::with_file(file).map_err(problem)
        },
    )?;
    Ok(Forwarder::with(limits, Options { trust, mix_case, budget }))
}

/// How signatures are validated, for clients that want it.
pub(super) fn validation(settings: &Settings) -> Result<Validation, Vec<Problem>> {
    let anchors = settings.dnssec_anchors.as_deref();
    let insecure = settings.dnssec_insecure.iter().cloned().collect();
    let problem = |what: String| {
        let place = Place::whole(anchors.map_or_else(String::new, |file| file.display().to_string()));
        vec![Problem::error(place, what, "name a file of DNSKEY records, such as /usr/share/dns/root.key")]
    };
    Validation::new(anchors, insecure).map_err(problem)
}
