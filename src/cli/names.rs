//! `vpcedns names`

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::process::ExitCode;

use serde::Serialize;

use super::args::{Format, NamesArgs};
use super::hosted_zones::hosted_zones;
use crate::answer::{NS_TTL, TTL};
use crate::dns::DnsName;
use crate::model::{Endpoint, Interface, Model};
use crate::naming::EndpointNames;

pub(super) fn run(args: &NamesArgs) -> ExitCode {
    let Some((model, _)) = super::load(&args.zones.settings()) else { return ExitCode::FAILURE };
    if let Some(vpc) = args.vpc
        && let Err(code) = super::known_vpc(&model, vpc)
    {
        return code;
    }
    let mut endpoints: Vec<&Endpoint> = model.endpoints().filter(|e| args.vpc.is_none_or(|vpc| e.vpc == vpc)).collect();
    endpoints.sort_by_key(|e| (e.vpc, e.id));
    let rows: Vec<Row> = endpoints.into_iter().filter_map(|endpoint| Row::new(&model, endpoint)).collect();
    super::print(&match args.format {
        Format::Table => table(&rows),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&rows).unwrap_or_default()),
        Format::Zone => zones(&rows, args.zone.as_ref()) + &hosted_zones(&model, args.vpc, args.zone.as_ref()),
        Format::Hosts => hosts(&rows),
    })
}

/// An endpoint with its names and addresses.
#[derive(Serialize)]
struct Row {
    vpc_endpoint_id: String,
    vpc_id: String,
    service_name: String,
    state: &'static str,
    /// Whether its own names answer.
    served: bool,
    regional: String,
    zonal: Vec<Zonal>,
    /// The `*.` forms, where the service has them.
    wildcard: Vec<String>,
    private: Vec<String>,
    /// Whether clients of its VPC get its addresses for its private names.
    private_dns: bool,
    addresses: Vec<IpAddr>,
    #[serde(skip)]
    zone: DnsName,
    #[serde(skip)]
    private_addresses: Vec<IpAddr>,
}

#[derive(Serialize)]
struct Zonal {
    availability_zone: String,
    name: String,
    network_interface_id: String,
    addresses: Vec<IpAddr>,
}

impl Row {
    /// `None` for an endpoint whose names would be too long.
    fn new(model: &Model, endpoint: &Endpoint) -> Option<Self> {
        let service = model.service(endpoint);
        let named: Vec<&Interface> = endpoint.interfaces.iter().filter(|i| model.has_zonal_name(endpoint, i)).collect();
        let EndpointNames { regional, zonal, wildcard, private } = model.endpoint_names(endpoint)?;
        let text = |names: Vec<DnsName>| names.iter().map(ToString::to_string).collect();
        let shown = |address: &IpAddr, private| match address {
            IpAddr::V4(_) => endpoint.has_a(),
            IpAddr::V6(_) => endpoint.has_aaaa(private),
        };
        let all = |private| {
            let addresses = endpoint.interfaces.iter().flat_map(Interface::addresses);
            addresses.filter(|address| shown(address, private)).collect::<Vec<_>>()
        };
        let vpc = model.vpc(endpoint.vpc)?;
        Some(Self {
            vpc_endpoint_id: endpoint.id.to_string(),
            vpc_id: endpoint.vpc.to_string(),
            service_name: service.service_name.to_string(),
            state: endpoint.state.as_str(),
            served: endpoint.is_served(),
            regional: regional.to_string(),
            zonal: named
                .iter()
                .zip(zonal)
                .map(|(interface, name)| Zonal {
                    availability_zone: model.zone(interface).to_string(),
                    name: name.to_string(),
                    network_interface_id: interface.id.to_string(),
                    addresses: interface.addresses().filter(|address| shown(address, false)).collect(),
                })
                .collect(),
            wildcard: text(wildcard),
            private_dns: endpoint.private_dns_enabled()
                && endpoint.is_served()
                && !endpoint.inbound_resolver_only()
                && vpc.has_private_dns(),
            private: text(private),
            addresses: all(false),
            zone: service.zone.clone(),
            private_addresses: all(true),
        })
    }
}

fn join(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// A heading for each endpoint, and a line for each of its names.
fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(text, "{}  {}  {}  {}", row.vpc_endpoint_id, row.vpc_id, row.service_name, row.state);
        let none = if row.served { "" } else { "not served" };
        let mut lines: Vec<(String, String, String)> = vec![(
            "regional".into(),
            row.regional.clone(),
            if row.served { join(&row.addresses) } else { none.into() },
        )];
        for zonal in &row.zonal {
            let addresses = if row.served { join(&zonal.addresses) } else { none.into() };
            lines.push(("zonal".into(), zonal.name.clone(), addresses));
        }
        for name in &row.wildcard {
            lines.push(("wildcard".into(), name.clone(), String::new()));
        }
        for name in &row.private {
            let addresses = if row.private_dns { join(&row.private_addresses) } else { "not private".into() };
            lines.push(("private".into(), name.clone(), addresses));
        }
        let width = lines.iter().map(|(_, name, _)| name.len()).max().unwrap_or(0);
        for (kind, name, addresses) in lines {
            let line = format!("  {kind:<8}  {name:<width$}  {addresses}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text.push('\n');
    }
    if rows.is_empty() {
        text.push_str("no endpoints\n");
    }
    text
}

/// The public zones, each as a master file of its own; `only` one of them if it is given.
fn zones(rows: &[Row], only: Option<&DnsName>) -> String {
    let mut zones: BTreeMap<&DnsName, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.served && only.is_none_or(|zone| *zone == row.zone)) {
        zones.entry(&row.zone).or_default().push(row);
    }
    let mut text = String::new();
    for (zone, rows) in zones {
        let _ = writeln!(text, "$ORIGIN {zone}.\n$TTL {TTL}");
        let _ = writeln!(
            text,
            "{zone}. {TTL} IN SOA ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
        );
        for server in ["ns-1536.awsdns-00.co.uk", "ns-0.awsdns-00.com", "ns-1024.awsdns-00.org", "ns-512.awsdns-00.net"]
        {
            let _ = writeln!(text, "{zone}. {NS_TTL} IN NS {server}.");
        }
        for row in rows {
            records(&mut text, &row.regional, &row.addresses);
            for zonal in &row.zonal {
                records(&mut text, &zonal.name, &zonal.addresses);
            }
            for (name, addresses) in
                row.wildcard.iter().zip(std::iter::once(&row.addresses).chain(row.zonal.iter().map(|z| &z.addresses)))
            {
                records(&mut text, name, addresses);
            }
        }
        text.push('\n');
    }
    text
}

fn records(text: &mut String, name: &str, addresses: &[IpAddr]) {
    for address in addresses {
        let kind = if address.is_ipv4() { "A" } else { "AAAA" };
        let _ = writeln!(text, "{name}. {TTL} IN {kind} {address}");
    }
}

/// One line for each address; names with `*` cannot stand in a hosts file.
fn hosts(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows.iter().filter(|row| row.served) {
        for zonal in &row.zonal {
            for address in &zonal.addresses {
                let _ = write!(text, "{address} {} {}", row.regional, zonal.name);
                for name in row.private.iter().filter(|name| row.private_dns && !name.starts_with('*')) {
                    let _ = write!(text, " {name}");
                }
                text.push('\n');
            }
        }
    }
    text
}
