//! The flags of settings: built from the table in `config`, so that a setting declared there has its flag here.

use std::marker::PhantomData;

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use super::looked_at::SaidBy;
use crate::config::{Form, Group, Limits, Setting, Settings};
use crate::problem::Fault;

/// Which settings a command has flags for.
pub(super) trait Subset {
    /// The keys of the settings; empty: all, and the limits.
    const KEYS: &'static [&'static str];
}

/// All of them: `serve`.
pub(super) struct All;

impl Subset for All {
    const KEYS: &'static [&'static str] = &[];
}

/// Where the zones are: commands that read files.
pub(super) struct ZonesSubset;

impl Subset for ZonesSubset {
    const KEYS: &'static [&'static str] = &["zones", "catalogue"];
}

/// What decides about an answer: `explain`.
pub(super) struct Answers;

impl Subset for Answers {
    const KEYS: &'static [&'static str] =
        &["zones", "allow", "forward", "forward_special", "private_only", "catalogue"];
}

/// Which store, and the way to it: `store`.
pub(super) struct StoreSubset;

impl Subset for StoreSubset {
    const KEYS: &'static [&'static str] = &["store", "store_ca", "store_cert", "store_key", "store_password"];
}

/// The same where the zones are arguments: `diff`.
pub(super) struct AnswersElsewhere;

impl Subset for AnswersElsewhere {
    const KEYS: &'static [&'static str] = &["allow", "forward", "forward_special", "private_only", "catalogue"];
}

/// What flags and environment say about the settings of `S`; every value has been checked.
pub(super) struct Flags<S> {
    settings: Vec<(&'static Setting, Vec<String>, SaidBy)>,
    limits: Vec<(String, u64)>,
    of: PhantomData<S>,
}

impl<S: Subset> Flags<S> {
    /// Over the defaults.
    pub(super) fn settings(&self) -> Settings {
        self.over(Settings::default())
    }

    /// Over what others have said.
    pub(super) fn over(&self, mut settings: Settings) -> Settings {
        for (setting, texts, _) in &self.settings {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            // cannot fail: `from_arg_matches` has tried it
            let _ = setting.set(&mut settings, &texts);
        }
        for (key, value) in &self.limits {
            let _ = settings.limits.set(key, *value);
        }
        settings
    }

    /// Who said the setting of this key.
    pub(super) fn said_by(&self, key: &str) -> Option<SaidBy> {
        self.settings.iter().find(|(setting, ..)| setting.key == key).map(|(.., by)| *by)
    }

    fn has(setting: &Setting) -> bool {
        S::KEYS.is_empty() || S::KEYS.contains(&setting.key)
    }
}

impl<S: Subset> Args for Flags<S> {
    fn augment_args(command: Command) -> Command {
        let table = Settings::TABLE.iter().filter(|setting| Self::has(setting));
        let command = command.args(table.map(arg));
        if S::KEYS.is_empty() { command.arg(limit_arg()) } else { command }
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<S: Subset> FromArgMatches for Flags<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut settings = Vec::new();
        for setting in Settings::TABLE.iter().filter(|setting| Self::has(setting)) {
            let Some(by) = SaidBy::of(matches, setting.key) else { continue };
            let texts = matches.get_many::<String>(setting.key).unwrap_or_default();
            let texts: Vec<&str> = texts.map(String::as_str).collect();
            setting.set(&mut Settings::default(), &texts).map_err(|Fault { what, hint }| {
                let hint = if hint.is_empty() { hint } else { format!(": {hint}") };
                Error::raw(ErrorKind::ValueValidation, format!("--{}: {what}{hint}\n", setting.flag()))
            })?;
            settings.push((setting, texts.into_iter().map(str::to_owned).collect(), by));
        }
        let limits = if S::KEYS.is_empty() { matches.get_many(LIMIT) } else { None };
        Ok(Self { settings, limits: limits.unwrap_or_default().cloned().collect(), of: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Flags that may stand without their value, and what that is then: the port is LocalStack's.
const ALONE: &[(&str, &str)] = &[("ec2_api", "127.0.0.1:4566"), ("sync", "default")];

fn arg(setting: &'static Setting) -> Arg {
    let list = if setting.form == Form::List { "; repeatable" } else { "" };
    let default = match (setting.default, setting.unset) {
        ([], unset) => unset.to_owned(),
        (default, _) => default.join(", "),
    };
    let arg = Arg::new(setting.key)
        .long(setting.flag())
        .value_name(setting.value_name)
        .env(setting.variable())
        .help(format!("{}{list} [default: {default}]", setting.help()))
        .value_parser(parser(setting));
    let arg = match setting.form {
        Form::Switch => arg.num_args(0..=1).default_missing_value("true"),
        Form::List => arg.action(ArgAction::Append).value_delimiter(','),
        Form::Choice(_) | Form::One => arg,
    };
    let arg = match ALONE.iter().find(|(key, _)| *key == setting.key) {
        Some((_, missing)) => arg.num_args(0..=1).default_missing_value(missing),
        None => arg,
    };
    if setting.group == Group::General { arg } else { arg.help_heading(setting.group.heading()) }
}

/// Settings whose value is not repeated where it is wrong, as somebody may have put a password into it. They are checked when
/// all is read.
const UNREPEATED: &[&str] = &["store"];

fn parser(setting: &'static Setting) -> ValueParser {
    match setting.form {
        _ if UNREPEATED.contains(&setting.key) => ValueParser::string(),
        Form::Choice(words) => PossibleValuesParser::new(words).into(),
        Form::Switch => PossibleValuesParser::new(["true", "false"]).into(),
        Form::One | Form::List => ValueParser::from(move |text: &str| {
            setting.check(text).map(|()| text.to_owned()).map_err(|fault| fault.to_string())
        }),
    }
}

const LIMIT: &str = "limit";

fn limit_arg() -> Arg {
    let help =
        "Limit that differs from its default, such as `tcp_idle_ms=30000`; `vpcedns config` lists them; repeatable";
    Arg::new(LIMIT)
        .long(LIMIT)
        .value_name("KEY=VALUE")
        .env("VPCEDNS_LIMIT")
        .help(help)
        .action(ArgAction::Append)
        .value_delimiter(',')
        .value_parser(ValueParser::from(limit))
}

fn limit(text: &str) -> Result<(String, u64), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is not of the form KEY=VALUE"))?;
    let value = value.parse().map_err(|_| format!("'{value}' is not a whole number"))?;
    Limits::find(key)?.check(value)?;
    Ok((key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::args::Cli;
    use super::*;

    fn flags(words: &[&str]) -> Result<Settings, Error> {
        let matches = Flags::<All>::augment_args(Command::new("test")).try_get_matches_from(words)?;
        Flags::<All>::from_arg_matches(&matches).map(|flags| flags.settings())
    }

    /// A setting or limit that is declared has a flag, which sets it.
    #[test]
    fn every_key_has_a_flag() {
        assert_eq!(flags(&["test"]).unwrap(), Settings::default());
        for setting in Settings::TABLE {
            let mut expected = Settings::default();
            setting.set(&mut expected, &[setting.example]).unwrap();
            let said = flags(&["test", &format!("--{}", setting.flag()), setting.example]).unwrap();
            assert_eq!(said, expected, "{}", setting.key);
            if setting.form == Form::List {
                let twice = [setting.example; 2].join(",");
                setting.set(&mut expected, &[setting.example; 2]).unwrap();
                assert_eq!(flags(&["test", &format!("--{}={twice}", setting.flag())]).unwrap(), expected);
            }
        }
        for limit in Limits::TABLE {
            let said = flags(&["test", "--limit", &format!("{}={}", limit.key, limit.most)]).unwrap();
            assert_eq!(limit.value(&said.limits), limit.most, "{}", limit.key);
            assert!(flags(&["test", "--limit", &format!("{}={}", limit.key, limit.most + 1)]).is_err());
        }
    }

    #[test]
    fn the_api_has_a_usual_address() {
        assert_eq!(flags(&["test", "--ec2-api"]).unwrap().ec2_api, Some("127.0.0.1:4566".parse().unwrap()));
        let both = flags(&["test", "--ec2-api", "--listen", "10.0.0.2"]).unwrap();
        assert_eq!((both.ec2_api.map(|at| at.port()), both.listen.len()), (Some(4566), 1));
    }

    /// What a flag says comes over what the file says, and replaces lists.
    #[test]
    fn flags_win_over_the_file() {
        let words = ["test", "--aa", "--limit", "drain_ms=1", "--listen", "10.0.0.2", "--listen", "[::1]:5353"];
        let matches = Flags::<All>::augment_args(Command::new("test")).get_matches_from(words);
        let mut file = Settings { log: "warn".into(), ..Settings::default() };
        file.limits.set("drain_ms", 2).unwrap();
        file.limits.set("tcp_idle_ms", 200).unwrap();
        let both = Flags::<All>::from_arg_matches(&matches).unwrap().over(file);
        assert_eq!((both.aa, both.log.as_str()), (true, "warn"));
        assert_eq!((both.limits.drain.as_millis(), both.limits.tcp_idle.as_millis()), (1, 200));
        assert_eq!(both.listen, ["10.0.0.2:53".parse().unwrap(), "[::1]:5353".parse().unwrap()]);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_flag() {
        for (words, expected) in [
            (["--listen", "dns.example"], "'dns.example' is not a valid address: such as 10.0.0.2:53 or [fd00::2]:53"),
            (["--forward", "system,10.0.0.2"], "--forward: 'system' and 'none' stand alone: give one of them"),
            (["--limit", "tcp_idle=1"], "unknown limit 'tcp_idle': did you mean 'tcp_idle_ms'?"),
            (["--limit", "tcp_idle_ms"], "'tcp_idle_ms' is not of the form KEY=VALUE"),
            (["--dnssec", "on"], "[possible values: off, validate]"),
        ] {
            let error = flags(&["test", words[0], words[1]]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    /// DESIGN: every flag has an environment variable; those of settings are in the table.
    #[test]
    fn every_setting_has_its_variable_in_serve() {
        let cli = Cli::command();
        let serve = cli.find_subcommand("serve").unwrap();
        for setting in Settings::TABLE {
            let arg = serve.get_arguments().find(|arg| arg.get_id() == setting.key).unwrap();
            assert_eq!(arg.get_env().unwrap().to_str(), Some(&*setting.variable()));
        }
    }
}
