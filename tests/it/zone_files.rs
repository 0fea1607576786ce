//! Master files of hosted zones, as files: what is read, watched and told.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;

use hickory_proto::op::ResponseCode;

use crate::common::dir::Dir;
use crate::server::{ask, get, settings, start, until};

const ZONE: &str = "\
[[vpc]]
vpc_id = \"vpc-00000001\"
region = \"us-east-1\"
cidr_blocks = [\"127.0.0.0/8\"]
enable_dns_hostnames = true

[[hosted_zone]]
name = \"corp.example\"
vpc_ids = [\"vpc-00000001\"]
file = \"corp.zone\"
";

fn db(address: &str) -> String {
    format!("@ 60 SOA ns.corp.example. admin.corp.example. 7 3600 600 86400 30\n$INCLUDE hosts.inc\ndb A {address}\n")
}

/// Whether a name has this address and no other.
fn has(server: SocketAddr, name: &str, address: &str) -> bool {
    ask(server, name) == Ok(vec![address.to_owned()])
}

#[test]
fn changes_of_a_zone_and_of_what_it_includes_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("a.toml", ZONE);
    write("corp.zone", &db("10.0.0.1"));
    write("hosts.inc", "web A 10.0.1.1\n");
    let server = start(settings(dir.path()));
    let (dns, http) = (server.ready().plain[0], server.ready().http.unwrap());
    let is = |name: &str, address: &str| has(dns, &format!("{name}.corp.example."), address);
    assert!(is("db", "10.0.0.1") && is("web", "10.0.1.1"));
    assert_eq!(ask(dns, "no.corp.example."), Err(ResponseCode::NXDomain));

    write("corp.zone", &db("10.0.0.2"));
    until("a change of the zone is served", || is("db", "10.0.0.2"));
    // a name that no ending tells
    write("hosts.inc", "web A 10.0.1.2\n");
    until("a change of an included file is served", || is("web", "10.0.1.2"));

    write("hosts.inc", "web A 10.0.1.2\nweb AAAA x\n");
    until("the error is told", || get(http, "/readyz").0 == 503);
    let (_, text) = get(http, "/readyz");
    let place = format!("{}:2:10: error: 'x' is not valid AAAA", dir.path().join("hosts.inc").display());
    assert!(text.contains(&place), "{text}");
    write("corp.zone", &db("10.0.0.3"));
    fs::remove_file(dir.path().join("hosts.inc")).unwrap();
    until("the loss is told", || get(http, "/readyz").1.contains("hosts.inc cannot be read: No such file"));
    assert!(is("db", "10.0.0.2") && is("web", "10.0.1.2"), "the last good state is served");
    write("hosts.inc", "web A 10.0.1.3\n");
    until("it is ready again", || get(http, "/readyz").0 == 200);
    assert!(is("db", "10.0.0.3") && is("web", "10.0.1.3"));
    server.stop().unwrap();
}

#[test]
fn half_a_zone_is_never_published() {
    use std::io::Write;

    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.toml"), ZONE).unwrap();
    fs::write(dir.path().join("hosts.inc"), "").unwrap();
    let path = dir.path().join("corp.zone");
    fs::write(&path, db("10.0.0.1")).unwrap();
    let server = start(settings(dir.path()));
    let dns = server.ready().plain[0];
    // a writer that truncates, and takes its time
    let mut writer = fs::File::create(&path).unwrap();
    writer.write_all(b"db A 10.0.0.2\n").unwrap();
    writer.flush().unwrap();
    for address in ["10.0.8.1", "10.0.8.2"] {
        let other = ZONE.split("\n\n").nth(1).unwrap().replace("corp.example", "other.example").replace("corp", "b");
        fs::write(dir.path().join("b.zone"), format!("db A {address}\n")).unwrap();
        fs::write(dir.path().join("b.toml"), other).unwrap();
        until("another zone is served", || has(dns, "db.other.example.", address));
        assert!(has(dns, "db.corp.example.", "10.0.0.1"), "what was last complete");
    }
    writer.write_all(b"db A 10.0.0.3\n").unwrap();
    drop(writer);
    until("the whole zone is served", || ask(dns, "db.corp.example.").map(|found| found.len()) == Ok(2));
    server.stop().unwrap();
}

/// As a Kubernetes ConfigMap is mounted: all changes at once, by one link.
#[test]
fn links_to_another_version_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    for (version, address) in [("..1", "10.0.0.1"), ("..2", "10.0.0.2")] {
        fs::create_dir(base.join(version)).unwrap();
        fs::write(base.join(version).join("a.toml"), ZONE).unwrap();
        fs::write(
            base.join(version).join("corp.zone"),
            format!("$INCLUDE db.hosts\n{}", db(address)).replace("hosts.inc", "db.hosts"),
        )
        .unwrap();
        fs::write(base.join(version).join("db.hosts"), format!("web A {address}\n")).unwrap();
    }
    symlink("..1", base.join("..data")).unwrap();
    for name in ["a.toml", "corp.zone", "db.hosts"] {
        symlink(Path::new("..data").join(name), base.join(name)).unwrap();
    }
    let server = start(settings(base));
    let dns = server.ready().plain[0];
    assert!(has(dns, "db.corp.example.", "10.0.0.1"));
    symlink("..2", base.join("..tmp")).unwrap();
    fs::rename(base.join("..tmp"), base.join("..data")).unwrap();
    for name in ["db", "web"] {
        until("the other version is served", || has(dns, &format!("{name}.corp.example."), "10.0.0.2"));
    }
    server.stop().unwrap();
}

#[test]
fn what_is_wrong_with_zone_files_is_told() {
    let mut dir = Dir::new();
    dir.write(&[("a.toml", ZONE)]);
    let (model, _, problems) = dir.load();
    assert!(model.is_none());
    let at = "a.toml:10:8: error:";
    assert_eq!(
        problems.replace(&format!("{} ", dir.dir.path().join("corp.zone").display()), "corp.zone "),
        format!(
            "{at} corp.zone cannot be read: No such file or directory\n  hint: it must exist, and its permissions must let this user read it\n"
        )
    );
    dir.write(&[("a.toml", &ZONE.replace("corp.zone", "../corp.zone"))]);
    assert_eq!(
        dir.load().2,
        format!(
            "{at} '../corp.zone' is outside the zones directory\n  hint: put it beside the file that names it, or below: the path is relative to that one\n"
        )
    );
    dir.write(&[("a.toml", ZONE), ("corp.zone", "db A 10.0.0.1\n$INCLUDE /etc/passwd\n")]);
    assert_eq!(
        dir.load().2,
        "corp.zone:2:10: error: '/etc/passwd' is outside the zones directory\n  hint: put it beside the file that names it, or below: the path is relative to that one\n"
    );
    // not a directory, not a device, not Latin-1
    fs::remove_file(dir.dir.path().join("corp.zone")).unwrap();
    fs::write(dir.dir.path().join("corp.zone"), b"db TXT m\xfcnchen\n").unwrap();
    assert_eq!(dir.load().2, "corp.zone:1: error: is not UTF-8 text\n  hint: save it as UTF-8\n");
    fs::remove_file(dir.dir.path().join("corp.zone")).unwrap();
    fs::create_dir(dir.dir.path().join("corp.zone")).unwrap();
    assert!(dir.load().2.contains("corp.zone cannot be read: "), "{}", dir.load().2);
    fs::remove_dir(dir.dir.path().join("corp.zone")).unwrap();

    dir.write(&[("a.toml", ZONE), ("corp.zone", "db A 10.0.0.1\n"), ("old.zone", "db A 10.0.0.9\n")]);
    let (model, _, problems) = dir.load();
    assert!(model.is_some());
    assert_eq!(
        problems,
        "old.zone: warning: is not read: no [[hosted_zone]] names it\n  hint: add file = \"old.zone\" to the [[hosted_zone]] whose records it has\n"
    );
}

/// A zone that did not change is not read again, and one whose file did is.
#[test]
fn only_what_changed_is_read_again() {
    let mut dir = Dir::new();
    let other = "[[hosted_zone]]\nname = \"other.example\"\nvpc_ids = [\"*\"]\nfile = \"other.zone\"\n";
    let files =
        [("a.toml", ZONE), ("b.toml", other), ("corp.zone", "db A 10.0.0.1\n"), ("other.zone", "db A 10.0.0.2\n")];
    dir.write(&files);
    assert_eq!(dir.load().2, "");
    dir.settle();
    fs::write(dir.dir.path().join("other.zone"), "db A 10.0.0.3\n").unwrap();
    let loaded = dir.loader.load(&|_, _| {});
    // the TOML file, and the zone that it names
    assert_eq!((loaded.files_read, loaded.problems.len()), (2, 0));
    let zone = loaded.model.unwrap();
    let zone = zone.hosted_zones().iter().find(|zone| zone.name.to_string() == "other.example").unwrap();
    assert_eq!(*zone.node(b"\x02db\x05other\x07example\0").unwrap().rrsets[0].rdata[0], [10, 0, 0, 3]);
}
