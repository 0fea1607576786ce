//! Files that settings name and that cannot be used: an error where something that is on needs them, and else nothing that
//! stops a start.

use std::path::{Path, PathBuf};

use crate::common::lines;
use crate::server::{ask, settings, start};
use vpcedns::config::{Dnssec, Settings, Upstreams};
use vpcedns::server::Server;

const VPC: &str = "[[vpc]]\nvpc_id = \"vpc-ec43eb89\"\nregion = \"us-east-1\"\ncidr_blocks = [\"127.0.0.0/8\"]\n\
                   enable_dns_hostnames = true\n\
                   [[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-ec43eb89\"]\n\
                   records = [{ name = \"db\", type = \"A\", values = [\"10.0.0.9\"] }]\n";

/// What makes use of the file.
enum Use {
    Setting(fn(&mut Settings)),
    /// More text of the zones.
    Zones(&'static str),
}

/// A key, how it is set, and all that makes use of it.
type FileCase = (&'static str, fn(&mut Settings, PathBuf), Vec<Use>);

fn any(port: u16) -> std::net::SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn cases() -> Vec<FileCase> {
    let encrypted =
        |of: &mut Settings| of.forward = Upstreams::These(vec!["tls://127.0.0.1:9#a.example".parse().unwrap()]);
    let rule = "[[resolver_rule]]\ndomain_name = \"onprem.example\"\nrule_type = \"FORWARD\"\n\
                target_ips = [\"tls://127.0.0.1:9#a.example\"]\nvpc_ids = [\"vpc-ec43eb89\"]\n";
    let profile = "[[profile]]\nname = \"p\"\nvpc_ids = [\"vpc-ec43eb89\"]\ndnssec_validation = true\n";
    vec![
        (
            "dnssec_anchors",
            |of, file| of.dnssec_anchors = Some(file),
            vec![Use::Setting(|of| of.dnssec = Dnssec::Validate), Use::Zones(profile)],
        ),
        ("forward_ca", |of, file| of.forward_ca = Some(file), vec![Use::Setting(encrypted), Use::Zones(rule)]),
        ("http_token", |of, file| of.http_token = Some(file), vec![Use::Setting(|of| of.http = Some(any(0)))]),
        (
            "transfer_keys",
            |of, file| of.transfer_keys = Some(file),
            vec![Use::Setting(|of| of.transfer = vec![any(0)])],
        ),
        ("ec2_keys", |of, file| of.ec2_keys = Some(file), vec![Use::Setting(|of| of.ec2_api = Some(any(0)))]),
        ("doh_tokens", |of, file| of.doh_tokens = Some(file), vec![Use::Setting(https)]),
        (
            "tls_cert",
            |of, file| (of.tls_cert, of.tls_key) = (Some(file.clone()), Some(file)),
            vec![Use::Setting(https)],
        ),
        ("tls_key", |of, file| of.tls_key = Some(file), vec![Use::Setting(https)]),
        ("store_ca", |of, file| of.store_ca = Some(file), vec![Use::Setting(store)]),
        ("store_password", |of, file| of.store_password = Some(file), vec![Use::Setting(store)]),
    ]
}

fn store(of: &mut Settings) {
    of.store = Some("etcds://u@127.0.0.1:9/x".parse().unwrap());
    of.store_password.get_or_insert_with(|| PathBuf::from("/nowhere"));
}

/// With a certificate of its own, unless the case brings one.
fn https(of: &mut Settings) {
    of.https = vec![any(0)];
    let dir = of.socket.with_extension("d");
    std::fs::create_dir_all(&dir).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let [cert_file, key_file] =
        [("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())].map(|(name, text)| {
            std::fs::write(dir.join(name), text).unwrap();
            dir.join(name)
        });
    of.tls_cert.get_or_insert(cert_file);
    of.tls_key.get_or_insert(key_file);
}

/// The settings of a case in its own directory.
fn of_case(dir: &Path, zones: &str, case: &FileCase) -> Settings {
    let path = dir.join("zones");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("a.toml"), format!("{VPC}{zones}")).unwrap();
    let mut settings = Settings { http: None, ec2_state: dir.join("state"), ..settings(&path) };
    settings.socket = dir.join("sock");
    case.1(&mut settings, dir.join("there-is-no-such-file"));
    settings
}

#[test]
fn a_bad_file_stops_a_start_only_where_it_is_used() {
    for case in &cases() {
        let dir = tempfile::tempdir().unwrap();
        let server = start(of_case(dir.path(), "", case));
        assert_eq!(ask(server.ready().plain[0], "db.corp.example."), Ok(vec!["10.0.0.9".to_owned()]), "{}", case.0);
        server.stop().unwrap();
        for used in &case.2 {
            let dir = tempfile::tempdir().unwrap();
            let settings = match used {
                Use::Zones(more) => of_case(dir.path(), more, case),
                Use::Setting(set) => {
                    let mut settings = of_case(dir.path(), "", case);
                    set(&mut settings);
                    settings
                }
            };
            let Err(problems) = Server::start(settings) else { panic!("{} is used, and is not there", case.0) };
            let said = lines(&problems);
            assert!(said.contains("there-is-no-such-file"), "{}: {said}", case.0);
            assert!(
                problems.iter().all(|problem| problem.is_error() && !problem.hint.is_empty()),
                "{}: {said}",
                case.0
            );
        }
    }
}
