//! A whole DNS server on hickory-server: private names out of a directory, everything else from other resolvers.
//!
//! ```text
//! cargo run --example hickory_server -- zones 127.0.0.1:5301 9.9.9.9
//! dig @127.0.0.1 -p 5301 -b 127.0.1.5 ec2.us-east-1.amazonaws.com
//! ```
//!
//! HUP reads the directory again, INT and TERM end it.

use std::error::Error;
use std::time::Duration;

use hickory_server::Server;
use tokio::net::{TcpListener, UdpSocket};
use tokio::signal::unix::{SignalKind, signal};
use vpcedns::embed::{Builder, PrivateZones, Refuse};
use vpcedns::model::Upstream;
use vpcedns::snapshot::Policy;

/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(10);
/// Replies that wait for one connection.
const WAITING: usize = 32;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let zones = words.next().unwrap_or_else(|| "zones".to_owned());
    let address = words.next().unwrap_or_else(|| "127.0.0.1:5301".to_owned());
    let upstreams = words.map(|word| word.parse()).collect::<Result<Vec<Upstream>, _>>()?;
    // without upstreams, names that nobody has are REFUSED
    let policy = Policy { upstreams: upstreams.into(), ..Policy::default() };
    let zones = Builder::from_dir(zones).policy(policy).build()?;
    for warning in zones.warnings() {
        eprintln!("{warning}");
    }

    let mut server = Server::new(zones.in_front_of(Refuse));
    server.register_socket(UdpSocket::bind(&address).await?);
    server.register_listener(TcpListener::bind(&address).await?, IDLE, WAITING);
    println!("answering on {address}");

    let mut hang_up = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = hang_up.recv() => reload(zones.clone()).await?,
            _ = terminate.recv() => break,
            interrupt = tokio::signal::ctrl_c() => break interrupt?,
        }
    }
    server.shutdown_gracefully().await?;
    Ok(())
}

/// Reads the files on a thread that may wait for disks; what is wrong with them changes nothing.
async fn reload(zones: PrivateZones) -> Result<(), Box<dyn Error>> {
    match tokio::task::spawn_blocking(move || zones.reload()).await? {
        Ok(()) => println!("loaded"),
        Err(error) => eprintln!("{error}"),
    }
    Ok(())
}
