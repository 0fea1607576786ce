//! What is wrong with what the sources say, and what they say: what `vpcedns check` prints.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::{Bad, SharedLists, in_turn};
use crate::model::Model;
use crate::problem::{Place, Problem, Severity, count};

/// A check of what was loaded last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckReport {
    /// The generation that is served.
    pub generation: u64,
    /// Whether that is what the sources said last: else the last load had errors.
    pub good: bool,
    /// Everything that is wrong.
    pub problems: Vec<CheckedProblem>,
    /// How many objects of each kind are served.
    pub served: String,
}

/// A problem with its place taken apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckedProblem {
    /// The file, or what else the source calls the place.
    pub file: String,
    /// The line; 0: the whole of it.
    pub line: u32,
    /// The column; 0: the whole line.
    pub column: u32,
    /// `error` or `warning`.
    pub severity: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl From<&Problem> for CheckedProblem {
    fn from(problem: &Problem) -> Self {
        Self {
            file: problem.place.file.to_string(),
            line: problem.place.line,
            column: problem.place.column,
            severity: if problem.is_error() { "error" } else { "warning" }.to_owned(),
            what: problem.what.clone(),
            hint: problem.hint.clone(),
        }
    }
}

impl From<CheckedProblem> for Problem {
    fn from(checked: CheckedProblem) -> Self {
        let place = Place { file: checked.file.into(), line: checked.line, column: checked.column };
        let severity = if checked.severity == "error" { Severity::Error } else { Severity::Warning };
        Self { place, severity, what: checked.what, hint: checked.hint }
    }
}

/// How many objects of each kind there are; kinds without one are left out.
pub fn object_counts(model: &Model) -> String {
    let counts = [
        (model.vpcs().len(), "VPC"),
        (model.subnets().count(), "subnet"),
        (model.endpoint_count(), "endpoint"),
        (model.declared_services().count(), "service"),
        (model.hosts().count(), "other network interface"),
        (model.hosted_zones().len(), "hosted zone"),
        (model.rules().len(), "resolver rule"),
        (model.profiles().len(), "Profile"),
        (model.inbound().len(), "inbound resolver endpoint"),
    ];
    let counts = counts.into_iter().filter(|(number, _)| *number > 0).map(|(number, noun)| count(number, noun));
    let counts: Vec<String> = counts.collect();
    if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") }
}

pub(super) async fn checked(State(lists): SharedLists) -> Result<Json<CheckReport>, Bad> {
    let report = in_turn(lists, |lists, snapshot| {
        let problems = lists.views.status.last().map(|last| last.problems).unwrap_or_default();
        CheckReport {
            generation: snapshot.generation,
            good: !problems.iter().any(Problem::is_error),
            problems: problems.iter().map(CheckedProblem::from).collect(),
            served: object_counts(&snapshot.model),
        }
    });
    Ok(Json(report.await?))
}
