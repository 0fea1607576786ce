//! What happened to an endpoint's connection, in words for those who asked to be told.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::destination::{Target, TopicArn};
use super::outbox::Delivery;
use crate::ec2::time::iso8601;

/// What happened (EC2 API, `ConnectionEvents`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Event {
    /// The endpoint was created.
    Connect,
    /// The service's owner accepted it.
    Accept,
    /// The service's owner rejected it.
    Reject,
    /// The endpoint's owner deleted it.
    Delete,
}

impl Event {
    /// All of them, in EC2's words.
    pub const ALL: [(&'static str, Self); 4] =
        [("Connect", Self::Connect), ("Accept", Self::Accept), ("Reject", Self::Reject), ("Delete", Self::Delete)];

    /// The event called `text`; upper and lower case differ, as in EC2.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, event)| event)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One event for one connection notification.
///
/// Serialized, it is the body that is sent. AWS publishes no body; this one is ours, its keys written as EC2 writes
/// its own. `NotificationId`, `VpcEndpointId`, `Event` and `Time` together tell a repeated delivery from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Notice {
    /// What happened.
    pub event: Event,
    /// The connection notification that asks to be told: `vpce-nfn-...`.
    pub notification_id: String,
    /// The endpoint.
    pub vpc_endpoint_id: String,
    /// The account that owns the endpoint.
    pub account_id: String,
    /// The endpoint service, where it has an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// The endpoint service by name.
    pub service_name: String,
    /// When it happened: `2017-09-05T20:14:41.240Z`.
    #[serde(serialize_with = "as_iso8601")]
    pub time: SystemTime,
}

fn as_iso8601<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&iso8601(*time))
}

impl Notice {
    /// The delivery of this notice to one target, to be written into the outbox with the change.
    pub fn delivery(&self, id: u64, target: Target, topic_arn: TopicArn) -> Delivery {
        Delivery {
            id,
            target,
            topic_arn,
            subject: self.subject(),
            // strings and a time always have a JSON form
            body: serde_json::to_string(self).unwrap_or_default(),
            created: self.time,
            attempts: 0,
        }
    }

    /// At most 100 printable ASCII characters (SNS `Publish`).
    fn subject(&self) -> String {
        let text = format!("VPC endpoint {}: {}", self.vpc_endpoint_id, self.event);
        text.chars().filter(|c| (' '..='~').contains(c)).take(100).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_notice_is_our_json() {
        let notice = Notice {
            event: Event::Accept,
            notification_id: "vpce-nfn-008776de7e03f5abc".into(),
            vpc_endpoint_id: "vpce-088d25a4bbf4a7abc".into(),
            account_id: "123456789012".into(),
            service_id: Some("vpce-svc-0e123abc123198abc".into()),
            service_name: "com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc".into(),
            time: UNIX_EPOCH + Duration::from_millis(1_504_642_481_240),
        };
        let arn = TopicArn::parse("arn:aws:sns:us-east-1:123456789012:VpceNotification").unwrap();
        let delivery = notice.delivery(7, Target::Sns, arn.clone());
        assert_eq!(
            delivery.body,
            r#"{"Event":"Accept","NotificationId":"vpce-nfn-008776de7e03f5abc","VpcEndpointId":"vpce-088d25a4bbf4a7abc","AccountId":"123456789012","ServiceId":"vpce-svc-0e123abc123198abc","ServiceName":"com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc","Time":"2017-09-05T20:14:41.240Z"}"#
        );
        assert_eq!(delivery.subject, "VPC endpoint vpce-088d25a4bbf4a7abc: Accept");
        assert_eq!((delivery.id, delivery.topic_arn, delivery.created), (7, arn.clone(), notice.time));
        let nameless = Notice { service_id: None, vpc_endpoint_id: "x\n\u{e9}".repeat(200), ..notice };
        let delivery = nameless.delivery(8, Target::Sns, arn);
        assert!(!delivery.body.contains("ServiceId"));
        assert_eq!((delivery.subject.len(), delivery.subject.contains('\n')), (100, false));
    }

    #[test]
    fn events_have_ec2s_names() {
        for (name, event) in Event::ALL {
            assert_eq!((Event::parse(name), event.to_string().as_str()), (Some(event), name));
        }
        assert_eq!(Event::parse("connect"), None);
    }
}
