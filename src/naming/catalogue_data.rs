//! What `services.toml` says, read once: the only file of `naming` that knows how the catalogue is written.
//!
//! The text is compiled in, so that it can be wrong only where a test can see it.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::catalogue::Evidence;
use super::partition::partition_of;
use super::service::Region;
use super::shape::Family;

/// One service, in words that hold for every region.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// The label of its endpoints' names, where turning the labels of its own name gives another.
    pub(super) base: Option<String>,
    /// Its private names with `{region}`, `{suffix}` and `{dual-stack}`; `None`: by the rule.
    pub(super) private: Option<Vec<String>>,
    /// Endpoints answer below their own names too.
    #[serde(default)]
    pub(super) wildcard: bool,
    /// The one region that has it.
    pub(super) region: Option<String>,
    /// The one partition that has it.
    pub(super) partition: Option<String>,
    evidence: Word,
}

/// How a private name is known, in the words of the file.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Seen,
    Guide,
    Table,
    Sdk,
    Label,
    Rule,
}

impl Entry {
    /// Whether `region` can have it.
    pub(super) fn is_in(&self, region: &Region) -> bool {
        self.region.as_ref().is_none_or(|only| only == region.as_str())
            && self.partition.as_ref().is_none_or(|only| only == partition_of(region).name)
    }

    /// How sure its names are.
    pub(super) fn evidence(&self) -> Evidence {
        match self.evidence {
            Word::Seen | Word::Guide => Evidence::Documented,
            Word::Table => Evidence::Table,
            Word::Sdk | Word::Label | Word::Rule => Evidence::Derived,
        }
    }
}

/// Services of one family by what follows the region in their names.
pub(super) type Services = HashMap<String, Entry>;

/// The whole file, table by table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catalogue {
    /// By partition: the services whose names begin with the partition's own prefix.
    #[serde(rename = "own-prefix")]
    pub(super) own_prefix: HashMap<String, Vec<String>>,
    #[serde(rename = "com.amazonaws.{region}")]
    regional: Services,
    #[serde(rename = "com.amazonaws")]
    global: Services,
    #[serde(rename = "aws.sagemaker.{region}")]
    sagemaker: Services,
    #[serde(rename = "aws.api.{region}")]
    api: Services,
    #[serde(rename = "api.aws.{region}")]
    turned_api: Services,
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
    pub(super) fn family(&self, family: Family) -> &Services {
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
    use super::super::partition::{PARTITIONS, is_region_code};
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
                assert!(entry.region.as_ref().is_none_or(|region| is_region_code(region)), "{name}");
                assert!(entry.partition.as_ref().is_none_or(|own| PARTITIONS.iter().any(|p| p.name == own)), "{name}");
                for private in entry.private.iter().flatten() {
                    let rest = ["{region}", "{suffix}", "{dual-stack}"]
                        .iter()
                        .fold(private.clone(), |text, variable| text.replace(variable, "x"));
                    assert!(!rest.contains(['{', '}']), "{name}: unknown variable in {private}");
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
