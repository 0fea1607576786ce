//! Commands and their flags, once: parser, `--help`, environment variables and completions come from here.
//!
//! Flags of settings come from the table in `config`: see `flags.rs`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::client::ServerArgs;
use super::diff_args::DiffArgs;
use super::drill_args::DrillArgs;
use super::flags::{All, Answers, AnswersElsewhere, Flags, ZonesSubset};
use super::looked_at::{PathArg, ServedArgs, StateFile};
use super::store_args::{PushArgs, StoreArgs};
use crate::address::{DNS_PORT, parse_address};
use crate::config::{EndpointAddress, SyncNames};
use crate::dns::{DnsName, Rtype};
use crate::expect::{Identity, ServerAddress};
use crate::explain::Asker;
use crate::naming::{Region, VpcId, parse_region};
use crate::problem::Fault;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold());

/// The private-DNS resolver for VPC interface endpoints (AWS PrivateLink).
#[derive(Parser)]
#[command(
    version,
    styles = STYLES,
    after_help = "Examples:\n  \
        vpcedns serve                                        answer on 127.0.0.1:5300 from ./zones\n  \
        vpcedns check                                        say what is wrong with ./zones\n  \
        vpcedns names                                        list every name there is\n  \
        vpcedns explain ec2.us-east-1.amazonaws.com --from 127.0.1.5"
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Answer DNS questions, and follow every change of the files
    Serve(Box<ServeArgs>),
    /// Say what is wrong with the files; exit 1 if they would not load
    Check(CheckArgs),
    /// List the names of every endpoint
    Names(NamesArgs),
    /// Say what a client would be answered, and why
    Explain(ExplainArgs),
    /// Ask a running server what a client would, and say what happens to the question on its way out
    Trace(TraceArgs),
    /// Check what clients are told against a file of assertions; exit 1 if one does not hold
    Expect(ExpectArgs),
    /// Say which answers two directories of zones, or a server's last change, change; exit 0 if none, 1 if some, 2 for trouble
    Diff(DiffArgs),
    /// Say for each VPC and service whether it is private, and what to do where it is not
    Report(ReportArgs),
    /// Say what on this host keeps the server, or its clients, from working, and what to do; exit 1 if anything does
    Doctor(Box<DoctorArgs>),
    /// Ask a running server whether it is alive, or serves; exit 1 if not
    Health(HealthArgs),
    /// Show one screen about a running server: sources, problems, upstreams, rates, what to do
    Status(StatusArgs),
    /// Have a running server load its sources now; exit 1 if the load has errors
    Reload(ReloadArgs),
    /// Drop cached replies of a running server
    Flush(FlushArgs),
    /// Put a zone or a name of a running server at fault for a time, to see what clients make of it
    Drill(DrillArgs),
    /// List the AWS services that are known, with their private names and how they are known; or compare with an output
    Catalogue(CatalogueArgs),
    /// Say whether the state of the EC2 API and its copies are sound, or print what they hold
    State(StateArgs),
    /// Move objects of files into the state of the EC2 API, from where it may change them; no answer changes
    Import(super::import_args::ImportArgs),
    /// Look at the store that several servers share, take it out, put it in, accept what is there
    Store(Box<StoreArgs>),
    /// Put the files of a directory into the store that several servers share: all of them serve these
    Push(Box<PushArgs>),
    /// Read an AWS account, or an emulator, and write what the AWS CLI would print
    Sync(Box<SyncArgs>),
    /// Change what a running server logs
    Log(LogArgs),
    /// Print a commented vpcedns.toml with every default, or check one
    Config(ConfigArgs),
    /// Print shell completions
    #[command(after_help = "Example:\n  vpcedns completions bash > /etc/bash_completion.d/vpcedns")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns serve --zones my-zones --listen 127.0.0.1:53\n  \
    vpcedns serve --listen 0.0.0.0:53 --allow 192.0.2.0/24 --forward 10.0.0.2 --forward 10.1.0.2\n  \
    vpcedns serve --forward none --http 127.0.0.1:9153\n  \
    vpcedns serve --listen 127.0.0.1:0 --ready-json         for a test: the port is in what it prints\n  \
    vpcedns serve --tls 127.0.0.1:8853 --https 127.0.0.1:8443 --tls-cert fullchain.pem --tls-key privkey.pem")]
pub(super) struct ServeArgs {
    /// Settings file [default: ./vpcedns.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "VPCEDNS_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Print the ready line as JSON, with the addresses that listeners on port 0 got
    #[arg(long, env = "VPCEDNS_READY_JSON")]
    pub(super) ready_json: bool,
    #[command(flatten)]
    pub(super) flags: Flags<All>,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns check --zones my-zones && echo good\n  \
    vpcedns check --config /etc/vpcedns/vpcedns.toml\n  \
    vpcedns check --socket /run/vpcedns/control.sock         what a running server found when it loaded last")]
pub(super) struct CheckArgs {
    /// Settings file that is checked, too, and says where the zones are
    #[arg(long, value_name = "FILE", env = "VPCEDNS_CONFIG")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) zones: Flags<ZonesSubset>,
    #[command(flatten)]
    pub(super) served: ServedArgs,
    /// Print the problems as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns names --vpc vpc-ec43eb89\n  \
    vpcedns names --format json | jq -r '.endpoints[].regional'\n  \
    vpcedns names --format hosts --vpc vpc-ec43eb89\n  \
    vpcedns names --format zone --zone us-east-1.vpce.amazonaws.com\n  \
    vpcedns names --socket ./vpcedns.sock                    what a running server serves")]
pub(super) struct NamesArgs {
    #[command(flatten)]
    pub(super) zones: Flags<ZonesSubset>,
    #[command(flatten)]
    pub(super) served: ServedArgs,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Table, env = "VPCEDNS_FORMAT")]
    pub(super) format: Format,
    /// Endpoints of this VPC only, and hosted zones that it sees
    #[arg(long, value_name = "ID", env = "VPCEDNS_VPC")]
    pub(super) vpc: Option<VpcId>,
    /// With `--format zone`: the zone of this name only
    #[arg(long, value_name = "NAME", env = "VPCEDNS_ZONE")]
    pub(super) zone: Option<DnsName>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// Master files (RFC 1035 5) of the public zones, and of hosted zones
    Zone,
    /// Lines for /etc/hosts, as clients of the VPC see the names
    Hosts,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns catalogue list --region us-east-1\n  \
    vpcedns catalogue list ecr.dkr\n  \
    aws ec2 describe-vpc-endpoint-services > services.json && vpcedns catalogue diff services.json")]
pub(super) struct CatalogueArgs {
    #[command(subcommand)]
    pub(super) what: CatalogueCommand,
}

#[derive(Subcommand)]
pub(super) enum CatalogueCommand {
    /// Print services, the ends of their endpoints' names, and their private names with the evidence for each
    List {
        /// Services whose names contain this only
        word: Option<String>,
        /// The region whose services are printed
        #[arg(long, value_name = "REGION", default_value = "us-east-1", env = "VPCEDNS_REGION")]
        region: Region,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what an output of `aws ec2 describe-vpc-endpoint-services` says otherwise; exit 1 if there is anything
    Diff {
        /// The output, as JSON
        file: PathBuf,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
}

/// A client's question.
#[derive(Args)]
pub(super) struct AskedArgs {
    /// The name asked for
    pub(super) name: DnsName,
    /// The type asked for
    #[arg(default_value = "A", value_parser = rtype)]
    pub(super) rtype: Rtype,
    /// The client: its address, its network as EDNS Client Subnet says it, or the id of its VPC
    #[arg(long, value_name = "IP|NETWORK|VPC", default_value = "127.0.0.1", env = "VPCEDNS_FROM")]
    pub(super) from: Asker,
    /// The address that the client asks, if it is a VPC's listener
    #[arg(long, value_name = "ADDR", value_parser = address, env = "VPCEDNS_TO")]
    pub(super) to: Option<SocketAddr>,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns explain ec2.us-east-1.amazonaws.com --from 127.0.1.5\n  \
    vpcedns explain ec2.us-east-1.amazonaws.com AAAA --from 127.0.1.5 --json\n  \
    vpcedns explain ec2.us-east-1.amazonaws.com --from 127.0.1.5 --socket ./vpcedns.sock")]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    pub(super) asked: AskedArgs,
    #[command(flatten)]
    pub(super) flags: Flags<Answers>,
    #[command(flatten)]
    pub(super) served: ServedArgs,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns trace www.example.com --from 10.0.1.5\n  \
    vpcedns trace www.example.com AAAA --from vpc-ec43eb89 --socket /run/vpcedns/control.sock\n  \
    vpcedns trace www.example.com --http 127.0.0.1:9153 --http-token token.txt --json\n\n\
    The question is asked: it fills the cache, as a client's does. It is counted with no client and not logged.")]
pub(super) struct TraceArgs {
    #[command(flatten)]
    pub(super) asked: AskedArgs,
    /// Ask as a client that wants signatures (DO)
    #[arg(long, env = "VPCEDNS_DNSSEC_OK")]
    pub(super) dnssec_ok: bool,
    /// Ask as a client that validates by itself (CD)
    #[arg(long, env = "VPCEDNS_CHECKING_DISABLED")]
    pub(super) checking_disabled: bool,
    #[command(flatten)]
    pub(super) server: ServerArgs,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
#[command(after_help = "A line of FILE: from CLIENT NAME [TYPE] EXPECTED\n  \
    from 10.0.1.5      ec2.us-east-1.amazonaws.com A = 10.0.1.18 10.0.1.82\n  \
    from vpc-ec43eb89  *.dkr.ecr.us-east-1.amazonaws.com private\n  \
    from 192.168.0.9   ec2.us-east-1.amazonaws.com public\n  \
    from every vpc     sts.eu-west-1.amazonaws.com AAAA nodata\n\n\
    Examples:\n  \
    vpcedns expect --write expect.txt                        begin with what is\n  \
    vpcedns expect expect.txt --format junit > report.xml    for CI\n  \
    vpcedns expect expect.txt --server 127.0.0.1:5300        ask a server")]
pub(super) struct ExpectArgs {
    /// Files of assertions
    pub(super) files: Vec<PathBuf>,
    /// Make the file from what the zones say, or print it where no file is named
    #[arg(long, env = "VPCEDNS_WRITE")]
    pub(super) write: bool,
    /// Ask this server in place of the zones: an address, udp://, tcp://, tls://, https:// or quic://
    #[arg(long, value_name = "SERVER", env = "VPCEDNS_SERVER")]
    pub(super) server: Option<ServerAddress>,
    /// How that server is told who asks
    #[arg(long, value_enum, default_value_t = Identity::Source, env = "VPCEDNS_VIA")]
    pub(super) via: Identity,
    /// PEM file of authorities that the server's certificate may come from, besides the system's
    #[arg(long, value_name = "FILE", env = "VPCEDNS_CA")]
    pub(super) ca: Option<PathBuf>,
    /// Fail where a line cannot be tried
    #[arg(long, env = "VPCEDNS_STRICT")]
    pub(super) strict: bool,
    /// How to print the outcome
    #[arg(long, value_enum, default_value_t = ExpectFormat::Text, env = "VPCEDNS_FORMAT")]
    pub(super) format: ExpectFormat,
    #[command(flatten)]
    pub(super) state: PathArg<StateFile>,
    #[command(flatten)]
    pub(super) flags: Flags<Answers>,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns report --vpc vpc-ec43eb89\n  \
    vpcedns report ecr --status off\n  \
    vpcedns report --json | jq -r '.rows[] | select(.status == \"OFF\") | .service_name'")]
pub(super) struct ReportArgs {
    /// Services whose names contain this only
    pub(super) word: Option<String>,
    /// This VPC only
    #[arg(long, value_name = "ID", env = "VPCEDNS_VPC")]
    pub(super) vpc: Option<VpcId>,
    /// What has this status only
    #[arg(long, value_enum, env = "VPCEDNS_STATUS")]
    pub(super) status: Option<StatusFilter>,
    /// Print as JSON, with every name
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) state: PathArg<StateFile>,
    #[command(flatten)]
    pub(super) flags: Flags<Answers>,
}

/// Which lines `report` prints.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum StatusFilter {
    /// What clients get private addresses for
    Private,
    /// What is public by choice
    Public,
    /// What is not private, and could be
    Off,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns doctor                                          this host as the server's, with ./vpcedns.toml\n  \
    vpcedns doctor --config /etc/vpcedns/vpcedns.toml --listen 10.0.0.2:53\n  \
    vpcedns doctor --server 10.0.0.2                        this host, container or pod as a client of that server\n  \
    vpcedns doctor --server 10.0.0.2 --name ec2.us-east-1.amazonaws.com --json\n\n\
    The flags are those of serve: give the same ones. Ports are opened for a moment; nothing is changed.")]
pub(super) struct DoctorArgs {
    /// Settings file [default: ./vpcedns.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "VPCEDNS_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Look at this host as a client of this server: an address, tls://, https:// or quic://
    #[arg(long, value_name = "SERVER", env = "VPCEDNS_SERVER")]
    pub(super) server: Option<ServerAddress>,
    /// A name with a private answer, by which resolvers that lead to the server are known [default: one of the zones]
    #[arg(long, value_name = "NAME", env = "VPCEDNS_NAME")]
    pub(super) name: Option<DnsName>,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) flags: Flags<All>,
}

/// How `expect` prints its outcome.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ExpectFormat {
    /// Failures for people, and counts
    Text,
    /// Test Anything Protocol
    Tap,
    /// JUnit XML
    Junit,
    /// Counts and outcomes
    Json,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  vpcedns health --http 127.0.0.1:8053\n  vpcedns health --serving --http 127.0.0.1:8053"
)]
pub(super) struct HealthArgs {
    /// The HTTP address of the server
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_HTTP")]
    pub(super) http: SocketAddr,
    /// Ask whether it serves: all sources were read once, and it has not been told to stop. Errors since then do not count,
    /// as the last good state is served
    #[arg(long, env = "VPCEDNS_SERVING")]
    pub(super) serving: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns status\n  \
    vpcedns status --socket /run/vpcedns/control.sock --json")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) server: ServerArgs,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
#[command(after_help = "Example:\n  vpcedns reload")]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns log debug\n  \
    vpcedns log info,vpcedns::forward=debug")]
pub(super) struct LogArgs {
    /// error, warn, info, debug, trace, or a filter such as `vpcedns::reload=debug`
    pub(super) level: String,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Args)]
#[command(
    group(clap::ArgGroup::new("what").required(true).args(["name", "zone", "all"])),
    after_help = "Examples:\n  \
        vpcedns flush www.example.com\n  \
        vpcedns flush --zone example.com\n  \
        vpcedns flush --all --socket /run/vpcedns/control.sock"
)]
pub(super) struct FlushArgs {
    /// A name: its replies go, and those whose aliases lead to it
    pub(super) name: Option<DnsName>,
    /// A name and all below it
    #[arg(long, value_name = "NAME", env = "VPCEDNS_ZONE")]
    pub(super) zone: Option<DnsName>,
    /// All cached replies
    #[arg(long, env = "VPCEDNS_ALL")]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns state verify\n  \
    vpcedns state export > objects.jsonl\n  \
    vpcedns state export vpcedns-state/ec2.redb.copy1 | head\n\n\
    The server is stopped first. It keeps the last 3 states that it found at a start, as ec2.redb.copy1 (the newest) to\n\
    copy3, and goes back to one by: cp DIR/ec2.redb.copy1 DIR/ec2.redb")]
pub(super) struct StateArgs {
    /// What to do
    #[arg(value_enum)]
    pub(super) what: StateAction,
    /// A state file, such as a copy [default: ec2.redb in the state directory; verify: the copies too]
    pub(super) file: Option<PathBuf>,
    /// Directory for the state of the EC2-compatible API
    #[arg(long, value_name = "DIR", env = "VPCEDNS_EC2_STATE", default_value = "./vpcedns-state")]
    pub(super) ec2_state: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum StateAction {
    /// Say what is sound, with counts; exit 1 if the state is not
    Verify,
    /// Print every object as a line of JSON; exit 1 if the state is not sound
    Export,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns config > vpcedns.toml\n  \
    vpcedns config --check vpcedns.toml")]
pub(super) struct ConfigArgs {
    /// Say what is wrong with this settings file; exit 1 if `serve` would not start with it
    #[arg(long, value_name = "FILE", env = "VPCEDNS_CHECK")]
    pub(super) check: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SyncAction {
    /// Read its accounts now, as POST /v1/sync does
    Now,
    /// Read them, and take over what is found even where more than half of a kind has gone
    Accept,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns sync --to account --region eu-west-1 && vpcedns serve --zones account\n  \
    vpcedns sync --to account --region eu-west-1 --region us-east-1 --profile network --dry-run\n  \
    vpcedns sync --to account --region us-east-1 --endpoint http://127.0.0.1:4566\n  \
    vpcedns sync --to account --region us-east-1 --role arn:aws:iam::111122223333:role/network-reader\n  \
    vpcedns sync --print-policy > policy.json\n  \
    vpcedns sync accept\n\n\
    Credentials are found as by the AWS CLI. Regions are written below DIR, a file each, and only when all of\n\
    them have been read to the last page. Exit 0 if they are written, or as they were; 1 if not; with --dry-run as diff.")]
pub(super) struct SyncArgs {
    /// Tell a server that follows accounts, in place of reading one here
    #[arg(value_enum)]
    pub(super) action: Option<SyncAction>,
    /// Directory that the outputs are written to, as <account>-<region>/ec2.json
    #[arg(long, value_name = "DIR", env = "VPCEDNS_TO")]
    pub(super) to: Option<PathBuf>,
    /// A region [default: AWS_REGION, or the profile's]; repeatable
    #[arg(long, value_name = "REGION", env = "VPCEDNS_REGION", value_delimiter = ',', value_parser = region)]
    pub(super) region: Vec<Region>,
    /// This VPC only; repeatable
    #[arg(long, value_name = "ID", env = "VPCEDNS_VPC", value_delimiter = ',')]
    pub(super) vpc: Vec<VpcId>,
    /// Profile of ~/.aws/config and ~/.aws/credentials [default: as the AWS CLI finds credentials]
    #[arg(long, value_name = "NAME", env = "VPCEDNS_PROFILE")]
    pub(super) profile: Option<String>,
    /// Role that is assumed, such as that of another account; repeatable: each is read
    #[arg(long, value_name = "ARN", env = "VPCEDNS_ROLE", value_delimiter = ',')]
    pub(super) role: Vec<String>,
    /// With `--role`: what its trust policy asks for
    #[arg(long, value_name = "ID", env = "VPCEDNS_EXTERNAL_ID", requires = "role")]
    pub(super) external_id: Option<String>,
    /// URL of an emulator, or of a VPC endpoint, in place of AWS's [default: AWS_ENDPOINT_URL_EC2, AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL", env = "VPCEDNS_ENDPOINT")]
    pub(super) endpoint: Option<String>,
    /// Address for endpoints without interfaces, as emulators have them: the emulator's own, or SUBNET=ADDR; all=ADDR for
    /// all endpoints; repeatable
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_ENDPOINT_ADDRESS", value_delimiter = ',', value_parser = words::<EndpointAddress>)]
    pub(super) endpoint_address: Vec<EndpointAddress>,
    /// Names of endpoints: as they are read (given), by ids and services (derive), or as they are read where they are names
    /// as AWS gives them (automatic)
    #[arg(long, value_name = "HOW", env = "VPCEDNS_SYNC_NAMES", default_value = "automatic", value_parser = words::<SyncNames>)]
    pub(super) sync_names: SyncNames,
    /// Calls of one action a second, after the first 50
    #[arg(long, value_name = "N", env = "VPCEDNS_RATE", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) rate: u16,
    /// Write even where more than half of a kind has gone
    #[arg(long, env = "VPCEDNS_ACCEPT")]
    pub(super) accept: bool,
    /// Write nothing, and say which answers would differ, as `diff` does
    #[arg(long, env = "VPCEDNS_DRY_RUN")]
    pub(super) dry_run: bool,
    /// With `--dry-run`: print as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Print the IAM policy that reading needs, and do nothing else
    #[arg(long, env = "VPCEDNS_PRINT_POLICY")]
    pub(super) print_policy: bool,
    #[command(flatten)]
    pub(super) answers: Flags<AnswersElsewhere>,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let address = parse_address(text, DNS_PORT);
    address.ok_or_else(|| format!("'{text}' is not a valid address: give one such as 127.0.0.1:5300 or [::1]:5300"))
}

fn region(text: &str) -> Result<Region, String> {
    parse_region(text).map_err(|fault| fault.to_string())
}

/// What is said in words of ours.
fn words<T: FromStr<Err = Fault>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|fault: Fault| fault.to_string())
}

fn rtype(text: &str) -> Result<Rtype, String> {
    text.parse().map_err(|_| format!("'{text}' is not a record type: try A, AAAA, HTTPS or TYPE65"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    /// DESIGN: every flag has an environment variable, but for those that only choose how to print.
    #[test]
    fn every_flag_has_an_environment_variable() {
        for command in Cli::command().get_subcommands() {
            for arg in command
                .get_arguments()
                .filter(|arg| arg.get_long().is_some_and(|long| long != "json" && long != "help"))
            {
                let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned());
                let expected =
                    format!("VPCEDNS_{}", arg.get_long().unwrap_or_default().to_uppercase().replace('-', "_"));
                assert_eq!(variable, Some(expected), "{}", command.get_name());
            }
        }
    }
}
