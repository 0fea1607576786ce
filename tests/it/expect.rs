//! `vpcedns expect`: that it holds for what is right, and catches what goes wrong in split-horizon set-ups.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What must hold for the zones that the repository ships.
const ASSERTIONS: &str = "\
from vpc-ec43eb89           ec2.us-east-1.amazonaws.com A = 127.0.1.18 127.0.1.82
from vpc-ec43eb89           ec2.us-east-1.amazonaws.com AAAA nodata
from vpc-ec43eb89           bad.ec2.us-east-1.amazonaws.com nxdomain
from 127.0.1.70             elasticloadbalancing.us-east-1.amazonaws.com private
from vpc-ec43eb89           *.dkr.ecr.us-east-1.amazonaws.com = 127.0.1.19
from vpc-ec43eb89           api.partner.example public
from vpc-ec43eb89           db.corp.example = 127.0.1.99
from vpc-ec43eb89           *.apps.corp.example = 127.0.1.99
from vpc-ec43eb89           balancer.corp.example = 127.0.1.17 127.0.1.81
from vpc-ec43eb89           nothing.corp.example nxdomain
from vpc-ec43eb89           host.onprem.example public
from vpc-0f1e2d3c4b5a69788  api.partner.example = 127.0.2.17
from 127.0.2.5              ec2.us-east-1.amazonaws.com public
from vpc-0f1e2d3c4b5a69788  db.corp.example public
from every vpc              sqs.us-east-1.amazonaws.com public
from every vpc              vpce-088d25a4bbf4a7abc-ks83awe7.elasticloadbalancing.us-east-1.vpce.amazonaws.com = 127.0.1.17 127.0.1.81
from every vpc              vpce-088d25a4bbf4a7abc-ks83awe7-us-east-1b.elasticloadbalancing.us-east-1.vpce.amazonaws.com = 127.0.1.81
from 192.168.0.9            ec2.us-east-1.amazonaws.com refused
";

/// Runs `vpcedns expect` on `zones`; exit code, stdout and stderr.
fn expect(zones: &Path, assertions: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_vpcedns"))
        .args(["expect", "--zones"])
        .args([zones, assertions])
        .args(["--forward", "192.0.2.1"])
        .args(more)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The shipped zones as one text, with `from` replaced by `to` in its `nth` place, from 1.
fn zones_with(from: &str, to: &str, nth: usize) -> String {
    let zones = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
    let mut paths: Vec<_> = fs::read_dir(zones).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let text: String = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut at = text.match_indices(from).map(|(at, _)| at);
    let at = at.nth(nth - 1).unwrap_or_else(|| panic!("the zones have no {from} number {nth}"));
    format!("{}{to}{}", &text[..at], &text[at + from.len()..])
}

fn write(dir: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_shipped_zones_keep_their_assertions() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "expect.txt", ASSERTIONS);
    let (code, out, err) = expect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("zones"), &file, &[]);
    let zones = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
    let passed = format!("21 passed, 0 failed, 0 skipped (files in {})\n", zones.display());
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), passed.as_str(), ""));
}

/// Twenty mistakes, each in one place: what is replaced by what, the line that fails and the rule that says why.
#[test]
fn mistakes_are_caught_with_their_reason() {
    let ec2 = "service_name = \"com.amazonaws.us-east-1.ec2\"";
    let hostnames = "enable_dns_hostnames = true";
    let corp_vpc = "vpc_ids = [\"vpc-ec43eb89\"]";
    for (number, (from, nth, to, line, rule)) in (1..).zip([
        // private DNS that is off
        (
            hostnames,
            1,
            "enable_dns_hostnames = false",
            1,
            "private DNS is off: enable_dns_hostnames=false on vpc-ec43eb89",
        ),
        (hostnames, 2, "", 12, "private DNS is off: enable_dns_hostnames=false on vpc-0f1e2d3c4b5a69788"),
        (
            hostnames,
            1,
            "enable_dns_hostnames = true\nenable_dns_support = false",
            1,
            "enable_dns_support=false on vpc-ec43eb89",
        ),
        (ec2, 1, &format!("{ec2}\nprivate_dns_enabled = false"), 1, "not ours: forwarded"),
        // endpoints that do not serve
        (ec2, 1, &format!("{ec2}\nstate = \"pendingAcceptance\""), 1, "vpce-0fe5b17a0707d6abc is pendingAcceptance"),
        (ec2, 1, &format!("{ec2}\nstate = \"deleting\""), 3, "vpce-0fe5b17a0707d6abc is deleting"),
        // addresses
        ("127.0.1.82", 1, "127.0.1.83", 1, "private name ec2.us-east-1.amazonaws.com of vpce-0fe5b17a0707d6abc"),
        ("127.0.1.19", 1, "127.0.1.20", 5, "of vpce-0ecd0000000000000"),
        ("127.0.1.81", 1, "127.0.1.80", 16, "name of vpce-088d25a4bbf4a7abc"),
        ("dns_suffix = \"ks83awe7\"", 1, "dns_suffix = \"ks83awe8\"", 16, "not ours: forwarded"),
        // the wrong service or VPC
        ("us-east-1.ecr.dkr", 1, "us-east-1.ecr.api", 5, "not ours: forwarded"),
        (
            "us-east-1.ecr.dkr",
            1,
            "us-east-1.sqs",
            15,
            "private name sqs.us-east-1.amazonaws.com of vpce-0ecd0000000000000",
        ),
        ("api.partner.example", 1, "api.partner.test", 12, "not ours: forwarded"),
        // hosted zones
        (corp_vpc, 1, &corp_vpc.replace("ec43eb89", "0f1e2d3c4b5a69788"), 7, "not ours: forwarded"),
        (corp_vpc, 1, "vpc_ids = [\"vpc-ec43eb89\", \"vpc-0f1e2d3c4b5a69788\"]", 14, "hosted zone corp.example"),
        ("name = \"*.apps\"", 1, "name = \"www.apps\"", 8, "not in hosted zone corp.example"),
        (
            "alias = \"vpce-088d25a4bbf4a7abc\"",
            1,
            "alias = \"vpce-0ecd0000000000000\"",
            9,
            "alias of hosted zone corp.example to vpce-0ecd0000000000000",
        ),
        (
            "name = \"corp.example\"",
            1,
            "name = \"corp.example\"\nprivate_dns_mode = \"overlay\"",
            10,
            "not ours: forwarded",
        ),
        // modes and rules
        (ec2, 1, &format!("{ec2}\nprivate_dns_mode = \"overlay\""), 3, "not ours: forwarded"),
        (
            "domain_name = \"onprem.example\"",
            1,
            "domain_name = \"ec2.us-east-1.amazonaws.com\"",
            1,
            "FORWARD rule for ec2.us-east-1.amazonaws.com",
        ),
    ]) {
        let dir = tempfile::tempdir().unwrap();
        let zones = dir.path().join("zones");
        fs::create_dir(&zones).unwrap();
        write(&zones, "all.toml", &zones_with(from, to, nth));
        let file = write(dir.path(), "expect.txt", ASSERTIONS);
        let (code, out, err) = expect(&zones, &file, &[]);
        assert_eq!((code, err.as_str()), (Some(1), ""), "number {number}: {out}");
        let at = format!("FAILED {}:{line}: ", file.display());
        let block = out.split("FAILED ").map(|block| format!("FAILED {block}")).find(|block| block.starts_with(&at));
        let block = block.unwrap_or_else(|| panic!("number {number}: line {line} did not fail\n{out}"));
        assert!(
            block.lines().any(|said| said.starts_with("  rule: ") && said.contains(rule)),
            "number {number}\n{block}"
        );
    }
}

/// DNS64 is said as the wire has it, and what name servers of a delegation say is not made up.
#[test]
fn dns64_and_delegations_are_as_on_the_wire() {
    let dir = tempfile::tempdir().unwrap();
    let zones = dir.path().join("zones");
    fs::create_dir(&zones).unwrap();
    let subnet = "cidr_block = \"127.0.1.0/26\"";
    let zone = "[[hosted_zone]]\nname = \"cut.example\"\nvpc_ids = [\"vpc-ec43eb89\"]\nrecords = [\n\
        { name = \"sub\", type = \"NS\", values = [\"ns.sub.cut.example\"] },\n\
        { name = \"ns.sub\", type = \"A\", values = [\"127.0.1.98\"] },\n]\n\
        [[resolver_rule]]\nrule_type = \"DELEGATE\"\ndelegation_record = \"ns.sub.cut.example\"\nvpc_ids = [\"vpc-ec43eb89\"]\n";
    let with = zones_with(subnet, &format!("{subnet}\nenable_dns64 = true"), 1);
    write(&zones, "all.toml", &format!("{with}\n{zone}"));
    let assertions = "\
        from 127.0.1.5     ec2.us-east-1.amazonaws.com AAAA = 64:ff9b::7f00:112 64:ff9b::7f00:152\n\
        from vpc-ec43eb89  ec2.us-east-1.amazonaws.com AAAA nodata\n\
        from 127.0.1.70    ec2.us-east-1.amazonaws.com AAAA nodata\n\
        from 127.0.1.5     bad.ec2.us-east-1.amazonaws.com AAAA nxdomain\n\
        from 127.0.1.5     www.example.com AAAA public\n\
        from 127.0.1.5     2.1.1.0.0.0.f.7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa PTR noerror\n\
        from vpc-ec43eb89  www.sub.cut.example private\n\
        from vpc-ec43eb89  www.sub.cut.example public\n";
    let file = write(dir.path(), "expect.txt", assertions);
    let (code, out, err) = expect(&zones, &file, &[]);
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    assert!(out.contains("6 passed, 1 failed, 1 skipped"), "{out}");
    let servers = "ns.sub.cut.example (127.0.1.98)";
    assert!(out.contains(&format!("expected to be asked upstream, got a question to {servers}")), "{out}");
    assert!(out.contains(&format!("\n  {servers} say that, to whom a private zone delegates: ")), "{out}");
}

#[test]
fn a_broken_line_names_its_place_and_nothing_is_tried() {
    let dir = tempfile::tempdir().unwrap();
    let zones = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
    let file = write(dir.path(), "expect.txt", "from 127.0.1.5 ec2.us-east-1.amazonaws.com privat\n");
    let (code, out, err) = expect(&zones, &file, &[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("expect.txt:1: ") && err.contains("did you mean 'private'?"), "{err}");
    let (code, _, err) = expect(&zones, &dir.path().join("none.txt"), &[]);
    assert!(code == Some(2) && err.contains("none.txt") && err.contains("--write"), "{err}");
}

#[test]
fn what_is_written_holds_and_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let zones = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
    let file = dir.path().join("expect.txt");
    let (code, out, _) = expect(&zones, &file, &["--write"]);
    assert_eq!(code, Some(0), "{out}");
    let (code, out, err) = expect(&zones, &file, &["--strict"]);
    assert!(code == Some(0) && out.contains(" passed, 0 failed, 0 skipped ("), "{out}{err}");
    let lines = fs::read_to_string(&file).unwrap().lines().filter(|line| line.starts_with("from ")).count();
    assert_eq!(out, format!("{lines} passed, 0 failed, 0 skipped (files in {})\n", zones.display()));
    let (code, _, err) = expect(&zones, &file, &["--write"]);
    assert!(code == Some(1) && err.contains("File exists"), "{err}");
}

#[test]
fn machines_read_the_outcome_and_strict_fails_what_was_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let zones = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
    let text = "from vpc-ec43eb89 ec2.us-east-1.amazonaws.com private\n\
                from vpc-ec43eb89 ec2.us-east-1.amazonaws.com = 10.0.0.1\n\
                from vpc-00000000 ec2.us-east-1.amazonaws.com private # no such VPC\n";
    let file = write(dir.path(), "expect.txt", text);
    let (_, json, _) = expect(&zones, &file, &["--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let status: Vec<_> =
        json["outcomes"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["passed", "failed", "skipped"]);
    let looked_at = format!("files in {}", zones.display());
    let count = |key: &str| json[key].as_u64();
    assert_eq!([count("passed"), count("failed"), count("skipped")], [Some(1); 3]);
    assert_eq!(json["looked_at"], looked_at);
    assert_eq!(json["outcomes"][1]["detail"], "missing 10.0.0.1, not expected 127.0.1.18 127.0.1.82");
    assert_eq!(json["outcomes"][1]["line"], 2);
    let (_, tap, _) = expect(&zones, &file, &["--format", "tap"]);
    assert!(
        tap.starts_with(&format!("TAP version 14\n1..3\n# looked at {looked_at}\nok 1 - "))
            && tap.contains("\nnot ok 2 - "),
        "{tap}"
    );
    assert!(tap.contains(" # SKIP the zones have no vpc-00000000\n"), "{tap}");
    let (_, junit, _) = expect(&zones, &file, &["--format", "junit"]);
    assert!(junit.contains("tests=\"3\" failures=\"1\" skipped=\"1\""), "{junit}");
    assert!(junit.contains(&format!("<property name=\"looked_at\" value=\"{looked_at}\"/>")), "{junit}");
    let mut reader = quick_xml::Reader::from_str(&junit);
    while !matches!(reader.read_event().expect("well-formed"), quick_xml::events::Event::Eof) {}
    let only = write(dir.path(), "skipped.txt", "from vpc-00000000 a.example private\n");
    assert_eq!(expect(&zones, &only, &[]).0, Some(0));
    assert_eq!(expect(&zones, &only, &["--strict"]).0, Some(1));
}

/// A server on a port of the kernel's, by the ready line; stopped when it is dropped.
struct Running(std::process::Child, String, serde_json::Value);

impl Running {
    fn start() -> Self {
        Self::on(&Path::new(env!("CARGO_MANIFEST_DIR")).join("zones"))
    }

    fn on(zones: &Path) -> Self {
        Self::with(zones, &[])
    }

    fn with(zones: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vpcedns"))
            .args(["serve", "--listen", "127.0.0.1:0", "--forward", "none", "--ready-json", "--zones"])
            .arg(zones)
            .args(more)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let (mut ready, mut octet, began) = (Vec::new(), [0], Instant::now());
        while !ready.ends_with(b"\n") && out.read(&mut octet).unwrap() == 1 {
            ready.push(octet[0]);
        }
        let said: serde_json::Value =
            serde_json::from_slice(&ready).unwrap_or_else(|e| panic!("not ready after {:?}: {e}", began.elapsed()));
        let plain = said["listen"][0].as_str().unwrap().to_owned();
        Self(child, plain, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The answers of a server are those of the rules, over UDP and TCP; what cannot be asked is skipped.
#[test]
fn a_running_server_is_asked_in_the_clients_name() {
    let server = Running::start();
    let dir = tempfile::tempdir().unwrap();
    let zones = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
    let ours: Vec<&str> = ASSERTIONS.lines().filter(|line| !line.ends_with("public")).collect();
    let file = write(dir.path(), "expect.txt", &ours.join("\n"));
    for address in [server.1.clone(), format!("tcp://{}", server.1)] {
        let (code, out, err) = expect(&zones, &file, &["--server", &address]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        // 192.168.0.9 is no address of this machine
        let asked = format!("14 passed, 0 failed, 1 skipped (the server at {address})\n");
        assert!(out.ends_with(&asked), "{out}");
    }
    let wrong = write(dir.path(), "wrong.txt", "from 127.0.1.5 ec2.us-east-1.amazonaws.com public\n");
    let (code, out, _) = expect(&zones, &wrong, &["--server", &server.1]);
    assert!(code == Some(1) && out.contains("expected a public answer, got the private address 127.0.1."), "{out}");
    let gone = server.1.clone();
    drop(server);
    let (code, out, _) = expect(&zones, &wrong, &["--server", &format!("tcp://{gone}")]);
    assert!(code == Some(1) && out.contains("does not answer over TCP"), "{out}");
}

/// What depends on the client's subnet is the same offline and from a server: of an address there, and of any client of the VPC.
#[test]
fn clients_of_a_vpc_and_of_a_subnet_are_told_apart_online_too() {
    let dir = tempfile::tempdir().unwrap();
    let zones = dir.path().join("zones");
    fs::create_dir(&zones).unwrap();
    let subnet = "cidr_block = \"127.0.1.0/26\"";
    let affinity = "\n[[vpc]]\nvpc_id = \"vpc-ec43eb89\"\navailability_zone_affinity = \"only\"\n";
    write(&zones, "all.toml", &zones_with(subnet, &format!("{subnet}\nenable_dns64 = true"), 1));
    write(&zones, "over.toml", affinity);
    let assertions = "\
        from 127.0.1.5     ec2.us-east-1.amazonaws.com = 127.0.1.18\n\
        from 127.0.1.70    ec2.us-east-1.amazonaws.com = 127.0.1.82\n\
        from vpc-ec43eb89  ec2.us-east-1.amazonaws.com = 127.0.1.18 127.0.1.82\n\
        from 127.0.1.5     ec2.us-east-1.amazonaws.com AAAA = 64:ff9b::7f00:112\n\
        from 127.0.1.70    ec2.us-east-1.amazonaws.com AAAA nodata\n\
        from vpc-ec43eb89  ec2.us-east-1.amazonaws.com AAAA nodata\n";
    let file = write(dir.path(), "expect.txt", assertions);
    let server = Running::on(&zones);
    for more in [&[][..], &["--server", &server.1]] {
        let (code, out, err) = expect(&zones, &file, more);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{more:?}: {out}");
        assert!(out.contains("6 passed, 0 failed, 0 skipped"), "{out}");
    }
}

/// Each transport with each way to say who asks: what can be asked in the client's name passes, and the rest is skipped.
#[test]
fn every_way_to_say_who_asks() {
    let dir = tempfile::tempdir().unwrap();
    let zones = dir.path().join("zones");
    fs::create_dir(&zones).unwrap();
    // this machine has no address of the second VPC
    let far = "[[vpc]]\nvpc_id = \"vpc-00000077\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.77.0.0/16\"]\nenable_dns_hostnames = true\n\
        [[hosted_zone]]\nname = \"far.example\"\nvpc_ids = [\"vpc-00000077\"]\n\
        records = [{ name = \"db\", type = \"A\", values = [\"10.77.0.9\"] }]\n";
    write(&zones, "all.toml", &(zones_with("127.0.1.82", "127.0.1.82", 1) + far));
    let assertions = "\
        from 127.0.1.5     ec2.us-east-1.amazonaws.com = 127.0.1.18 127.0.1.82\n\
        from vpc-ec43eb89  ec2.us-east-1.amazonaws.com private\n\
        from 10.77.0.5     db.far.example = 10.77.0.9\n\
        from vpc-00000077  db.far.example = 10.77.0.9\n";
    let file = write(dir.path(), "expect.txt", assertions);
    let made = rcgen::generate_simple_self_signed(["dns.example".to_owned()]).unwrap();
    let [cert, key] = [("cert.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())]
        .map(|(name, text)| write(dir.path(), name, &text).display().to_string());
    let loopback = "127.0.0.1:0";
    let encrypted =
        ["--tls", loopback, "--https", loopback, "--quic", loopback, "--tls-cert", &cert, "--tls-key", &key];
    let believing = Running::with(&zones, &[&encrypted[..], &["--ecs-from", "127.0.0.1/32"]].concat());
    let behind_proxy = Running::with(&zones, &["--proxy-protocol-from", "127.0.0.1/32"]);
    let (plain, tcp) = (believing.1.clone(), format!("tcp://{}", believing.1));
    let proxied_tcp = format!("tcp://{}", behind_proxy.1);
    let port = |scheme: &str| {
        let mut urls = believing.2["encrypted"].as_array().unwrap().iter().map(|url| url.as_str().unwrap());
        let url = urls.find(|url| url.starts_with(scheme)).unwrap().trim_end_matches("/dns-query");
        url.rsplit_once(':').unwrap().1.to_owned()
    };
    let [tls, quic] = ["tls", "quic"].map(|kind| format!("{kind}://127.0.0.1:{}#dns.example", port(kind)));
    let https = format!("https://dns.example:{}/dns-query#127.0.0.1", port("https"));
    for (server, via, passed, skipped) in [
        (&plain, "source", 2, 2),
        (&tcp, "source", 2, 2),
        (&tls, "source", 2, 2),
        (&quic, "source", 2, 2),
        // the path names a VPC, and an address is its own
        (&https, "source", 3, 1),
        (&plain, "ecs", 4, 0),
        (&tcp, "ecs", 4, 0),
        (&behind_proxy.1, "proxy", 4, 0),
        (&proxied_tcp, "proxy", 4, 0),
        (&tls, "ecs", 0, 4),
        (&quic, "proxy", 0, 4),
    ] {
        let words = ["--server", server, "--via", via, "--ca", &cert];
        let (code, out, err) = expect(&zones, &file, &words);
        let counts = format!("{passed} passed, 0 failed, {skipped} skipped (the server at ");
        assert!(code == Some(0) && err.is_empty() && out.contains(&counts), "{server} {via}: {out}{err}");
        let (strict, ..) = expect(&zones, &file, &[&words[..], &["--strict"]].concat());
        assert_eq!(strict, Some(i32::from(skipped > 0)), "{server} {via}");
    }
    // who is not believed, or not asked in the client's name, gets another answer, and that is no pass
    for (server, via) in [(&behind_proxy.1, "ecs"), (&plain, "proxy")] {
        let (code, out, _) = expect(&zones, &file, &["--server", server, "--via", via]);
        assert!(code == Some(1) && out.contains("0 passed, 4 failed"), "{server} {via}: {out}");
    }
}
