//! Pages of docs/ that are generated from declarations, and `vpcedns config`.

use std::fs;
use std::path::Path;
use std::process::Command;

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
