//! Prepare, make durable, publish: edits that stack, edits that are given up, and edits that come too late.

use vpcedns::ec2::{ApiState, StateSource, place};
use vpcedns::model::{Input, Key, Object, VpcInput};
use vpcedns::problem::At;
use vpcedns::publish::{OutOfOrder, Prepared, Publisher};
use vpcedns::snapshot::Policy;
use vpcedns::source::{Files, LoadTrigger, Progress, Reading, Source, SourceEdit, SourceId, Sources};

const FILE: &str = "[[vpc]]\nvpc_id = \"vpc-ec43eb89\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.0.0.0/16\"]\n";

fn publisher(dir: &tempfile::TempDir) -> Publisher {
    std::fs::write(dir.path().join("a.toml"), FILE).unwrap();
    let loader = Sources::new(
        vec![Box::new(StateSource::new(&ApiState::default())), Box::new(Files::new(vec![dir.path().to_owned()]))],
        Vec::new(),
    );
    match Publisher::start(loader, Policy::default(), &|_, _| {}) {
        Ok((publisher, _)) => publisher,
        Err(problems) => panic!("{}", super::common::lines(&problems)),
    }
}

fn vpc(id: &str) -> Input {
    let at = |text: &str| At::new(text.parse().unwrap(), place());
    let object = Object::Vpc(VpcInput {
        vpc_id: at(id),
        owner: None,
        region: At::new("us-east-1".parse().unwrap(), place()),
        cidr_blocks: vec![At::new(format!("10.{}.0.0/16", &id[9..]).parse().unwrap(), place())],
        enable_dns_support: true,
        enable_dns_hostnames: true,
        listeners: Vec::new(),
        clients: Vec::new(),
        autodefined_reverse: true,
        dnssec_validation: false,
        zone_affinity: None,
    });
    Input::new(place(), object)
}

fn adds(id: &str) -> SourceEdit {
    SourceEdit { source: SourceId::new("ec2-api"), removed: Vec::new(), added: vec![vpc(id)] }
}

fn removes(id: &str) -> SourceEdit {
    SourceEdit { source: SourceId::new("ec2-api"), removed: vec![Key::Vpc(id.parse().unwrap())], added: Vec::new() }
}

fn vpcs(publisher: &Publisher) -> usize {
    publisher.snapshots().load().model.vpcs().len()
}

fn prepare(publisher: &mut Publisher, after: Option<&Prepared>, edit: &SourceEdit) -> Prepared {
    publisher.prepare(after, edit).unwrap_or_else(|violations| panic!("{violations:#?}"))
}

#[test]
fn edits_stack_and_are_published_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut publisher = publisher(&dir);
    let first = prepare(&mut publisher, None, &adds("vpc-00000101"));
    let second = prepare(&mut publisher, Some(&first), &adds("vpc-00000102"));
    let third = prepare(&mut publisher, Some(&second), &removes("vpc-00000101"));
    assert_eq!((vpcs(&publisher), third.model().vpcs().len()), (1, 2), "nothing is served before it is published");
    // the second sees what the first does, and so does the place of what is there twice
    let Err(violations) = publisher.prepare(Some(&second), &adds("vpc-00000101")) else { panic!("declared twice") };
    let problems = vpcedns::source::problems(violations);
    assert!(problems[0].to_string().contains("the EC2 API"), "{}", problems[0]);
    for (prepared, generation, expected) in [(first, 2, 2), (second, 3, 3), (third, 4, 2)] {
        let outcome = publisher.publish(prepared).unwrap();
        assert_eq!((outcome.generation, vpcs(&publisher)), (generation, expected));
    }
    assert_eq!(publisher.place_of(&Key::Vpc("vpc-00000102".parse().unwrap())), Some(place()));
    assert_eq!(publisher.place_of(&Key::Vpc("vpc-00000101".parse().unwrap())), None);
}

#[test]
fn what_is_given_up_has_never_been_and_what_stood_on_it_is_not_published() {
    let dir = tempfile::tempdir().unwrap();
    let mut publisher = publisher(&dir);
    let first = prepare(&mut publisher, None, &adds("vpc-00000101"));
    let second = prepare(&mut publisher, Some(&first), &adds("vpc-00000102"));
    drop(first);
    assert_eq!(publisher.publish(second).err(), Some(OutOfOrder));
    assert_eq!(vpcs(&publisher), 1);
    let again = prepare(&mut publisher, None, &adds("vpc-00000101"));
    let late = prepare(&mut publisher, None, &adds("vpc-00000102"));
    publisher.publish(again).unwrap();
    assert_eq!(publisher.publish(late).err(), Some(OutOfOrder), "prepared for what is not served any more");
    assert_eq!((vpcs(&publisher), publisher.snapshots().load().generation), (2, 2));
}

#[test]
fn a_load_stands_beside_edits() {
    let dir = tempfile::tempdir().unwrap();
    let mut publisher = publisher(&dir);
    let edit = prepare(&mut publisher, None, &adds("vpc-00000101"));
    publisher.publish(edit).unwrap();
    std::fs::write(dir.path().join("a.toml"), FILE.replace("vpc-ec43eb89", "vpc-00000101")).unwrap();
    let Err(refused) = publisher.prepare_load() else { panic!("the file declares what the API owns") };
    assert!(!refused.is_good() && refused.changes.is_empty());
    assert_eq!((refused.generation, vpcs(&publisher)), (2, 2));
    let edit = prepare(&mut publisher, None, &removes("vpc-00000101"));
    publisher.publish(edit).unwrap();
    let Ok(load) = publisher.prepare_load() else { panic!("it does not any more") };
    let outcome = publisher.publish_load(load);
    assert!(outcome.is_good());
    assert_eq!((outcome.generation, vpcs(&publisher)), (4, 1));
}

/// A source with a fault of its own: its second reading panics.
struct Faulty {
    readings: u32,
    files: Files,
}

impl Source for Faulty {
    fn id(&self) -> SourceId {
        SourceId::new("faulty")
    }

    fn read(&mut self, progress: Progress<'_>) -> Reading {
        self.readings += 1;
        assert_ne!(self.readings, 2, "the fault");
        self.files.read(progress)
    }

    fn taken(&mut self) {
        self.files.taken();
    }

    fn watch(&mut self, trigger: LoadTrigger) {
        self.files.watch(trigger);
    }
}

/// Invariant I5 holds for faults of our own, too.
#[test]
fn a_panic_in_a_load_keeps_what_is_served_and_is_said() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.toml"), FILE).unwrap();
    let faulty = Faulty { readings: 0, files: Files::new(vec![dir.path().to_owned()]) };
    let sources = Sources::new(vec![Box::new(faulty)], Vec::new());
    let Ok((mut publisher, _)) = Publisher::start(sources, Policy::default(), &|_, _| {}) else { panic!("good files") };
    std::fs::write(dir.path().join("b.toml"), FILE.replace("ec43eb89", "00000101").replace("10.0", "10.1")).unwrap();
    let refused = publisher.prepare_load().err().unwrap();
    assert_eq!((vpcs(&publisher), refused.generation), (1, 1));
    let said = super::common::lines(&refused.problems);
    assert!(said.contains("internal error in the load: ") && said.contains("the fault"), "{said}");
    assert!(publisher.status().last().unwrap().problems.iter().any(vpcedns::problem::Problem::is_error));
    let Ok(good) = publisher.prepare_load() else { panic!("the next load is good") };
    assert!(publisher.publish_load(good).is_good());
    assert_eq!(vpcs(&publisher), 2);
}

/// What the API keeps may outlive the files' objects that it is in.
#[test]
fn what_has_outlived_its_vpc_is_left_out_until_that_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.toml");
    std::fs::write(&path, "").unwrap();
    let subnet = Object::Subnet(vpcedns::model::SubnetInput {
        subnet_id: At::new("subnet-00000001".parse().unwrap(), place()),
        vpc_id: At::new("vpc-ec43eb89".parse().unwrap(), place()),
        availability_zone: At::new("us-east-1a".parse().unwrap(), place()),
        cidr_blocks: vec![At::new("10.0.1.0/24".parse().unwrap(), place())],
        enable_dns64: false,
    });
    let kept = Kept(vec![Input::new(place(), subnet)]);
    let sources = Sources::new(vec![Box::new(kept), Box::new(Files::new(vec![dir.path().to_owned()]))], Vec::new());
    let (mut publisher, first) = match Publisher::start(sources, Policy::default(), &|_, _| {}) {
        Ok(started) => started,
        Err(problems) => panic!("{}", super::common::lines(&problems)),
    };
    let said = super::common::lines(&first.problems);
    assert!(said.contains("warning: subnet-00000001 is left out: vpc-ec43eb89 has gone"), "{said}");
    std::fs::write(&path, FILE).unwrap();
    let Ok(load) = publisher.prepare_load() else { panic!("the VPC is back") };
    let outcome = publisher.publish_load(load);
    assert!(outcome.problems.is_empty(), "{}", super::common::lines(&outcome.problems));
    assert!(publisher.snapshots().load().model.subnet("subnet-00000001".parse().unwrap()).is_some());
}

/// A source that says its objects once, as the EC2 API's does.
struct Kept(Vec<Input>);

impl Source for Kept {
    fn id(&self) -> SourceId {
        SourceId::new("kept")
    }

    fn read(&mut self, _: Progress<'_>) -> Reading {
        Reading { added: std::mem::take(&mut self.0), ..Reading::default() }
    }

    fn outlives_others(&self) -> bool {
        true
    }
}
