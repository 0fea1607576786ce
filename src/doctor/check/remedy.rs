//! Where a nameserver is changed: whoever writes resolv.conf would undo a change made there.

use crate::doctor::facts::ClientFacts;
use crate::doctor::resolv_conf::{ResolvConf, ResolvConfWriter};

/// How the server becomes the nameserver of this host, container or pod.
pub(super) fn name_the_server(client: &ClientFacts) -> String {
    let server = &client.server_text;
    let Some(ip) = client.server else {
        return format!(
            "resolv.conf has no way to say {server}: let the server listen on port 53, or put a resolver that forwards to it \
             in between (docs/on-premises.md)"
        );
    };
    match client.resolv_conf.as_ref().and_then(|conf| conf.writer) {
        Some(ResolvConfWriter::Resolved) => through_resolved(server),
        Some(ResolvConfWriter::NetworkManager) => format!(
            "`nmcli connection modify NAME ipv4.dns {ip} ipv4.ignore-auto-dns yes`, then `nmcli connection up NAME`; \
             NetworkManager writes /etc/resolv.conf"
        ),
        Some(ResolvConfWriter::Docker) => through_docker(&ip.to_string()),
        Some(ResolvConfWriter::Kubelet) => format!(
            "let CoreDNS forward amazonaws.com to {ip} (docs/kubernetes.md), or give the pod `dnsPolicy: None` and \
             `dnsConfig: {{nameservers: [{ip}]}}`"
        ),
        Some(ResolvConfWriter::Resolvconf) => {
            format!("put `nameserver {ip}` into /etc/resolvconf/resolv.conf.d/head, then `resolvconf -u`")
        }
        Some(ResolvConfWriter::Wsl) => format!(
            "write `[network]` and `generateResolvConf = false` into /etc/wsl.conf, then `nameserver {ip}` into \
             /etc/resolv.conf"
        ),
        Some(ResolvConfWriter::Dhcpcd) => {
            format!("put `static domain_name_servers={ip}` into /etc/dhcpcd.conf, then restart dhcpcd")
        }
        None => format!("let /etc/resolv.conf begin with `nameserver {ip}`, and name no other there"),
    }
}

/// The same where systemd-resolved is asked.
pub(super) fn through_resolved(server: &str) -> String {
    format!(
        "write `[Resolve]`, `DNS={server}` and `Domains=~amazonaws.com` (`~.` for all names) into \
         /etc/systemd/resolved.conf.d/vpcedns.conf, then `systemctl restart systemd-resolved`"
    )
}

/// The same inside of a container.
pub(super) fn through_docker(ip: &str) -> String {
    format!(
        "start the container with `--dns {ip}` (`dns: [{ip}]` of Compose), or put {{\"dns\": [\"{ip}\"]}} into /etc/docker/daemon.json"
    )
}

/// Where the search list and `ndots` are changed.
pub(super) fn fewer_searches(conf: &ResolvConf) -> &'static str {
    match conf.writer {
        Some(ResolvConfWriter::Kubelet) => {
            "give the pod `dnsConfig: {options: [{name: ndots, value: \"1\"}]}`, or write names with a final dot"
        }
        Some(ResolvConfWriter::Docker) => "start the container with `--dns-opt ndots:1` and `--dns-search .`",
        _ => "take `ndots` and the domain out of /etc/resolv.conf, or write names with a final dot",
    }
}
