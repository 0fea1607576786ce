//! What a service manager is told of this process: sd_notify(3), by datagrams to the socket that `NOTIFY_SOCKET` names.
//!
//! | message | when |
//! |---|---|
//! | `EXTEND_TIMEOUT_USEC=` | the first load goes on |
//! | `READY=1` | the server answers; a load that somebody asked for has ended |
//! | `RELOADING=1`, `MONOTONIC_USEC=` | a load that somebody asked for begins |
//! | `WATCHDOG=1` | listeners and runtime do their work (`server/watchdog.rs`) |
//! | `STOPPING=1` | the server is to end |
//! | `STATUS=` | what `systemctl status` shows |
//!
//! Knows no DNS. Whoever has no service manager tells nobody.

use std::env;
use std::fmt::Display;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tracing::{debug, warn};

/// A manager that takes nothing for this long has lost the message.
const PATIENCE: Duration = Duration::from_secs(1);
/// A start may take this long after each sign that it goes on.
const EXTENSION: Duration = Duration::from_secs(60);

/// The service manager of this process, or nobody.
#[derive(Clone, Debug, Default)]
pub struct ServiceManager(Option<Arc<NotifySocket>>);

#[derive(Debug)]
struct NotifySocket {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that `NOTIFY_SOCKET` and `WATCHDOG_USEC` name. An address that is not understood is logged.
    pub fn of_environment() -> Self {
        let Ok(address) = env::var("NOTIFY_SOCKET") else { return Self::default() };
        let variable = |name| env::var(name).ok();
        let watchdog =
            watchdog(variable("WATCHDOG_PID").as_deref(), variable("WATCHDOG_USEC").as_deref(), std::process::id());
        Self::at(&address, watchdog).unwrap_or_else(|error| {
            warn!("NOTIFY_SOCKET={address}: the service manager is told nothing: {error}");
            Self::default()
        })
    }

    /// The one at `address`, a path or, after `@`, an abstract name; it expects a sign of life every `watchdog`.
    pub fn at(address: &str, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(address)?,
            _ => return Err(io::Error::other("neither a path nor an abstract name")),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(Some(Arc::new(NotifySocket { socket, address, watchdog }))))
    }

    /// How often it expects a sign of life.
    pub fn watchdog(&self) -> Option<Duration> {
        self.0.as_ref()?.watchdog
    }

    /// The start takes long, and goes on.
    pub fn starting(&self, status: impl Display) {
        self.tell(&format!("EXTEND_TIMEOUT_USEC={}\n{}", EXTENSION.as_micros(), line(status)));
    }

    /// The server answers, or a load has ended.
    pub fn ready(&self, status: impl Display) {
        self.tell(&format!("READY=1\n{}", line(status)));
    }

    /// A load begins; [`ready`](Self::ready) ends it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n{}", line("loading")));
    }

    /// What it shows from now on.
    pub fn status(&self, status: impl Display) {
        self.tell(&line(status));
    }

    /// A sign of life.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// The server is to end.
    pub fn stopping(&self, status: impl Display) {
        self.tell(&format!("STOPPING=1\n{}", line(status)));
    }

    fn tell(&self, message: &str) {
        let Some(to) = &self.0 else { return };
        if let Err(error) = to.socket.send_to_addr(message.as_bytes(), &to.address) {
            debug!("the service manager does not take {}: {error}", message.escape_debug());
        }
    }
}

/// Each line of a message is a variable of its own, so a status has one.
fn line(status: impl Display) -> String {
    format!("STATUS={}", status.to_string().replace('\n', " "))
}

/// How often process `own` is to give a sign of life.
fn watchdog(pid: Option<&str>, micros: Option<&str>, own: u32) -> Option<Duration> {
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(own));
    let micros: u64 = micros.filter(|_| is_ours)?.parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_at_a_path_and_at_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("vpcedns-test-{}", std::process::id());
        let at_path = UnixDatagram::bind(&path).unwrap();
        let at_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, address) in [(at_path, path.display().to_string()), (at_name, format!("@{name}"))] {
            let manager = ServiceManager::at(&address, None).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let received = || {
                let mut message = [0; 512];
                let length = socket.recv(&mut message).unwrap();
                String::from_utf8(message[..length].to_vec()).unwrap()
            };
            manager.ready("generation 1\nREADY=0");
            assert_eq!(received(), "READY=1\nSTATUS=generation 1 READY=0", "a status cannot be another variable");
            manager.starting("reading");
            assert_eq!(received(), "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=reading");
            manager.alive();
            assert_eq!(received(), "WATCHDOG=1");
            manager.stopping("draining");
            assert_eq!(received(), "STOPPING=1\nSTATUS=draining");
            let mut last = 0;
            for _ in 0..2 {
                manager.reloading();
                let message = received();
                let micros = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
                let micros: u64 = micros.strip_suffix("\nSTATUS=loading").unwrap().parse().unwrap();
                assert!(micros > last, "{message}");
                last = micros;
            }
        }
    }

    #[test]
    fn who_is_not_there_is_told_nothing() {
        ServiceManager::default().ready("nobody");
        ServiceManager::at("/nonexistent/notify", None).unwrap().ready("nobody");
        for bad in ["", "notify", "vsock:2:1234", "/a\0b"] {
            ServiceManager::at(bad, None).unwrap_err();
        }
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        for (pid, micros, want) in [
            (Some("7"), Some("2000000"), Some(2)),
            (None, Some("2000000"), Some(2)),
            (Some("8"), Some("2000000"), None),
            (Some("7"), None, None),
            (Some("7"), Some("0"), None),
            (Some("7"), Some("soon"), None),
        ] {
            assert_eq!(watchdog(pid, micros, 7), want.map(Duration::from_secs), "{pid:?} {micros:?}");
        }
    }
}
