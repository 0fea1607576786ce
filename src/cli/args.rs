//! Every flag, once: the parser, `--help`, the environment variables and the completions come from here.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::config::{Dnssec, HTTPS_PORT, Settings, SpecialName, TLS_PORT, UpstreamWord, Upstreams, parse_address_or};
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
    /// Have a running server ask its upstreams again for what it has cached
    Flush(FlushArgs),
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

// groups of flags in the help of `serve`
const ASKED: &str = "Resolvers to ask for what is not ours";
const OTHERS: &str = "Names that are treated in a way of their own";
const ENCRYPTED: &str = "Encrypted DNS";
const EC2: &str = "EC2-compatible API";

/// Names that are answered in a way of their own.
#[derive(Args)]
pub(super) struct NamesOfPolicy {
    /// Special name (localhost, test, 10.in-addr.arpa, or `.` for all) that is asked upstream after all, with what is
    /// below it; repeatable
    #[arg(long, value_name = "NAME", env = "VPCEDNS_FORWARD_SPECIAL", value_delimiter = ',')]
    forward_special: Vec<SpecialName>,
    /// Name at and below which SERVFAIL is answered where there is no private answer (`*.NAME`: only below); repeatable
    #[arg(long, value_name = "NAME", env = "VPCEDNS_PRIVATE_ONLY", value_delimiter = ',')]
    pub(super) private_only: Vec<DnsName>,
}

impl NamesOfPolicy {
    pub(super) fn forward_special(&self) -> Vec<DnsName> {
        self.forward_special.iter().map(|name| name.0.clone()).collect()
    }
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    vpcedns serve --zones my-zones --listen 127.0.0.1:53\n  \
    vpcedns serve --listen 0.0.0.0:53 --allow 192.0.2.0/24 --forward 10.0.0.2 --forward 10.1.0.2\n  \
    vpcedns serve --forward none --http 127.0.0.1:9153\n  \
    vpcedns serve --tls 127.0.0.1:8853 --https 127.0.0.1:8443 --tls-cert fullchain.pem --tls-key privkey.pem")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    pub(super) zones: ZonesArgs,
    /// Settings file [default: ./vpcedns.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "VPCEDNS_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Address for questions, UDP and TCP; repeatable [default: 127.0.0.1:5300]
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_LISTEN", value_delimiter = ',', value_parser = address)]
    listen: Vec<SocketAddr>,
    /// Resolver for what is not ours: an address, tls://ADDR#NAME, https://NAME/PATH#ADDR, quic://ADDR#NAME, `system` (those of /etc/resolv.conf) or `none`; repeatable [default: system]
    #[arg(long, value_name = "ADDR|system|none", env = "VPCEDNS_FORWARD", value_delimiter = ',', help_heading = ASKED)]
    forward: Vec<UpstreamWord>,
    /// Certificate authorities (PEM) that encrypted resolvers may have their certificates from, besides the system's
    #[arg(long, value_name = "FILE", env = "VPCEDNS_FORWARD_CA", help_heading = ASKED)]
    forward_ca: Option<PathBuf>,
    /// Ask resolvers in letters of random case, which is harder to forge; off by itself for those that change the case
    #[arg(long = "forward-0x20", env = "VPCEDNS_FORWARD_0X20", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", help_heading = ASKED)]
    forward_0x20: Option<bool>,
    /// Validate the signatures of what resolvers say (`validate`), or only pass them on (`off`) [default: off]
    #[arg(long, value_name = "off|validate", env = "VPCEDNS_DNSSEC", help_heading = ASKED)]
    dnssec: Option<Dnssec>,
    /// File of DNSKEY records to trust in place of the root's built-in keys
    #[arg(long, value_name = "FILE", env = "VPCEDNS_DNSSEC_ANCHORS", help_heading = ASKED)]
    dnssec_anchors: Option<PathBuf>,
    /// Name at and below which nothing is validated; repeatable
    #[arg(long, value_name = "NAME", env = "VPCEDNS_DNSSEC_INSECURE", value_delimiter = ',', help_heading = ASKED)]
    dnssec_insecure: Vec<DnsName>,
    /// Network served although it is in no VPC; repeatable [default: this machine only]
    #[arg(long, value_name = "CIDR", env = "VPCEDNS_ALLOW", value_delimiter = ',')]
    allow: Vec<IpNet>,
    /// Address for /healthz, /readyz, /metrics, /v1/explain and /v1/flush [default: off]
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_HTTP")]
    http: Option<SocketAddr>,
    /// Set the AA flag in answers out of our own data, which the VPC resolver does not
    #[arg(long, env = "VPCEDNS_AA", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    aa: Option<bool>,
    /// Address for DNS over TLS, port 853 if it says none; wants a certificate; repeatable [default: off]
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_TLS", value_delimiter = ',', value_parser = address_853, help_heading = ENCRYPTED)]
    tls: Vec<SocketAddr>,
    /// Address for DNS over HTTPS at /dns-query, port 443 if it says none; wants a certificate; repeatable [default: off]
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_HTTPS", value_delimiter = ',', value_parser = address_443, help_heading = ENCRYPTED)]
    https: Vec<SocketAddr>,
    /// Address for DNS over QUIC, port 853 if it says none; wants a certificate; repeatable [default: off]
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_QUIC", value_delimiter = ',', value_parser = address_853, help_heading = ENCRYPTED)]
    quic: Vec<SocketAddr>,
    /// Certificate of --tls, --https and --quic with its chain, in PEM; read again when it changes
    #[arg(long, value_name = "FILE", env = "VPCEDNS_TLS_CERT", help_heading = ENCRYPTED)]
    tls_cert: Option<PathBuf>,
    /// Key of the certificate, in PEM
    #[arg(long, value_name = "FILE", env = "VPCEDNS_TLS_KEY", help_heading = ENCRYPTED)]
    tls_key: Option<PathBuf>,
    /// Address for the EC2-compatible API, such as 127.0.0.1:4566 [default: off]
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_EC2_API", help_heading = EC2)]
    ec2_api: Option<SocketAddr>,
    /// Directory for the state of the EC2-compatible API [default: ./vpcedns-state]
    #[arg(long, value_name = "DIR", env = "VPCEDNS_EC2_STATE", help_heading = EC2)]
    ec2_state: Option<PathBuf>,
    /// File with the access keys of those who may call that API [default: everybody on this machine]
    #[arg(long, value_name = "FILE", env = "VPCEDNS_EC2_KEYS", help_heading = EC2)]
    ec2_keys: Option<PathBuf>,
    /// Host name by which that API is called, besides addresses and localhost; repeatable
    #[arg(long, value_name = "NAME", env = "VPCEDNS_EC2_HOST", value_delimiter = ',', help_heading = EC2)]
    ec2_host: Vec<String>,
    /// Publish connection notifications to this SNS, such as https://sns.{region}.amazonaws.com, signed with AWS_ACCESS_KEY_ID
    #[arg(long, value_name = "URL", env = "VPCEDNS_SNS_ENDPOINT", help_heading = EC2)]
    sns_endpoint: Option<String>,
    /// Post connection notifications to this URL as JSON
    #[arg(long, value_name = "URL", env = "VPCEDNS_EC2_WEBHOOK", help_heading = EC2)]
    ec2_webhook: Option<String>,
    #[command(flatten, next_help_heading = OTHERS)]
    names: NamesOfPolicy,
    /// Answer without the records where an upstream gives a public name a private address, as dnsmasq's
    /// --stop-dns-rebind does
    #[arg(long, env = "VPCEDNS_REBIND_PROTECTION", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", help_heading = OTHERS)]
    rebind_protection: Option<bool>,
    /// Public name at and below which private addresses are allowed nevertheless; repeatable
    #[arg(long, value_name = "NAME", env = "VPCEDNS_REBIND_ALLOW", value_delimiter = ',', help_heading = OTHERS)]
    rebind_allow: Vec<DnsName>,
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
            forward_ca: self.forward_ca.clone(),
            forward_0x20: self.forward_0x20,
            dnssec: self.dnssec,
            dnssec_anchors: self.dnssec_anchors.clone(),
            dnssec_insecure: given(!self.dnssec_insecure.is_empty()).map(|()| self.dnssec_insecure.clone()),
            allow: given(!self.allow.is_empty()).map(|()| self.allow.clone()),
            http: self.http,
            tls: given(!self.tls.is_empty()).map(|()| self.tls.clone()),
            https: given(!self.https.is_empty()).map(|()| self.https.clone()),
            quic: given(!self.quic.is_empty()).map(|()| self.quic.clone()),
            tls_cert: self.tls_cert.clone(),
            tls_key: self.tls_key.clone(),
            ec2_api: self.ec2_api,
            ec2_state: self.ec2_state.clone(),
            ec2_keys: self.ec2_keys.clone(),
            ec2_host: given(!self.ec2_host.is_empty()).map(|()| self.ec2_host.clone()),
            sns_endpoint: self.sns_endpoint.clone(),
            ec2_webhook: self.ec2_webhook.clone(),
            aa: self.aa,
            forward_special: given(!self.names.forward_special.is_empty()).map(|()| self.names.forward_special()),
            private_only: given(!self.names.private_only.is_empty()).map(|()| self.names.private_only.clone()),
            rebind_protection: self.rebind_protection,
            rebind_allow: given(!self.rebind_allow.is_empty()).map(|()| self.rebind_allow.clone()),
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
    #[command(flatten)]
    pub(super) names: NamesOfPolicy,
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

#[derive(Args)]
#[command(
    group(clap::ArgGroup::new("what").required(true).args(["name", "zone", "all"])),
    after_help = "Examples:\n  \
        vpcedns flush www.example.com --http 127.0.0.1:8053\n  \
        vpcedns flush --zone example.com --http 127.0.0.1:8053\n  \
        vpcedns flush --all --http 127.0.0.1:8053"
)]
pub(super) struct FlushArgs {
    /// A name: its replies go, and those whose aliases lead to it
    pub(super) name: Option<DnsName>,
    /// A name and all below it
    #[arg(long, value_name = "NAME", env = "VPCEDNS_ZONE")]
    pub(super) zone: Option<DnsName>,
    /// Everything
    #[arg(long, env = "VPCEDNS_ALL")]
    pub(super) all: bool,
    /// The HTTP address of the server
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_HTTP")]
    pub(super) http: SocketAddr,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    address_or(text, 53)
}

fn address_853(text: &str) -> Result<SocketAddr, String> {
    address_or(text, TLS_PORT)
}

fn address_443(text: &str) -> Result<SocketAddr, String> {
    address_or(text, HTTPS_PORT)
}

fn address_or(text: &str, port: u16) -> Result<SocketAddr, String> {
    let address = parse_address_or(text, port);
    address.ok_or_else(|| format!("'{text}' is no address: give one such as 127.0.0.1:5300 or [::1]:5300"))
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
