//! The arguments of `vpcedns store` and `vpcedns push`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::flags::{Flags, StoreSubset};

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns store status --store etcd://10.0.0.11:2379/vpcedns\n  \
    vpcedns store export --store etcd://10.0.0.11:2379/vpcedns --to backup.jsonl\n  \
    vpcedns store import vpcedns-state/ec2.redb --store etcd://10.0.0.11:2379/vpcedns --dry-run\n  \
    vpcedns store accept --store etcd://10.0.0.11:2379/vpcedns --dry-run")]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    pub(super) what: StoreAction,
}

#[derive(Subcommand)]
pub(super) enum StoreAction {
    /// Show one screen: members, head, who wrote last, objects, octets
    #[command(after_help = "Example:\n  vpcedns store status --config /etc/vpcedns/vpcedns.toml")]
    Status {
        #[command(flatten)]
        at: StoreAt,
    },
    /// Print all that is there at one revision as lines of JSON, which `import` reads
    #[command(after_help = "Example:\n  vpcedns store export --config vpcedns.toml --to backup.jsonl")]
    Export {
        /// Write them to this file
        #[arg(long, value_name = "FILE", env = "VPCEDNS_TO")]
        to: Option<PathBuf>,
        #[command(flatten)]
        at: StoreAt,
    },
    /// Make the store hold what a file has: an export, or the state file of a server that had its own
    #[command(after_help = "Examples:\n  \
        vpcedns store import backup.jsonl --config vpcedns.toml --dry-run\n  \
        vpcedns store import vpcedns-state/ec2.redb --config vpcedns.toml\n\n\
        The server of a state file has to be stopped before. Servers of the store go on with what they have until all is there.")]
    Import {
        /// The file
        file: PathBuf,
        /// Objects in the store that differ from the file, or are not in it, may be lost
        #[arg(long, env = "VPCEDNS_REPLACE")]
        replace: bool,
        /// Say what would change, and change nothing
        #[arg(long, env = "VPCEDNS_DRY_RUN")]
        dry_run: bool,
        #[command(flatten)]
        at: StoreAt,
    },
    /// Say that what the store holds is meant, after it was restored or emptied: servers take it over
    #[command(after_help = "Example:\n  vpcedns store accept --config vpcedns.toml --dry-run")]
    Accept {
        /// Say what is there, and change nothing
        #[arg(long, env = "VPCEDNS_DRY_RUN")]
        dry_run: bool,
        #[command(flatten)]
        at: StoreAt,
    },
}

/// `vpcedns push`
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns push zones --store etcd://10.0.0.11:2379/vpcedns --dry-run\n  \
    vpcedns push zones --config /etc/vpcedns/vpcedns.toml\n\n\
    The files take the place of those that were pushed before, all at once. What would not load is not pushed. Each server keeps\n\
    a copy, and serves it together with its own files.")]
pub(super) struct PushArgs {
    /// The directory of the files
    pub(super) dir: PathBuf,
    /// More than half of the files that are there may go
    #[arg(long, env = "VPCEDNS_REPLACE")]
    pub(super) replace: bool,
    /// Say what would change, answers too, and change nothing
    #[arg(long, env = "VPCEDNS_DRY_RUN")]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) at: StoreAt,
}

impl StoreAction {
    pub(super) fn at(&self) -> &StoreAt {
        match self {
            Self::Status { at } | Self::Export { at, .. } | Self::Import { at, .. } | Self::Accept { at, .. } => at,
        }
    }
}

/// Which store, and how it is told of.
#[derive(Args)]
pub(super) struct StoreAt {
    /// Settings file that names the store [default: ./vpcedns.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "VPCEDNS_CONFIG")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) flags: Flags<StoreSubset>,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}
