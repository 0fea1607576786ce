//! Lists over HTTP, for the page, scripts and commands: report, matrix, endpoints, sources, check, names,
//! the last change, a change to come. Each answer is one page of a list.
//!
//! What is asked for is made on a thread of its own, one request after the other: a large estate takes one core for a
//! moment, and the threads that answer DNS none.

mod checked;
mod generations;
mod matrix;
mod names;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use matrix::matrix_page;

pub use checked::{CheckReport, CheckedProblem, object_counts};
pub use generations::{FilesDiff, GenerationDiff, GivenFile};
pub use names::{NameRow, NamesPage, ZonalName, named_endpoints};

use super::views::Views;
use crate::model::{Endpoint, Interface, Model};
use crate::naming::VpcId;
use crate::report::{PrivateStatus, ReportRow, ReportedServices};
use crate::snapshot::Snapshot;
use crate::source::{MAX_FILE_BYTES, SourceReport};

/// Rows of a page where none are asked for, and at most.
const ROWS: (usize, usize) = (100, 1000);
/// Rows of a report that are looked through for one page.
const REPORT: usize = 1_000_000;
/// Problems of a source that are shown one by one.
const PROBLEMS: usize = 50;
/// Interfaces of an endpoint that are shown.
const INTERFACES: usize = 32;

/// Octets of files that are compared with what is served, at most: as much as one file may have.
const GIVEN: usize = MAX_FILE_BYTES as usize;

/// What the routes share.
struct Lists {
    views: Views,
    /// One list is made at a time.
    turn: Arc<Semaphore>,
    /// The last page of the matrix.
    matrix: Mutex<Option<(MatrixKey, Arc<str>)>>,
}

/// What a page of the matrix depends on: generation, part of the VPC's id, first VPC.
type MatrixKey = (u64, String, usize);
type Bad = (StatusCode, String);
type SharedLists = State<Arc<Lists>>;

/// The routes of the lists.
pub(super) fn lists(views: Views) -> Router {
    let lists = Lists { views, turn: Arc::new(Semaphore::new(1)), matrix: Mutex::default() };
    let files = post(generations::files).layer(DefaultBodyLimit::max(GIVEN));
    Router::new()
        .route("/v1/report", get(report))
        .route("/v1/matrix", get(matrix))
        .route("/v1/endpoints", get(endpoints))
        .route("/v1/sources", get(sources))
        .route("/v1/check", get(checked::checked))
        .route("/v1/diff", get(generations::generations).merge(files))
        .route("/v1/names", get(names::names))
        .route("/v1/zones", get(names::zones))
        .with_state(Arc::new(lists))
}

/// Makes a list of the snapshot that is served, in its turn.
async fn in_turn<T: Send + 'static>(
    lists: Arc<Lists>,
    make: impl FnOnce(&Lists, &Snapshot) -> T + Send + 'static,
) -> Result<T, Bad> {
    let failed = || (StatusCode::INTERNAL_SERVER_ERROR, "the list could not be made; the log may say why\n".to_owned());
    // who goes away while waiting leaves the queue
    let turn = Arc::clone(&lists.turn).acquire_owned().await.map_err(|_| failed())?;
    let work = tokio::task::spawn_blocking(move || {
        let snapshot = lists.views.snapshots.load_full();
        let list = make(&lists, &snapshot);
        drop(turn);
        list
    });
    work.await.map_err(|_| failed())
}

/// `?vpc=&word=&status=&offset=&limit=`.
#[derive(Default, Deserialize)]
struct PageQuery {
    /// Of the report: a VPC's id. Of the others: a part of one.
    #[serde(default)]
    vpc: String,
    /// A part of a service's name; of endpoints also of an id or address.
    #[serde(default)]
    word: String,
    /// Of the report: `private`, `public` or `off`.
    #[serde(default)]
    status: String,
    /// Of endpoints: a state.
    #[serde(default)]
    state: String,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

impl PageQuery {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(ROWS.0).clamp(1, ROWS.1)
    }
}

/// A page of the report: the rows that `vpcedns report --json` prints, and how much there is.
#[derive(Serialize)]
struct ReportPage {
    generation: u64,
    /// Rows that match.
    total: usize,
    offset: usize,
    rows: Vec<ReportRow>,
}

async fn report(State(lists): SharedLists, Query(query): Query<PageQuery>) -> Result<Json<ReportPage>, Bad> {
    let bad = |what: String| (StatusCode::BAD_REQUEST, what);
    let status = match query.status.to_ascii_lowercase().as_str() {
        "" => None,
        "private" => Some(PrivateStatus::Private),
        "public" => Some(PrivateStatus::Public),
        "off" => Some(PrivateStatus::Off),
        other => return Err(bad(format!("status={other}: not a status; try private, public or off\n"))),
    };
    let vpc = (!query.vpc.is_empty()).then(|| query.vpc.parse::<VpcId>()).transpose();
    let vpc = vpc.map_err(|_| bad(format!("vpc={}: not the id of a VPC, such as vpc-ec43eb89\n", query.vpc)))?;
    let page = in_turn(lists, move |_, snapshot| {
        let services = ReportedServices::new(snapshot, (!query.word.is_empty()).then_some(query.word.as_str()));
        let mut vpcs = snapshot.model.vpcs();
        vpcs.retain(|known| vpc.is_none_or(|vpc| known.vpc_id == vpc));
        let rows = vpcs.len().saturating_mul(services.len());
        if rows > REPORT {
            let what = format!("the report has up to {rows} rows, and {REPORT} are looked through at most\n");
            return Err(bad(what + "name a VPC with vpc=, or a part of a service's name with word=\n"));
        }
        let matching =
            vpcs.into_iter().flat_map(|vpc| services.rows(vpc)).filter(|row| status.is_none_or(|s| row.status == s));
        let (mut total, mut rows) = (0, Vec::new());
        for row in matching {
            if total >= query.offset && rows.len() < query.limit() {
                rows.push(row);
            }
            total += 1;
        }
        Ok(ReportPage { generation: snapshot.generation, total, offset: query.offset, rows })
    });
    Ok(Json(page.await??))
}

async fn matrix(State(lists): SharedLists, Query(query): Query<PageQuery>) -> Result<Response, Bad> {
    let text = in_turn(lists, move |lists, snapshot| {
        let key = (snapshot.generation, query.vpc.clone(), query.offset);
        let held = || lists.matrix.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = held().as_ref().filter(|(made, _)| *made == key) {
            return Arc::clone(text);
        }
        let page = matrix_page(snapshot, &query.vpc, query.offset);
        let text: Arc<str> = serde_json::to_string(&page).unwrap_or_default().into();
        *held() = Some((key, Arc::clone(&text)));
        text
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], text.await?.to_string()).into_response())
}

/// A page of the endpoints.
#[derive(Serialize)]
struct EndpointPage {
    generation: u64,
    /// Endpoints that match.
    total: usize,
    offset: usize,
    /// How many of those that match `vpc` and `word` are in each state.
    states: BTreeMap<String, usize>,
    endpoints: Vec<EndpointLine>,
}

#[derive(Serialize)]
struct EndpointLine {
    vpc_endpoint_id: String,
    vpc_id: String,
    service_name: String,
    state: String,
    /// Whether it answers: a serving state, and an address.
    served: bool,
    private_dns_enabled: bool,
    dns_record_ip_type: String,
    interfaces: Vec<InterfaceLine>,
}

#[derive(Serialize)]
struct InterfaceLine {
    availability_zone: String,
    addresses: Vec<String>,
}

async fn endpoints(State(lists): SharedLists, Query(query): Query<PageQuery>) -> Result<Json<EndpointPage>, Bad> {
    Ok(Json(in_turn(lists, move |_, snapshot| endpoint_page(snapshot, &query)).await?))
}

fn endpoint_page(snapshot: &Snapshot, query: &PageQuery) -> EndpointPage {
    let model = &snapshot.model;
    let word = query.word.to_ascii_lowercase();
    let mut states = BTreeMap::new();
    let mut matching: Vec<&Endpoint> = Vec::new();
    for endpoint in model.endpoints() {
        let is_elsewhere = !query.vpc.is_empty() && !endpoint.vpc.to_string().contains(&query.vpc);
        if is_elsewhere || !has_word(model, endpoint, &word) {
            continue;
        }
        let state = endpoint.state.to_string();
        let is_wanted = query.state.is_empty() || state.eq_ignore_ascii_case(&query.state);
        *states.entry(state).or_insert(0) += 1;
        if is_wanted {
            matching.push(endpoint);
        }
    }
    matching.sort_by_key(|endpoint| endpoint.id);
    let shown = matching.iter().skip(query.offset).take(query.limit());
    EndpointPage {
        generation: snapshot.generation,
        total: matching.len(),
        offset: query.offset,
        states,
        endpoints: shown.map(|endpoint| endpoint_line(model, endpoint)).collect(),
    }
}

/// Whether `word`, in lower case, is in what identifies the endpoint.
fn has_word(model: &Model, endpoint: &Endpoint, word: &str) -> bool {
    let addresses = || endpoint.interfaces.iter().flat_map(Interface::addresses);
    word.is_empty()
        || model.service(endpoint).service_name.as_str().to_ascii_lowercase().contains(word)
        || endpoint.id.to_string().contains(word)
        || endpoint.vpc.to_string().contains(word)
        || addresses().any(|address| address.to_string().contains(word))
}

fn endpoint_line(model: &Model, endpoint: &Endpoint) -> EndpointLine {
    let interfaces = endpoint.interfaces.iter().take(INTERFACES).map(|interface| InterfaceLine {
        availability_zone: model.zone(interface).to_string(),
        addresses: interface.addresses().map(|address| address.to_string()).collect(),
    });
    EndpointLine {
        vpc_endpoint_id: endpoint.id.to_string(),
        vpc_id: endpoint.vpc.to_string(),
        service_name: model.service(endpoint).service_name.to_string(),
        state: endpoint.state.to_string(),
        served: endpoint.is_served(),
        private_dns_enabled: endpoint.private_dns_enabled(),
        dns_record_ip_type: endpoint.record_ip_type.to_string(),
        interfaces: interfaces.collect(),
    }
}

/// A source, with its first problems in words.
#[derive(Serialize)]
struct SourcePage {
    source: String,
    ready: bool,
    good: bool,
    age_seconds: Option<u64>,
    /// Whether some changes are found late, by looking, or not at all.
    untold: bool,
    half_written: usize,
    problem_count: usize,
    problems: Vec<ProblemLine>,
}

#[derive(Serialize)]
struct ProblemLine {
    error: bool,
    text: String,
}

async fn sources(State(lists): SharedLists) -> Json<Vec<SourcePage>> {
    Json(lists.views.status.sources().iter().map(source_page).collect())
}

fn source_page(report: &SourceReport) -> SourcePage {
    let mut problems: Vec<_> = report.problems.iter().collect();
    problems.sort_by_key(|problem| !problem.is_error());
    let line =
        |problem: &&crate::problem::Problem| ProblemLine { error: problem.is_error(), text: problem.to_string() };
    SourcePage {
        source: report.id.to_string(),
        ready: report.ready,
        good: report.is_good(),
        age_seconds: report.age().map(|age| age.as_secs()),
        untold: report.health.untold,
        half_written: report.health.half_written,
        problem_count: problems.len(),
        problems: problems.iter().take(PROBLEMS).map(line).collect(),
    }
}
