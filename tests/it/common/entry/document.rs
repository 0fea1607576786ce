//! Calls whose parameters are a JSON document.

use serde_json::Value;
use vpcedns::ec2::auth::OPEN_ACCOUNT;
use vpcedns::ec2::call::Caller;

use super::engine;

/// Any document of a call of Route 53 Resolver or Profiles is answered by a document or an error; nothing is changed by it. The first
/// line is the name of the action.
pub fn document(data: &[u8]) {
    let mut parts = data.splitn(2, |octet| *octet == b'\n');
    let action = parts.next().and_then(|action| std::str::from_utf8(action).ok()).unwrap_or_default();
    let document = parts.next().unwrap_or_default();
    let caller =
        Caller { account: OPEN_ACCOUNT.to_owned(), region: "us-east-1".parse().expect("a region"), chooses_ids: true };
    match engine().call_document(action, document, &caller, true) {
        Ok(body) => {
            let answer: Value = serde_json::from_str(&body).expect("an answer is JSON");
            assert!(answer.is_object(), "{body}");
        }
        Err(error) => assert!(!error.code.is_empty() && (400..600).contains(&error.status), "{error:?}"),
    }
}
