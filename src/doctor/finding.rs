//! What a check says: how bad it is, the value found, and the remedy.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingLevel {
    /// As it should be, or a fact that is good to know.
    Ok,
    /// Works, but not well, or not always.
    Warning,
    /// Some names or clients get no answer or the wrong one.
    Problem,
}

impl fmt::Display for FindingLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "WARNING",
            Self::Problem => "PROBLEM",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at; stable, for programs.
    pub check: &'static str,
    /// How bad it is.
    pub level: FindingLevel,
    /// What was found, with the value in question, without a final full stop.
    pub found: String,
    /// What to do about it; empty where nothing has to be done.
    pub remedy: String,
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, level: FindingLevel::Ok, found: found.into(), remedy: String::new() }
    }

    /// Something that works, but not well.
    pub fn warning(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, level: FindingLevel::Warning, found: found.into(), remedy: remedy.into() }
    }

    /// The same, where it does not matter so much.
    #[must_use]
    pub fn at_most_warning(self) -> Self {
        Self { level: self.level.min(FindingLevel::Warning), ..self }
    }

    /// Something that gives no answer or a wrong one.
    pub fn problem(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, level: FindingLevel::Problem, found: found.into(), remedy: remedy.into() }
    }
}
