//! `vpcedns names`

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::args::{Format, NamesArgs};
use super::client::ServerAt;
use super::explain::to_json;
use super::flush::escaped;
use super::looked_at::OutputOrigin;
use super::offline::Offline;
use crate::answer::{NS_TTL, TTL};
use crate::dns::DnsName;
use crate::export::hosted_zones;
use crate::observe::{NameRow, NamesPage, named_endpoints};

/// Rows of a page that is asked for.
const PAGE: usize = 1000;
/// How often it is asked again where a change came in between.
const TRIES: usize = 10;
/// A page may have to wait for another list.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(args: &NamesArgs) -> ExitCode {
    match names(args) {
        Ok(text) => super::print(&text),
        Err(code) => code,
    }
}

fn names(args: &NamesArgs) -> Result<String, ExitCode> {
    let (rows, zones_too, looked_at) = match args.served.server(args.zones.said_by("zones")) {
        Some(server) => from_server(&server, args).map_err(|what| super::fail(&what))?,
        None => from_files(args)?,
    };
    Ok(match args.format {
        Format::Table => format!("{}{looked_at}\n", table(&rows)),
        Format::Json => to_json(&json!({ "endpoints": rows }), &looked_at),
        Format::Zone => format!("; {looked_at}\n{}{zones_too}", zones(&rows, args.zone.as_ref())),
        Format::Hosts => format!("# {looked_at}\n{}", hosts(&rows)),
    })
}

/// The rows, hosted zones as master files where these are printed, and where all is from.
type NamesRead = (Vec<NameRow>, String, OutputOrigin);

fn from_files(args: &NamesArgs) -> Result<NamesRead, ExitCode> {
    let read = Offline::new(args.zones.settings(), args.served.state()).model();
    let (model, origin) = read.ok_or(ExitCode::FAILURE)?;
    args.vpc.map_or(Ok(()), |vpc| super::known_vpc(&model, vpc))?;
    let endpoints = named_endpoints(&model, args.vpc).into_iter();
    let rows = endpoints.filter_map(|endpoint| NameRow::new(&model, endpoint)).collect();
    let zones = match args.format {
        Format::Zone => hosted_zones(&model, args.vpc, args.zone.as_ref()),
        _ => String::new(),
    };
    Ok((rows, zones, origin))
}

fn from_server(server: &ServerAt, args: &NamesArgs) -> Result<NamesRead, String> {
    let vpc = args.vpc.map_or_else(String::new, |vpc| format!("&vpc={vpc}"));
    let page = |offset: usize| -> Result<NamesPage, String> {
        let said = server.ask_within(&format!("GET /v1/names?limit={PAGE}&offset={offset}{vpc}"), PATIENCE)?;
        serde_json::from_str(&said).map_err(|error| format!("{server} says no names: {error}"))
    };
    for _ in 0..TRIES {
        let NamesPage { generation, total, endpoints: mut rows, .. } = page(0)?;
        let mut offset = PAGE;
        let is_whole = loop {
            if offset >= total {
                break true;
            }
            let next = page(offset)?;
            if next.generation != generation {
                break false;
            }
            rows.extend(next.endpoints);
            offset += PAGE;
        };
        let zones = match args.format {
            Format::Zone => {
                let zone =
                    args.zone.as_ref().map_or_else(String::new, |zone| format!("&zone={}", escaped(&zone.to_string())));
                server.ask_within(&format!("GET /v1/zones?limit=1{vpc}{zone}"), PATIENCE)?
            }
            _ => String::new(),
        };
        if is_whole {
            return Ok((rows, zones, OutputOrigin::server(server, generation)));
        }
    }
    Err(format!("{server} changes too often to be read: try again"))
}

fn join(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// A heading for each endpoint, and a line for each of its names.
fn table(rows: &[NameRow]) -> String {
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
fn zones(rows: &[NameRow], only: Option<&DnsName>) -> String {
    let only = only.map(ToString::to_string);
    let mut zones: BTreeMap<&str, Vec<&NameRow>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.served && only.as_ref().is_none_or(|zone| *zone == row.zone)) {
        zones.entry(row.zone.as_str()).or_default().push(row);
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
fn hosts(rows: &[NameRow]) -> String {
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
