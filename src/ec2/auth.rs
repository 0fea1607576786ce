//! Who calls the API, and whether they may.
//!
//! ```text
//! guard       no browser, and no name of somebody else's
//! rate        how often one caller may call
//! authorize   signature -> Caller
//!   claim     what the request says of its signature
//!   sigv4     what a signature is made of
//! signed_form  what `notify` and `sync` send
//! audit       one line of the log for each change
//! ```
//!
//! Pure functions: the time is an argument. Knows no actions; a caller knows which names of actions it may call.

pub mod audit;
mod claim;
pub mod guard;
pub mod rate;
pub mod signed_form;
pub mod sigv4;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::time;
use crate::config::AccessKey;
use crate::problem::{Place, Problem};
use claim::Claim;
use sigv4::{Request, Scope, TOKEN_HEADER};

/// The account of every caller where the API has no access keys.
pub const OPEN_ACCOUNT: &str = "000000000000";
/// How far the time of a request may be from ours (IAM User Guide: five minutes).
pub const MAX_SKEW: Duration = Duration::from_secs(300);
/// The services that requests may be signed for; the first is what others are told.
pub(super) const SERVICES: &[&str] = &["ec2", "sts", "iam", "route53", "route53resolver", "route53profiles"];

/// Who may call.
#[derive(Clone, Debug)]
pub enum AccessPolicy {
    /// Everybody, everything: for this machine only, see `may_listen`.
    Open,
    /// Whoever signs with one of these.
    Keys(AccessKeys),
}

/// Access keys by their ids.
#[derive(Clone, Debug, Default)]
pub struct AccessKeys(HashMap<String, Arc<AccessKey>>);

impl AccessKeys {
    /// The keys; of two with one id the later one counts (`source::read_access_keys` refuses two).
    pub fn new(keys: impl IntoIterator<Item = AccessKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.access_key_id.clone(), Arc::new(key))).collect())
    }
}

/// Who calls.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The key that the request is signed with; `None` where the API is open.
    key: Option<Arc<AccessKey>>,
    /// The access key id, verified unless the API is open; `None` where the request names none.
    pub access_key_id: Option<String>,
    /// Whose objects are worked on: twelve digits.
    pub account_id: String,
    /// The region that the request is signed for, verified unless the API is open; `None` where it names none.
    pub region: Option<String>,
}

impl Principal {
    /// Whether the caller may choose the ids of what it makes: without access keys, or by a key whose actions say so.
    pub fn chooses_ids(&self) -> bool {
        self.key.as_ref().is_none_or(|key| key.actions.iter().any(crate::config::ActionPattern::is_extension))
    }

    /// Refuses an action that the caller's key does not allow.
    pub fn may_call(&self, action: &str) -> Result<(), Refusal> {
        match &self.key {
            // "No permissions are required to perform this operation" (STS API Reference, GetCallerIdentity)
            Some(key) if !key.may_call(action) && action != "GetCallerIdentity" => {
                Err(Refusal::new(403, "UnauthorizedOperation", "You are not authorized to perform this operation."))
            }
            _ => Ok(()),
        }
    }
}

/// Why a request is not carried out, in EC2's words (EC2 API Reference, "Error codes").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What programs compare.
    pub code: &'static str,
    /// What people read; no part of it is secret.
    pub message: Cow<'static, str>,
}

impl Refusal {
    fn new(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into() }
    }
}

/// The service that a request says it is signed for (`ec2`, `sns`); nothing of it is verified.
pub(super) fn claimed_service(request: &Request<'_>) -> Option<String> {
    Claim::of(request).ok().flatten().map(|claim| claim.service)
}

/// Who sent `request`, if its signature is right at `now`.
///
/// An open API takes any credentials or none, and what they say as it is.
pub fn authorize(access: &AccessPolicy, request: &Request<'_>, now: SystemTime) -> Result<Principal, Refusal> {
    authorize_for(SERVICES, access, request, now)
}

/// The same for any services: the tests of the notifier play SNS.
pub(super) fn authorize_for(
    services: &[&str],
    access: &AccessPolicy,
    request: &Request<'_>,
    now: SystemTime,
) -> Result<Principal, Refusal> {
    let claim = Claim::of(request);
    match access {
        AccessPolicy::Open => {
            let (access_key_id, region) = claim.ok().flatten().map(|claim| (claim.access_key_id, claim.region)).unzip();
            Ok(Principal { key: None, access_key_id, account_id: OPEN_ACCOUNT.into(), region })
        }
        AccessPolicy::Keys(keys) => verify(services, keys, request, claim?, now),
    }
}

/// One rule after the other, cheap ones first.
fn verify(
    services: &[&str],
    keys: &AccessKeys,
    request: &Request<'_>,
    claim: Option<Claim>,
    now: SystemTime,
) -> Result<Principal, Refusal> {
    let Some(claim) = claim else {
        // what EC2 says since the days of Signature Version 2
        return Err(Refusal::new(400, "MissingParameter", "The request must contain the parameter AWSAccessKeyId"));
    };
    // the keys here are long-lived and come without a token, so none can be right
    let Some(key) = keys.0.get(&claim.access_key_id).filter(|_| !has_token(request)) else {
        return Err(Refusal::new(401, "AuthFailure", "AWS was not able to validate the provided access credentials"));
    };
    if !services.contains(&claim.service.as_str()) {
        let service = services.first().copied().unwrap_or_default();
        let message = format!("Credential should be scoped to correct service: '{service}'.");
        return Err(Refusal::new(403, "SignatureDoesNotMatch", message));
    }
    let signed_at = time::parse_amz_date(&claim.time).filter(|_| claim.time.starts_with(&claim.date));
    let Some(signed_at) = signed_at else {
        let message = "X-Amz-Date must be YYYYMMDDTHHMMSSZ, of the day in the credential scope.";
        return Err(Refusal::new(403, "SignatureDoesNotMatch", message));
    };
    let lasts = claim.expires.unwrap_or(MAX_SKEW);
    if now > signed_at + lasts || signed_at > now + MAX_SKEW {
        return Err(Refusal::new(400, "RequestExpired", "Request has expired."));
    }
    let scope = Scope { date: &claim.date, region: &claim.region, service: &claim.service };
    let signed_headers: Vec<&str> = claim.signed_headers.iter().map(String::as_str).collect();
    let secret = &key.secret_access_key;
    if !sigv4::verify(request, &signed_headers, &claim.time, scope, secret, &claim.signature) {
        return Err(Refusal::new(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             AccessPolicy Key and signing method. Consult the service documentation for details.",
        ));
    }
    Ok(Principal {
        key: Some(Arc::clone(key)),
        access_key_id: Some(claim.access_key_id),
        account_id: key.account_id.clone(),
        region: Some(claim.region),
    })
}

fn has_token(request: &Request<'_>) -> bool {
    let is_token = |(name, _): (Vec<u8>, Vec<u8>)| name.eq_ignore_ascii_case(TOKEN_HEADER.as_str().as_bytes());
    request.headers.contains_key(TOKEN_HEADER) || sigv4::parameters(request.query).any(is_token)
}

/// Refuses to listen where others could call an API that asks nobody who they are.
pub fn may_listen(access: &AccessPolicy, address: SocketAddr) -> Result<(), Problem> {
    match access {
        AccessPolicy::Open if !address.ip().to_canonical().is_loopback() => Err(Problem::error(
            Place::whole("--ec2-api"),
            format!("{address} would let everybody change everything: there are no access keys"),
            "give a file of access keys with --ec2-keys, or listen on 127.0.0.1",
        )),
        _ => Ok(()),
    }
}
