//! Resource ids: a prefix and 8 or 17 hex digits, packed into nine octets.
//!
//! EC2 gave out 8 digits before 2018 and gives 17 today; both are in use (AWS "Longer resource IDs").

use std::fmt;
use std::str::FromStr;

/// The digits of an id: 68 bits for 17 digits, and the number of digits in the spare half octet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Digits([u8; 9]);

const LONG: u8 = 0x10;

/// The value of each octet as a lower-case hex digit; `NO_DIGIT` for those that are none.
const HEX: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
};
const NO_DIGIT: u8 = 0x80;

impl Digits {
    /// This is on the path of every question for an endpoint's name: one table look-up a digit, one test in all.
    fn parse(hex: &[u8]) -> Option<Self> {
        let (top, rest) = match hex {
            [top, rest @ ..] if rest.len() == 16 => (HEX[usize::from(*top)] | LONG, rest),
            rest if rest.len() == 8 => (0, rest),
            _ => return None,
        };
        let (pairs, _) = rest.as_chunks::<2>();
        let (mut digits, mut wrong) = ([0; 9], top);
        digits[0] = top;
        for (octet, [high, low]) in digits[9 - pairs.len()..].iter_mut().zip(pairs) {
            let (high, low) = (HEX[usize::from(*high)], HEX[usize::from(*low)]);
            wrong |= high | low;
            *octet = high << 4 | low;
        }
        (wrong & NO_DIGIT == 0).then_some(Self(digits))
    }

    fn fmt(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [top, low @ ..] = self.0;
        let low = u64::from_be_bytes(low);
        if top & LONG == 0 { write!(f, "{low:08x}") } else { write!(f, "{:x}{low:016x}", top & 0x0f) }
    }

    /// The low 64 bits, which differ between any two ids in practice: input of hash tables.
    fn low(self) -> u64 {
        let [_, low @ ..] = self.0;
        u64::from_be_bytes(low)
    }
}

/// Why a text is not a resource id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a valid id: expected '{prefix}' and 8 or 17 lower-case hex digits")]
pub struct IdError {
    text: String,
    prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Digits);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// The id whose digits are `hex`: 8 or 17 lower-case hex digits, the prefix left out.
            pub fn from_hex(hex: &[u8]) -> Option<Self> {
                Digits::parse(hex).map(Self)
            }

            /// The id of 17 digits that ends in these bits and begins with a zero, as those that EC2 gives out.
            pub fn of_bits(bits: u64) -> Self {
                let mut digits = [LONG; 9];
                digits[1..].copy_from_slice(&bits.to_be_bytes());
                Self(Digits(digits))
            }

            /// 64 bits that tell ids apart, for hash tables; not unique by contract.
            pub fn low_bits(self) -> u64 {
                self.0.low()
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .and_then(|hex| Self::from_hex(hex.as_bytes()))
                    .ok_or_else(|| IdError { text: text.to_owned(), prefix: $prefix })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    )*};
}

ids! {
    /// A VPC, `vpc-...`.
    VpcId = "vpc-";
    /// A subnet of a VPC, `subnet-...`.
    SubnetId = "subnet-";
    /// A network interface (ENI), `eni-...`.
    InterfaceId = "eni-";
    /// An interface endpoint, `vpce-...`.
    EndpointId = "vpce-";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip() {
        for text in
            ["vpc-ec43eb89", "vpc-00000000", "vpc-0123456789abcdef0", "vpc-fffffffffffffffff", "vpc-00000000000000000"]
        {
            assert_eq!(text.parse::<VpcId>().unwrap().to_string(), text);
        }
        assert_ne!("vpc-00000000".parse::<VpcId>(), "vpc-00000000000000000".parse::<VpcId>());
        assert_eq!(size_of::<EndpointId>(), 9);
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in [
            "",
            "vpc-",
            "vpc-1",
            "vpc-EC43EB89",
            "subnet-ec43eb89",
            "vpc-ec43eb89a",
            "vpc-0123456789abcdefg",
            "vpce-svc-0123456789abcdef0",
        ] {
            assert!(text.parse::<VpcId>().is_err(), "{text}");
        }
        assert!("vpce-svc-0123456789abcdef0".parse::<EndpointId>().is_err());
    }
}
