//! Signs of life for the service manager, as long as what serves does its work.
//!
//! Nothing is asked over the network: a flood that fills every socket must not look like a server that hangs. A UDP worker
//! hangs if a datagram waited for it at the last look, another does now, and it has read none between. TCP, encrypted
//! listeners and questions for upstreams hang if the runtime does not run a task.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;
use tracing::{error, info};

use super::reload::SharedListeners;
use crate::serve::listeners::Listeners;
use crate::serve::udp::WorkerReport;
use crate::service_manager::ServiceManager;

/// Looks in the time within which the service manager expects a sign of life: a worker that hangs is found by two.
const LOOKS: u32 = 4;
/// What the runtime's timer is tried with.
const SHORT: Duration = Duration::from_millis(1);

/// A thread that looks until this is dropped.
pub(super) struct Watchdog {
    _running: Option<Sender<()>>,
}

impl Watchdog {
    /// Looks at `listeners` and `runtime`, if `manager` wants signs of life.
    pub(super) fn start(manager: &ServiceManager, listeners: &SharedListeners, runtime: Handle) -> Self {
        let Some(within) = manager.watchdog() else { return Self { _running: None } };
        let (running, ended) = channel::<()>();
        let (manager, listeners) = (manager.clone(), Arc::clone(listeners));
        let every = within / LOOKS;
        let look_until_the_end = move || {
            let mut looks = LastLook::default();
            loop {
                let reports = listeners.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Listeners::workers);
                let hangs = looks.hanging(&reports.unwrap_or_default());
                let hangs = hangs.or_else(|| (!runs_tasks(&runtime, every)).then(|| "the runtime".to_owned()));
                if looks.tell(hangs) {
                    manager.alive();
                }
                if ended.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("vpcedns-watch".to_owned()).spawn(look_until_the_end);
        if let Err(error) = thread {
            error!("the service manager's watchdog gets no signs of life: {error}");
        }
        Self { _running: Some(running) }
    }
}

/// Whether `runtime` runs a task, and its timer, within `patience`.
fn runs_tasks(runtime: &Handle, patience: Duration) -> bool {
    let (done, answer) = channel();
    runtime.spawn(async move {
        sleep(SHORT).await;
        let _ = done.send(());
    });
    answer.recv_timeout(patience).is_ok()
}

/// What was seen at the last look.
#[derive(Default)]
struct LastLook {
    /// Batches that those workers had read for which a datagram waited.
    waiting: HashMap<(SocketAddr, usize), u64>,
    /// What did not do its work.
    hanging: Option<String>,
}

impl LastLook {
    /// The first worker that has not read what waited at the last look.
    fn hanging(&mut self, workers: &[WorkerReport]) -> Option<String> {
        let hangs = |worker: &&WorkerReport| {
            worker.is_waited_for && self.waiting.get(&(worker.address, worker.number)) == Some(&worker.batches)
        };
        let found = workers.iter().find(hangs);
        let found = found.map(|worker| format!("UDP worker {} of {}", worker.number, worker.address));
        let waiting = workers.iter().filter(|worker| worker.is_waited_for);
        self.waiting = waiting.map(|worker| ((worker.address, worker.number), worker.batches)).collect();
        found
    }

    /// Logs what changed; returns whether all do their work.
    fn tell(&mut self, hanging: Option<String>) -> bool {
        match (&self.hanging, &hanging) {
            (before, Some(what)) if before.as_ref() != Some(what) => {
                error!("{what} hangs: the service manager gets no sign of life, and may restart this server");
            }
            (Some(what), None) => info!("{what} goes on"),
            _ => {}
        }
        self.hanging = hanging;
        self.hanging.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_hangs_that_does_not_read_what_waits() {
        let address: SocketAddr = "127.0.0.1:53".parse().unwrap();
        let worker = |number, batches, is_waited_for| WorkerReport { address, number, batches, is_waited_for };
        let mut looks = LastLook::default();
        for (workers, want) in [
            // idle for ever, and busy for ever
            (vec![worker(1, 0, false), worker(2, 7, true)], None),
            (vec![worker(1, 0, false), worker(2, 8, true)], None),
            // one look is not enough
            (vec![worker(1, 0, true), worker(2, 9, true)], None),
            (vec![worker(1, 0, true), worker(2, 10, true)], Some("UDP worker 1 of 127.0.0.1:53")),
            (vec![worker(1, 1, true), worker(2, 10, false)], None),
            (vec![worker(2, 10, true)], None),
            (vec![worker(1, 1, true), worker(2, 10, true)], Some("UDP worker 2 of 127.0.0.1:53")),
            (vec![], None),
        ] {
            let found = looks.hanging(&workers);
            assert_eq!(found.as_deref(), want, "{workers:?}");
            assert_eq!(looks.tell(found), want.is_none());
        }
    }

    #[test]
    fn a_runtime_whose_only_thread_is_held_runs_no_task() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        assert!(runs_tasks(runtime.handle(), Duration::from_secs(60)));
        let (release, held) = channel::<()>();
        let (begun, has_begun) = channel();
        runtime.spawn(async move {
            begun.send(()).unwrap();
            held.recv()
        });
        has_begun.recv().unwrap();
        assert!(!runs_tasks(runtime.handle(), Duration::from_millis(50)));
        release.send(()).unwrap();
        assert!(runs_tasks(runtime.handle(), Duration::from_secs(60)));
    }
}
