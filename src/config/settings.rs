//! The declarations of all settings. One entry here makes flag, environment variable, key, help, template and reference.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::naming::CatalogueNames;

use super::parse::{
    address, catalogue, count, dns_address, https_address, name, network, octets, one_of, path, seconds, special_name,
    switch, tls_address, word,
};
use super::setting::{Formed, Group, OfTexts, SettingInfo, settings};
use super::store_address::{StoreAddress, store_address};
use super::sync_target::{SyncTarget, sync_target};
use super::upstreams::{Dnssec, Upstreams, dnssec, upstream};
use crate::dns::DnsName;

/// One setting: all that is known of it.
pub type Setting = SettingInfo<Settings>;

settings! {
    General:
    /// Directory or file with zones: every `*.toml` and `*.json` below it
    zones: Vec<PathBuf> = path, "DIR", default ["./zones"], example "/etc/vpcedns/zones";
    /// Address for DNS over UDP and TCP, port 53 if it names none
    listen: Vec<SocketAddr> = dns_address, "ADDR", default ["127.0.0.1:5300"], example "10.0.0.2:53";
    /// Network whose clients are served although it is in no VPC
    allow: Vec<IpNet> = network, "CIDR", default [] or "this machine only", example "192.0.2.0/24";
    /// Address for the web page, /healthz, /readyz, /metrics and /v1/...; one that other machines reach requires a token
    http: Option<SocketAddr> = address, "ADDR", default [] or "off", example "127.0.0.1:9153";
    /// Host name of --http, besides addresses and localhost
    http_host: Vec<String> = word, "NAME", default [] or "none", example "dns.corp.example";
    /// File with the token that changes over --http require, in the header `Authorization: Bearer TOKEN`
    http_token: Option<PathBuf> = path, "FILE", default [] or "changes by the control socket only", example "/etc/vpcedns/token";
    /// Control socket, for `vpcedns status`, `reload`, `flush` and `log`
    socket: PathBuf = path, "PATH", default ["./vpcedns.sock"], example "/run/vpcedns/control.sock";
    /// Take the sockets over from the server that answers on the control socket, which then ends: a restart without a
    /// lost question. Without such a server, start as ever
    take_over: bool = switch, "BOOL", default ["false"], example "true";
    /// User to become before anything is opened: a name, UID or UID:GID; only the right to open ports below 1024 stays
    user: Option<String> = word, "USER", default [] or "the user who starts it", example "vpcedns";
    /// Set the AA flag in answers from local data, which the VPC resolver does not
    aa: bool = switch, "BOOL", default ["false"], example "true";
    /// What to log: error, warn, info, debug, trace, or a filter such as `vpcedns::reload=debug`
    log: String = word, "LEVEL", default ["info"], example "debug";
    /// Memory for replies of upstreams, cached and on their way to clients, in octets or as 64K, 64M, 2G
    memory: Option<u64> = octets, "OCTETS", default [] or "a quarter of what the control group or the machine has", example "256M";

    Sync:
    /// Account that is followed: a region, or words such as `region=eu-west-1 profile=prod role=ARN external_id=ID endpoint=URL
    /// endpoint_address=ADDR names=derive vpc=ID`; in the file a table `[[sync]]`. Alone, the flag means the region and the credentials of the environment
    sync: Vec<SyncTarget> = sync_target, "REGION|WORDS", default [] or "none", example "region=eu-west-1 profile=prod";
    /// Directory in which what accounts said is kept, as outputs of the AWS CLI
    sync_dir: PathBuf = path, "DIR", default ["./vpcedns-sync"], example "/var/lib/vpcedns/sync";
    /// Seconds between two looks at an account
    sync_every: u32 = seconds, "SECONDS", default ["30"], example "300";

    Clients:
    /// Network of proxies: what comes from there begins with a PROXY header (version 2), which says whom it is from; over
    /// UDP, TCP, TLS and HTTPS
    proxy_protocol_from: Vec<IpNet> = network, "CIDR", default [] or "none", example "10.0.0.9/32";
    /// Network of forwarders that are believed when they say in EDNS Client Subnet whom they ask for
    ecs_from: Vec<IpNet> = network, "CIDR", default [] or "none", example "10.0.0.9/32";
    /// File of lines `VPC TOKEN`: who asks at /dns-query/TOKEN is a client of that VPC
    doh_tokens: Option<PathBuf> = path, "FILE", default [] or "none", example "/etc/vpcedns/doh-tokens";
    /// Replies over UDP to one client (an IPv4 address or an IPv6 /64) a second; beyond, it needs a cookie or TCP
    rate_limit: Option<u32> = count, "N", default [] or "no limit", example "1000";

    Forwarding:
    /// Resolver for all other names: an address, tls://ADDR#NAME, https://NAME/PATH#ADDR, quic://ADDR#NAME, `system`
    /// (those of /etc/resolv.conf) or `none`
    forward: Upstreams = upstream, "ADDR|system|none", default ["system"], example "10.0.0.2";
    /// Certificate authorities (PEM) trusted for encrypted upstream resolvers, besides the system's
    forward_ca: Option<PathBuf> = path, "FILE", default [] or "the system's only", example "/etc/vpcedns/ca.pem";
    /// Send queries in letters of random case, which are harder to forge; upstreams that change the case are excepted
    forward_0x20: bool = switch, "BOOL", default ["false"], example "true";
    /// Validate the signatures of upstream replies (`validate`), or only pass them on (`off`)
    dnssec: Dnssec = dnssec, "off|validate", default ["off"], example "validate";
    /// File of DNSKEY records to trust in place of the root's built-in keys
    dnssec_anchors: Option<PathBuf> = path, "FILE", default [] or "the root's keys", example "/usr/share/dns/root.key";
    /// Name at and below which nothing is validated
    dnssec_insecure: Vec<DnsName> = name, "NAME", default [] or "none", example "corp.example";

    Encrypted:
    /// Address for DNS over TLS, port 853 if it names none; requires a certificate
    tls: Vec<SocketAddr> = tls_address, "ADDR", default [] or "off", example "10.0.0.2:853";
    /// Address for DNS over HTTPS at /dns-query, port 443 if it names none; requires a certificate
    https: Vec<SocketAddr> = https_address, "ADDR", default [] or "off", example "10.0.0.2:443";
    /// Address for DNS over QUIC, port 853 if it names none; requires a certificate
    quic: Vec<SocketAddr> = tls_address, "ADDR", default [] or "off", example "10.0.0.2:853";
    /// Certificate of --tls, --https and --quic with its chain, in PEM; read again when it changes
    tls_cert: Option<PathBuf> = path, "FILE", default [] or "none", example "/etc/vpcedns/fullchain.pem";
    /// Key of the certificate, in PEM
    tls_key: Option<PathBuf> = path, "FILE", default [] or "none", example "/etc/vpcedns/privkey.pem";

    Names:
    /// Special name (localhost, test, 10.in-addr.arpa, or `.` for all) that is forwarded after all, with the names
    /// below it
    forward_special: Vec<DnsName> = special_name, "NAME", default [] or "none", example "10.in-addr.arpa";
    /// Name at and below which a name without a private answer gets SERVFAIL (`*.NAME`: only below)
    private_only: Vec<DnsName> = name, "NAME", default [] or "none", example "*.corp.example";
    /// Private names of AWS services beyond the evident ones: `sdk-names` adds the second names that only an SDK asks for
    catalogue: CatalogueNames = catalogue, "evident|sdk-names", default ["evident"], example "sdk-names";
    /// Remove the records when an upstream gives a public name a private address, as dnsmasq's --stop-dns-rebind does
    rebind_protection: bool = switch, "BOOL", default ["false"], example "true";
    /// Public name at and below which private addresses are allowed
    rebind_allow: Vec<DnsName> = name, "NAME", default [] or "none", example "lan.example";

    ZonesOut:
    /// Address at which other DNS servers take zones over (AXFR, IXFR, SOA over UDP and TCP); port 53 if it names none. Requires
    /// --transfer-keys, and is none of --listen
    transfer: Vec<SocketAddr> = dns_address, "ADDR", default [] or "off", example "10.0.0.2:5353";
    /// File of TSIG keys: who may take zones over, whose zones these are, and which secondaries are told of changes
    transfer_keys: Option<PathBuf> = path, "FILE", default [] or "none", example "/etc/vpcedns/transfer-keys.toml";
    /// File in which the serials of these zones are kept
    transfer_serials: PathBuf = path, "FILE", default ["./vpcedns-serials"], example "/var/lib/vpcedns/serials";

    Ec2:
    /// Address for the EC2-compatible API; alone, the flag means 127.0.0.1:4566
    ec2_api: Option<SocketAddr> = address, "ADDR", default [] or "off", example "127.0.0.1:4566";
    /// Directory for the state of the EC2-compatible API
    ec2_state: PathBuf = path, "DIR", default ["./vpcedns-state"], example "/var/lib/vpcedns";
    /// Store that several servers share, in place of a state of this one alone: members of etcd, and what keys begin with. The
    /// directory then has the last good state, with or without --ec2-api
    store: Option<StoreAddress> = store_address, "etcd[s]://[USER@]HOST:PORT,.../PREFIX", default [] or "this server's own state", example "etcd://10.0.0.11:2379/vpcedns";
    /// Certificate authorities (PEM) of an encrypted store (`etcds://`), in place of the system's
    store_ca: Option<PathBuf> = path, "FILE", default [] or "the system's", example "/etc/vpcedns/etcd-ca.pem";
    /// Certificate that is shown to the store, with its chain, in PEM
    store_cert: Option<PathBuf> = path, "FILE", default [] or "none", example "/etc/vpcedns/etcd-client.pem";
    /// Key of that certificate, in PEM
    store_key: Option<PathBuf> = path, "FILE", default [] or "none", example "/etc/vpcedns/etcd-client.key";
    /// File with the password of the store's USER, and nothing else
    store_password: Option<PathBuf> = path, "FILE", default [] or "none", example "/etc/vpcedns/etcd-password";
    /// File with the access keys of those who may call that API
    ec2_keys: Option<PathBuf> = path, "FILE", default [] or "everybody on this machine may", example "keys.toml";
    /// Host name by which that API is called, besides addresses and localhost
    ec2_host: Vec<String> = word, "NAME", default [] or "none", example "ec2.corp.example";
    /// Network in which VPCs made over that API may have listeners: the tag `vpcedns:listener`, and 127.53.0.0/16
    ec2_listen: Vec<IpNet> = network, "CIDR", default ["127.0.0.0/8"], example "10.0.0.0/24";
    /// Publish connection notifications to this SNS, signed with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    sns_endpoint: Option<String> = word, "URL", default [] or "off", example "https://sns.{region}.amazonaws.com";
    /// Post connection notifications to this URL as JSON
    ec2_webhook: Option<String> = word, "URL", default [] or "off", example "https://hooks.example/vpce";

    QueryLog:
    /// Log answered questions as lines of JSON in the form of Route 53 Resolver's query logs: to a file, to `unix:PATH`, or to
    /// `-`, standard output
    query_log: Option<String> = word, "FILE|unix:PATH|-", default [] or "off", example "/var/log/vpcedns/queries.json";
    /// Log answered questions as dnstap: to `unix:PATH`, where a reader such as fstrm_capture listens, or to a file
    dnstap: Option<String> = word, "unix:PATH|FILE", default [] or "off", example "unix:/run/dnstap.sock";
    /// Log one question of so many, chosen by chance
    query_log_one_of: u32 = one_of, "N", default ["1"], example "100";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Form;

    /// No key can be forgotten in a table apart: setting each to its example changes exactly that field.
    #[test]
    fn every_setting_has_a_default_and_an_example_that_differs() {
        let defaults = Settings::default();
        for setting in Settings::TABLE {
            let key = setting.key;
            assert_eq!(setting.default.is_empty(), !setting.unset.is_empty(), "{key} says what holds if it is not set");
            let mut settings = Settings::default();
            setting.check(setting.example).unwrap();
            setting.set(&mut settings, &[setting.example]).unwrap();
            assert_ne!(settings, defaults, "{key} sets nothing");
            setting.set(&mut settings, setting.default).unwrap();
            assert_eq!(settings, defaults, "{key}");
        }
    }

    #[test]
    fn settings_with_one_value_take_no_second() {
        for setting in Settings::TABLE.iter().filter(|setting| setting.form != Form::List) {
            let two = [setting.example, setting.example];
            assert!(setting.set(&mut Settings::default(), &two).is_err(), "{}", setting.key);
        }
    }
}
