//! The HTTP address and the control socket as parts of the server.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::info;

use crate::config::{Limits, Secret, Settings};
use crate::descriptors::{Descriptors, SocketOffer};
use crate::observe::{ControlSocket, HttpAccess, Views, serve_address, serve_socket};
use crate::problem::{Place, Problem};
use crate::secret_file::{self, LEAST_TOKEN};

/// What the settings say about both.
pub(super) struct HttpListeners {
    address: Option<(SocketAddr, HttpAccess)>,
    socket: PathBuf,
    limits: Limits,
}

impl HttpListeners {
    /// Reads the token, and refuses an address that other machines reach without one.
    pub(super) fn of(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let token = settings.http_token.as_deref().filter(|_| settings.http.is_some());
        let token = token.map(read_token).transpose()?;
        let access = settings.http.map(|address| {
            let access = HttpAccess::at(address, settings.http_host.clone(), token);
            access.map(|access| (address, access)).map_err(|fault| problem("--http", fault.what, fault.hint))
        });
        Ok(Self { address: access.transpose()?, socket: settings.socket.clone(), limits: settings.limits.clone() })
    }

    /// Opens both, and answers until `stop`; returns the address of HTTP.
    /// To be called in a runtime.
    pub(super) fn start(
        self,
        views: Views,
        descriptors: &Descriptors,
        stop: watch::Receiver<bool>,
    ) -> Result<(Option<SocketAddr>, Vec<SocketOffer>), Vec<Problem>> {
        let Self { address, socket, limits } = self;
        match ControlSocket::open(&socket, descriptors) {
            Ok((guard, listener)) => {
                let (views, limits, stop) = (views.clone(), limits.clone(), stop.clone());
                tokio::spawn(async move {
                    serve_socket(listener, views, &limits, stop).await;
                    drop(guard);
                });
            }
            Err(error) if socket == Settings::default().socket => {
                info!("there is no control socket: {}: {error}", socket.display());
            }
            Err(error) => {
                let hint = "name a path in a directory that this user may write to";
                let what = format!("cannot open the control socket {}: {error}", socket.display());
                return Err(problem("--socket", what, hint));
            }
        }
        let Some((address, access)) = address else { return Ok((None, Vec::new())) };
        let failed = |error: io::Error| {
            let hint = "see who has it with `ss -ltnp`, or choose another with --http";
            problem("--http", format!("cannot listen on {address}: {error}"), hint)
        };
        let (listener, offer) = http_listener(address, descriptors).map_err(failed)?;
        let actual = listener.local_addr().map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        tokio::spawn(async move { serve_address(listener, views, access, &limits, stop).await });
        Ok((Some(actual), vec![offer]))
    }
}

/// The socket of an HTTP address: one that was given, or a new one; a successor may have it.
pub(super) fn http_listener(address: SocketAddr, descriptors: &Descriptors) -> io::Result<(StdListener, SocketOffer)> {
    let listener = descriptors.tcp(address).map_or_else(|| StdListener::bind(address), Ok)?;
    listener.set_nonblocking(true)?;
    let offer = descriptors.offer(&listener)?;
    Ok((listener, offer))
}

/// The token in a file, without white space around it.
fn read_token(path: &Path) -> Result<Secret, Vec<Problem>> {
    let label = path.display().to_string();
    let text = secret_file::read_owners_only(path, "--http-token", "the token")?;
    let token = text.trim();
    if token.len() < LEAST_TOKEN || token.bytes().any(|octet| !octet.is_ascii_graphic()) {
        let hint = format!("`head -c 24 /dev/urandom | base64 > {label}` makes one");
        return Err(problem(&label, format!("a token has at least {LEAST_TOKEN} visible ASCII characters"), hint));
    }
    Ok(Secret::new(token))
}

fn problem(place: &str, what: impl Into<String>, hint: impl Into<String>) -> Vec<Problem> {
    vec![Problem::error(Place::whole(place), what, hint)]
}
