//! Every flag, once: the parser, `--help`, the environment variables and the completions come from here.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::config::{Settings, UpstreamWord, Upstreams, parse_address};
use crate::naming::{DnsName, VpcId};

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
    /// Ask a running server whether it is alive; exit 1 if not
    Health(HealthArgs),
    /// Print shell completions
    #[command(after_help = "Example:\n  vpcedns completions bash > /etc/bash_completion.d/vpcedns")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args, Clone)]
pub(super) struct ZonesArgs {
    /// Directory (or file) with zones: every *.toml and *.json below it; repeatable [default: ./zones]
    #[arg(long, value_name = "DIR", env = "VPCEDNS_ZONES", value_delimiter = ',')]
    pub(super) zones: Vec<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns serve --zones my-zones --listen 127.0.0.1:53\n  \
    vpcedns serve --listen 0.0.0.0:53 --allow 192.0.2.0/24 --forward 10.0.0.2 --forward 10.1.0.2\n  \
    vpcedns serve --forward none --http 127.0.0.1:9153")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    pub(super) zones: ZonesArgs,
    /// Settings file [default: ./vpcedns.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "VPCEDNS_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Address for questions, UDP and TCP; repeatable [default: 127.0.0.1:5300]
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_LISTEN", value_delimiter = ',', value_parser = address)]
    listen: Vec<SocketAddr>,
    /// Resolver for what is not ours: an address, `system` (those of /etc/resolv.conf) or `none`; repeatable [default: system]
    #[arg(long, value_name = "ADDR|system|none", env = "VPCEDNS_FORWARD", value_delimiter = ',')]
    forward: Vec<UpstreamWord>,
    /// Network served although it is in no VPC; repeatable [default: this machine only]
    #[arg(long, value_name = "CIDR", env = "VPCEDNS_ALLOW", value_delimiter = ',')]
    allow: Vec<IpNet>,
    /// Address for /healthz, /readyz, /metrics and /v1/explain [default: off]
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_HTTP")]
    http: Option<SocketAddr>,
    /// Address for the EC2-compatible API, such as 127.0.0.1:4566 [default: off]
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_EC2_API")]
    ec2_api: Option<SocketAddr>,
    /// Directory for the state of the EC2-compatible API [default: ./vpcedns-state]
    #[arg(long, value_name = "DIR", env = "VPCEDNS_EC2_STATE")]
    ec2_state: Option<PathBuf>,
    /// File with the access keys of those who may call that API [default: everybody on this machine]
    #[arg(long, value_name = "FILE", env = "VPCEDNS_EC2_KEYS")]
    ec2_keys: Option<PathBuf>,
    /// Host name by which that API is called, besides addresses and localhost; repeatable
    #[arg(long, value_name = "NAME", env = "VPCEDNS_EC2_HOST", value_delimiter = ',')]
    ec2_host: Vec<String>,
    /// Publish connection notifications to this SNS, such as https://sns.{region}.amazonaws.com, signed with AWS_ACCESS_KEY_ID
    #[arg(long, value_name = "URL", env = "VPCEDNS_SNS_ENDPOINT")]
    sns_endpoint: Option<String>,
    /// Post connection notifications to this URL as JSON
    #[arg(long, value_name = "URL", env = "VPCEDNS_EC2_WEBHOOK")]
    ec2_webhook: Option<String>,
    /// Set the AA flag in answers out of our own data, which the VPC resolver does not
    #[arg(long, env = "VPCEDNS_AA", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    aa: Option<bool>,
    /// What to log: error, warn, info, debug, or a filter such as `vpcedns::reload=debug` [default: info]
    #[arg(long, value_name = "LEVEL", env = "VPCEDNS_LOG")]
    log: Option<String>,
    /// Bound that differs from its default, such as `tcp_idle_ms=30000`; repeatable
    #[arg(long, value_name = "KEY=VALUE", env = "VPCEDNS_LIMIT", value_delimiter = ',', value_parser = limit)]
    limit: Vec<(String, u64)>,
}

impl ServeArgs {
    /// What the flags and the environment say.
    pub(super) fn settings(&self) -> Result<Settings, String> {
        let given = |said: bool| said.then_some(());
        Ok(Settings {
            zones: given(!self.zones.zones.is_empty()).map(|()| self.zones.zones.clone()),
            listen: given(!self.listen.is_empty()).map(|()| self.listen.clone()),
            forward: given(!self.forward.is_empty()).map(|()| Upstreams::from_words(&self.forward)).transpose()?,
            allow: given(!self.allow.is_empty()).map(|()| self.allow.clone()),
            http: self.http,
            ec2_api: self.ec2_api,
            ec2_state: self.ec2_state.clone(),
            ec2_keys: self.ec2_keys.clone(),
            ec2_host: given(!self.ec2_host.is_empty()).map(|()| self.ec2_host.clone()),
            sns_endpoint: self.sns_endpoint.clone(),
            ec2_webhook: self.ec2_webhook.clone(),
            aa: self.aa,
            log: self.log.clone(),
            limits: self.limit.clone(),
        })
    }
}

#[derive(Args)]
#[command(after_help = "Example:\n  vpcedns check --zones my-zones && echo good")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) zones: ZonesArgs,
    /// Print the problems as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns names --vpc vpc-ec43eb89\n  \
    vpcedns names --format json | jq -r '.[].regional'\n  \
    vpcedns names --format hosts --vpc vpc-ec43eb89\n  \
    vpcedns names --format zone --zone us-east-1.vpce.amazonaws.com")]
pub(super) struct NamesArgs {
    #[command(flatten)]
    pub(super) zones: ZonesArgs,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Table, env = "VPCEDNS_FORMAT")]
    pub(super) format: Format,
    /// Endpoints of this VPC only
    #[arg(long, value_name = "ID", env = "VPCEDNS_VPC")]
    pub(super) vpc: Option<VpcId>,
    /// With `--format zone`: this public zone only
    #[arg(long, value_name = "NAME", env = "VPCEDNS_ZONE")]
    pub(super) zone: Option<DnsName>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// Master files (RFC 1035 5) of the public zones
    Zone,
    /// Lines for /etc/hosts, as clients of the VPC see the names
    Hosts,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns explain ec2.us-east-1.amazonaws.com --from 127.0.1.5\n  \
    vpcedns explain ec2.us-east-1.amazonaws.com AAAA --from 127.0.1.5 --json")]
pub(super) struct ExplainArgs {
    /// The name asked for
    pub(super) name: DnsName,
    /// The type asked for
    #[arg(default_value = "A", value_parser = rtype)]
    pub(super) rtype: u16,
    /// The client's address
    #[arg(long, value_name = "IP", default_value = "127.0.0.1", env = "VPCEDNS_FROM")]
    pub(super) from: IpAddr,
    /// The address that the client asks, if it is a VPC's listener
    #[arg(long, value_name = "ADDR", value_parser = address, env = "VPCEDNS_TO")]
    pub(super) to: Option<SocketAddr>,
    #[command(flatten)]
    pub(super) zones: ZonesArgs,
    /// Network served although it is in no VPC; repeatable
    #[arg(long, value_name = "CIDR", env = "VPCEDNS_ALLOW", value_delimiter = ',')]
    pub(super) allow: Vec<IpNet>,
    /// Resolver for what is not ours, `system` or `none`; nobody is asked
    #[arg(long, value_name = "ADDR|system|none", env = "VPCEDNS_FORWARD", value_delimiter = ',')]
    pub(super) forward: Vec<UpstreamWord>,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
#[command(after_help = "Example:\n  vpcedns health --http 127.0.0.1:8053")]
pub(super) struct HealthArgs {
    /// The HTTP address of the server
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_HTTP")]
    pub(super) http: SocketAddr,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    parse_address(text).ok_or_else(|| format!("'{text}' is no address: give one such as 127.0.0.1:5300 or [::1]:5300"))
}

fn rtype(text: &str) -> Result<u16, String> {
    crate::model::parse_rtype(text).ok_or_else(|| format!("'{text}' is no record type: try A, AAAA, HTTPS or TYPE65"))
}

fn limit(text: &str) -> Result<(String, u64), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is no KEY=VALUE"))?;
    let value = value.parse().map_err(|_| format!("'{value}' is no whole number"))?;
    crate::config::Limits::default().set(key, value)?;
    Ok((key.to_owned(), value))
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
