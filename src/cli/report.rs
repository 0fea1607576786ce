//! `vpcedns report`

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::json;

use super::args::{ReportArgs, StatusFilter};
use super::explain::to_json;
use super::looked_at::OutputOrigin;
use super::offline::Offline;
use crate::problem::count;
use crate::report::{OffCause, PrivateStatus, ReportRow, report};

pub(super) fn run(args: &ReportArgs) -> ExitCode {
    let read = Offline::new(args.flags.settings(), args.state.said()).compile();
    let Some((snapshot, looked_at)) = read else { return ExitCode::FAILURE };
    if let Some(vpc) = args.vpc
        && let Err(code) = super::known_vpc(&snapshot.model, vpc)
    {
        return code;
    }
    let mut rows = report(&snapshot, args.vpc, args.word.as_deref());
    if let Some(filter) = args.status {
        let status = match filter {
            StatusFilter::Private => PrivateStatus::Private,
            StatusFilter::Public => PrivateStatus::Public,
            StatusFilter::Off => PrivateStatus::Off,
        };
        rows.retain(|row| row.status == status);
    }
    if args.json {
        return super::print(&to_json(&json!({ "rows": rows }), &looked_at));
    }
    super::print(&table(&rows, &looked_at))
}

/// A heading for each VPC, a line for each service, and below it what else has to be known.
fn table(rows: &[ReportRow], looked_at: &OutputOrigin) -> String {
    let mut text = String::new();
    let width = rows.iter().map(|row| row.service_name.len()).max().unwrap_or(0);
    for of_vpc in rows.chunk_by(|a, b| a.vpc_id == b.vpc_id) {
        let Some(first) = of_vpc.first() else { continue };
        let _ = writeln!(text, "{}", first.vpc_id);
        for row in of_vpc {
            let _ = writeln!(text, "  {:<width$}  {:<7}  {}", row.service_name, row.status.to_string(), row.why);
            remedies(&mut text, &row.causes);
            // names that fare otherwise than the service
            let others = row.names.iter().filter(|name| name.status != row.status || name.causes != row.causes);
            for name in others {
                let why = name.causes.first().map_or(&name.rule, |cause| &cause.why);
                let _ = writeln!(text, "    {}  {}  {why}", name.name, name.status);
                remedies(&mut text, &name.causes);
            }
        }
        text.push('\n');
    }
    let number = |status| rows.iter().filter(|row| row.status == status).count();
    let _ = writeln!(
        text,
        "{}: {} private, {} public, {} off ({looked_at})",
        count(rows.len(), "line"),
        number(PrivateStatus::Private),
        number(PrivateStatus::Public),
        number(PrivateStatus::Off)
    );
    text
}

fn remedies(text: &mut String, causes: &[OffCause]) {
    for (number, cause) in causes.iter().enumerate() {
        // the line above says why for the first
        if number > 0 {
            let _ = writeln!(text, "      also: {}", cause.why);
        }
        let _ = writeln!(text, "      remedy: {}", cause.remedy);
    }
}
