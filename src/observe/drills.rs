//! Drills over HTTP: which run, and how one begins and ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::views::{RunsDrills, Views, WantedDrill};
use crate::dns::DnsName;
use crate::problem::Fault;
use crate::snapshot::{Drill, DrillFault, NameFault, Snapshot};

/// Longest time that an answer may be delayed, in milliseconds: a client's patience, and no more questions wait than that.
pub const MOST_DELAY_MS: u32 = 5000;
/// Longest time that a drill runs, in seconds: a day.
pub const MOST_SECONDS: u32 = 86_400;

/// A drill that runs, for programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillLine {
    /// By which it is ended.
    pub id: u32,
    /// `zone`, `nxdomain`, `servfail` or `delay`.
    pub fault: String,
    /// The zone or name at fault.
    pub at: String,
    /// By how much answers are delayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u32>,
    /// Clients of these VPCs alone; empty: of all.
    pub vpcs: Vec<String>,
    /// Clients in these networks alone; empty: in all.
    pub clients: Vec<String>,
    /// When it ends, in seconds since 1970.
    pub until: u64,
    /// How long that is from now.
    pub seconds_left: u64,
    /// What it does, to whom and until when.
    pub text: String,
}

impl DrillLine {
    /// A drill as it is now.
    fn new(drill: &Drill) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (at, delay_ms) = match &drill.fault {
            DrillFault::Zone(zone) => (zone.to_string(), None),
            DrillFault::Name(name, NameFault::Delay(ms)) => (name.to_string(), Some(*ms)),
            DrillFault::Name(name, NameFault::NxDomain | NameFault::ServFail) => (name.to_string(), None),
        };
        Self {
            id: drill.id,
            fault: drill.fault.word().to_owned(),
            at,
            delay_ms,
            vpcs: drill.vpcs.iter().map(ToString::to_string).collect(),
            clients: drill.clients.iter().map(ToString::to_string).collect(),
            until: drill.until,
            seconds_left: drill.until.saturating_sub(now),
            text: format!("{drill}, for {}", drill.whom()),
        }
    }
}

/// The drills that run.
pub(super) fn lines(snapshot: &Snapshot) -> Vec<DrillLine> {
    snapshot.drills().iter().map(DrillLine::new).collect()
}

type DrillRefusal = (StatusCode, String);

/// The routes.
pub(super) fn drills(views: Views) -> Router {
    Router::new().route("/v1/drills", get(list).post(begin)).route("/v1/drills/end", post(end)).with_state(views)
}

async fn list(State(views): State<Views>) -> Json<Vec<DrillLine>> {
    Json(lines(&views.snapshots.load_full()))
}

/// `?zone=`, or `?name=&fault=` and `delay_ms=`; `seconds=`, and any number of `vpc=` and `client=`.
async fn begin(
    State(views): State<Views>,
    Query(given): Query<Vec<(String, String)>>,
) -> Result<Json<DrillLine>, DrillRefusal> {
    let wanted = wanted(&given).map_err(|fault| bad(&fault))?;
    let drill = blocking(&views.control.drills, move |drills| drills.begin(wanted)).await?;
    Ok(Json(DrillLine::new(&drill)))
}

/// `?id=` or `?all`.
async fn end(
    State(views): State<Views>,
    Query(given): Query<Vec<(String, String)>>,
) -> Result<Json<Vec<DrillLine>>, DrillRefusal> {
    let id = match given.as_slice() {
        [(key, _)] if key == "all" => None,
        [(key, id)] if key == "id" => {
            let not_one = || bad(&Fault::new(format!("id={id} is not the number of a drill"), "see GET /v1/drills"));
            Some(id.parse().map_err(|_| not_one())?)
        }
        _ => return Err(bad(&Fault::new("nothing to end", "say one of ?id=NUMBER and ?all"))),
    };
    let ended = blocking(&views.control.drills, move |drills| drills.end(id)).await?;
    Ok(Json(ended.iter().map(DrillLine::new).collect()))
}

fn bad(fault: &Fault) -> DrillRefusal {
    (StatusCode::BAD_REQUEST, format!("{fault}\n"))
}

/// Beside the threads that answer: what is published waits for a load that is under way.
async fn blocking<T: Send + 'static>(
    drills: &Arc<dyn RunsDrills>,
    work: impl FnOnce(&dyn RunsDrills) -> Result<T, Fault> + Send + 'static,
) -> Result<T, DrillRefusal> {
    let drills = Arc::clone(drills);
    let done = tokio::task::spawn_blocking(move || work(&*drills)).await;
    done.map_err(|_| (StatusCode::INTERNAL_SERVER_ERROR, "internal error\n".to_owned()))?.map_err(|fault| bad(&fault))
}

/// The drill that a query asks for.
fn wanted(given: &[(String, String)]) -> Result<WantedDrill, Fault> {
    let known = ["zone", "name", "fault", "delay_ms", "seconds", "vpc", "client"];
    if let Some((key, _)) = given.iter().find(|(key, _)| !known.contains(&key.as_str())) {
        return Err(Fault::new(format!("unknown parameter '{key}'"), format!("there are {}", known.join(", "))));
    }
    let all =
        |wanted: &'static str| given.iter().filter(move |(key, _)| key == wanted).map(|(_, value)| value.as_str());
    let one = |wanted: &'static str| all(wanted).next();
    let seconds = one("seconds").unwrap_or("300");
    let in_range = |text: &str, most: u32| text.parse().ok().filter(|number| (1..=most).contains(number));
    let too_long = || Fault::new(format!("seconds={seconds} is out of range"), format!("give 1 to {MOST_SECONDS}"));
    Ok(WantedDrill {
        fault: match (one("zone"), one("name")) {
            (Some(zone), None) => {
                DrillFault::Zone(zone.parse().map_err(|e| Fault::new(format!("zone={zone}: {e}"), ""))?)
            }
            (None, Some(name)) => {
                let of: DnsName = name.parse().map_err(|e| Fault::new(format!("name={name}: {e}"), ""))?;
                let ms = one("delay_ms").unwrap_or_default();
                let fault = match one("fault").unwrap_or_default() {
                    "nxdomain" => NameFault::NxDomain,
                    "servfail" => NameFault::ServFail,
                    "delay" => NameFault::Delay(in_range(ms, MOST_DELAY_MS).ok_or_else(|| {
                        Fault::new(format!("delay_ms={ms} is out of range"), format!("give 1 to {MOST_DELAY_MS}"))
                    })?),
                    other => {
                        let hint = "give one of nxdomain, servfail, delay";
                        return Err(Fault::new(format!("fault={other} is not a fault of a name"), hint));
                    }
                };
                DrillFault::Name(of, fault)
            }
            _ => return Err(Fault::new("nothing to be at fault", "say one of ?zone=ZONE and ?name=NAME&fault=FAULT")),
        },
        vpcs: all("vpc")
            .map(|id| id.parse().map_err(|e| Fault::new(format!("vpc={id}: {e}"), "")))
            .collect::<Result<_, _>>()?,
        clients: all("client").map(network).collect::<Result<_, _>>()?,
        seconds: in_range(seconds, MOST_SECONDS).ok_or_else(too_long)?,
    })
}

/// A network, or an address as one of its own.
fn network(text: &str) -> Result<IpNet, Fault> {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let net = text.parse().ok().map(|net: IpNet| net.trunc()).or_else(alone);
    net.ok_or_else(|| Fault::new(format!("client={text} is not an address or network"), "give one such as 10.0.1.0/24"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<WantedDrill, String> {
        let given: Vec<(String, String)> =
            form_urlencoded::parse(query.as_bytes()).map(|(key, value)| (key.into(), value.into())).collect();
        wanted(&given).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_query_asks_for_a_drill() {
        let drill = asked("zone=us-east-1a&vpc=vpc-ec43eb89&client=10.0.1.5&client=10.1.2.3/16&seconds=60").unwrap();
        assert_eq!(drill.fault, DrillFault::Zone("us-east-1a".parse().unwrap()));
        assert_eq!((drill.vpcs.len(), drill.seconds), (1, 60));
        let nets: Vec<IpNet> = vec!["10.0.1.5/32".parse().unwrap(), "10.1.0.0/16".parse().unwrap()];
        assert_eq!(drill.clients, nets);
        let drill = asked("name=*.example&fault=delay&delay_ms=5000").unwrap();
        assert_eq!(drill.fault, DrillFault::Name("*.example".parse().unwrap(), NameFault::Delay(5000)));
        assert_eq!(drill.seconds, 300);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_remedy() {
        for (query, said) in [
            ("", "nothing to be at fault: say one of ?zone=ZONE and ?name=NAME&fault=FAULT"),
            (
                "zone=us-east-1a&name=x&fault=nxdomain",
                "nothing to be at fault: say one of ?zone=ZONE and ?name=NAME&fault=FAULT",
            ),
            (
                "zone=us-east-1a&for=5m",
                "unknown parameter 'for': there are zone, name, fault, delay_ms, seconds, vpc, client",
            ),
            ("zone=us-east-1a&seconds=0", "seconds=0 is out of range: give 1 to 86400"),
            ("zone=us-east-1a&seconds=86401", "seconds=86401 is out of range: give 1 to 86400"),
            ("zone=us-east-1a&seconds=x", "seconds=x is out of range: give 1 to 86400"),
            (
                "zone=us-east-1a&client=10.0.1",
                "client=10.0.1 is not an address or network: give one such as 10.0.1.0/24",
            ),
            ("name=a.example&fault=lost", "fault=lost is not a fault of a name: give one of nxdomain, servfail, delay"),
            ("name=a.example&fault=delay", "delay_ms= is out of range: give 1 to 5000"),
            ("name=a.example&fault=delay&delay_ms=5001", "delay_ms=5001 is out of range: give 1 to 5000"),
        ] {
            assert_eq!(asked(query).unwrap_err(), said, "{query}");
        }
        for query in ["zone=us east", "zone=us-east-1a&vpc=x", "name=..&fault=nxdomain"] {
            assert!(asked(query).is_err(), "{query}");
        }
    }
}
