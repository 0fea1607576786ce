//! Which upstream resolvers are asked, and whether their replies are validated.

use crate::model::{Upstream, UpstreamError};
use crate::problem::Fault;

use super::setting::{Form, Formed, OfTexts, single, single_values};

/// The resolvers that are asked for all names without a local answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstreams {
    /// The resolvers of this machine, less our own addresses.
    System,
    /// No resolver: such names are refused.
    None,
    /// These, in order.
    These(Vec<Upstream>),
}

const SYSTEM: &str = "system";
const NONE: &str = "none";

/// One upstream resolver; `None` for the words `system` and `none`.
pub(super) fn upstream(text: &str) -> Result<Option<Upstream>, Fault> {
    match text {
        SYSTEM | NONE => Ok(None),
        _ => text
            .parse()
            .map(Some)
            .map_err(|error: UpstreamError| Fault::new(error.what, format!("{}, '{SYSTEM}' or '{NONE}'", error.hint))),
    }
}

impl Formed for Upstreams {
    const FORM: Form = Form::List;
}

impl OfTexts<Option<Upstream>> for Upstreams {
    fn of_texts(texts: &[&str], read: fn(&str) -> Result<Option<Upstream>, Fault>) -> Result<Self, Fault> {
        match texts {
            [SYSTEM] => Ok(Self::System),
            [NONE] => Ok(Self::None),
            _ => {
                let alone = || Fault::new("'system' and 'none' stand alone", "give one of them, or addresses");
                let upstreams = texts.iter().map(|text| read(text)?.ok_or_else(alone));
                upstreams.collect::<Result<_, _>>().map(Self::These)
            }
        }
    }
}

/// DNSSEC validation of upstream replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dnssec {
    /// Signatures are passed on to clients that ask for them.
    Off,
    /// Signatures are validated, and bogus replies become SERVFAIL.
    Validate,
}

/// `off` or `validate`.
pub(super) fn dnssec(text: &str) -> Result<Dnssec, Fault> {
    match text {
        "off" => Ok(Dnssec::Off),
        "validate" => Ok(Dnssec::Validate),
        _ => Err(Fault::new(format!("'{text}' is neither 'off' nor 'validate'"), "")),
    }
}

single_values! {
    Dnssec: Form::Choice(&["off", "validate"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_read() {
        let words = |texts: &[&str]| Upstreams::of_texts(texts, upstream);
        assert_eq!(words(&["system"]), Ok(Upstreams::System));
        assert_eq!(words(&["none"]), Ok(Upstreams::None));
        let two = vec!["10.0.0.2:53".parse().unwrap(), "[fd00::2]:5353".parse().unwrap()];
        assert_eq!(words(&["10.0.0.2", "[fd00::2]:5353"]), Ok(Upstreams::These(two)));
        assert!(words(&["system", "10.0.0.2"]).is_err());
        assert!(words(&["dns.example"]).unwrap_err().to_string().contains("is not an IP address"));
    }
}
