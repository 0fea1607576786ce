//! From which address of this host an upstream is asked: one of its source addresses that is on this host, or else the
//! one that the system chooses.
//!
//! Which addresses the host has is seen when a socket is bound, so that one that comes or goes counts from the next socket
//! on. Takes no part in a question: sockets and connections serve many.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::Upstream;

/// See the module.
#[derive(Default)]
pub(super) struct SourceAddress {
    /// The last socket got none of the upstream's source addresses.
    is_missing: AtomicBool,
}

impl SourceAddress {
    /// What `open` makes of a source address of `upstream`, chosen at random among those that it can bind to; of `None` where
    /// there is none.
    pub(super) fn open<T>(&self, upstream: &Upstream, open: impl Fn(Option<IpAddr>) -> io::Result<T>) -> io::Result<T> {
        let Some(sources) = upstream.sources.as_deref() else { return open(None) };
        let first = (rand::random::<u32>() as usize).checked_rem(sources.len()).unwrap_or(0);
        for source in sources.iter().cycle().skip(first).take(sources.len()) {
            match open(Some(*source)) {
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
                opened => {
                    self.note(upstream, false);
                    return opened;
                }
            }
        }
        self.note(upstream, true);
        open(None)
    }

    /// Whether questions leave from another address, as none of the upstream's source addresses is on this host.
    pub(super) fn is_missing(&self) -> bool {
        self.is_missing.load(Ordering::Relaxed)
    }

    fn note(&self, upstream: &Upstream, is_missing: bool) {
        if self.is_missing.swap(is_missing, Ordering::Relaxed) == is_missing {
            return;
        }
        if is_missing {
            tracing::info!(%upstream, "none of the addresses to ask from is on this host: the system chooses one");
        } else {
            tracing::info!(%upstream, "it is asked from its source address again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn upstream(sources: &[&str]) -> Upstream {
        let sources: Vec<IpAddr> = sources.iter().map(|ip| ip.parse().unwrap()).collect();
        "10.9.9.9".parse::<Upstream>().unwrap().asked_from(&sources)
    }

    /// What is opened on a host that has these addresses, and which ones were tried.
    fn opened(source: &SourceAddress, upstream: &Upstream, host: &[&str]) -> (Option<String>, Vec<String>) {
        let tried = RefCell::new(Vec::new());
        let found = source.open(upstream, |ip| {
            let Some(ip) = ip.map(|ip| ip.to_string()) else { return Ok(None) };
            tried.borrow_mut().push(ip.clone());
            if host.contains(&ip.as_str()) { Ok(Some(ip)) } else { Err(io::ErrorKind::AddrNotAvailable.into()) }
        });
        (found.unwrap(), tried.into_inner())
    }

    #[test]
    fn an_address_of_the_host_is_taken_and_others_are_passed_over() {
        let (source, two) = (SourceAddress::default(), upstream(&["10.0.1.5", "10.0.2.5"]));
        for _ in 0..50 {
            assert_eq!(opened(&source, &two, &["10.0.2.5"]).0.as_deref(), Some("10.0.2.5"));
        }
        assert!(!source.is_missing());
        let mut taken: Vec<_> = (0..100).filter_map(|_| opened(&source, &two, &["10.0.1.5", "10.0.2.5"]).0).collect();
        taken.sort();
        taken.dedup();
        assert_eq!(taken, ["10.0.1.5", "10.0.2.5"], "both are used");
    }

    #[test]
    fn without_one_the_system_chooses() {
        let source = SourceAddress::default();
        let (found, mut tried) = opened(&source, &upstream(&["10.0.1.5", "10.0.2.5"]), &["10.0.3.5"]);
        tried.sort();
        assert_eq!((found, tried), (None, vec!["10.0.1.5".to_owned(), "10.0.2.5".to_owned()]));
        assert!(source.is_missing());
        assert_eq!(opened(&source, &upstream(&["10.0.1.5"]), &["10.0.1.5"]).0.as_deref(), Some("10.0.1.5"));
        assert!(!source.is_missing(), "it has come to the host");
        assert_eq!(opened(&source, &"10.9.9.9".parse().unwrap(), &["10.0.1.5"]), (None, vec![]));
        assert!(!source.is_missing(), "none was wanted");
    }

    #[test]
    fn another_error_is_told() {
        let open = |_: Option<IpAddr>| Err::<(), _>(io::Error::from(io::ErrorKind::PermissionDenied));
        let error = SourceAddress::default().open(&upstream(&["10.0.1.5"]), open).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
