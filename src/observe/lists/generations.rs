//! Which answers the last change changed, the generation that is served against the one before it; and which other files would
//! change.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::checked::CheckedProblem;
use super::{Bad, SharedLists, in_turn};
use crate::diff::{AnswerDiff, DiffScope, diff_within};
use crate::naming::VpcId;
use crate::snapshot::Snapshot;
use crate::source::FileText;

/// Most answers that are compared, so that other lists do not wait for minutes.
const MOST_QUESTIONS: usize = 200_000;

/// What differs between two generations: what `vpcedns diff --socket` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GenerationDiff {
    /// The generation before.
    pub old: u64,
    /// The generation that is served.
    pub new: u64,
    /// What differs.
    #[serde(flatten)]
    pub diff: AnswerDiff,
}

/// What other files would change: what `vpcedns diff DIR --socket` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FilesDiff {
    /// The generation that is served.
    pub generation: u64,
    /// What would differ.
    #[serde(flatten)]
    pub diff: AnswerDiff,
}

/// A file that is sent to be compared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GivenFile {
    /// Its path, for problems and for files that name it.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// `?vpc=`: what clients of this VPC are told only.
#[derive(Deserialize)]
pub(super) struct DiffQuery {
    vpc: Option<String>,
}

pub(super) async fn generations(
    State(lists): SharedLists,
    Query(query): Query<DiffQuery>,
) -> Result<Json<GenerationDiff>, Bad> {
    let scope = query.scope()?;
    let found = in_turn(lists, move |lists, new| {
        let old = lists.views.snapshots.previous().ok_or_else(|| {
            let what = format!("there is nothing to compare generation {} with: ", new.generation);
            let why =
                "the server keeps the generation before the last change, if that changed 10,000 objects or less\n";
            (StatusCode::NOT_FOUND, what + why)
        })?;
        let diff = within(&old, new, scope)?;
        Ok(GenerationDiff { old: old.generation, new: new.generation, diff })
    });
    Ok(Json(found.await??))
}

/// Why other files are not compared.
pub(super) enum NotCompared {
    /// The server would not serve them.
    Broken(Vec<CheckedProblem>),
    /// It cannot be asked so.
    Bad(Bad),
}

impl IntoResponse for NotCompared {
    fn into_response(self) -> Response {
        match self {
            Self::Broken(problems) => (StatusCode::UNPROCESSABLE_ENTITY, Json(problems)).into_response(),
            Self::Bad(bad) => bad.into_response(),
        }
    }
}

/// The difference that these files would make, in place of those that the server read.
pub(super) async fn files(
    State(lists): SharedLists,
    Query(query): Query<DiffQuery>,
    Json(files): Json<Vec<GivenFile>>,
) -> Result<Json<FilesDiff>, NotCompared> {
    let scope = query.scope().map_err(NotCompared::Bad)?;
    let texts = files.into_iter().map(|file| FileText { path: file.path.into(), text: file.text }).collect();
    let found = in_turn(lists, move |lists, _| {
        let tried = (lists.views.control.what_if)(texts);
        let (served, next) =
            tried.map_err(|problems| NotCompared::Broken(problems.iter().map(CheckedProblem::from).collect()))?;
        let diff = within(&served, &next, scope).map_err(NotCompared::Bad)?;
        Ok(FilesDiff { generation: served.generation, diff })
    });
    found.await.map_err(NotCompared::Bad)?.map(Json)
}

impl DiffQuery {
    fn scope(&self) -> Result<DiffScope, Bad> {
        let vpc = self.vpc.as_deref().map(|text| {
            let bad = || (StatusCode::BAD_REQUEST, format!("vpc={text}: not the id of a VPC, such as vpc-ec43eb89\n"));
            text.parse::<VpcId>().map_err(|_| bad())
        });
        Ok(DiffScope { vpc: vpc.transpose()?, most_questions: MOST_QUESTIONS })
    }
}

fn within(old: &Snapshot, new: &Snapshot, scope: DiffScope) -> Result<AnswerDiff, Bad> {
    diff_within(old, new, scope).map_err(|error| {
        let what = format!("{error}: name a VPC, or compare the files with `vpcedns diff OLD NEW`\n");
        (StatusCode::BAD_REQUEST, what)
    })
}
