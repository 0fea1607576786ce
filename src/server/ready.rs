//! What a server serves, and where, once it answers.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use crate::model::Upstream;
use crate::problem::count;

/// What is served, and where: the content of the ready line.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The generation of the first snapshot.
    pub generation: u64,
    /// Endpoints in the model, in whatever state.
    pub endpoints: usize,
    /// VPCs in the model.
    pub vpcs: usize,
    /// Addresses of DNS over UDP and TCP.
    pub plain: Vec<SocketAddr>,
    /// Addresses of encrypted DNS, with their schemes.
    pub encrypted: Vec<String>,
    /// Address of health, readiness and metrics.
    pub http: Option<SocketAddr>,
    /// Address of the EC2-compatible API.
    pub ec2_api: Option<SocketAddr>,
    /// Addresses at which zones are taken over.
    pub transfer: Vec<SocketAddr>,
    /// The upstream resolvers of the settings.
    pub upstreams: Vec<Upstream>,
    /// How long the start took.
    pub took: Duration,
}

impl Ready {
    /// The same for programs, in one line. Addresses have the keys of the settings that asked for them.
    pub fn to_json(&self) -> String {
        json!({
            "generation": self.generation,
            "endpoints": self.endpoints,
            "vpcs": self.vpcs,
            "listen": self.plain,
            "encrypted": self.encrypted,
            "http": self.http,
            "ec2_api": self.ec2_api,
            "transfer": self.transfer,
            "forward": self.upstreams.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
        .to_string()
    }
}

impl fmt::Display for Ready {
    /// One line: what is served, where, and whom others' names are asked of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |addresses: &mut dyn Iterator<Item = &dyn fmt::Display>| {
            addresses.map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let plain = join(&mut self.plain.iter().map(|address| address as &dyn fmt::Display));
        let mut on = vec![format!("{plain} (udp, tcp)")];
        on.extend(self.encrypted.iter().cloned());
        on.extend(self.http.map(|address| format!("http://{address}")));
        on.extend(self.ec2_api.map(|address| format!("EC2 API http://{address}")));
        on.extend(self.transfer.iter().map(|address| format!("transfers {address}")));
        let upstreams = join(&mut self.upstreams.iter().map(|upstream| upstream as &dyn fmt::Display));
        let forward =
            if upstreams.is_empty() { "forwarding to nobody".to_owned() } else { format!("forwarding to {upstreams}") };
        let endpoints = match self.endpoints {
            0 => "no endpoints yet".to_owned(),
            number => count(number, "endpoint"),
        };
        write!(
            f,
            "generation {}, {endpoints} in {}, on {}, {forward}, {:.0} ms",
            self.generation,
            count(self.vpcs, "VPC"),
            on.join(", "),
            self.took.as_secs_f64() * 1000.0
        )
    }
}
