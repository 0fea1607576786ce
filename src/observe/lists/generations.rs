//! Which answers the last change changed: the generation that is served against the one before it.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Bad, SharedLists, in_turn};
use crate::diff::{AnswerDiff, DiffScope, diff_within};
use crate::naming::VpcId;

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

/// `?vpc=`: what clients of this VPC are told only.
#[derive(Deserialize)]
pub(super) struct DiffQuery {
    vpc: Option<String>,
}

pub(super) async fn generations(
    State(lists): SharedLists,
    Query(query): Query<DiffQuery>,
) -> Result<Json<GenerationDiff>, Bad> {
    let vpc = query.vpc.as_deref().map(|text| {
        let bad = || (StatusCode::BAD_REQUEST, format!("vpc={text}: not the id of a VPC, such as vpc-ec43eb89\n"));
        text.parse::<VpcId>().map_err(|_| bad())
    });
    let scope = DiffScope { vpc: vpc.transpose()?, most_questions: MOST_QUESTIONS };
    let found = in_turn(lists, move |lists, new| {
        let old = lists.views.snapshots.previous().ok_or_else(|| {
            let what = format!("there is nothing to compare generation {} with: ", new.generation);
            let why =
                "the server keeps the generation before the last change, if that changed 10,000 objects or less\n";
            (StatusCode::NOT_FOUND, what + why)
        })?;
        let diff = diff_within(&old, new, scope).map_err(|error| {
            (
                StatusCode::BAD_REQUEST,
                format!("{error}: name a VPC, or compare the files with `vpcedns diff OLD NEW`\n"),
            )
        })?;
        Ok(GenerationDiff { old: old.generation, new: new.generation, diff })
    });
    Ok(Json(found.await??))
}
