//! What a declared setting is, and the macro that makes a struct and a table out of the declarations.

use std::path::PathBuf;

use crate::naming::CatalogueNames;
use crate::problem::Fault;

/// One setting: all that is known of it. `S` is the struct that holds all settings.
pub struct SettingInfo<S: 'static> {
    /// Key in `vpcedns.toml`; flag and environment variable are derived from it.
    pub key: &'static str,
    /// Under which heading it is shown.
    pub group: Group,
    /// Its documentation, line by line.
    pub(super) help: &'static [&'static str],
    /// What stands for its value in `--help`: `ADDR`.
    pub value_name: &'static str,
    /// The values it has by default, as text; none where it is not set.
    pub default: &'static [&'static str],
    /// What holds while it is not set; empty if there is a default.
    pub unset: &'static str,
    /// A value, for documentation.
    pub example: &'static str,
    /// How many values it has, and of which kind.
    pub form: Form,
    pub(super) check: fn(&str) -> Result<(), Fault>,
    pub(super) set: fn(&mut S, &[&str]) -> Result<(), Fault>,
    pub(super) is_default: fn(&S) -> bool,
}

/// How many values a setting has, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One value.
    One,
    /// A list: an array in the file, a flag given repeatedly, commas in the environment.
    List,
}

/// Headings of `--help`, of the template and of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What most people set.
    General,
    /// Who a client is, and how much it may ask.
    Clients,
    /// Upstream resolvers.
    Forwarding,
    /// DNS over TLS, HTTPS and QUIC.
    Encrypted,
    /// Names that are answered by a policy.
    Names,
    /// Accounts that are followed.
    Sync,
    /// The log of questions.
    QueryLog,
    /// Zones for other DNS servers.
    ZonesOut,
    /// The EC2-compatible API.
    Ec2,
}

impl Group {
    /// Every group, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::General,
        Self::Sync,
        Self::Clients,
        Self::Forwarding,
        Self::Encrypted,
        Self::Names,
        Self::ZonesOut,
        Self::Ec2,
        Self::QueryLog,
    ];

    /// The heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::General => "General",
            Self::Clients => "Clients",
            Self::Forwarding => "Upstream resolvers",
            Self::Encrypted => "Encrypted DNS",
            Self::Names => "Name policy",
            Self::Sync => "Live accounts",
            Self::QueryLog => "Query log",
            Self::ZonesOut => "Zones out",
            Self::Ec2 => "EC2-compatible API",
        }
    }
}

impl<S> SettingInfo<S> {
    /// Its flag without the hyphens in front: `tls-cert`.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Its environment variable: `VPCEDNS_TLS_CERT`.
    pub fn variable(&self) -> String {
        format!("VPCEDNS_{}", self.key.to_uppercase())
    }

    /// Its documentation in one line, without a final full stop.
    pub fn help(&self) -> String {
        self.help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }

    /// Whether `text` can be (one of) its values.
    pub fn check(&self, text: &str) -> Result<(), Fault> {
        (self.check)(text)
    }

    /// Whether it has the values that it has by default.
    pub fn is_default(&self, settings: &S) -> bool {
        (self.is_default)(settings)
    }

    /// Gives it these values, in place of those it had.
    pub fn set(&self, settings: &mut S, texts: &[&str]) -> Result<(), Fault> {
        (self.set)(settings, texts)
    }
}

/// A type that a setting can have.
pub(super) trait Formed {
    const FORM: Form;
}

/// The same, out of values of type `T`, each read from its text by `read`.
pub(super) trait OfTexts<T>: Formed + Sized {
    fn of_texts(texts: &[&str], read: fn(&str) -> Result<T, Fault>) -> Result<Self, Fault>;
}

impl<T> Formed for Vec<T> {
    const FORM: Form = Form::List;
}

impl<T> OfTexts<T> for Vec<T> {
    fn of_texts(texts: &[&str], read: fn(&str) -> Result<T, Fault>) -> Result<Self, Fault> {
        texts.iter().map(|text| read(text)).collect()
    }
}

impl<T> Formed for Option<T> {
    const FORM: Form = Form::One;
}

impl<T> OfTexts<T> for Option<T> {
    fn of_texts(texts: &[&str], read: fn(&str) -> Result<T, Fault>) -> Result<Self, Fault> {
        match texts {
            [] => Ok(None),
            texts => read(single(texts)?).map(Some),
        }
    }
}

/// Types of which a setting has exactly one value.
macro_rules! single_values {
    ($($type:ty: $form:expr;)*) => {$(
        impl Formed for $type {
            const FORM: Form = $form;
        }

        impl OfTexts<Self> for $type {
            fn of_texts(texts: &[&str], read: fn(&str) -> Result<Self, Fault>) -> Result<Self, Fault> {
                read(single(texts)?)
            }
        }
    )*};
}
pub(super) use single_values;

single_values! {
    String: Form::One;
    PathBuf: Form::One;
    u32: Form::One;
    bool: Form::Switch;
    CatalogueNames: Form::Choice(CatalogueNames::ALL);
}

/// The only one of `texts`.
pub(super) fn single<'t>(texts: &[&'t str]) -> Result<&'t str, Fault> {
    match texts {
        [text] => Ok(text),
        _ => Err(Fault::new(format!("expected one value, found {}", texts.len()), "")),
    }
}

/// Makes the struct `Settings`, its defaults and the table of all settings out of their declarations:
///
/// `/// help` and `key: Type = reader of one value, "VALUE NAME", default [texts] or "what holds while it is not set",
/// example "text";`
macro_rules! settings {
    ($( $group:ident: $( $(#[doc = $help:literal])+ $key:ident: $type:ty = $read:expr, $value_name:literal,
        default [$($default:literal),*] $(or $unset:literal)?, example $example:literal; )+ )+) => {
        /// What the program is told to do.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Settings {
            $($( $(#[doc = $help])+ pub $key: $type, )+)+
            /// Every bound.
            pub limits: $crate::config::Limits,
        }

        impl Settings {
            /// Every setting, in the order in which they are shown.
            pub const TABLE: &'static [Setting] = &[$($( SettingInfo {
                key: stringify!($key),
                group: Group::$group,
                help: &[$($help),+],
                value_name: $value_name,
                default: &[$($default),*],
                unset: concat!($($unset)?),
                example: $example,
                form: <$type as Formed>::FORM,
                check: |text| $read(text).map(drop),
                set: |settings, texts| {
                    settings.$key = <$type>::of_texts(texts, $read)?;
                    Ok(())
                },
                is_default: |settings| {
                    <$type>::of_texts(&[$($default),*], $read).is_ok_and(|default| default == settings.$key)
                },
            }, )+)+];

            /// The keys of `vpcedns.toml`.
            pub const KEYS: &'static [&'static str] = &[$($( stringify!($key), )+)+ "limits"];

            /// The setting with this key.
            pub fn find(key: &str) -> Option<&'static Setting> {
                Self::TABLE.iter().find(|setting| setting.key == key)
            }
        }

        impl Default for Settings {
            fn default() -> Self {
                Self {
                    $($( $key: <$type>::of_texts(&[$($default),*], $read).unwrap_or_else(|fault| {
                        // a test sets every default
                        unreachable!("the default of {} is not valid: {fault}", stringify!($key))
                    }), )+)+
                    limits: $crate::config::Limits::default(),
                }
            }
        }
    };
}
pub(super) use settings;
