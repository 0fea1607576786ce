//! Errors as EC2 answers them: a code that programs compare, a text that people read.

use std::borrow::Cow;
use std::fmt;

/// A call that was refused (EC2 API Reference, "Error codes").
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// EC2's code.
    pub code: Cow<'static, str>,
    /// EC2's text where it is known.
    pub message: String,
}

impl ApiError {
    /// An error of the client, HTTP 400.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code: Cow::Borrowed(code), message: message.into() }
    }

    /// `InvalidParameter`, under which EC2 says most of what does not fit together.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameter", message)
    }

    /// `InvalidParameterValue`: a value that is malformed or out of its range.
    pub fn value(value: impl fmt::Display, parameter: &str, expected: impl fmt::Display) -> Self {
        let message = format!("Value ({value}) for parameter {parameter} is invalid. {expected}");
        Self::new("InvalidParameterValue", message)
    }

    /// `MissingParameter`.
    pub fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }

    /// `InternalError`, HTTP 500: it is on our side, and nothing was changed.
    pub fn internal(message: impl Into<String>) -> Self {
        Self { status: 500, code: Cow::Borrowed("InternalError"), message: message.into() }
    }

    /// What a `DryRun` that would have succeeded answers.
    pub fn dry_run() -> Self {
        let message = "Request would have succeeded, but DryRun flag is set.";
        Self { status: 412, code: Cow::Borrowed("DryRunOperation"), message: message.to_owned() }
    }
}
