//! Access keys of the EC2 API: who may call, and what.

use std::fmt;

/// One access key, the account whose objects it works on, and the actions it may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Names the key in requests: `AKIAIOSFODNN7EXAMPLE`.
    pub access_key_id: String,
    /// What its requests are signed with.
    pub secret_access_key: Secret,
    /// Twelve digits: `123456789012`.
    pub account_id: String,
    /// The actions that it may call.
    pub actions: Vec<ActionPattern>,
}

impl AccessKey {
    /// True if it may call `action`.
    pub fn may_call(&self, action: &str) -> bool {
        self.actions.iter().any(|pattern| pattern.matches(action))
    }
}

/// A secret: it is not printed, neither in logs nor in problems.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `secret`.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for computing with.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Names of actions, `*` standing for any characters: `Describe*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionPattern(String);

/// What the names of our own extensions begin with.
const EXTENSION: &str = "vpcedns:";

impl ActionPattern {
    /// The pattern in `text`; `None` where it has anything but letters, digits and `*`, behind `vpcedns:` or not.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix(EXTENSION).unwrap_or(text);
        let sound = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'*');
        sound.then(|| Self(text.to_owned()))
    }

    /// True if it allows what EC2 does not have, such as ids of the caller's choice: `vpcedns:*`.
    pub fn is_extension(&self) -> bool {
        self.0.starts_with(EXTENSION)
    }

    /// True if it names `action`; upper and lower case are the same, as in an IAM policy's `Action`.
    pub fn matches(&self, action: &str) -> bool {
        let (pattern, action) = (self.0.as_bytes(), action.as_bytes());
        let (mut at, mut read) = (0, 0);
        // the last star, and how much of the action lies before what it stands for has ended
        let mut star: Option<(usize, usize)> = None;
        while let Some(octet) = action.get(read) {
            match (pattern.get(at), star) {
                (Some(b'*'), _) => {
                    star = Some((at, read));
                    at += 1;
                }
                (Some(wanted), _) if wanted.eq_ignore_ascii_case(octet) => {
                    at += 1;
                    read += 1;
                }
                // the star takes one more
                (_, Some((star_at, taken))) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    read = taken + 1;
                }
                (_, None) => return false,
            }
        }
        pattern.iter().skip(at).all(|octet| *octet == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, action, expected) in [
            ("*", "CreateVpc", true),
            ("*", "", true),
            ("CreateVpc", "CreateVpc", true),
            ("CreateVpc", "CreateVpcEndpoint", false),
            ("CreateVpcEndpoint", "CreateVpc", false),
            ("createvpc", "CreateVpc", true),
            ("Describe*", "DescribeVpcs", true),
            ("Describe*", "Describe", true),
            ("Describe*", "ModifyVpcAttribute", false),
            ("*Endpoint*s", "DescribeVpcEndpointServices", true),
            ("*Endpoints", "DeleteVpcEndpoints", true),
            ("*Endpoints", "DeleteVpcEndpointsX", false),
            ("*p*p*", "CreateVpc", false),
            ("*p*c", "CreateVpcVpc", true),
            ("**", "X", true),
        ] {
            let matched = ActionPattern::parse(pattern).unwrap().matches(action);
            assert_eq!(matched, expected, "{pattern} {action}");
        }
        assert_eq!(ActionPattern::parse("ec2:Describe*"), None);
        assert_eq!(ActionPattern::parse(""), None);
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "***");
    }
}
