//! Every step against a scripted server, with a clock that is turned by hand.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use tempfile::TempDir;

use super::*;

mod machine;
mod roles;
mod sso;

/// 2026-11-26T17:00:00Z
const NOW: u64 = 1_795_712_400;
const MINUTE: u64 = 60;

/// A request as it came in.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    headers: HashMap<String, String>,
    body: String,
}

type Script = Arc<SyncMutex<Box<dyn FnMut(&Asked) -> (u16, String) + Send>>>;

/// A machine: its files, its variables, its clock, and a server that plays all services.
struct Machine {
    home: TempDir,
    url: String,
    variables: Vec<(String, String)>,
    clock: Arc<AtomicU64>,
    script: Script,
    asked: Arc<SyncMutex<Vec<Asked>>>,
}

impl Machine {
    async fn new(script: impl FnMut(&Asked) -> (u16, String) + Send + 'static) -> Self {
        let script: Script = Arc::new(SyncMutex::new(Box::new(script)));
        let asked: Arc<SyncMutex<Vec<Asked>>> = Arc::default();
        let (answers, noted) = (Arc::clone(&script), Arc::clone(&asked));
        let answer = async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let asked = Asked {
                line: format!("{method} {uri}"),
                headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            noted.lock().unwrap().push(asked.clone());
            let (status, body) = (answers.lock().unwrap())(&asked);
            (StatusCode::from_u16(status).unwrap(), body)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let home = tempfile::tempdir().unwrap();
        let machine = Self { home, url, variables: Vec::new(), clock: Arc::new(AtomicU64::new(NOW)), script, asked };
        let home = machine.home.path().to_str().unwrap().to_owned();
        machine.with("HOME", &home)
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.replace("URL", &self.url)));
        self
    }

    fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn credentials(&self, profile: Option<&str>) -> SharedCredentials {
        let clock = Arc::clone(&self.clock);
        let now = Arc::new(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)));
        let settings = CredentialSettings {
            names: HostLookup::default(),
            profile: profile.map(str::to_owned),
            region: "eu-west-1".parse().unwrap(),
            endpoint: None,
        };
        SharedCredentials::within(settings, Environment::new(self.variables.clone(), now)).unwrap()
    }

    fn turn(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    fn answers(&self, script: impl FnMut(&Asked) -> (u16, String) + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// What was asked since the last time.
    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

async fn key(credentials: &SharedCredentials) -> String {
    let found = credentials.current().await.unwrap();
    assert_eq!(found.secret_access_key.reveal(), format!("hidden of {}", found.access_key_id));
    found.access_key_id.clone()
}

/// Why there are none: the whole text. It has no secret.
async fn why(credentials: &SharedCredentials) -> String {
    let error = credentials.current().await.unwrap_err().to_string();
    assert!(!error.contains("hidden") && !error.contains('\n'), "{error}");
    error
}

fn at(seconds: u64) -> String {
    iso8601(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn json(id: &str, expires: u64) -> String {
    let expires = at(expires);
    format!(
        r#"{{"Code": "Success", "AccessKeyId": "{id}", "SecretAccessKey": "hidden of {id}", "Token": "hidden token", "Expiration": "{expires}"}}"#
    )
}
