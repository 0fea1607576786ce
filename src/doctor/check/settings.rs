//! Whether settings, zones and certificates load at all.

use crate::doctor::facts::HostFacts;
use crate::doctor::finding::Finding;

/// Problems that are shown; `vpcedns check` shows all.
const SHOWN: usize = 3;

pub(super) fn check(host: &HostFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let errors = host.problems.iter().filter(|problem| problem.is_error());
    for problem in errors.clone().take(SHOWN) {
        let hint = if problem.hint.is_empty() { "correct it; `vpcedns check` says more" } else { &problem.hint };
        findings.push(Finding::problem("settings", format!("{}: {}", problem.place, problem.what), hint));
    }
    let more = errors.count().saturating_sub(SHOWN);
    if more > 0 {
        findings.push(Finding::problem("settings", format!("{more} more errors"), "`vpcedns check` lists them"));
    }
    let warnings = host.problems.iter().filter(|problem| !problem.is_error()).count();
    if warnings > 0 {
        let what = format!("{} in the zones", crate::problem::count(warnings, "warning"));
        findings.push(Finding::warning("settings", what, "`vpcedns check` lists them"));
    }
    if findings.is_empty() && !host.loaded.is_empty() {
        findings.push(Finding::ok("settings", host.loaded.clone()));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::testing::{shown, sound};
    use crate::problem::{Place, Problem};

    #[test]
    fn errors_are_problems_and_the_rest_is_counted() {
        let mut host = sound();
        assert_eq!(shown(&check(&host)), ["ok settings: 3 endpoints in 1 VPC"]);
        let place = Place { file: "zones/a.toml".into(), line: 3, column: 1 };
        host.problems = vec![Problem::error(place.clone(), "unknown key 'x'", "did you mean 'y'?"); 5];
        host.problems.push(Problem::warning(place, "odd", ""));
        let said = shown(&check(&host));
        assert_eq!(said.len(), 5);
        assert_eq!(said[0], "PROBLEM settings: zones/a.toml:3:1: unknown key 'x' -> did you mean 'y'?");
        assert_eq!(
            said[3..],
            [
                "PROBLEM settings: 2 more errors -> `vpcedns check` lists them",
                "WARNING settings: 1 warning in the zones -> `vpcedns check` lists them",
            ]
        );
    }
}
