//! One line of the log for each change: who did what to which object, and how it ended.

use std::net::SocketAddr;

use super::Principal;

/// The target by which the log's filter finds these lines: `--log info,vpcedns::audit=off`.
pub const TARGET: &str = "vpcedns::audit";
/// More objects than this are counted, not named.
const NAMED: usize = 20;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The action: `CreateVpcEndpoint`.
    pub action: &'a str,
    /// Ids of the objects that were changed, or were to be.
    pub objects: &'a [&'a str],
    /// `Success`, or the code of the error.
    pub outcome: &'a str,
    /// The request id, as in the answer.
    pub request_id: &'a str,
}

/// Writes the line. Strings are quoted and escaped by the log, so that none can make a line of its own.
pub fn audit(caller: &Principal, peer: SocketAddr, change: &Change<'_>) {
    let named = change.objects.iter().take(NAMED).copied().collect::<Vec<_>>().join(" ");
    let objects = match change.objects.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    };
    tracing::info!(
        target: TARGET,
        access_key_id = caller.access_key_id.as_deref().unwrap_or("none"),
        account_id = caller.account_id.as_str(),
        %peer,
        action = change.action,
        objects = objects.as_str(),
        outcome = change.outcome,
        request_id = change.request_id,
        "change"
    );
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(objects: &[&str]) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone());
        let caller = Principal {
            key: None,
            access_key_id: Some("AKID".into()),
            account_id: "123456789012".into(),
            region: None,
        };
        tracing::subscriber::with_default(log.finish(), || {
            let change = Change { action: "DeleteVpcEndpoints", objects, outcome: "Success", request_id: "r-1" };
            audit(&caller, "192.0.2.1:99".parse().unwrap(), &change);
        });
        let octets = lines.0.lock().unwrap().clone();
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn a_change_is_one_line() {
        assert_eq!(
            written(&["vpce-1", "vpce-2\nforged"]),
            " INFO vpcedns::audit: change access_key_id=\"AKID\" account_id=\"123456789012\" peer=192.0.2.1:99 \
             action=\"DeleteVpcEndpoints\" objects=\"vpce-1 vpce-2\\nforged\" outcome=\"Success\" request_id=\"r-1\"\n"
        );
    }

    #[test]
    fn many_objects_are_counted() {
        assert!(written(&["vpce-1"; 23]).contains("vpce-1 and 3 more\""));
        assert!(!written(&["vpce-1"; 20]).contains("more"));
    }
}
