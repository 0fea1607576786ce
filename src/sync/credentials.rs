//! Who asks: credentials by the AWS CLI's chain, kept until shortly before they expire, and shared by all clients of one
//! profile.
//!
//! ```text
//! plan         environment and files -> where credentials come from, and which roles are assumed with them
//! process, container, metadata, sso, sts    one step each -> Issued
//! ```
//!
//! A crate for the chain was looked at (reqsign-aws-core 3.2): it hands on the next step's error where one fails, knows no
//! roles of profiles, no sso-session, no renewal and no other endpoints, and brings 24 crates.

mod ask;
mod container;
mod issued;
mod metadata;
mod plan;
mod process;
mod sso;
mod sts;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use super::environment::Environment;
use super::service_urls::ServiceUrls;
use crate::ec2::auth::sigv4::Credentials;
use crate::ec2::time::iso8601;
use crate::http_client::HostLookup;
use crate::naming::Region;
pub use issued::CredentialError;
use issued::Issued;
use plan::{Base, plan};
pub use sts::AssumedRole;
use sts::Sts;

/// How long before they expire credentials are refreshed, and at most this share of their time (botocore refreshes between
/// 15 and 10 minutes before).
const REFRESH_BEFORE: Duration = Duration::from_secs(10 * 60);
const REFRESH_SHARE: u32 = 4;
/// After a refresh that failed, credentials that are still good are used so long before the next.
const RETRY: Duration = Duration::from_secs(30);
/// Codes of STS by which it refuses the credentials that assume a role.
const REFUSED: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId"];

/// Whose credentials are used, and where STS is asked for them.
#[derive(Clone, Debug)]
pub struct CredentialSettings {
    /// A profile; `None`: what the environment says.
    pub profile: Option<String>,
    /// The region whose STS is asked.
    pub region: Region,
    /// One URL for all services, in place of the environment's and AWS's.
    pub endpoint: Option<String>,
    /// Who says where hosts are.
    pub names: HostLookup,
}

/// Credentials that refresh themselves. Clones share them.
#[derive(Clone)]
pub struct SharedCredentials(Arc<SharedState>);

struct SharedState {
    origin: CredentialOrigin,
    environment: Environment,
    endpoints: ServiceUrls,
    region: Region,
    kept: Mutex<Option<KeptCredentials>>,
}

/// What credentials are made of.
enum CredentialOrigin {
    Chain { profile: Option<String> },
    Role { role: AssumedRole, by: SharedCredentials },
}

#[derive(Clone)]
struct KeptCredentials {
    credentials: Arc<Credentials>,
    expires: Option<SystemTime>,
    refresh_at: Option<SystemTime>,
}

impl SharedCredentials {
    /// Credentials by the chain. Nothing is read or asked before they are needed; the text says what is wrong with the
    /// settings.
    pub fn new(settings: CredentialSettings) -> Result<Self, String> {
        let environment = Environment::of_process(settings.names.clone());
        Self::within(settings, environment)
    }

    fn within(settings: CredentialSettings, environment: Environment) -> Result<Self, String> {
        let CredentialSettings { profile, region, endpoint, .. } = settings;
        let endpoints = ServiceUrls::new(endpoint, profile.as_deref(), &environment)?;
        let origin = CredentialOrigin::Chain { profile };
        Ok(Self(Arc::new(SharedState { origin, environment, endpoints, region, kept: Mutex::default() })))
    }

    /// Those of a role that is assumed with these.
    #[must_use]
    pub fn assuming(&self, role: AssumedRole) -> Self {
        Self(Arc::new(SharedState {
            origin: CredentialOrigin::Role { role, by: self.clone() },
            environment: self.0.environment.clone(),
            endpoints: self.0.endpoints.clone(),
            region: self.0.region.clone(),
            kept: Mutex::default(),
        }))
    }

    /// Credentials that are good now. Who comes while they are refreshed waits for that. Where a refresh fails, the old ones
    /// are used for as long as they are good.
    pub async fn current(&self) -> Result<Arc<Credentials>, CredentialError> {
        let mut kept = self.0.kept.lock().await;
        let now = self.0.environment.now();
        let is_due = |at: SystemTime| at <= now;
        if let Some(kept) = kept.as_ref().filter(|kept| !kept.refresh_at.is_some_and(is_due)) {
            return Ok(Arc::clone(&kept.credentials));
        }
        let error = match self.load().await.and_then(|issued| KeptCredentials::new(issued, now)) {
            Ok(new) => return Ok(Arc::clone(&kept.insert(new).credentials)),
            Err(error) => error,
        };
        if let Some(kept) = kept.as_mut().filter(|kept| !kept.expires.is_some_and(is_due)) {
            tracing::warn!("credentials are not refreshed, and the old ones used: {error}");
            kept.refresh_at = Some(now + RETRY);
            return Ok(Arc::clone(&kept.credentials));
        }
        *kept = None;
        Err(error)
    }

    /// What the process was given.
    pub(super) fn environment(&self) -> &Environment {
        &self.0.environment
    }

    /// Where services are called.
    pub(super) fn service_urls(&self) -> &ServiceUrls {
        &self.0.endpoints
    }

    /// Whether there are others in place of `used`, which a service has refused.
    pub(super) async fn replace(&self, used: &Arc<Credentials>) -> bool {
        {
            let mut kept = self.0.kept.lock().await;
            if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(&kept.credentials, used)) {
                *kept = None;
            }
        }
        self.current().await.is_ok_and(|now| !is_same(&now, used))
    }

    async fn load(&self) -> Result<Issued, CredentialError> {
        let SharedState { origin, environment, endpoints, region, .. } = &*self.0;
        let sts = || Sts::new(endpoints, region, environment);
        match origin {
            CredentialOrigin::Role { role, by } => {
                let sts = sts()?;
                let base = Box::pin(by.current()).await?;
                match sts.assume(role, &base).await {
                    Err((_, Some(code))) if REFUSED.contains(&code.as_str()) && Box::pin(by.replace(&base)).await => {
                        let base = Box::pin(by.current()).await?;
                        sts.assume(role, &base).await.map_err(|(error, _)| error)
                    }
                    assumed => assumed.map_err(|(error, _)| error),
                }
            }
            CredentialOrigin::Chain { profile } => {
                let plan = plan(profile.as_deref(), environment)?;
                let mut issued = match &plan.base {
                    Base::Keys(keys) => keys.clone(),
                    Base::WebIdentity(identity) => sts()?.assume_with_token(identity).await?,
                    Base::Sso(sso) => sso.fetch(environment).await?,
                    Base::Process { command, profile } => process::run(command, profile).await?,
                    Base::Container(container) => container.fetch(environment).await?,
                    Base::Metadata { service, looked_at } => {
                        service.fetch(environment).await.map_err(|error| last(error, looked_at))?
                    }
                };
                for role in &plan.roles {
                    let assumed = sts()?.assume(role, &issued.credentials).await;
                    issued = assumed.map_err(|(error, _)| error)?;
                }
                Ok(issued)
            }
        }
    }
}

/// The error of the last step of the chain, with what was looked at before.
fn last(error: CredentialError, looked_at: &str) -> CredentialError {
    if looked_at.is_empty() {
        return error;
    }
    CredentialError { what: format!("no credentials: {looked_at}; {}", error.what), ..error }
}

fn is_same(one: &Credentials, other: &Credentials) -> bool {
    one.access_key_id == other.access_key_id
        && one.secret_access_key == other.secret_access_key
        && one.session_token == other.session_token
}

impl KeptCredentials {
    /// Keeps what was issued `now`; what has expired already is an error.
    fn new(issued: Issued, now: SystemTime) -> Result<Self, CredentialError> {
        let Issued { credentials, expires } = issued;
        let refresh_at = match expires {
            None => None,
            Some(expires) => {
                let left = expires.duration_since(now).ok().filter(|left| !left.is_zero()).ok_or_else(|| {
                    let (end, now) = (iso8601(expires), iso8601(now));
                    let what = format!("the credentials expired at {end}, and this machine's clock says {now}");
                    CredentialError::new(what, "renew them where they come from, or set the clock")
                })?;
                Some(expires - REFRESH_BEFORE.min(left / REFRESH_SHARE))
            }
        };
        Ok(Self { credentials: Arc::new(credentials), expires, refresh_at })
    }
}
