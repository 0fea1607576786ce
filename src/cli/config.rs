//! `vpcedns config`: the settings file, with every default or checked.

use std::path::Path;
use std::process::ExitCode;

use super::args::ConfigArgs;
use crate::config::{DEFAULT_FILE, Settings, template, unused};
use crate::problem::{FileName, Place, Problem};

pub(super) fn run(args: &ConfigArgs) -> ExitCode {
    let Some(file) = &args.check else { return super::print(&template()) };
    match read_file(Some(file)) {
        Ok(settings) => {
            super::print_problems(&unused(&settings));
            super::print(&format!("good: {}\n", file.display()))
        }
        Err(problems) => {
            super::print_problems(&problems);
            ExitCode::FAILURE
        }
    }
}

/// The settings in `file`, over the defaults; in `vpcedns.toml`, if it is there, where no file is named.
pub(super) fn read_file(file: Option<&Path>) -> Result<Settings, Vec<Problem>> {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    if file.is_none() && !path.exists() {
        return Ok(Settings::default());
    }
    let label = FileName::from(path.display().to_string());
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![Problem::error(Place::whole(label.clone()), format!("cannot be read: {error}"), "")])?;
    let (settings, problems) = crate::source::read_settings(&label, &text);
    if problems.iter().any(Problem::is_error) { Err(problems) } else { Ok(settings) }
}
