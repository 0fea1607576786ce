//! hickory-server with its own zone out of a master file: what `bench/run hickory` compares `hickory_server` with.
//!
//! `cargo run --example hickory_stock -- FILE ORIGIN 127.0.0.1:5301`

use std::error::Error;
use std::sync::Arc;

use hickory_server::Server;
use hickory_server::proto::rr::Name;
use hickory_server::store::file::{FileConfig, FileZoneHandler};
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::UdpSocket;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [file, origin, address] = &words[..] else { return Err("FILE ORIGIN ADDRESS".into()) };
    let mut origin = Name::from_ascii(origin)?;
    origin.set_fqdn(true);
    let config = FileConfig { zone_path: file.into() };
    let zone =
        FileZoneHandler::try_from_config(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny, None, &config, None)?;
    let mut catalog = Catalog::new();
    catalog.upsert(origin.into(), vec![Arc::new(zone)]);
    let mut server = Server::new(catalog);
    server.register_socket(UdpSocket::bind(address).await?);
    server.block_until_done().await?;
    Ok(())
}
