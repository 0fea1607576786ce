//! What each VPC has without being told: the rule for the root, which is `--forward` here.
//!
//! As the AWS CLI's examples show it (`list-resolver-rules`, `list-resolver-rule-associations`).

use serde_json::{Value, json};

use super::listing::ListedItem;
use crate::ec2::call::Call;
use crate::naming::{VpcId, partition_of};

/// The rule for whatever no other rule holds for.
pub(super) const RULE: &str = "rslvr-autodefined-rr-internet-resolver";
const ASSOCIATION: &str = "rslvr-autodefined-assoc-";

/// The rule.
pub(super) fn rule(call: &Call<'_>) -> Value {
    let region = &call.caller.region;
    json!({
        "Id": RULE,
        "CreatorRequestId": "",
        "Arn": format!("arn:{}:route53resolver:{region}::autodefined-rule/{RULE}", partition_of(region).name),
        "DomainName": ".",
        "Status": "COMPLETE",
        "RuleType": "RECURSIVE",
        "Name": "Internet Resolver",
        "OwnerId": "Route 53 Resolver",
        "ShareStatus": "NOT_SHARED",
    })
}

/// That it holds for each VPC.
pub(super) fn associations<'c>(call: &'c Call<'_>) -> impl Iterator<Item = ListedItem> + 'c {
    call.vpcs().map(|vpc| ListedItem::new(id(vpc.id), association(vpc.id)))
}

/// That it holds for a VPC.
fn association(vpc: VpcId) -> Value {
    json!({
        "Id": id(vpc),
        "ResolverRuleId": RULE,
        "Name": "System Rule Association",
        "VPCId": vpc.to_string(),
        "Status": "COMPLETE",
        "StatusMessage": "",
    })
}

fn id(vpc: VpcId) -> String {
    format!("{ASSOCIATION}{vpc}-internet-resolver")
}
