//! The small choices an endpoint has: its state, its record types, what happens below its private name.

use std::fmt;
use std::str::FromStr;

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, as it is printed.
            pub const ALL: &'static [&'static str] = &[$($text),*];

            /// As AWS prints it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        /// Compares without regard to case: EC2's enums and its output differ in it.
        impl FromStr for $name {
            type Err = ();
            fn from_str(text: &str) -> Result<Self, ()> {
                $(if text.eq_ignore_ascii_case($text) { return Ok(Self::$variant); })*
                Err(())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

choices! {
    /// Where an endpoint is in its life (AWS PrivateLink guide, "Interface endpoint states").
    State {
        /// The provider has not accepted it yet.
        PendingAcceptance = "pendingAcceptance",
        /// Accepted and being made, or being changed.
        Pending = "pending",
        /// Ready: it serves in all its zones.
        Available = "available",
        /// Some of it works.
        Partial = "partial",
        /// The provider turned it down, perhaps after it was available.
        Rejected = "rejected",
        /// It could not be made.
        Failed = "failed",
        /// The request ran out of time.
        Expired = "expired",
        /// The consumer is deleting it.
        Deleting = "deleting",
        /// It is gone; EC2 lists it for a while.
        Deleted = "deleted",
    }

    /// Which address records an endpoint's names have (EC2 `DnsRecordIpType`).
    RecordIpType {
        /// A records only.
        Ipv4 = "ipv4",
        /// AAAA records only.
        Ipv6 = "ipv6",
        /// A and AAAA.
        Dualstack = "dualstack",
        /// A for all names; AAAA for the endpoint's own names only.
        ServiceDefined = "service-defined",
    }

    /// How the Availability Zone of a client counts in answers with an endpoint's addresses.
    ZoneAffinity {
        /// Addresses in its zone come first.
        First = "first",
        /// Addresses in its zone alone, where there are any.
        Only = "only",
    }

    /// What a private zone says of names that it does not have.
    Mode {
        /// NXDOMAIN, as AWS does.
        Apex = "apex",
        /// Nothing: the next shorter zone, rule or the upstream answers.
        Overlay = "overlay",
    }
}

impl State {
    /// Whether an endpoint in this state answers, given that it has addresses.
    pub fn is_served(self) -> bool {
        matches!(self, Self::Available | Self::Pending | Self::Partial)
    }

    /// Whether an endpoint in this state can no longer come to serve: its private names are free for another.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Rejected | Self::Failed | Self::Expired | Self::Deleting | Self::Deleted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_in_any_case_and_print_camel_case() {
        for text in State::ALL {
            let state: State = text.to_uppercase().parse().unwrap();
            assert_eq!(state.as_str(), *text);
        }
        assert_eq!("Available".parse(), Ok(State::Available));
        assert_eq!(State::ALL.iter().filter(|s| s.parse::<State>().unwrap().is_served()).count(), 3);
    }
}
