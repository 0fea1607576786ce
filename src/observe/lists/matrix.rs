//! The report as a matrix: names by VPCs, a letter for each.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::{OffReason, PrivateStatus, ReportRow, ReportedName, ReportedServices};
use crate::snapshot::Snapshot;

/// VPCs of a page of the matrix at most, and names times VPCs.
const MATRIX: (usize, usize) = (1000, 500_000);

/// Names by VPCs: the report with a letter for each.
#[derive(Serialize)]
pub(super) struct MatrixPage {
    generation: u64,
    /// VPCs that match.
    total: usize,
    offset: usize,
    /// The offset of the next page; none after the last.
    next: Option<usize>,
    /// What the letters of `cells` are about, in their order.
    names: Vec<MatrixName>,
    vpcs: Vec<MatrixVpc>,
}

#[derive(Serialize)]
struct MatrixName {
    /// Empty for a service without a private name.
    name: String,
    service_name: String,
}

#[derive(Serialize)]
struct MatrixVpc {
    vpc_id: String,
    region: String,
    /// A letter for each name: `P` private, `U` public, `O` off, `N` off as no endpoint of the service is in this VPC,
    /// `-` not in the report.
    cells: String,
}

/// The page that begins with VPC number `offset` of those whose id contains `part`.
pub(super) fn matrix_page(snapshot: &Snapshot, part: &str, offset: usize) -> MatrixPage {
    let services = ReportedServices::new(snapshot, None);
    let mut vpcs = snapshot.model.vpcs();
    vpcs.retain(|vpc| vpc.vpc_id.to_string().contains(part));
    let (most, cells) = MATRIX;
    let page = (cells / services.len().max(1)).clamp(1, most);
    let mut names = BTreeMap::<(String, String), usize>::new();
    let rows: Vec<_> = vpcs
        .iter()
        .skip(offset)
        .take(page)
        .map(|vpc| {
            let mut letters = Vec::new();
            for row in services.rows(vpc) {
                for (name, letter) in letters_of(&row) {
                    let next = names.len();
                    letters.push((*names.entry((name, row.service_name.clone())).or_insert(next), letter));
                }
            }
            (*vpc, letters)
        })
        .collect();
    let mut place = vec![0; names.len()];
    for (sorted, number) in names.values().enumerate() {
        if let Some(place) = place.get_mut(*number) {
            *place = sorted;
        }
    }
    let vpcs_shown = rows.into_iter().map(|(vpc, letters)| {
        let mut cells = vec!['-'; names.len()];
        for (number, letter) in letters {
            if let Some(cell) = place.get(number).and_then(|place| cells.get_mut(*place)) {
                *cell = letter;
            }
        }
        MatrixVpc { vpc_id: vpc.vpc_id.to_string(), region: vpc.region.to_string(), cells: cells.into_iter().collect() }
    });
    let vpcs_shown: Vec<_> = vpcs_shown.collect();
    let end = offset.saturating_add(vpcs_shown.len());
    MatrixPage {
        generation: snapshot.generation,
        total: vpcs.len(),
        offset,
        next: (end < vpcs.len() && !vpcs_shown.is_empty()).then_some(end),
        names: names.into_keys().map(|(name, service_name)| MatrixName { name, service_name }).collect(),
        vpcs: vpcs_shown,
    }
}

/// A row's names and their letters.
fn letters_of(row: &ReportRow) -> Vec<(String, char)> {
    if row.names.is_empty() {
        return vec![(String::new(), 'O')];
    }
    row.names.iter().map(|name| (name.name.clone(), letter_of(name))).collect()
}

fn letter_of(name: &ReportedName) -> char {
    match name.status {
        PrivateStatus::Private => 'P',
        PrivateStatus::Public => 'U',
        PrivateStatus::Off if name.causes.iter().any(|cause| cause.reason == OffReason::NotInVpc) => 'N',
        PrivateStatus::Off => 'O',
    }
}
