//! The words that name a region, an availability zone or a service, as texts that were checked.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::dns::NameError;

/// The shapes, for people who wrote none of them.
const SHAPES: &str = "com.amazonaws.<region>.<service> (or with the partition's own prefix, such as \
    cn.com.amazonaws), com.amazonaws.vpce.<region>.vpce-svc-<17 hex digits>, aws.api.<region>.<service>, \
    aws.sagemaker.<region>.<service>, or a global service such as com.amazonaws.iam";

/// Why a text is not a service, region or zone name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceNameError {
    /// The text has characters or a length that no such name has.
    #[error("'{0}' is not a valid {1}")]
    Malformed(String, &'static str),
    /// The text is a service name of no known shape, or a global one that the catalogue does not have.
    #[error("'{0}' is not a known service name: expected {SHAPES}")]
    Shape(String),
    /// The name made from it would be no domain name.
    #[error("the names of '{0}' would not be domain names: {1}")]
    Name(String, NameError),
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $extra:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ServiceNameError;
            fn from_str(text: &str) -> Result<Self, ServiceNameError> {
                let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || $extra.contains(c);
                let ok = text.len() <= 200
                    && text.chars().all(allowed)
                    && text.split('.').all(|part| !part.is_empty() && part.len() <= 63);
                if ok { Ok(Self(text.into())) } else { Err(ServiceNameError::Malformed(text.to_owned(), $what)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    )*};
}

words! {
    /// A region by its code, `us-east-1`.
    Region: "region (such as us-east-1)", "-";
    /// An availability zone by its name in the consumer's account, `us-east-1a`.
    ZoneName: "availability zone (such as us-east-1a)", "-";
    /// An endpoint service by its full name, `com.amazonaws.us-east-1.ec2`.
    ServiceName: "service name (such as com.amazonaws.us-east-1.ec2)", "-._";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_checked() {
        assert!("us-east-1".parse::<Region>().is_ok());
        for bad in ["", "US-EAST-1", "us east", "us.east"] {
            assert!(bad.parse::<Region>().is_err(), "{bad}");
        }
        assert!("com.amazonaws..ec2".parse::<ServiceName>().is_err());
        assert!("com.amazonaws.us-east-1.ec2".parse::<ServiceName>().is_ok());
    }
}
