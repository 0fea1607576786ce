//! The one form that all registries of numbers have: a number on the wire, with a name for those that matter here.

/// Defines the type of one IANA registry: a number of 16 bits, a constant for each entry that is used, and its mnemonic.
///
/// A number without a constant is a value like any other and stays as it is (RFC 3597 for types, RFC 6895 for the rest).
macro_rules! registry {
    (
        $(#[$doc:meta])*
        $name:ident, otherwise $otherwise:literal;
        $( $(#[$entry_doc:meta])* $entry:ident = $number:literal, $mnemonic:literal; )*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u16);

        impl $name {
            $( $(#[$entry_doc])* pub const $entry: Self = Self($number); )*

            /// The entry of this number, whether it has a name here or not.
            pub const fn new(number: u16) -> Self {
                Self(number)
            }

            /// The number, as the wire has it.
            pub const fn number(self) -> u16 {
                self.0
            }

            /// The number in two octets, as the wire has it.
            pub const fn octets(self) -> [u8; 2] {
                self.0.to_be_bytes()
            }

            /// The entry's name in the registry; `None` for an entry that has no constant here.
            pub const fn mnemonic(self) -> Option<&'static str> {
                match self {
                    $( Self::$entry => Some($mnemonic), )*
                    _ => None,
                }
            }
        }

        impl From<u16> for $name {
            fn from(number: u16) -> Self {
                Self(number)
            }
        }

        impl From<$name> for u16 {
            fn from(entry: $name) -> u16 {
                entry.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.mnemonic() {
                    Some(mnemonic) => f.write_str(mnemonic),
                    None => write!(f, concat!($otherwise, "{}"), self.0),
                }
            }
        }
    };
}

pub(super) use registry;
