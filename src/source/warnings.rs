//! Warnings of the model that hold until something changes: a load checks what it touches, and says nothing of the rest.

use crate::model::{Key, Model, Violation};
use crate::problem::Place;

/// What the model warns of, and of whose objects, as the number of the source.
#[derive(Default)]
pub(super) struct ModelWarnings(Vec<(usize, Violation)>);

impl ModelWarnings {
    /// Those that still hold in `model` and that `new` ones do not say anew.
    pub(super) fn still<'w>(
        &'w self,
        new: &'w [(usize, Violation)],
        model: &'w Model,
        place_of: &'w dyn Fn(&Key) -> Option<Place>,
    ) -> impl Iterator<Item = (usize, Violation)> + 'w {
        let are_old = move |(_, old): &&(usize, Violation)| !new.iter().any(|(_, new)| new.says_anew(old));
        let old = self.0.iter().filter(are_old);
        old.filter_map(move |(member, old)| Some((*member, old.still(model, place_of)?)))
    }

    /// Adds what an edit was warned of; what holds no more goes with the next load.
    pub(super) fn add(&mut self, member: usize, new: &[Violation]) {
        for new in new {
            self.0.retain(|(_, old)| !new.says_anew(old));
            self.0.push((member, new.clone()));
        }
    }

    /// What is to be remembered once `model`, of which `new` was said, is taken over.
    pub(super) fn next(
        &self,
        new: Vec<(usize, Violation)>,
        model: &Model,
        place_of: &dyn Fn(&Key) -> Option<Place>,
    ) -> Self {
        let mut next: Vec<_> = self.still(&new, model, place_of).collect();
        next.extend(new);
        Self(next)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::super::{Declared, PartId, Progress, Reading, Source, SourceId, Sources, read_toml};

    /// Says one reading after the other.
    struct ScriptedSource(VecDeque<Reading>);

    impl Source for ScriptedSource {
        fn id(&self) -> SourceId {
            SourceId::new("scripted")
        }

        fn read(&mut self, _: Progress<'_>) -> Reading {
            self.0.pop_front().unwrap_or_default()
        }
    }

    /// A file that changes; without a text, it goes.
    fn file(name: &str, text: Option<String>) -> Reading {
        let id = PartId::File(name.into());
        let declared = |text: String| -> Declared { read_toml(&name.into(), &text) };
        match text {
            Some(text) => Reading { parts: vec![(id, declared(text))], ..Reading::default() },
            None => Reading { gone: vec![id], ..Reading::default() },
        }
    }

    fn vpc(id: &str, block: &str, hostnames: bool) -> String {
        format!(
            "[[vpc]]\nvpc_id = \"{id}\"\nregion = \"us-east-1\"\ncidr_blocks = [\"{block}\"]\nenable_dns_hostnames = {hostnames}\n"
        )
    }

    fn endpoint(id: &str, service: &str) -> String {
        format!(
            "[[vpc_endpoint]]\nvpc_endpoint_id = \"{id}\"\nvpc_id = \"vpc-00000001\"\nservice_name = \"com.amazonaws.us-east-1.{service}\"\n"
        )
    }

    #[test]
    fn what_the_model_warns_of_stays_until_it_is_so_no_more() {
        let steps: Vec<(&str, Reading, &str)> = vec![
            ("a VPC", file("vpc", Some(vpc("vpc-00000001", "10.1.0.0/16", false))), ""),
            ("an endpoint in it", file("a", Some(endpoint("vpce-00000001", "sqs"))), "a:2 vpce-00000001"),
            ("nothing", Reading::default(), "a:2 vpce-00000001"),
            ("something else", file("z", Some(vpc("vpc-00000009", "10.9.0.0/16", true))), "a:2 vpce-00000001"),
            ("another in it", file("b", Some(endpoint("vpce-00000002", "sns"))), "b:2 vpce-00000002"),
            ("without that", file("b", None), "a:1 vpce-00000001"),
            ("host names", file("vpc", Some(vpc("vpc-00000001", "10.1.0.0/16", true))), ""),
            ("a new service", file("b", Some(endpoint("vpce-00000002", "frobnicate"))), "b:4 frobnicate"),
            ("nothing again", Reading::default(), "b:4 frobnicate"),
            ("without it", file("b", None), ""),
            ("one block twice", file("z", Some(vpc("vpc-00000009", "10.1.0.0/16", true))), "z:4 10.1.0.0/16"),
            ("an endpoint", file("b", Some(endpoint("vpce-00000002", "sns"))), "z:4 10.1.0.0/16"),
            ("without the other VPC", file("z", None), ""),
        ];
        let (names, readings): (Vec<_>, VecDeque<_>) =
            steps.into_iter().map(|(name, reading, expected)| ((name, expected), reading)).unzip();
        let mut sources = Sources::new(vec![Box::new(ScriptedSource(readings))], Vec::new());
        for (name, expected) in names {
            let loaded = sources.load(&|_, _| {});
            assert!(loaded.model.is_some(), "{name}: {:?}", loaded.problems);
            let said = &sources.reports()[0].problems;
            let said: Vec<String> = said.iter().map(ToString::to_string).collect();
            match (&said[..], expected.split_once(' ')) {
                ([], None) => {}
                ([one], Some((place, what))) => {
                    assert!(one.starts_with(place) && one.contains(what), "{name}: {one} and not {expected}");
                }
                _ => panic!("{name}: {said:?} and not {expected}"),
            }
        }
    }
}
