//! Where a notice goes: to which kind of place, and under which topic.

use serde::{Deserialize, Serialize};

/// A kind of place that a notice is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    /// The topic of the connection notification.
    Sns,
    /// The one webhook of this server.
    Webhook,
}

/// The ARN of a standard SNS topic: `arn:aws:sns:us-east-1:123456789012:VpceNotification`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicArn(String);

impl TopicArn {
    /// The ARN in `text`, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else { return None };
        let all = |text: &str, also: &[u8], allowed: fn(&u8) -> bool| {
            !text.is_empty() && text.bytes().all(|octet| allowed(&octet) || also.contains(&octet))
        };
        let sound = all(partition, b"-", u8::is_ascii_alphanumeric)
            && all(region, b"-", u8::is_ascii_alphanumeric)
            && account.len() == 12
            && all(account, b"", u8::is_ascii_digit)
            // FIFO topics, which end in .fifo, take messages of a group only, and notifications have none
            && name.len() <= 256
            && all(name, b"-_", u8::is_ascii_alphanumeric);
        sound.then(|| Self(text.to_owned()))
    }

    /// The ARN as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region of the topic, in which requests for it are signed.
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }
}

impl TryFrom<String> for TopicArn {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("'{text}' is not the ARN of a standard SNS topic"))
    }
}

impl From<TopicArn> for String {
    fn from(arn: TopicArn) -> Self {
        arn.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_told_from_what_is_none() {
        for arn in
            ["arn:aws:sns:us-east-2:123456789012:VpceNotification", "arn:aws-cn:sns:cn-north-1:123456789012:a-b_C"]
        {
            let parsed = TopicArn::parse(arn).unwrap();
            assert_eq!((parsed.as_str(), parsed.region()), (arn, arn.split(':').nth(3).unwrap()));
            let stored = serde_json::to_string(&parsed).unwrap();
            assert_eq!(serde_json::from_str::<TopicArn>(&stored).unwrap(), parsed);
        }
        for arn in [
            "",
            "VpceNotification",
            "arn:aws:sqs:us-east-1:123456789012:q",
            "arn:aws:sns:us-east-1:12345678901:t",
            "arn:aws:sns:us-east-1:12345678901x:t",
            "arn:aws:sns::123456789012:t",
            "arn:aws:sns:us-east-1:123456789012:",
            "arn:aws:sns:us-east-1:123456789012:t.fifo",
            "arn:aws:sns:us-east-1:123456789012:t:b3f2",
            "arn:aws:sns:evil.example/#:123456789012:t",
        ] {
            assert_eq!(TopicArn::parse(arn), None, "{arn}");
        }
        assert!(serde_json::from_str::<TopicArn>("\"x\"").is_err());
    }
}
