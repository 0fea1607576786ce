//! Where objects come from: each source says what it declares, each value with its place, and what is wrong with it.
//!
//! ```text
//! contract    Source: what a source says, and how it asks for a load
//! sources     all sources -> the next model; held remembers what each owns, and where
//! files       a source: directories of TOML files and of the AWS CLI's JSON
//!   scan        directories       -> paths
//!   read_files  paths             -> parts: one per TOML file, one for all JSON files together
//!   read_toml   text              -> Declared
//!   read_json_set texts           -> Declared
//!   cut         a TOML text without some of its tables
//!   zone_file   master files      -> the record sets of a hosted zone
//!   given       files that came by another way than the file system
//!   watch       asks for a load when a file changes; knows which files are half written
//! ```
//!
//! Knows files, TOML, JSON and the shapes of `aws ec2 describe-*`. Must not know whether objects fit together (that is
//! the model's) nor what is answered. A broken object is left out with its own problems, and its id is told, so that
//! nobody complains about references to it as well. A new source is one file that implements [`Source`], and one line
//! in `server/listed.rs`.

mod access_keys;
mod aws_json;
mod beside;
mod contract;
mod cut;
mod doc;
mod files;
mod gate;
mod given;
mod held;
mod key_file;
mod lines;
mod opened;
mod orphans;
mod own;
pub(crate) mod parallel;
mod parts;
mod reader;
mod record_sets;
mod scan;
mod settings;
mod sources;
mod stamp;
mod toml_dir;
mod transfer_keys;
mod unread;
mod values;
mod violation;
mod warnings;
mod watch;
mod zone_file;

#[cfg(test)]
mod tests;

use crate::dns::Rtype;
use crate::model::{Input, RdataError};
use crate::problem::{FileName, Place};

pub use access_keys::read_access_keys;
pub use beside::FilesBeside;
pub use contract::{
    Declared, LoadRequest, LoadRequests, LoadTrigger, PartId, Progress, Reading, Source, SourceHealth, SourceId,
    SourceReport,
};
pub use cut::without_tables;
pub use files::Files;
pub use given::{gather_below, gather_files, given_part, read_given};
pub use own::refuse_own;
pub use scan::{MAX_FILE_BYTES, scan};
pub use settings::read_settings;
pub use sources::{Loaded, SourceEdit, Sources};
pub(crate) use sources::{Overlay, Taken};
pub use stamp::FileStamp;
pub use transfer_keys::read_transfer_keys;
pub use violation::problems;
pub use watch::{LEFT_OPEN, Ledger, Readable};

/// A file that has been read, not yet parsed.
#[derive(Clone, Debug)]
pub struct FileText {
    /// The path as the user will see it in problems.
    pub path: FileName,
    /// Its content.
    pub text: String,
}

/// What a TOML text declares that has no files beside it.
pub fn read_toml(path: &FileName, text: &str) -> Declared {
    read_toml_with(path, text, &beside::NoFiles)
}

/// What a TOML file declares; `files` has the master files that it names.
pub fn read_toml_with(path: &FileName, text: &str, files: &dyn FilesBeside) -> Declared {
    toml_dir::read(path.clone(), text, files)
}

/// Record data as Route 53's API writes it, in wire form: texts with octal escapes.
pub fn read_record_value(rtype: Rtype, value: &str) -> Result<Box<[u8]>, RdataError> {
    aws_json::record_value(rtype, value)
}

/// What Route 53 has, in the words in which the AWS CLI prints it, in an array, as what is declared at `place`: a private
/// hosted zone (`get-hosted-zone`, `list-resource-record-sets`), once for the VPCs of each Region where answers differ; or
/// resolver rules (`list-resolver-rules`, `list-resolver-rule-associations`).
pub fn read_route53(outputs: &str, place: &Place) -> Vec<Input> {
    aws_json::route53(outputs, place)
}

/// What JSON files hold that were written by `aws ec2 describe-*`, joined by the ids in them.
pub fn read_json_set(files: &[FileText]) -> Declared {
    aws_json::read(files)
}
