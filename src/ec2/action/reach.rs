//! How clients reach a VPC of the API: the tags `vpcedns:listener` and `vpcedns:clients`, or a listener out of its id.
//!
//! Tags of whoever may not use our extensions are tags as any other. A tag holds one value or several, with spaces
//! between them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::address::overlap;
use crate::ec2::call::Call;
use crate::ec2::error::ApiError;
use crate::ec2::record::{Tags, VpcRecord};

pub(super) const LISTENER: &str = "vpcedns:listener";
const CLIENTS: &str = "vpcedns:clients";

/// The port of listeners out of ids.
const PORT: u16 = 5300;
/// Most VPCs with a listener out of their ids: each has sockets and threads.
const MOST_MADE: usize = 64;

/// Has the listeners and clients of a VPC follow its tags.
pub(super) fn follow(call: &Call<'_>, vpc: &mut VpcRecord, before: &Tags) -> Result<(), ApiError> {
    let changed = |key: &str| vpc.tags.get(key) != before.get(key);
    let (listener_changed, clients_changed) = (changed(LISTENER), changed(CLIENTS));
    let given = |key: &str| vpc.tags.get(key).filter(|_| call.caller.chooses_ids);
    if listener_changed {
        vpc.listeners = listeners(call, &vpc.tags)?;
    }
    if clients_changed {
        let clients: Vec<IpNet> = given(CLIENTS)
            .map_or(Ok(Vec::new()), |text| parse(text, CLIENTS, "Expected networks such as 10.9.0.0/16."))?;
        let clients: Vec<IpNet> = clients.iter().map(IpNet::trunc).collect();
        if let Some(wide) = clients.iter().find(|network| is_too_wide(network)) {
            return Err(ApiError::value(
                wide,
                CLIENTS,
                "Expected a private network, or one not larger than a VPC's block.",
            ));
        }
        let others = || call.model.vpcs().into_iter().filter(|other| other.vpc_id != vpc.id);
        let overlaps =
            |network: &&IpNet| others().flat_map(|other| &other.clients).any(|other| overlap(other, network));
        if let Some(network) = clients.iter().find(overlaps) {
            return Err(ApiError::value(network, CLIENTS, "This network is not available."));
        }
        vpc.clients = clients;
    }
    Ok(())
}

/// The listeners that tags ask for; none for a caller who may not.
pub(super) fn listeners(call: &Call<'_>, tags: &Tags) -> Result<Vec<SocketAddr>, ApiError> {
    let Some(text) = tags.get(LISTENER).filter(|_| call.caller.chooses_ids) else { return Ok(Vec::new()) };
    let listeners: Vec<SocketAddr> = parse(text, LISTENER, "Expected ADDRESS:PORT, with a port that is not 0.")?;
    let is_allowed = |ip: IpAddr| call.settings.listen.iter().any(|network| network.contains(&ip));
    if let Some(bad) = listeners.iter().find(|at| at.port() == 0 || !is_allowed(at.ip())) {
        let networks: Vec<String> = call.settings.listen.iter().map(ToString::to_string).collect();
        let expected = format!("Expected ADDRESS:PORT inside {} (--ec2-listen).", networks.join(", "));
        return Err(ApiError::value(bad, LISTENER, expected));
    }
    Ok(listeners)
}

/// Networks whose addresses the world cannot use (RFC 1918 3, 6598 7, 1122 3.2.1.3, 4193 3.1).
const PRIVATE: [IpNet; 5] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7)),
];

/// Whether so many would be served that a call made an open resolver of the server. Blocks of VPCs have 16 bits or more,
/// and 44 or more in IPv6 (EC2 API Reference, CreateVpc).
fn is_too_wide(network: &IpNet) -> bool {
    let least = if matches!(network, IpNet::V4(_)) { 16 } else { 44 };
    network.prefix_len() < least && !PRIVATE.iter().any(|private| private.contains(network))
}

fn parse<T: FromStr>(text: &str, tag: &str, expected: &str) -> Result<Vec<T>, ApiError> {
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|_| ApiError::value(word, tag, expected))).collect()
}

/// Gives a new VPC a listener on this machine, if it has none and the API may: 127.53.x.y of its id, port 5300.
pub(super) fn make_listener(call: &Call<'_>, vpc: &mut VpcRecord) {
    if !call.settings.makes_listeners || !vpc.listeners.is_empty() {
        return;
    }
    let [.., x, y] = vpc.id.low_bits().to_be_bytes();
    let listener = SocketAddr::from((Ipv4Addr::new(127, 53, x, y), PORT));
    let is_allowed = call.settings.listen.iter().any(|network| network.contains(&listener.ip()));
    let is_taken = call.model.vpcs().into_iter().any(|other| other.listeners.contains(&listener));
    let made = call.state.vpcs().filter(|other| other.listeners.iter().any(is_made)).count();
    if is_allowed && !is_taken && made < MOST_MADE {
        vpc.listeners.push(listener);
    }
}

/// Whether a listener is one out of an id.
fn is_made(listener: &SocketAddr) -> bool {
    matches!(listener.ip(), IpAddr::V4(ip) if ip.octets().starts_with(&[127, 53])) && listener.port() == PORT
}
