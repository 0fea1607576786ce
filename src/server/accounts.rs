//! The accounts that `vpcedns serve --sync` follows, as a part of the server.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use tokio::runtime::{Builder, Runtime};

use super::upstreams;
use crate::budget::Budget;
use crate::config::{Metric, Settings, SyncTarget};
use crate::http_client::HostLookup;
use crate::naming::{Region, parse_region};
use crate::observe::{BeginRounds, Exposition, MoreMetrics, OpenAddresses};
use crate::priority;
use crate::problem::{Place, Problem};
use crate::source::{Files, Source as _, SourceId};
use crate::sync::{
    AssumedRole, CredentialSettings, Fetching, Followed, ROUND_OUTCOMES, Rounds, RoundsSource, SharedClient,
    SharedCredentials, profile_region,
};

/// Calls of one action a second, per account and region.
const RATE: f64 = 5.0;

/// Accounts that are followed until this is dropped.
#[derive(Default)]
pub(super) struct FollowedAccounts {
    runtime: Option<Runtime>,
    rounds: Vec<(SourceId, Arc<Rounds>)>,
    /// The addresses at which the server answers, once it does.
    own: Arc<OnceLock<OpenAddresses>>,
}

impl FollowedAccounts {
    /// The accounts of the settings, each with its source. A client is made, and the first call, when its source is watched.
    pub(super) fn of(settings: &Settings) -> Result<(Self, Vec<RoundsSource>), Vec<Problem>> {
        if settings.sync.is_empty() {
            return Ok((Self::default(), Vec::new()));
        }
        let wrong = |what: String, hint: &str| vec![Problem::error(Place::whole("--sync"), what, hint)];
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .thread_name("vpcedns-sync")
            .on_thread_start(priority::give_way)
            .build()
            .map_err(|error| wrong(format!("cannot start a thread: {error}"), ""))?;
        // from here on it ends as it should, whatever fails
        let mut accounts = Self::default();
        let handle = accounts.runtime.insert(runtime).handle().clone();
        let mut sources = Vec::new();
        let mut callers = Callers { names: accounts.host_names(settings), known: HashMap::new() };
        let (mut names, mut clients) = (HashMap::new(), HashMap::new());
        for target in &settings.sync {
            let region = region(target).map_err(|(what, hint)| wrong(what, hint))?;
            let credentials =
                callers.credentials(target, &region).map_err(|why| wrong(why, "correct the variable, or unset it"))?;
            let number = names.entry(name(target, &region)).and_modify(|number| *number += 1).or_insert(1u32);
            let name = match *number {
                1 => name(target, &region),
                number => format!("{}-{number}", name(target, &region)),
            };
            let dir = settings.sync_dir.join(&name);
            DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|error| {
                let hint = "name a directory that can be made with --sync-dir";
                vec![Problem::error(Place::whole(dir.display().to_string()), error.to_string(), hint)]
            })?;
            let followed = Followed {
                id: SourceId::new(&format!("sync-{name}")),
                // hosted zones are the account's, whatever the region: its first one reads them
                what: Fetching {
                    region,
                    vpcs: target.vpcs.clone(),
                    hosted_zones: !clients.contains_key(&caller(target)),
                    addresses: target.endpoint_addresses.clone(),
                    names: target.names.unwrap_or_default(),
                },
                dir,
                every: Duration::from_secs(settings.sync_every.into()),
                client: clients.entry(caller(target)).or_insert_with(|| SharedClient::new(RATE, credentials)).clone(),
            };
            sources.push(RoundsSource::new(followed, handle.clone()));
        }
        accounts.rounds = sources.iter().map(|source| (source.id(), Arc::clone(source.rounds()))).collect();
        Ok((accounts, sources))
    }

    /// Where AWS is: as the upstreams of the settings say, or this machine's resolvers, and never this server.
    fn host_names(&self, settings: &Settings) -> HostLookup {
        let (own, listen) = (Arc::clone(&self.own), settings.listen.clone());
        let own = move || own.get().map_or_else(|| listen.clone(), |own| own());
        // one of its own: it lives in another runtime, and knows nothing of what clients ask
        let trust = upstreams::trust(settings);
        let forwarder = upstreams::forwarder(trust, settings.forward_0x20, Budget::default(), &settings.limits);
        HostLookup::beside(Arc::new(own), settings.forward.clone(), forwarder)
    }

    /// The server answers at these addresses from now on.
    pub(super) fn answering_at(&self, own: OpenAddresses) {
        let _ = self.own.set(own);
    }

    /// Has a round of every account begin now; how many accounts that are.
    pub(super) fn begin(&self) -> BeginRounds {
        let rounds: Vec<Arc<Rounds>> = self.rounds.iter().map(|(_, rounds)| Arc::clone(rounds)).collect();
        Arc::new(move |accept| rounds.iter().map(|rounds| rounds.begin(accept)).count())
    }

    /// What there is to count.
    pub(super) fn metrics(&self) -> Option<MoreMetrics> {
        let rounds = self.rounds.clone();
        (!rounds.is_empty()).then(|| Arc::new(move |out: &mut Exposition| count(out, &rounds)) as MoreMetrics)
    }
}

impl Drop for FollowedAccounts {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // a call that is under way need not be waited for: what is kept changes by a rename
            runtime.shutdown_background();
        }
    }
}

fn count(out: &mut Exposition, rounds: &[(SourceId, Arc<Rounds>)]) {
    let counted: Vec<_> = rounds
        .iter()
        .flat_map(|(id, rounds)| {
            ROUND_OUTCOMES.into_iter().zip(rounds.counts()).map(move |(what, n)| ([id.as_str(), what], n))
        })
        .collect();
    out.counters(Metric::SyncRounds, counted.iter().map(|(labels, n)| (labels.as_slice(), *n)));
    let zones =
        rounds.iter().filter_map(|(id, rounds)| Some((id, rounds.zones_as_of()?.duration_since(UNIX_EPOCH).ok()?)));
    out.gauges(Metric::SyncZonesOldest, zones.map(|(id, at)| (vec![id.as_str()], at.as_secs_f64())));
}

/// The source of what the accounts said: their directories, and no other.
pub(super) fn kept(accounts: &[RoundsSource]) -> Files {
    let dirs: Vec<PathBuf> = accounts.iter().map(|account| account.dir().to_owned()).collect();
    Files::where_present(dirs).named(SourceId::new("sync"))
}

fn region(target: &SyncTarget) -> Result<Region, (String, &'static str)> {
    let hint = "such as --sync eu-west-1, or set AWS_REGION";
    let of_profile = || {
        let text = profile_region(target.profile.as_deref()).ok_or_else(|| ("no region is named".to_owned(), hint))?;
        parse_region(&text).map_err(|fault| (fault.what, hint))
    };
    target.region.clone().map_or_else(of_profile, Ok)
}

/// `eu-west-1`, `prod-eu-west-1`, or `prod-111122223333-eu-west-1` with the account of a role: lowercase letters, digits and
/// hyphens.
fn name(target: &SyncTarget, region: &Region) -> String {
    let lower = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let account = target.role.as_ref().and_then(|arn| arn.split(':').nth(4));
    let parts = [target.profile.as_deref(), account.filter(|account| !account.is_empty())];
    let before = parts.into_iter().flatten().map(|part| part.chars().map(lower).collect::<String>() + "-");
    format!("{}{region}", before.collect::<String>())
}

/// What tells accounts apart before they are asked: profile, role with its external id, and endpoint.
fn caller(target: &SyncTarget) -> [Option<String>; 4] {
    let SyncTarget { profile, role, external_id, endpoint, .. } = target;
    [profile, role, external_id, endpoint].map(Clone::clone)
}

/// Who asks: one set of credentials for all accounts that are read with the same profile, refreshed once for all.
struct Callers {
    names: HostLookup,
    /// By profile and endpoint.
    known: HashMap<(Option<String>, Option<String>), SharedCredentials>,
}

impl Callers {
    /// Those of an account; the text says which variable is wrong. Nothing is asked yet.
    fn credentials(&mut self, target: &SyncTarget, region: &Region) -> Result<SharedCredentials, String> {
        let key = (target.profile.clone(), target.endpoint.clone());
        let own = match self.known.entry(key) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(none) => {
                let (profile, endpoint) = none.key().clone();
                let (names, region) = (self.names.clone(), region.clone());
                none.insert(SharedCredentials::new(CredentialSettings { profile, region, endpoint, names })?).clone()
            }
        };
        Ok(match &target.role {
            Some(arn) => own.assuming(AssumedRole {
                arn: arn.clone(),
                external_id: target.external_id.clone(),
                ..AssumedRole::default()
            }),
            None => own,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_by_its_profile_its_role_and_its_region() {
        let region: Region = "eu-west-1".parse().unwrap();
        let named = |profile: Option<&str>, role: Option<&str>| {
            let [profile, role] = [profile, role].map(|text| text.map(str::to_owned));
            name(&SyncTarget { profile, role, ..SyncTarget::default() }, &region)
        };
        let role = Some("arn:aws:iam::111122223333:role/net/Reader");
        assert_eq!(named(None, None), "eu-west-1");
        assert_eq!(named(Some("Net work"), None), "net-work-eu-west-1");
        assert_eq!(named(None, role), "111122223333-eu-west-1");
        assert_eq!(named(Some("prod"), role), "prod-111122223333-eu-west-1");
        assert_eq!(named(None, Some("arn:..")), "eu-west-1");
    }
}
