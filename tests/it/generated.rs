//! Pages of docs/ that are generated from declarations, and `vpcedns config`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vpcedns::config::{Metric, MetricKind};

/// `docs/NAME` is `expected`; with UPDATE_DOCS set it becomes so.
fn check(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expected).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_default();
    let at = text.lines().zip(expected.lines()).position(|(is, wanted)| is != wanted);
    assert!(
        text == expected,
        "docs/{name} differs from the declarations at line {}: run UPDATE_DOCS=1 cargo test --test it generated",
        at.unwrap_or_else(|| text.lines().count().min(expected.lines().count())) + 1
    );
}

#[test]
fn the_page_of_settings_is_up_to_date() {
    check("settings.md", &vpcedns::config::reference());
}

#[test]
fn the_page_of_metrics_is_up_to_date() {
    check("metrics.md", &vpcedns::config::metrics_reference());
}

#[test]
fn the_page_of_actions_is_up_to_date() {
    check("ec2-actions.md", &with_evidence(&vpcedns::ec2::actions_reference()));
}

/// Tests that are shown for an action, at most.
const SHOWN: usize = 3;

/// The page of actions with the tests that call each. An action that no test calls is a failure.
fn with_evidence(page: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |dir: &str, extension: &str| {
        let entries = fs::read_dir(root.join(dir)).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.extension().is_some_and(|found| found == extension));
        let named = files.map(|path| {
            (format!("{dir}/{}", path.file_name().unwrap().to_string_lossy()), fs::read_to_string(&path).unwrap())
        });
        let mut all: Vec<(String, String)> = named.collect();
        all.sort();
        all
    };
    // those that take every action of botocore's models, and those that name none of EC2's, show nothing of one alone
    let of_api =
        |(name, _): &(String, String)| name.contains("ec2") || name.contains("route53") || name.contains("resolver");
    let files: Vec<_> = read("e2e", "py").into_iter().chain(read("tests/it", "rs")).filter(of_api).collect();
    let mut out = String::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let more = match cells.as_slice() {
            ["", "action", ..] => " shown by |".to_owned(),
            ["", "---", ..] => "---|".to_owned(),
            ["", action, ..] => {
                let found: Vec<&str> = files
                    .iter()
                    .filter(|(_, text)| spellings(action).iter().any(|spelling| names(text, spelling)))
                    .map(|(name, _)| name.as_str())
                    .collect();
                assert!(!found.is_empty(), "no test calls {action}");
                format!(" {} |", found.into_iter().take(SHOWN).collect::<Vec<_>>().join(", "))
            }
            _ => String::new(),
        };
        out.push_str(line);
        out.push_str(&more);
        out.push('\n');
    }
    out
}

/// An action's name as the API, boto3 and the AWS CLI write it.
fn spellings(action: &str) -> [String; 3] {
    let mut words = String::new();
    let letters: Vec<char> = action.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let begins = letter.is_ascii_uppercase()
            && at > 0
            && (letters[at - 1].is_ascii_lowercase() || letters.get(at + 1).is_some_and(char::is_ascii_lowercase));
        if begins {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    [action.to_owned(), words.clone(), words.replace('_', "-")]
}

/// Whether a text has a word.
fn names(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word).any(|(at, found)| {
        !text[..at].ends_with(is_part)
            && !text[at + found.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// The environment variable of every setting and limit is read, and the file is checked with file and line.
#[test]
fn config_is_printed_and_checked_by_the_program() {
    let program = env!("CARGO_BIN_EXE_vpcedns");
    let printed = Command::new(program).arg("config").output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), vpcedns::config::template());

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vpcedns.toml");
    fs::write(&file, vpcedns::config::template()).unwrap();
    let checked = Command::new(program).args(["config", "--check"]).arg(&file).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    fs::write(&file, "aa = true\n[limits]\ndrain_ms = -1\n").unwrap();
    let checked = Command::new(program).args(["config", "--check"]).arg(&file).output().unwrap();
    let said = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(1));
    let expected = format!("{}:3:1: error: limit drain_ms = -1 is out of range: 0 to 600000\n", file.display());
    assert_eq!(said, expected);
}

/// Each variable is read: a value that cannot be is told with the flag's name.
#[test]
fn every_environment_variable_is_read() {
    let program = env!("CARGO_BIN_EXE_vpcedns");
    for setting in vpcedns::config::Settings::TABLE {
        // a text that is not valid, so that the server does not start; a few settings take any
        let Some(wrong) = ["\u{1}", ""].into_iter().find(|text| setting.check(text).is_err()) else { continue };
        let output = Command::new(program).arg("serve").env(setting.variable(), wrong).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{}: {said}", setting.key);
        assert!(said.contains(&format!("--{}", setting.flag())), "{}: {said}", setting.key);
    }
    let output = Command::new(program).arg("serve").env("VPCEDNS_LIMIT", "tcp_idle_ms=1").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("limit tcp_idle_ms = 1 is out of range"));
}

/// Ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every declared metric is shown by a server, each family once, and no other.
#[test]
fn every_metric_is_shown_once() {
    let dir = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(vec!["dns.example".to_owned()]).unwrap();
    fs::write(dir.path().join("cert.pem"), certified.cert.pem()).unwrap();
    fs::write(dir.path().join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    let program = Command::new(env!("CARGO_BIN_EXE_vpcedns"))
        .args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--forward", "192.0.2.1"])
        .args(["--tls", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"])
        .args(["--ec2-api", "127.0.0.1:0", "--ec2-webhook", "http://127.0.0.1:9", "--zones", "."])
        .current_dir(&dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut running = Running(program.unwrap());
    let mut ready = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let at = ready.split("http://").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    let get = || {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\nConnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut page = get();
    // upstreams are made known right after the ready line
    while !page.contains("vpcedns_upstream_state") && Instant::now() < deadline {
        std::thread::yield_now();
        page = get();
    }

    let shown: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    // the round trip has no value before the first reply, and no account is followed
    let without_value = [Metric::UpstreamRtt, Metric::SyncRounds, Metric::SyncZonesOldest];
    let expected = Metric::TABLE.iter().filter(|(metric, _)| !without_value.contains(metric)).map(|(_, info)| {
        let kind = match info.kind {
            MetricKind::Gauge => "gauge",
            MetricKind::Timed => "histogram",
            MetricKind::Tallied | MetricKind::Counted | MetricKind::Counter => "counter",
        };
        format!("{} {kind}", info.family())
    });
    let mut expected: Vec<String> = expected.collect();
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sorted, expected, "{page}");
    for (_, info) in Metric::TABLE.iter().filter(|(_, info)| info.kind == MetricKind::Tallied) {
        let lines = page.lines().filter(|line| line.starts_with(&format!("vpcedns_{}_total", info.name))).count();
        assert_eq!(lines, info.combinations().len(), "{}: a line for each value of its labels", info.name);
    }
}
