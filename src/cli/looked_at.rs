//! Where a command looks: files, the state of the EC2 API, or a running server; and how it says so.

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches, value_parser};

use super::client::ServerAt;

/// Who said what is to be read: of two, the stronger counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SaidBy {
    /// A variable of the environment.
    Environment,
    /// A flag.
    Flag,
}

impl SaidBy {
    /// Who said the argument `id`; `None`: nobody.
    pub(super) fn of(matches: &ArgMatches, id: &str) -> Option<Self> {
        match matches.value_source(id)? {
            ValueSource::CommandLine => Some(Self::Flag),
            ValueSource::EnvVariable => Some(Self::Environment),
            _ => None,
        }
    }
}

/// A path, and who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SaidPath {
    pub(super) path: PathBuf,
    by: SaidBy,
}

/// A flag whose value is a path, and that says who gave it.
pub(super) trait PathFlag {
    /// Name, value, variable and help.
    const FLAG: [&'static str; 4];
}

/// `--socket`: a running server.
pub(super) struct Socket;

impl PathFlag for Socket {
    const FLAG: [&'static str; 4] =
        ["socket", "PATH", "VPCEDNS_SOCKET", "Look at the running server with this control socket, in place of files"];
}

/// `--ec2-state`: the state of the EC2 API.
pub(super) struct StateFile;

impl PathFlag for StateFile {
    const FLAG: [&'static str; 4] = [
        "ec2-state",
        "FILE",
        "VPCEDNS_EC2_STATE",
        "Read the state of the EC2 API, too: its file, or the directory that it is in. A server may have it open",
    ];
}

/// What was said to such a flag.
pub(super) struct PathArg<F>(Option<SaidPath>, PhantomData<F>);

impl<F> PathArg<F> {
    /// The path, if any was said.
    pub(super) fn said(&self) -> Option<&SaidPath> {
        self.0.as_ref()
    }
}

impl<F: PathFlag> Args for PathArg<F> {
    fn augment_args(command: Command) -> Command {
        let [name, value, variable, help] = F::FLAG;
        let arg = Arg::new(name).long(name).value_name(value).env(variable).help(help);
        command.arg(arg.value_parser(value_parser!(PathBuf)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<F: PathFlag> FromArgMatches for PathArg<F> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let [name, ..] = F::FLAG;
        let path = matches.get_one::<PathBuf>(name).cloned();
        let said = path.and_then(|path| Some(SaidPath { path, by: SaidBy::of(matches, name)? }));
        Ok(Self(said, PhantomData))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A running server, or a state of the EC2 API, that a command reads.
#[derive(Args)]
pub(super) struct ServedArgs {
    #[command(flatten)]
    socket: PathArg<Socket>,
    #[command(flatten)]
    state: PathArg<StateFile>,
}

impl ServedArgs {
    /// The state that is read besides files.
    pub(super) fn state(&self) -> Option<&SaidPath> {
        self.state.said()
    }

    /// Whether the command line names a running server, and not the environment.
    pub(super) fn is_socket_said(&self) -> bool {
        self.socket.said().is_some_and(|said| said.by == SaidBy::Flag)
    }

    /// The running server that is read in place of files; `None`: files are. Flags say more than the environment, and who
    /// names both means files; `files`: who names these.
    pub(super) fn server(&self, files: Option<SaidBy>) -> Option<ServerAt> {
        let offline = files.max(self.state().map(|said| said.by));
        let socket = self.socket.said().filter(|said| Some(said.by) > offline);
        socket.map(|said| ServerAt::Socket(said.path.clone()))
    }
}

/// Where an output is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutputOrigin(String);

impl OutputOrigin {
    /// Files or directories, and a state file of the EC2 API.
    pub(super) fn files(zones: &[PathBuf], state: Option<&Path>) -> Self {
        let dirs: Vec<String> = zones.iter().map(|dir| dir.display().to_string()).collect();
        let state = state.map_or_else(String::new, |file| format!(", and the state in {}", file.display()));
        Self(format!("files in {}{state}", dirs.join(", ")))
    }

    /// A running server.
    pub(super) fn server(server: &ServerAt, generation: u64) -> Self {
        Self(format!("{server}, generation {generation}"))
    }

    /// Two generations of a running server.
    pub(super) fn generations(server: &ServerAt, old: u64, new: u64) -> Self {
        Self(format!("{server}, generations {old} and {new}"))
    }

    /// What a running server would serve, if its files were these.
    pub(super) fn files_of_server(server: &ServerAt, generation: u64, files: &Path) -> Self {
        Self(format!("{server}, generation {generation}; the same with the files in {}", files.display()))
    }

    /// Two that are compared.
    pub(super) fn both(old: &Self, new: &Self) -> Self {
        Self(format!("{old}; {new}"))
    }

    /// A server that is asked by DNS.
    pub(super) fn asked(server: &impl fmt::Display) -> Self {
        Self(format!("the server at {server}"))
    }
}

/// `files in ./zones`, or `the server at ./vpcedns.sock, generation 3`
impl fmt::Display for OutputOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
