//! Upstream resolvers and their validation, as the settings say.

use std::net::SocketAddr;
use std::path::Path;

use super::reload::{all_upstreams, warn_of};
use crate::budget::Budget;
use crate::config::{Limits, Settings, Upstreams};
use crate::forward::system::system_resolvers;
use crate::forward::validate::Validation;
use crate::forward::{Forwarder, Options, Trust};
use crate::model::{Protocol, Upstream};
use crate::problem::{At, Place, Problem};
use crate::snapshot::Snapshot;
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
pub(super) fn forwarder(trust: Trust, mix_case: bool, budget: Budget, limits: &Limits) -> Forwarder {
    Forwarder::with(limits, Options { trust, mix_case, budget })
}

/// Whose certificates are believed. The file of the settings is not read yet.
pub(super) fn trust(settings: &Settings) -> Trust {
    settings.forward_ca.as_deref().map(Trust::where_used).unwrap_or_default()
}

/// How signatures are validated, for clients that want it. The file of the settings is not read yet.
pub(super) fn validation(settings: &Settings) -> Validation {
    Validation::new(settings.dnssec_anchors.as_deref(), settings.dnssec_insecure.iter().cloned().collect())
}

/// Reads the files that upstreams are judged by. What is wrong with one is an error where `snapshot` has a use for it, and a
/// warning where it has none, as the next one may.
pub(super) fn read_files(
    settings: &Settings,
    snapshot: &Snapshot,
    trust: &Trust,
    validation: &Validation,
) -> Vec<Problem> {
    let is_encrypted = |upstream: &Upstream| upstream.protocol != Protocol::Plain;
    let ca = JudgingFile {
        file: settings.forward_ca.as_deref(),
        flag: "--forward-ca",
        is_used: all_upstreams(snapshot).any(is_encrypted),
        unused: "no upstream resolver is encrypted",
        hint: "name a PEM file with the certificates of the authorities",
    };
    let anchors = JudgingFile {
        file: settings.dnssec_anchors.as_deref(),
        flag: "--dnssec-anchors",
        is_used: snapshot.validates_for_anybody(),
        unused: NOBODY_VALIDATES,
        hint: "name a file of DNSKEY records, such as /usr/share/dns/root.key",
    };
    let mut problems: Vec<Problem> =
        [ca.problem(|| trust.read()), anchors.problem(|| validation.read())].into_iter().flatten().collect();
    if !anchors.is_used && !settings.dnssec_insecure.is_empty() {
        let what = format!("is not used: {NOBODY_VALIDATES}");
        problems.push(Problem::warning(
            Place::whole("--dnssec-insecure"),
            what,
            "give --dnssec validate, or leave it out",
        ));
    }
    problems
}

const NOBODY_VALIDATES: &str = "--dnssec is off, and no VPC has dnssec_validation";

/// A file that upstreams are judged by.
struct JudgingFile<'s> {
    file: Option<&'s Path>,
    flag: &'static str,
    is_used: bool,
    /// Why it is not used, where it is not.
    unused: &'static str,
    hint: &'static str,
}

impl JudgingFile<'_> {
    fn problem(&self, read: impl Fn() -> Result<(), String>) -> Option<Problem> {
        let (flag, unused) = (self.flag, self.unused);
        let place = Place::whole(self.file?.display().to_string());
        match read() {
            Ok(()) if self.is_used => None,
            Ok(()) => Some(Problem::warning(place, format!("is not used: {unused}"), format!("leave {flag} out"))),
            Err(what) if self.is_used => Some(Problem::error(place, what, self.hint)),
            Err(what) => Some(Problem::warning(place, format!("is not used, as {unused}; {what}"), self.hint)),
        }
    }
}
