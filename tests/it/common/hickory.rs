//! hickory's server on this machine, and a client of it at any address of 127.0.0.0/8.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use hickory_server::Server;
use hickory_server::server::RequestHandler;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// No reply takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server with one handler, on UDP and TCP of one port; stopped when dropped.
pub struct HickoryServer<H: RequestHandler> {
    runtime: Runtime,
    server: Server<H>,
    pub address: SocketAddr,
}

impl<H: RequestHandler> HickoryServer<H> {
    pub fn start(handler: H) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut server = Server::new(handler);
        let address = runtime.block_on(async {
            // a port that is free for UDP is so for TCP too, but for bad luck
            loop {
                let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
                let address = socket.local_addr().unwrap();
                if let Ok(listener) = TcpListener::bind(address).await {
                    server.register_socket(socket);
                    server.register_listener(listener, PATIENCE, 32);
                    break address;
                }
            }
        });
        Self { runtime, server, address }
    }
}

impl<H: RequestHandler> Drop for HickoryServer<H> {
    fn drop(&mut self) {
        self.runtime.block_on(self.server.shutdown_gracefully()).unwrap();
    }
}

/// A question as a stub resolver sends it.
pub fn question(name: &str, rtype: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), rtype));
    message
}

/// The reply of any server to a datagram of a client at `from`.
pub fn ask_udp(server: SocketAddr, from: Ipv4Addr, packet: &[u8]) -> Vec<u8> {
    let client = UdpSocket::bind((from, 0)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send_to(packet, server).unwrap();
    let mut buffer = [0; 4096];
    let len = client.recv(&mut buffer).unwrap_or_else(|error| panic!("no reply to {packet:02x?}: {error}"));
    buffer[..len].to_vec()
}

/// The same over TCP, for a client at 127.0.0.1.
pub fn ask_tcp(server: SocketAddr, packet: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, packet].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut reply).unwrap();
    reply
}
