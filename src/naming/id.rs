//! Resource ids: a prefix and 8 or 17 hex digits, packed into nine octets.
//!
//! EC2 gave out 8 digits before 2018 and gives 17 today; both are in use (AWS "Longer resource IDs").

use std::fmt;
use std::str::FromStr;

/// The digits of an id: 68 bits for 17 digits, and the number of digits in the spare half octet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Digits([u8; 9]);

const LONG: u8 = 0x10;

/// The same bit pattern in each octet of a word.
pub(super) const fn in_each(octet: u8) -> u64 {
    u64::from_ne_bytes([octet; 8])
}

/// The value of eight lower-case hex digits, four octets; `None` if one of them is none.
///
/// All eight are looked at in one word, as this is on the path of every question for an endpoint's name.
fn eight_digits(hex: [u8; 8]) -> Option<[u8; 4]> {
    let hex = u64::from_le_bytes(hex);
    // of ASCII, bit 6 tells letters from digits: 1 in the octet of each letter
    let letters = (hex >> 6) & in_each(1);
    let values = (hex & in_each(0x0f)) + letters * 9;
    // what these values would be written as, that letters stand for 10 and more and digits do not, and that none has 16
    let written = values + in_each(b'0') + letters * u64::from(b'a' - b'0' - 10);
    let from_ten = ((values + in_each(6)) >> 4) & in_each(1);
    if written != hex || from_ten != letters || values & in_each(0x10) != 0 {
        return None;
    }
    // the first of two digits is the high half of their octet; every second octet is one of the four
    let pairs = ((values << 4) | (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | (pairs >> 8)) & 0x0000_ffff_0000_ffff;
    Some(((fours | (fours >> 16)) as u32).to_le_bytes())
}

/// The value of a lower-case hex digit.
fn digit(hex: u8) -> Option<u8> {
    match hex {
        b'0'..=b'9' => Some(hex - b'0'),
        b'a'..=b'f' => Some(hex - b'a' + 10),
        _ => None,
    }
}

impl Digits {
    fn parse(hex: &[u8]) -> Option<Self> {
        let (first, eights) = hex.as_rchunks::<8>();
        let (top, high, low) = match (first, eights) {
            ([top], [high, low]) => (LONG | digit(*top)?, eight_digits(*high)?, low),
            ([], [low]) => (0, [0; 4], low),
            _ => return None,
        };
        let mut digits = [top; 9];
        digits[1..5].copy_from_slice(&high);
        digits[5..].copy_from_slice(&eight_digits(*low)?);
        Some(Self(digits))
    }

    fn fmt(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [top, low @ ..] = self.0;
        let low = u64::from_be_bytes(low);
        if top & LONG == 0 { write!(f, "{low:08x}") } else { write!(f, "{:x}{low:016x}", top & 0x0f) }
    }

    /// A number that orders ids as their texts are ordered: the digits from the left, and of two that begin alike the shorter first.
    fn text_order(self) -> u128 {
        let [top, low @ ..] = self.0;
        let low = u128::from(u64::from_be_bytes(low));
        // eight digits stand nine places further to the left among seventeen
        if top & LONG == 0 { low << 37 } else { (u128::from(top & 0x0f) << 64 | low) << 1 | 1 }
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

            /// A number that orders ids as their texts are ordered.
            pub fn text_order(self) -> u128 {
                self.0.text_order()
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

impl InterfaceId {
    /// The first digits of an id that no interface has: those of EC2 begin with a zero.
    const STAND_IN: [u8; 5] = [LONG | 0xf, 0xff, 0xff, 0xff, 0xff];

    /// The id of an interface that nobody has told of, and that stands for it; `bits` tell it from others.
    pub fn stand_in(bits: u32) -> Self {
        let mut digits = [0; 9];
        let (first, rest) = digits.split_at_mut(Self::STAND_IN.len());
        first.copy_from_slice(&Self::STAND_IN);
        rest.copy_from_slice(&bits.to_be_bytes());
        Self(Digits(digits))
    }

    /// Whether it stands for an interface that nobody has told of: its addresses are not its own.
    pub fn is_stand_in(self) -> bool {
        self.0.0.starts_with(&Self::STAND_IN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_told_by_their_ids() {
        let id = InterfaceId::stand_in(0x0012_3456);
        assert_eq!(id.to_string(), "eni-fffffffff00123456");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.is_stand_in() && !InterfaceId::of_bits(u64::MAX).is_stand_in());
        assert!(!"eni-ffffffff".parse::<InterfaceId>().unwrap().is_stand_in());
    }

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
    fn a_number_orders_ids_as_their_texts_do() {
        let mut ids: Vec<EndpointId> = ["0", "1", "01234567", "012345670", "abcdef01", "abcdef010", "fffffffff"]
            .iter()
            .flat_map(|digits| [format!("{digits:0<8.8}"), format!("{digits:0<17}"), format!("{digits:f<17}")])
            .filter_map(|digits| EndpointId::from_hex(digits.as_bytes()))
            .collect();
        let mut by_text = ids.clone();
        ids.sort_by_key(|id| id.text_order());
        by_text.sort_by_key(ToString::to_string);
        assert_eq!(ids, by_text);
        assert_eq!(ids.len(), 21);
    }

    #[test]
    fn every_octet_is_a_digit_or_none() {
        for octet in 0..=u8::MAX {
            let value = char::from(octet).to_digit(16).filter(|_| !octet.is_ascii_uppercase());
            for at in 0..17 {
                let mut hex = *b"0123456789abcdef0";
                hex[at] = octet;
                let text = String::from_utf8_lossy(&hex).into_owned();
                let shown = VpcId::from_hex(&hex).map(|id| id.to_string());
                assert_eq!(shown, value.map(|_| format!("vpc-{text}")), "{octet} at {at}");
            }
        }
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
