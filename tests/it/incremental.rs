//! Changes: what is loaded step by step answers as what is loaded at once, and what cannot be loaded changes nothing.

use std::collections::BTreeMap;

use crate::common::dir::Dir;
use crate::common::random::{AnyWorld, CLIENTS, any_endpoint, any_rule, any_vpc, any_world, any_zone, names};
use crate::common::{Asked, ask, lines};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use vpcedns::model::{Broken, Changes, Input, Key, Model};
use vpcedns::problem::Problem;
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::read_toml;

/// Files by name.
type Files = BTreeMap<String, String>;

/// One edit of the world, and of how it lies in files.
#[derive(Clone, Debug)]
enum Edit {
    Vpc(u8, Option<crate::common::random::AnyVpc>),
    Endpoint(char, Option<crate::common::random::AnyEndpoint>),
    State(char, usize),
    Zones(Vec<crate::common::random::AnyZone>),
    Rules(Vec<crate::common::random::AnyRule>),
    Service(u8),
    /// Objects move to other files.
    Shuffle(u64),
    /// The object of this number is left out of its file, whatever refers to it.
    Lose(prop::sample::Index),
    /// The object of this number stands in another file as well.
    Twice(prop::sample::Index),
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let id = prop::sample::select(vec!['a', 'b', 'c', 'd', 'e', 'f']);
    prop_oneof![
        2 => (1u8..=3, prop::option::weighted(0.8, any_vpc())).prop_map(|(n, vpc)| Edit::Vpc(n, vpc)),
        4 => (id.clone(), prop::option::weighted(0.7, any_endpoint())).prop_map(|(id, endpoint)| Edit::Endpoint(id, endpoint)),
        2 => (id, 0usize..9).prop_map(|(id, state)| Edit::State(id, state)),
        2 => prop::collection::vec(any_zone(), 0..4).prop_map(Edit::Zones),
        2 => prop::collection::vec(any_rule(), 0..4).prop_map(Edit::Rules),
        1 => (0u8..4).prop_map(Edit::Service),
        2 => any::<u64>().prop_map(Edit::Shuffle),
        1 => any::<prop::sample::Index>().prop_map(Edit::Lose),
        1 => any::<prop::sample::Index>().prop_map(Edit::Twice),
    ]
}

/// The world after an edit; `Lose` and `Twice` are for the files alone, and hold for one step.
fn edited(world: &AnyWorld, seed: &mut u64, edit: &Edit) -> AnyWorld {
    let mut next = world.clone();
    match edit.clone() {
        Edit::Vpc(n, Some(vpc)) => drop(next.vpcs.insert(n, vpc)),
        Edit::Vpc(n, None) => drop(next.vpcs.remove(&n)),
        Edit::Endpoint(id, Some(mut endpoint)) => {
            // an endpoint never moves
            if let Some(was) = world.endpoints.get(&id) {
                (endpoint.vpc, endpoint.service) = (was.vpc, was.service);
            }
            next.endpoints.insert(id, endpoint);
        }
        Edit::Endpoint(id, None) => drop(next.endpoints.remove(&id)),
        Edit::State(id, state) => {
            if let Some(endpoint) = next.endpoints.get_mut(&id) {
                endpoint.state = state;
            }
        }
        Edit::Zones(zones) => next.zones = zones,
        Edit::Rules(rules) => next.rules = rules,
        Edit::Service(names) => next.service = names,
        Edit::Shuffle(new) => *seed = new,
        Edit::Lose(_) | Edit::Twice(_) => {}
    }
    next
}

/// The world in three files.
fn files(world: &AnyWorld, seed: u64, edit: &Edit) -> Files {
    let mut files: Files = ["a.toml", "b.toml", "c.toml"].map(|name| (name.to_owned(), String::new())).into();
    let objects = world.objects();
    for (at, object) in objects.iter().enumerate() {
        let name = |by: u64| ["a.toml", "b.toml", "c.toml"][((seed >> (at % 60) ^ by) % 3) as usize];
        match edit {
            Edit::Lose(index) if index.index(objects.len()) == at => continue,
            Edit::Twice(index) if index.index(objects.len()) == at => files.get_mut(name(1)).unwrap().push_str(object),
            _ => {}
        }
        files.get_mut(name(0)).unwrap().push_str(object);
    }
    files
}

/// What a change costs: only the files that differ are read, as the loader does it.
struct Store {
    model: Model,
    snapshot: Snapshot,
    held: BTreeMap<String, (String, Vec<Key>)>,
}

fn inputs(name: &str, text: &str) -> Vec<Input> {
    let loaded = read_toml(&name.into(), text);
    assert_eq!(lines(&loaded.problems), "", "{text}");
    loaded.inputs
}

impl Store {
    fn new(policy: Policy) -> Self {
        let model = Model::default();
        Self { snapshot: Snapshot::compile(model.clone(), policy, 1), model, held: BTreeMap::new() }
    }

    /// Takes the files over, or says why not.
    fn change(&mut self, files: &Files) -> Result<Changes, Vec<Problem>> {
        let mut held = self.held.clone();
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        for (name, text) in files {
            match self.held.get(name) {
                Some((was, _)) if was == text => continue,
                Some((_, keys)) => removed.extend(keys.iter().cloned()),
                None => {}
            }
            let new = inputs(name, text);
            held.insert(name.clone(), (text.clone(), new.iter().map(Input::key).collect()));
            added.extend(new);
        }
        let applied = self.model.apply(&removed, &added, &Broken::default(), &|_| None);
        let Some(model) = applied.model else { return Err(vpcedns::source::problems(applied.violations)) };
        self.held = held;
        self.model = model.clone();
        if !applied.changes.is_empty() {
            self.snapshot = self.snapshot.next(model, &applied.changes);
        }
        Ok(applied.changes)
    }
}

fn fresh(files: &Files) -> Result<Model, Vec<Problem>> {
    let added: Vec<Input> = files.iter().flat_map(|(name, text)| inputs(name, text)).collect();
    let applied = Model::default().apply(&[], &added, &Broken::default(), &|_| None);
    applied.model.ok_or_else(|| vpcedns::source::problems(applied.violations))
}

/// Asks both for every name, each from one client and for one type, others each time.
fn assert_same_answers(ours: &Snapshot, theirs: &Snapshot, step: usize, note: &dyn Fn() -> String) {
    for (at, name) in names().iter().enumerate() {
        let client = CLIENTS[(at + step) % 5];
        let rtype = ["A", "A", "PTR", "AAAA", "SOA"][(at / 5 + step) % 5];
        let asked = Asked::new(client, name, rtype);
        let (a, b) = (ask(ours, &asked).line(), ask(theirs, &asked).line());
        assert!(a == b, "from {client} {name} {rtype}\n  step by step: {a}\n  at once:      {b}\n{}", note());
    }
}

proptest! {
    #![proptest_config(crate::common::cases(60))]

    #[test]
    fn step_by_step_is_as_at_once(
        first in any_world(), seed: u64, edits in prop::collection::vec(any_edit(), 1..9), upstream: bool,
    ) {
        let policy = || if upstream { crate::common::policy() } else { Policy::default() };
        let mut store = Store::new(policy());
        let mut world = first;
        let mut seed = seed;
        let start = files(&world, seed, &Edit::Shuffle(0));
        store.change(&start).unwrap_or_else(|problems| panic!("{}", lines(&problems)));
        let mut last_good = start;
        for (step, edit) in edits.iter().enumerate() {
            let mut next_seed = seed;
            let next = edited(&world, &mut next_seed, edit);
            let now = files(&next, next_seed, edit);
            match (store.change(&now), fresh(&now)) {
                (Ok(_), Ok(_)) => {
                    (world, seed) = (next, next_seed);
                    last_good = now;
                }
                (Err(_), Err(_)) => {}
                // an object that another one of the same id replaces in one go: only who knows what was sees it move
                (Err(problems), Ok(_)) if problems.iter().all(|p| !p.is_error() || p.hint.contains("never moves")) => {}
                (Err(problems), Ok(_)) => panic!("{edit:?} is refused step by step only: {}", lines(&problems)),
                (Ok(_), Err(problems)) => panic!("{edit:?} is refused at once only: {}", lines(&problems)),
            }
            let at_once = Snapshot::compile(fresh(&last_good).unwrap(), policy(), 1);
            let note = || format!("after {edit:?}\n{}", last_good.values().cloned().collect::<String>());
            assert_same_answers(&store.snapshot, &at_once, step, &note);
        }
    }
}

fn texts(files: &Files) -> Vec<(&str, &str)> {
    files.iter().map(|(name, text)| (&**name, &**text)).collect()
}

/// The same through files: what has not changed is not read, what is broken is put right later (I5).
#[test]
fn the_loader_reads_what_changed_and_keeps_the_last_good() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (any_world(), any::<u64>(), prop::collection::vec(any_edit(), 6));
    for _ in 0..4 {
        let (mut world, mut seed, edits) = strategy.new_tree(&mut runner).unwrap().current();
        let mut dir = Dir::new();
        let mut good = files(&world, seed, &Edit::Shuffle(0));
        dir.write(&texts(&good));
        let model = dir.load().0.unwrap();
        let mut snapshot = Snapshot::compile(model, crate::common::policy(), 1);
        for (step, edit) in edits.iter().enumerate() {
            dir.write(&texts(&good));
            assert!(dir.load().0.is_some(), "what was good is good again");
            dir.settle();
            // a file that breaks off, as an editor or a copy leaves it for a moment
            let mut broken = texts(&good);
            broken[step % 3].1 = "[[vpc]]\nvpc_id = \"vpc-0000";
            dir.write(&broken);
            let (model, _, problems) = dir.load();
            assert!(
                model.is_none() && problems.contains(&format!("{}:2:19: error: ", broken[step % 3].0)),
                "{problems}"
            );

            let next = edited(&world, &mut seed, edit);
            let now = files(&next, seed, edit);
            dir.write(&texts(&now));
            let (model, changes, problems) = dir.load();
            let Some(model) = model else {
                assert!(problems.contains("error: "), "{problems}");
                continue;
            };
            if !changes.is_empty() {
                snapshot = snapshot.next(model, &changes);
            }
            (world, good) = (next, now);
            let at_once = Snapshot::compile(fresh(&good).unwrap(), crate::common::policy(), 1);
            assert_same_answers(&snapshot, &at_once, step, &|| format!("after {edit:?}"));
        }
    }
}
