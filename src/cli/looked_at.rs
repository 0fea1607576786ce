//! Where a command looks: files, or a running server; and how it says so.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::client::ServerAt;
use crate::config::Settings;

/// A running server that a command reads in place of files.
#[derive(Args)]
pub(super) struct ServedArgs {
    /// Look at the running server with this control socket, in place of files
    #[arg(long, value_name = "PATH", env = "VPCEDNS_SOCKET")]
    pub(super) socket: Option<PathBuf>,
}

/// Where an output is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutputOrigin(String);

impl OutputOrigin {
    /// The files that the settings name.
    pub(super) fn files(settings: &Settings) -> Self {
        let dirs: Vec<String> = settings.zones.iter().map(|dir| dir.display().to_string()).collect();
        Self(format!("files in {}", dirs.join(", ")))
    }

    /// A running server.
    pub(super) fn server(server: &ServerAt, generation: u64) -> Self {
        Self(format!("{server}, generation {generation}"))
    }
}

/// `files in ./zones`, or `the server at ./vpcedns.sock, generation 3`
impl fmt::Display for OutputOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a command that can read files reads a running server.
pub(super) struct ReadsServer<'a>(Option<&'a Path>);

impl<'a> ReadsServer<'a> {
    /// By its flags; who names files means these, whatever the environment says of a server.
    pub(super) fn of(args: &'a ServedArgs, names_files: bool) -> Self {
        Self(args.socket.as_deref().filter(|_| !names_files))
    }

    /// The server; `None`: files are read.
    pub(super) fn server(&self) -> Option<ServerAt> {
        self.0.map(|socket| ServerAt::Socket(socket.to_owned()))
    }
}
