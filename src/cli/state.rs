//! `vpcedns state`: whether what the EC2 API keeps on disk is sound, and what it is.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::args::{StateAction, StateArgs};
use super::print_problems;
use crate::ec2::{StateContent, StateFault, Store, copies, read_sound};
use crate::problem::{Place, Problem, count};

pub(super) fn run(args: &StateArgs) -> ExitCode {
    // damage that breaks an assertion of what reads it is told as damage
    std::panic::set_hook(Box::new(|_| {}));
    let file = args.file.clone().unwrap_or_else(|| Store::file(&args.ec2_state));
    match args.what {
        StateAction::Verify => verify(&file, args.file.is_none()),
        StateAction::Export => export(&file),
    }
}

fn verify(file: &Path, with_copies: bool) -> ExitCode {
    let (mut out, found) = (String::new(), read_sound(file));
    let _ = writeln!(out, "{}", line(file, &found, None));
    for (copy, made) in copies(file).into_iter().filter(|_| with_copies) {
        let _ = writeln!(out, "{}", line(&copy, &read_sound(&copy), made.elapsed().ok().map(|age| age.as_secs())));
    }
    let printed = super::print(&out);
    if found.is_ok() { printed } else { ExitCode::FAILURE }
}

/// `ec2.redb: sound, 3 objects, 1 client token, 0 notifications to deliver`
fn line(file: &Path, found: &Result<StateContent, StateFault>, age: Option<u64>) -> String {
    let made = age.map_or_else(String::new, |seconds| match seconds {
        0..3600 => format!(" (made {} min ago)", seconds / 60),
        _ => format!(" (made {} h ago)", seconds / 3600),
    });
    let state = match found {
        Ok(content) => format!(
            "sound, {}, {}, {} to deliver",
            count(content.records.len(), "object"),
            count(content.tokens.len(), "client token"),
            count(content.deliveries, "notification")
        ),
        Err(fault) => fault.to_string(),
    };
    format!("{}{made}: {state}", file.display())
}

fn export(file: &Path) -> ExitCode {
    match read_sound(file) {
        Ok(content) => {
            let lines = content.records.iter().filter_map(|record| serde_json::to_string(record).ok());
            super::print(&lines.flat_map(|line| [line, "\n".to_owned()]).collect::<String>())
        }
        Err(fault) => {
            let hint = "`vpcedns state verify` says which copies are sound";
            print_problems(&[Problem::error(Place::whole(file.display().to_string()), fault.to_string(), hint)]);
            ExitCode::FAILURE
        }
    }
}
