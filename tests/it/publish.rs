//! Prepare, make durable, publish: edits that stack, edits that are given up, and edits that come too late.

use vpcedns::ec2::{ApiState, StateSource, place};
use vpcedns::model::{Input, Key, Object, VpcInput};
use vpcedns::problem::At;
use vpcedns::publish::{OutOfOrder, Prepared, Publisher};
use vpcedns::snapshot::Policy;
use vpcedns::source::{Files, SourceEdit, SourceId, Sources};

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
        region: At::new("us-east-1".parse().unwrap(), place()),
        cidr_blocks: vec![At::new(format!("10.{}.0.0/16", &id[9..]).parse().unwrap(), place())],
        enable_dns_support: true,
        enable_dns_hostnames: true,
        listeners: Vec::new(),
        clients: Vec::new(),
        autodefined_reverse: true,
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
