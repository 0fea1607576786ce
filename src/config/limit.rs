//! What a declared limit is, and the macro that makes a struct and a table out of the declarations.

use std::time::Duration;

/// One limit: all that is known of it. `L` is the struct that holds all limits.
pub struct LimitInfo<L: 'static> {
    /// Key in `[limits]` of `vpcedns.toml` and of `--limit`, with its unit last.
    pub key: &'static str,
    /// Its field of `L`.
    pub field: &'static str,
    /// Under which heading it is shown.
    pub group: &'static str,
    /// Its documentation, line by line.
    pub(super) help: &'static [&'static str],
    /// What its value counts.
    pub unit: Unit,
    /// Its value if nothing else is said.
    pub default: u64,
    /// The least value that it takes.
    pub least: u64,
    /// The greatest value that it takes.
    pub most: u64,
    pub(super) set: fn(&mut L, u64),
    pub(super) value: fn(&L) -> u64,
}

/// What the value of a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things, without a unit.
    Count,
    /// Octets.
    Octets,
    /// Milliseconds; the key ends in `_ms`.
    Milliseconds,
    /// Seconds; the key ends in `_s`.
    Seconds,
    /// Hundredths; the key ends in `_percent`.
    Percent,
    /// Things a second; the key ends in `_per_second`.
    PerSecond,
}

impl Unit {
    /// The unit in words; empty for a plain number.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Octets => "octets",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Percent => "%",
            Self::PerSecond => "a second",
        }
    }
}

impl<L> LimitInfo<L> {
    /// Its documentation in one line, without a final full stop.
    pub fn help(&self) -> String {
        self.help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }

    /// Whether it can be `value`; the text says what would be right.
    pub fn check(&self, value: u64) -> Result<(), String> {
        let Self { key, least, most, .. } = self;
        if (*least..=*most).contains(&value) {
            Ok(())
        } else {
            Err(format!("limit {key} = {value} is out of range: {least} to {most}"))
        }
    }

    /// Its value among `limits`, in its unit.
    pub fn value(&self, limits: &L) -> u64 {
        (self.value)(limits)
    }
}

/// A type that a limit can have.
pub(super) trait Measure {
    /// `value` of the unit; one that is too large becomes the greatest.
    fn of(value: u64, unit: Unit) -> Self;
    /// The value in the unit.
    fn value(&self, unit: Unit) -> u64;
}

macro_rules! counts {
    ($($type:ty)*) => {$(
        impl Measure for $type {
            fn of(value: u64, _: Unit) -> Self {
                Self::try_from(value).unwrap_or(Self::MAX)
            }

            fn value(&self, _: Unit) -> u64 {
                u64::try_from(*self).unwrap_or(u64::MAX)
            }
        }
    )*};
}

counts! { u16 u32 u64 usize }

impl Measure for Duration {
    fn of(value: u64, unit: Unit) -> Self {
        if unit == Unit::Seconds { Self::from_secs(value) } else { Self::from_millis(value) }
    }

    fn value(&self, unit: Unit) -> u64 {
        if unit == Unit::Seconds { self.as_secs() } else { u64::try_from(self.as_millis()).unwrap_or(u64::MAX) }
    }
}

/// Makes the struct `Limits`, its defaults and the table of all limits out of their declarations:
///
/// `/// help` and `field: Type = "key", Unit, default, least..=most;`
macro_rules! limits {
    ($( $group:literal: $( $(#[doc = $help:literal])+ $field:ident: $type:ty = $key:literal, $unit:ident,
        $default:expr, $least:literal ..= $most:expr; )+ )+) => {
        /// Every bound of the server, so that nothing a client does can grow without one.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($( $(#[doc = $help])+ pub $field: $type, )+)+
        }

        impl Limits {
            /// Every limit, in the order in which they are shown.
            pub const TABLE: &'static [Limit] = &[$($( LimitInfo {
                key: $key,
                field: stringify!($field),
                group: $group,
                help: &[$($help),+],
                unit: Unit::$unit,
                default: $default,
                least: $least,
                most: $most,
                set: |limits, value| limits.$field = Measure::of(value, Unit::$unit),
                value: |limits| limits.$field.value(Unit::$unit),
            }, )+)+];
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($( $field: Measure::of($default, Unit::$unit), )+)+ }
            }
        }
    };
}
pub(super) use limits;
