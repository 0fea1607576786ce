//! `vpcedns catalogue`: the AWS services that are known, and what an output of AWS says otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::args::{CatalogueArgs, CatalogueCommand};
use crate::dns::DnsName;
use crate::model::{Object, ServiceInput};
use crate::naming::{CatalogueNames, Evidence, Region, Service, is_known, resolve, services};
use crate::source::{FileText, read_json_set};

pub(super) fn run(args: &CatalogueArgs) -> ExitCode {
    match &args.what {
        CatalogueCommand::List { word, region, json } => list(word.as_deref().unwrap_or_default(), region, *json),
        CatalogueCommand::Diff { file, json } => diff(file, *json),
    }
}

/// A service of the catalogue as it is printed.
#[derive(Serialize)]
struct CatalogueRow {
    service_name: String,
    base_endpoint_dns_name: String,
    private_dns_names: Vec<Known>,
    /// Names for endpoints with both address families only.
    dualstack: Vec<String>,
    /// Names that hold only with `catalogue = "sdk-names"`.
    second: Vec<String>,
}

/// A name and how it is known.
#[derive(Serialize)]
struct Known {
    name: String,
    evidence: String,
}

fn list(word: &str, region: &Region, json: bool) -> ExitCode {
    let chosen: Vec<Service> = services(region, CatalogueNames::Evident)
        .filter(|service| service.service_name.as_str().contains(word))
        .collect();
    if json {
        let all: Vec<CatalogueRow> = chosen.iter().map(CatalogueRow::new).collect();
        return super::print(&format!("{}\n", serde_json::to_string_pretty(&all).unwrap_or_default()));
    }
    let mut text = String::new();
    let mut counts: BTreeMap<Evidence, usize> = BTreeMap::new();
    let (mut dualstack, mut second) = (0, 0);
    for service in &chosen {
        let _ = writeln!(text, "{}  {}", service.service_name, service.base);
        for (name, evidence) in service.private_names.iter().zip(&service.evidence) {
            let _ = writeln!(text, "  {name}  {evidence}");
            *counts.entry(*evidence).or_default() += 1;
        }
        for name in &service.dualstack_names {
            let _ = writeln!(text, "  {name}  for dual-stack endpoints only");
        }
        for name in &service.second_names {
            let _ = writeln!(text, "  {name}  off: only with catalogue = \"sdk-names\"");
        }
        (dualstack, second) = (dualstack + service.dualstack_names.len(), second + service.second_names.len());
    }
    let names = counts.iter().map(|(evidence, count)| format!("{count} {evidence}")).collect::<Vec<_>>().join(", ");
    let services = crate::problem::count(chosen.len(), "service");
    let _ = writeln!(text, "{services} in {region}; names: {names}, {dualstack} dualstack, {second} off");
    super::print(&text)
}

impl CatalogueRow {
    fn new(service: &Service) -> Self {
        let text = |names: &[DnsName]| names.iter().map(ToString::to_string).collect();
        let known = service.private_names.iter().zip(&service.evidence);
        Self {
            service_name: service.service_name.to_string(),
            base_endpoint_dns_name: service.base.to_string(),
            private_dns_names: known
                .map(|(name, evidence)| Known { name: name.to_string(), evidence: evidence.to_string() })
                .collect(),
            dualstack: text(&service.dualstack_names),
            second: text(&service.second_names),
        }
    }
}

/// A service of an output of which the catalogue says something else.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Difference {
    service_name: String,
    /// The catalogue does not have the service; its names are compared with those of the rule.
    new: bool,
    /// The base of the output and of the catalogue, where they differ.
    base: Option<(String, String)>,
    /// Private names that only the output has.
    more: Vec<String>,
    /// Private names that only the catalogue has.
    less: Vec<String>,
}

fn diff(file: &Path, json: bool) -> ExitCode {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("error: {}: cannot be read: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    let loaded = read_json_set(&[FileText { path: file.display().to_string().into(), text }]);
    super::print_problems(&loaded.problems);
    let given: Vec<&ServiceInput> = loaded
        .inputs
        .iter()
        .filter_map(|input| if let Object::Service(service) = &*input.object { Some(service) } else { None })
        .collect();
    if given.is_empty() {
        eprintln!(
            "error: {} has no services\n  hint: save the output of `aws ec2 describe-vpc-endpoint-services`",
            file.display()
        );
        return ExitCode::FAILURE;
    }
    let differences: Vec<Difference> = given.iter().filter_map(|service| difference(service)).collect();
    let missing = missing(&given);
    let printed = if json {
        let all = serde_json::json!({ "differences": differences, "not_in_the_output": missing });
        super::print(&format!("{all:#}\n"))
    } else {
        super::print(&for_people(&differences, &missing, given.len()))
    };
    if differences.is_empty() { printed } else { ExitCode::FAILURE }
}

fn difference(given: &ServiceInput) -> Option<Difference> {
    let name = &given.service_name.value;
    let by_us = resolve(name).ok();
    // a service of an account is in no catalogue
    if by_us.as_ref().is_some_and(|service| service.base.labels().any(|label| label.starts_with(b"vpce-svc-"))) {
        return None;
    }
    let theirs = without_apexes(given.private_dns_names.iter().flatten().map(|name| &name.value));
    let ours = without_apexes(by_us.iter().flat_map(|service| service.private_names(true)));
    let base = match (&given.base_endpoint_dns_name, &by_us) {
        (Some(theirs), Some(ours)) if theirs.value != ours.base => {
            Some((theirs.value.to_string(), ours.base.to_string()))
        }
        _ => None,
    };
    let only = |a: &BTreeSet<DnsName>, b: &BTreeSet<DnsName>| a.difference(b).map(ToString::to_string).collect();
    let found = Difference {
        service_name: name.to_string(),
        new: !is_known(name),
        base,
        more: only(&theirs, &ours),
        less: only(&ours, &theirs),
    };
    let is_equal = !found.new && found.base.is_none() && found.more.is_empty() && found.less.is_empty();
    (!is_equal).then_some(found)
}

/// Names without the `x` of each `*.x`, which stands for it: outputs have the one or both.
fn without_apexes<'n>(names: impl Iterator<Item = &'n DnsName>) -> BTreeSet<DnsName> {
    let all: BTreeSet<DnsName> = names.cloned().collect();
    let apexes: BTreeSet<DnsName> = all.iter().filter_map(DnsName::wildcard_apex).collect();
    all.into_iter().filter(|name| !apexes.contains(name)).collect()
}

/// Services of the catalogue that the output, which is of one region, does not have.
fn missing(given: &[&ServiceInput]) -> Vec<String> {
    let known: BTreeSet<&str> = given.iter().map(|service| service.service_name.value.as_str()).collect();
    let region = given.iter().find_map(|service| resolve(&service.service_name.value).ok()?.region);
    let ours = region.into_iter().flat_map(|region| services(&region, CatalogueNames::Evident));
    ours.map(|service| service.service_name.to_string()).filter(|name| !known.contains(name.as_str())).collect()
}

fn for_people(differences: &[Difference], missing: &[String], total: usize) -> String {
    let mut text = String::new();
    for one in differences {
        let _ = writeln!(text, "{}{}", one.service_name, if one.new { "  not in the catalogue" } else { "" });
        if let Some((theirs, ours)) = &one.base {
            let _ = writeln!(text, "  + base {theirs}\n  - base {ours}");
        }
        let lines = one.more.iter().map(|name| ('+', name)).chain(one.less.iter().map(|name| ('-', name)));
        lines.for_each(|(sign, name)| {
            let _ = writeln!(text, "  {sign} {name}");
        });
    }
    if !missing.is_empty() {
        let _ = writeln!(text, "not in the output: {}", missing.join(", "));
    }
    let new = differences.iter().filter(|one| one.new).count();
    let _ = writeln!(
        text,
        "{}: {} differ, {new} of them new; {} of the catalogue not in the output",
        crate::problem::count(total, "service"),
        differences.len(),
        missing.len()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = r#"{"ServiceDetails": [
      {"ServiceName": "com.amazonaws.us-east-1.ecr.dkr", "ServiceType": [{"ServiceType": "Interface"}],
       "BaseEndpointDnsNames": ["dkr.ecr.us-east-1.vpce.amazonaws.com"],
       "PrivateDnsNames": [{"PrivateDnsName": "*.dkr.ecr.us-east-1.amazonaws.com"}, {"PrivateDnsName": "*.dkr-ecr.us-east-1.on.aws"}]},
      {"ServiceName": "com.amazonaws.us-east-1.ecs", "ServiceType": [{"ServiceType": "Interface"}],
       "BaseEndpointDnsNames": ["ecs.us-east-1.vpce.amazonaws.com"],
       "PrivateDnsNames": [{"PrivateDnsName": "ecs.us-east-1.api.aws"}]},
      {"ServiceName": "com.amazonaws.us-east-1.brand-new", "ServiceType": [{"ServiceType": "Interface"}],
       "BaseEndpointDnsNames": ["odd.us-east-1.vpce.amazonaws.com"], "PrivateDnsNames": []}
    ]}"#;

    #[test]
    fn an_output_is_compared_service_by_service() {
        let loaded = read_json_set(&[FileText { path: "s.json".into(), text: OUTPUT.to_owned() }]);
        let given = loaded.inputs.iter().filter_map(|input| match &*input.object {
            Object::Service(service) => Some(service),
            _ => None,
        });
        let given: Vec<&ServiceInput> = given.collect();
        let found: Vec<Difference> = given.iter().filter_map(|service| difference(service)).collect();
        let text = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            found,
            [
                Difference {
                    service_name: "com.amazonaws.us-east-1.ecs".into(),
                    more: text(&["ecs.us-east-1.api.aws"]),
                    less: text(&["ecs.us-east-1.amazonaws.com"]),
                    ..Difference::default()
                },
                Difference {
                    service_name: "com.amazonaws.us-east-1.brand-new".into(),
                    new: true,
                    base: Some((
                        "odd.us-east-1.vpce.amazonaws.com".into(),
                        "brand-new.us-east-1.vpce.amazonaws.com".into()
                    )),
                    less: text(&["brand-new.us-east-1.amazonaws.com"]),
                    ..Difference::default()
                },
            ]
        );
        assert!(missing(&given).contains(&"com.amazonaws.us-east-1.kms".to_owned()));
        assert!(
            for_people(&found, &[], 3)
                .ends_with("3 services: 2 differ, 1 of them new; 0 of the catalogue not in the output\n")
        );
    }
}
