//! DNAME in hosted zones: RFC 6672, with the table of its section 2.2.

use crate::common::{Asked, Told, ask, vpc, world, world_alone};
use vpcedns::snapshot::Snapshot;

/// Hosted zones for VPC 1, each with its records in TOML.
fn zones(all: &[(&str, &str)]) -> String {
    let zone = |(name, records): &(&str, &str)| {
        format!("[[hosted_zone]]\nname = \"{name}\"\nvpc_ids = [\"vpc-00000001\"]\nrecords = [{records}]\n")
    };
    vpc(1, "enable_dns_hostnames = true") + &all.iter().map(zone).collect::<String>()
}

fn dname(owner: &str, target: &str) -> String {
    format!("{{ name = \"{owner}\", type = \"DNAME\", ttl = 77, values = [\"{target}\"] }}, ")
}

fn told(snapshot: &Snapshot, name: &str, rtype: &str) -> Told {
    ask(snapshot, &Asked::new("10.1.1.5", name, rtype))
}

/// The answer section without its DNAMEs.
fn answers(snapshot: &Snapshot, name: &str) -> Vec<String> {
    told(snapshot, name, "A").answers.into_iter().filter(|record| !record.contains(" DNAME ")).collect()
}

#[test]
fn the_table_of_rfc_6672() {
    for (zone, owner, target, name, made) in [
        ("com", "example.com.", "example.net", "com", None),
        ("com", "example.com.", "example.net", "example.com", None),
        ("com", "example.com.", "example.net", "a.example.com", Some("a.example.net")),
        ("com", "example.com.", "example.net", "a.b.example.com", Some("a.b.example.net")),
        ("com", "b.example.com.", "example.net", "ab.example.com", None),
        ("com", "example.com.", "example.net", "foo.example.com", Some("foo.example.net")),
        ("com", "x.example.com.", "example.net", "a.x.example.com", Some("a.example.net")),
        ("com", "example.com.", "y.example.net", "a.example.com", Some("a.y.example.net")),
        ("x", "x.", ".", "shortloop.x.x", Some("shortloop.x")),
        ("x", "x.", ".", "shortloop.x", Some("shortloop")),
    ] {
        let snapshot = world_alone(&zones(&[(zone, &dname(owner, target))]));
        let answers = answers(&snapshot, name);
        let first = answers.first().map(String::as_str);
        let made = made.map(|made| format!("77 CNAME {made}"));
        assert_eq!(first, made.as_deref(), "{name} by {owner} to {target}");
    }
    // "cyc.example.com. ... example.com. ... c.example.com.", and to itself
    for target in ["example.com", "c.example.com"] {
        let snapshot = world_alone(&zones(&[("com", &dname("example.com.", target))]));
        let told = told(&snapshot, "cyc.example.com", "A");
        assert_eq!((&*told.verdict, told.answers.len()), ("SERVFAIL", 0), "{target}: it leads in a circle");
    }
}

#[test]
fn a_made_name_is_followed_into_this_zone_another_and_upstream() {
    let records = dname("old", "new.corp.example")
        + &dname("away", "other.example")
        + &dname("out", "public.example")
        + "{ name = \"db.new\", type = \"A\", values = [\"10.0.0.1\"] }";
    let other = "{ name = \"x\", type = \"A\", values = [\"10.0.0.2\"] }, { name = \"y\", type = \"CNAME\", values = [\"db.old.corp.example\"] }";
    let text = zones(&[("corp.example", &records), ("other.example", other)]);
    let snapshot = world(&text);
    let of = |name: &str| told(&snapshot, name, "A");
    // hickory-proto has no text for the data of a DNAME
    let shown = |told: &Told| {
        let without_ttl = told.answers.iter().map(|record| {
            let words: Vec<&str> = record.split(' ').skip_while(|word| word.parse::<u32>().is_err()).skip(1).collect();
            if words[0] == "DNAME" { "DNAME".to_owned() } else { words.join(" ") }
        });
        without_ttl.collect::<Vec<_>>()
    };
    assert_eq!(shown(&of("db.old.corp.example")), ["DNAME", "CNAME db.new.corp.example", "A 10.0.0.1"]);
    assert_eq!(shown(&of("x.away.corp.example")), ["DNAME", "CNAME x.other.example", "A 10.0.0.2"]);
    // a CNAME that a DNAME leads on
    assert_eq!(
        shown(&of("y.away.corp.example")),
        [
            "DNAME",
            "CNAME y.other.example",
            "CNAME db.old.corp.example",
            "DNAME",
            "CNAME db.new.corp.example",
            "A 10.0.0.1"
        ]
    );
    let missing = of("no.old.corp.example");
    assert_eq!((&*missing.verdict, shown(&missing).len()), ("NXDOMAIN", 2));
    assert_eq!(missing.authority.len(), 1, "the SOA of the last name's zone");
    let forwarded = of("a.out.corp.example");
    assert_eq!(forwarded.verdict, "FORWARD 192.0.2.53:53 for a.public.example");
    assert_eq!(shown(&forwarded), ["DNAME", "CNAME a.public.example"]);
    // the DNAME's own name is not redirected (RFC 6672 2.3)
    let own = told(&snapshot, "old.corp.example", "DNAME");
    assert_eq!(shown(&own), ["DNAME"]);
    assert_eq!((&*of("old.corp.example").verdict, of("old.corp.example").answers.len()), ("NOERROR", 0));
    // who asks for the alias is not led on
    let alias = told(&snapshot, "no.old.corp.example", "CNAME");
    assert_eq!((&*alias.verdict, shown(&alias)), ("NOERROR", vec!["DNAME".into(), "CNAME no.new.corp.example".into()]));
    // without an upstream the alias is a good answer all the same
    let alone = told(&world_alone(&text), "a.out.corp.example", "A");
    assert_eq!((&*alone.verdict, shown(&alone).len()), ("NOERROR", 2));
}

/// RFC 6672 2.2: "If the resulting name is too long, YXDOMAIN", with the DNAME.
#[test]
fn a_name_that_becomes_too_long_is_yxdomain() {
    let long = [&*"a".repeat(60); 3].join(".");
    let snapshot = world_alone(&zones(&[("corp.example", &dname("d", &format!("{long}.example")))]));
    let told = told(&snapshot, &format!("{}.d.corp.example", "b".repeat(63)), "A");
    assert_eq!(told.verdict, "YXDOMAIN");
    assert_eq!(told.answers.len(), 1);
    assert!(told.answers[0].contains(" 77 DNAME "), "{:?}", told.answers);
    assert_eq!(answers(&snapshot, "b.d.corp.example").len(), 1, "a shorter one fits");
}
