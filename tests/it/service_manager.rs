//! What a service manager is told, by a server in this process and a socket of this test's own.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use vpcedns::config::{Limits, Settings};
use vpcedns::descriptors::Descriptors;
use vpcedns::server::Server;
use vpcedns::service_manager::ServiceManager;

use crate::server::{ask, get, settings};

const ZONE: &str = "[[vpc]]\nvpc_id = \"vpc-ec43eb89\"\nregion = \"us-east-1\"\ncidr_blocks = [\"127.0.0.0/8\"]\n";

/// A service manager: what comes to its socket.
struct Manager(UnixDatagram);

impl Manager {
    fn message(&self) -> String {
        let mut octets = [0; 4096];
        let length = self.0.recv(&mut octets).unwrap();
        String::from_utf8(octets[..length].to_vec()).unwrap()
    }

    /// The next message that is no sign of life.
    fn next(&self) -> String {
        std::iter::repeat_with(|| self.message()).find(|message| message != "WATCHDOG=1").unwrap()
    }
}

#[test]
fn a_service_manager_is_told_how_the_server_is() {
    let dir = tempfile::tempdir().unwrap();
    let (zones, path) = (dir.path().join("zones"), dir.path().join("notify"));
    fs::create_dir(&zones).unwrap();
    let file = zones.join("a.toml");
    fs::write(&file, ZONE).unwrap();
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    manager.0.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let limits = Limits { lameduck: Duration::from_millis(1500), ..Limits::default() };
    let settings = Settings { limits, ..settings(&zones) };
    let link = ServiceManager::at(path.to_str().unwrap(), Some(Duration::from_millis(40))).unwrap();
    let server = Server::start_with(settings, &|_, _| {}, None, Descriptors::default(), link).unwrap();
    let (handle, ready) = (server.handle(), server.ready().clone());
    let running = std::thread::spawn(|| server.run());

    let message = manager.message();
    assert!(message.starts_with("READY=1\nSTATUS=generation 1, no endpoints yet in 1 VPC, on 127.0.0.1:"), "{message}");
    assert_eq!(ask(ready.plain[0], "localhost").unwrap(), ["127.0.0.1"]);
    for _ in 0..3 {
        assert_eq!(manager.message(), "WATCHDOG=1");
    }

    handle.reload();
    let message = manager.next();
    assert!(message.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{message}");
    assert_eq!(manager.next(), "READY=1\nSTATUS=generation 1, 0 warnings");

    // a file with an error: a change that was noticed is a status, one that somebody asks for is a load that ends
    fs::write(&file, "[[vpc]\n").unwrap();
    let bad = |message: &str| {
        message.contains("STATUS=not loaded, generation 1 keeps serving: ") && message.contains("a.toml:1")
    };
    let message = manager.next();
    assert!(message.starts_with("STATUS=") && bad(&message), "{message}");
    handle.reload();
    assert!(manager.next().starts_with("RELOADING=1\n"));
    let message = manager.next();
    assert!(message.starts_with("READY=1\n") && bad(&message), "{message}");

    // probes that must not take every server out because of one bad file ask for this
    let http = ready.http.unwrap();
    assert_eq!((get(http, "/readyz").0, get(http, "/readyz?last_good").0), (503, 200));

    let stopped = Instant::now();
    handle.stop();
    assert_eq!(manager.next(), "STOPPING=1\nSTATUS=answering until clients have gone elsewhere");
    for path in ["/readyz", "/readyz?last_good"] {
        assert_eq!(get(http, path), (503, "draining\n".to_owned()));
    }
    assert_eq!(ask(ready.plain[0], "localhost").unwrap(), ["127.0.0.1"]);
    assert_eq!(manager.next(), "STOPPING=1\nSTATUS=answering what has come in");
    running.join().unwrap().unwrap();
    assert!(stopped.elapsed() >= Duration::from_millis(1500), "it did not wait");
}
