//! What `services.toml` says, read once: the only file of `naming` that knows how the catalogue is written.
//!
//! The text is compiled in, so that it can be wrong only where a test can see it.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::evidence::Evidence;
use super::partition::partition_of;
use super::service_name::Region;
use super::shape::Family;

/// One service, in words that hold for every region.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CatalogueEntry {
    /// The label of its endpoints' names, where turning the labels of its own name gives another.
    pub(super) base: Option<String>,
    /// How the one private name that the rule makes is known; `None`: it has others, or none.
    evidence: Option<Evidence>,
    /// How it is known that private DNS cannot be on.
    #[serde(rename = "no-private-name")]
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "evidence for readers of the file; without names there is nothing to show")
    )]
    pub(super) no_private_name: Option<Evidence>,
    #[serde(default)]
    seen: Vec<String>,
    #[serde(default)]
    guide: Vec<String>,
    #[serde(default)]
    table: Vec<String>,
    #[serde(default)]
    report: Vec<String>,
    #[serde(default)]
    sdk: Vec<String>,
    #[serde(default)]
    label: Vec<String>,
    #[serde(default)]
    rule: Vec<String>,
    /// Names that hold for endpoints with both address families only.
    #[serde(default)]
    pub(super) dualstack: Vec<String>,
    /// Names that nobody has seen at an endpoint, but an SDK asks for.
    #[serde(default)]
    pub(super) second: Vec<String>,
    /// Endpoints answer below their own names too.
    #[serde(default)]
    pub(super) wildcard: bool,
    /// The one region that has it.
    pub(super) region: Option<String>,
    /// The one partition that has it.
    pub(super) partition: Option<String>,
}

impl CatalogueEntry {
    /// Whether `region` can have it.
    pub(super) fn is_in(&self, region: &Region) -> bool {
        self.region.as_ref().is_none_or(|only| only == region.as_str())
            && self.partition.as_ref().is_none_or(|only| only == partition_of(region).name)
    }

    /// How the name that the rule makes is known; `None` where the file gives other names, or says that there are none.
    pub(super) fn by_rule(&self) -> Option<Evidence> {
        self.evidence
    }

    /// The private names that the file gives, each with how it is known; `{region}`, `{suffix}` and so on stand in them.
    pub(super) fn given(&self) -> impl Iterator<Item = (&str, Evidence)> {
        let lists = [
            (&self.seen, Evidence::Seen),
            (&self.guide, Evidence::Guide),
            (&self.table, Evidence::Table),
            (&self.report, Evidence::Report),
            (&self.sdk, Evidence::Sdk),
            (&self.label, Evidence::Label),
            (&self.rule, Evidence::Rule),
        ];
        lists.into_iter().flat_map(|(names, evidence)| names.iter().map(move |name| (name.as_str(), evidence)))
    }
}

/// Services of one family by what follows the region in their names.
pub(super) type ServiceEntries = HashMap<String, CatalogueEntry>;

/// The whole file, table by table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catalogue {
    /// By partition: the services whose names begin with the partition's own prefix.
    #[serde(rename = "own-prefix")]
    pub(super) own_prefix: HashMap<String, Vec<String>>,
    #[serde(rename = "com.amazonaws.{region}")]
    regional: ServiceEntries,
    #[serde(rename = "com.amazonaws")]
    global: ServiceEntries,
    #[serde(rename = "aws.sagemaker.{region}")]
    sagemaker: ServiceEntries,
    #[serde(rename = "aws.api.{region}")]
    api: ServiceEntries,
    #[serde(rename = "api.aws.{region}")]
    turned_api: ServiceEntries,
}

impl Catalogue {
    /// The catalogue that is compiled in.
    pub(super) fn get() -> &'static Self {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
            // held by `the_catalogue_reads`: the text is part of the program, not of its input
            toml::from_str(include_str!("services.toml")).expect("services.toml was read by a test")
        });
        &CATALOGUE
    }

    /// The services of one family.
    pub(super) fn family(&self, family: Family) -> &ServiceEntries {
        match family {
            Family::Regional => &self.regional,
            Family::Global => &self.global,
            Family::Sagemaker => &self.sagemaker,
            Family::Api => &self.api,
            Family::TurnedApi => &self.turned_api,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::partition::{PARTITIONS, is_region_code};
    use super::super::shape::NO_REGION;
    use super::*;

    #[test]
    fn the_catalogue_reads() {
        let catalogue = Catalogue::get();
        assert!(Family::ALL.iter().map(|&family| catalogue.family(family).len()).sum::<usize>() >= 464);
        for (partition, services) in &catalogue.own_prefix {
            assert!(PARTITIONS.iter().any(|p| p.name == partition), "{partition}");
            for service in services {
                assert!(catalogue.regional.contains_key(service), "own-prefix names {service}, which is nowhere else");
            }
        }
    }

    #[test]
    fn entries_make_sense() {
        for family in Family::ALL {
            for (name, entry) in Catalogue::get().family(family) {
                assert!(entry.region.is_some() || family != Family::Global, "{name} is global and says no region");
                assert!(
                    entry.region.as_ref().is_none_or(|region| is_region_code(region) || region == NO_REGION),
                    "{name}"
                );
                assert!(entry.partition.as_ref().is_none_or(|own| PARTITIONS.iter().any(|p| p.name == own)), "{name}");
                // a service has its name by the rule, or names that are written down, or none; never two of these
                let ways = [entry.evidence.is_some(), entry.given().count() > 0, entry.no_private_name.is_some()];
                assert_eq!(ways.iter().filter(|way| **way).count(), 1, "{name}");
                let written = entry.given().map(|(name, _)| name);
                let more = entry.dualstack.iter().chain(&entry.second).map(String::as_str);
                let mut seen = HashSet::new();
                for private in written.chain(more) {
                    let rest = ["{region}", "{suffix}", "{dual-stack}", "{on-aws}"]
                        .iter()
                        .fold(private.to_owned(), |text, variable| text.replace(variable, "x"));
                    assert!(!rest.contains(['{', '}']), "{name}: unknown variable in {private}");
                    assert!(seen.insert(private), "{name}: {private} stands twice");
                }
            }
        }
    }

    /// A line out of order is one that the next editor does not find, and writes again.
    #[test]
    fn lines_are_in_order() {
        let mut last = String::new();
        for line in include_str!("services.toml").lines() {
            if line.starts_with('[') {
                last.clear();
            } else if let Some((name, _)) = line.split_once(" = {") {
                let name = name.trim_matches('"').to_owned();
                assert!(last < name, "{name} stands after {last}");
                last = name;
            }
        }
    }
}
