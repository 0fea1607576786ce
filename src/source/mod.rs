//! Reads files into inputs for the model, each value with its place, and says everything that is wrong with them.
//!
//! ```text
//! scan        directories       -> paths
//! read_files  paths             -> parts: one per TOML file, one for all JSON files together
//! read_toml   text              -> Loaded
//! read_json_set texts           -> Loaded
//! ```
//!
//! Knows files, TOML, JSON and the shapes of `aws ec2 describe-*`. Must not know whether objects fit together (that is
//! the model's) nor what is answered. A broken object is left out with its own problems, and its id is told, so that
//! nobody complains about references to it as well.

mod access_keys;
mod aws_json;
mod doc;
mod files;
mod lines;
mod parts;
mod reader;
mod settings;
mod toml_dir;
mod values;
mod violation;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::model::Input;
use crate::problem::Problem;

pub use access_keys::read_access_keys;
pub use files::{MAX_FILE_BYTES, is_source, scan};
pub use parts::{Part, PartId, Stamps, read_files};
pub use settings::read_settings;
pub use violation::problems;

/// A file that has been read, not yet parsed.
#[derive(Clone, Debug)]
pub struct FileText {
    /// The path as the user will see it in problems.
    pub path: Arc<str>,
    /// Its content.
    pub text: String,
}

/// What a file, or a set of files, holds.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Every object without a problem of its own.
    pub inputs: Vec<Input>,
    /// Ids and names of objects that were declared but have errors, as written: references to them are not at fault.
    pub broken: Vec<String>,
    /// Something could not be read at all: what it declared is unknown, and so is whether a reference is at fault.
    pub incomplete: bool,
    /// Everything that is wrong, in the order of the text.
    pub problems: Vec<Problem>,
}

/// What a TOML file declares.
pub fn read_toml(path: &Arc<str>, text: &str) -> Loaded {
    toml_dir::read(Arc::clone(path), text)
}

/// What JSON files hold that were written by `aws ec2 describe-*`, joined by the ids in them.
pub fn read_json_set(files: &[FileText]) -> Loaded {
    aws_json::read(files)
}
