//! Private DNS inside of a server on hickory-server, as in a Rust test: no port 53, no child process.
//!
//! ```text
//! zones     Builder makes PrivateZones: what is served, loaded once and again
//! handler   PrivateDns: answers what is private in front of any other handler
//! catalog   PrivateZoneHandler: the same for a chain of a hickory `Catalog`
//! ```
//!
//! A test that asks, from end to end:
//!
//! ```
//! use hickory_server::Server;
//! use hickory_server::proto::op::{Message, Query};
//! use hickory_server::proto::rr::RecordType;
//! use tokio::net::UdpSocket;
//! use vpcedns::embed::{Builder, Refuse};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let zones = Builder::toml_str(
//!     r#"
//!     [[vpc]]
//!     vpc_id = "vpc-ec43eb89"
//!     region = "us-east-1"
//!     cidr_blocks = ["10.0.0.0/16", "127.0.0.0/8"] # clients on this machine are the VPC's
//!     enable_dns_hostnames = true
//!
//!     [[subnet]]
//!     subnet_id = "subnet-abababab"
//!     vpc_id = "vpc-ec43eb89"
//!     availability_zone = "us-east-1a"
//!     cidr_block = "10.0.1.0/24"
//!
//!     [[vpc_endpoint]]
//!     vpc_endpoint_id = "vpce-088d25a4bbf4a7abc"
//!     vpc_id = "vpc-ec43eb89"
//!     service_name = "com.amazonaws.us-east-1.sqs"
//!     network_interfaces = [
//!       { network_interface_id = "eni-bf8aa46b", subnet_id = "subnet-abababab", private_ip_address = "10.0.1.17" },
//!     ]
//!     "#,
//! )
//! .build()?;
//! let socket = UdpSocket::bind("127.0.0.1:0").await?;
//! let address = socket.local_addr()?; // what is tested asks here
//! let mut server = Server::new(zones.in_front_of(Refuse));
//! server.register_socket(socket);
//!
//! let mut question = Message::query();
//! question.metadata.recursion_desired = true;
//! question.add_query(Query::query("sqs.us-east-1.amazonaws.com.".parse()?, RecordType::A));
//! let client = UdpSocket::bind("127.0.0.1:0").await?;
//! client.send_to(&question.to_vec()?, address).await?;
//! let mut reply = [0; 1232];
//! let len = client.recv(&mut reply).await?;
//! let reply = Message::from_vec(&reply[..len])?;
//! assert_eq!(reply.answers[0].data.to_string(), "10.0.1.17");
//! server.shutdown_gracefully().await?;
//! # Ok(()) }
//! ```
//!
//! What hickory's request does not have cannot decide: a client's VPC is known by its address, or by the listener that
//! [`PrivateZones::at`] names for a handler. An inner handler's replies are handed on as they are: its aliases into private
//! zones, FORWARD rules, and Route 53's alias records to names outside take [`Builder::policy`].
//!
//! hickory's types are named in this module, in data of records, and in DNSSEC validation.
// no packet can panic (invariant I6)
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

mod catalog;
mod handler;
mod zones;

pub use catalog::PrivateZoneHandler;
pub use handler::{PrivateDns, Refuse};
pub use zones::{Builder, LoadError, PrivateZones};
