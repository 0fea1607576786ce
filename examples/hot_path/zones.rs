//! Zones and questions of any size, made up: for `hot_path` and `cargo bench`.

use std::fmt::Write;

use vpcedns::naming::Suffix;

/// Endpoints for a VPC.
const PER_VPC: usize = 1000;

/// Zones with so many endpoints in three zones each.
pub(crate) fn zones(endpoints: usize) -> String {
    let mut text = String::new();
    for vpc in 0..endpoints.div_ceil(PER_VPC) {
        let _ = writeln!(text, "[[vpc]]\nvpc_id = \"vpc-{vpc:08x}\"\nregion = \"us-east-1\"");
        let _ = writeln!(text, "cidr_blocks = [\"10.{vpc}.0.0/16\"]\nenable_dns_hostnames = true");
        for zone in 0..3 {
            let (subnet, letter) = (vpc * 3 + zone, ["a", "b", "c"][zone]);
            let _ = writeln!(text, "[[subnet]]\nsubnet_id = \"subnet-{subnet:08x}\"\nvpc_id = \"vpc-{vpc:08x}\"");
            let _ = writeln!(
                text,
                "availability_zone = \"us-east-1{letter}\"\ncidr_block = \"10.{vpc}.{}.0/18\"",
                zone * 64
            );
        }
    }
    for number in 0..endpoints {
        text.push_str(&endpoint(number, "available"));
    }
    text
}

/// Endpoint number so and so, in this state.
pub(crate) fn endpoint(number: usize, state: &str) -> String {
    let (vpc, host) = (number / PER_VPC, number % PER_VPC + 10);
    let mut text = format!("[[vpc_endpoint]]\nvpc_endpoint_id = \"{}\"\nvpc_id = \"vpc-{vpc:08x}\"\n", id(number));
    let _ = writeln!(text, "service_name = \"com.amazonaws.us-east-1.ec2\"\nstate = \"{state}\"");
    let _ = writeln!(text, "private_dns_enabled = false\nnetwork_interfaces = [");
    for zone in 0..3 {
        let (interface, subnet) = (number * 3 + zone, vpc * 3 + zone);
        let address = format!("10.{vpc}.{}.{}", zone * 64 + host / 250, host % 250);
        let _ =
            write!(text, "{{ network_interface_id = \"eni-{interface:08x}\", subnet_id = \"subnet-{subnet:08x}\", ");
        let _ = writeln!(text, "private_ip_address = \"{address}\" }},");
    }
    text.push_str("]\n");
    text
}

fn id(number: usize) -> String {
    format!("vpce-0{:016x}", (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Questions about these endpoints: 85 % A of regional and zonal names, 10 % AAAA (NODATA), 5 % NXDOMAIN.
pub(crate) fn packets(endpoints: usize) -> Vec<Vec<u8>> {
    let question = |number: usize| {
        let id = id(number.wrapping_mul(7919) % endpoints);
        let suffix = id.parse().map(Suffix::derive).map(|suffix| suffix.to_string()).unwrap_or_default();
        let zone = ["", "-us-east-1a", "-us-east-1b", "-us-east-1c"][number % 4];
        let (zone, rtype) = match number % 20 {
            0 => ("-us-east-1f", 1u16),
            1 | 2 => (zone, 28),
            _ => (zone, 1),
        };
        let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in format!("{id}-{suffix}{zone}.ec2.us-east-1.vpce.amazonaws.com").split('.') {
            packet.push(label.len() as u8);
            packet.extend_from_slice(label.as_bytes());
        }
        let [high, low] = rtype.to_be_bytes();
        packet.extend_from_slice(&[0, high, low, 0, 1]);
        packet
    };
    (0..40_000.min(endpoints * 4)).map(question).collect()
}
