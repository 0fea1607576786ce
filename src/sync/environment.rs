//! What the process was given: variables, the time, and who says where hosts are. Tests give others.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use axum::http::Uri;

use crate::http_client::{Egress, HostLookup, absolute_url};

type Now = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Variables, a clock, and the way out.
#[derive(Clone)]
pub(super) struct Environment {
    variables: HashMap<String, String>,
    now: Now,
    names: HostLookup,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // some of the values are secrets
        f.debug_list().entries(self.variables.keys()).finish()
    }
}

impl Environment {
    /// That of this process, in which `names` knows the hosts.
    pub(super) fn of_process(names: HostLookup) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { names, ..Self::new(std::env::vars_os().filter_map(text), Arc::new(SystemTime::now)) }
    }

    /// These variables and this clock.
    pub(super) fn new(variables: impl IntoIterator<Item = (String, String)>, now: Now) -> Self {
        Self { variables: variables.into_iter().collect(), now, names: HostLookup::default() }
    }

    /// How AWS is reached; the text says which variable is wrong.
    pub(super) fn egress(&self) -> Result<Egress, String> {
        Ok(Egress::from_variables(|name| self.variable(name).map(str::to_owned))?.knowing(self.names.clone()))
    }

    /// How services are reached that are on this machine or beside it: no proxy knows these.
    pub(super) fn egress_nearby(&self) -> Egress {
        Egress::default().knowing(self.names.clone())
    }

    /// A variable that says something.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that is an absolute URL; the text names the variable.
    pub(super) fn url(&self, name: &str) -> Result<Option<Uri>, String> {
        let url = self.variable(name).map(absolute_url).transpose();
        url.map_err(|why| format!("{name} is {why}"))
    }

    /// The URL in a variable such as AWS_ENDPOINT_URL_STS, else that in AWS_ENDPOINT_URL, which is for all services.
    pub(super) fn endpoint(&self, name: &str) -> Result<Option<Uri>, String> {
        Ok(self.url(name)?.or(self.url("AWS_ENDPOINT_URL")?))
    }

    /// The time.
    pub(super) fn now(&self) -> SystemTime {
        (self.now)()
    }

    /// The path in a variable, else one below `~/.aws`; `None` without a home.
    pub(super) fn aws_path(&self, name: Option<&str>, usual: &str) -> Option<PathBuf> {
        let home = || self.variable("HOME").map(PathBuf::from);
        match name.and_then(|name| self.variable(name)) {
            Some(path) => match path.strip_prefix("~/") {
                Some(rest) => Some(home()?.join(rest)),
                None => Some(PathBuf::from(path)),
            },
            None => Some(home()?.join(".aws").join(usual)),
        }
    }
}
