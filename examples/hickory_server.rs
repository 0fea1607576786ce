//! A whole DNS server on hickory-server: private names out of a directory, all others refused.
//!
//! `cargo run --example hickory_server -- zones 127.0.0.1:5301`, then
//! `dig @127.0.0.1 -p 5301 -b 127.0.1.5 ec2.us-east-1.amazonaws.com`.

use std::error::Error;
use std::time::Duration;

use hickory_server::Server;
use tokio::net::{TcpListener, UdpSocket};
use vpcedns::embed::{Builder, Refuse};

/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(10);
/// Replies that wait for one connection.
const WAITING: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let zones = words.next().unwrap_or_else(|| "zones".to_owned());
    let address = words.next().unwrap_or_else(|| "127.0.0.1:5301".to_owned());
    let handler = Builder::from_dir(zones)
        .build(Refuse)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut server = Server::new(handler);
        server.register_socket(UdpSocket::bind(&address).await?);
        server.register_listener(TcpListener::bind(&address).await?, IDLE, WAITING);
        println!("answering on {address}");
        server.block_until_done().await?;
        Ok(())
    })
}
