//! The flags of `vpcedns drill`.

use clap::{Args, Subcommand};

use super::client::ServerArgs;
use crate::dns::DnsName;
use crate::model::parse_period;
use crate::naming::{VpcId, ZoneName};
use crate::observe::{MOST_DELAY_MS, MOST_SECONDS};

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns drill zone us-east-1a --for 10m\n  \
    vpcedns drill zone us-east-1a --vpc vpc-ec43eb89 --client 10.0.1.0/24\n  \
    vpcedns drill name sts.us-east-1.amazonaws.com --servfail\n  \
    vpcedns drill name '*.example.com' --delay 500 --for 30s\n  \
    vpcedns drill list\n  \
    vpcedns drill end 1\n\n\
    A drill ends by itself, and with the server. What it changes is in the extended errors of replies, in the log, in\n\
    status, in metrics and in explanations.")]
pub(super) struct DrillArgs {
    #[command(subcommand)]
    pub(super) what: DrillCommand,
}

#[derive(Subcommand)]
pub(super) enum DrillCommand {
    /// Take an Availability Zone down: addresses of endpoints in it are not given, where others are left
    #[command(after_help = "Example:\n  vpcedns drill zone us-east-1a --vpc vpc-ec43eb89 --for 10m")]
    Zone {
        /// The zone, such as us-east-1a
        zone: ZoneName,
        #[command(flatten)]
        whom: DrilledClients,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Put a name at fault
    #[command(
        group(clap::ArgGroup::new("fault").required(true).args(["nxdomain", "servfail", "delay"])),
        after_help = "Examples:\n  vpcedns drill name sts.us-east-1.amazonaws.com --nxdomain\n  vpcedns drill name '*.example.com' --delay 500 --for 30s"
    )]
    Name {
        /// The name, in whatever zone or none; `*.` in front means all names below
        name: DnsName,
        /// It does not exist
        #[arg(long, env = "VPCEDNS_NXDOMAIN")]
        nxdomain: bool,
        /// Asking for it fails
        #[arg(long, env = "VPCEDNS_SERVFAIL")]
        servfail: bool,
        /// Its answers take so many milliseconds longer
        #[arg(long, value_name = "MS", env = "VPCEDNS_DELAY", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DELAY_MS)))]
        delay: Option<u32>,
        #[command(flatten)]
        whom: DrilledClients,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Print the drills that run
    List {
        /// Print as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// End a drill, or all
    #[command(after_help = "Examples:\n  vpcedns drill end 1\n  vpcedns drill end --all")]
    End {
        /// Its number, as `drill list` prints it
        #[arg(required_unless_present = "all")]
        id: Option<u32>,
        /// All drills
        #[arg(long, env = "VPCEDNS_ALL", conflicts_with = "id")]
        all: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// For whom a drill is, and how long.
#[derive(Args)]
pub(super) struct DrilledClients {
    /// How long: seconds, or with units as 90s, 10m, 1h30m; a day at most
    #[arg(long = "for", value_name = "TIME", default_value = "5m", env = "VPCEDNS_FOR", value_parser = drill_seconds)]
    pub(super) seconds: u32,
    /// Clients of this VPC only; repeatable [default: all]
    #[arg(long, value_name = "ID", env = "VPCEDNS_VPC", value_delimiter = ',')]
    pub(super) vpc: Vec<VpcId>,
    /// Clients with this address or in this network only; repeatable [default: all]
    #[arg(long, value_name = "NETWORK", env = "VPCEDNS_CLIENT", value_delimiter = ',')]
    pub(super) client: Vec<String>,
}

fn drill_seconds(text: &str) -> Result<u32, String> {
    let seconds = parse_period(text).filter(|seconds| (1..=MOST_SECONDS).contains(seconds));
    seconds.ok_or_else(|| format!("'{text}' is not a time of 1 second to 24 hours: give one such as 90s or 10m"))
}
