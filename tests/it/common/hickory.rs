//! hickory's server on this machine, and a client of it at any address of 127.0.0.0/8.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use hickory_server::Server;
use hickory_server::server::RequestHandler;
use socket2::{Domain, Socket, Type};
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

/// A client at an address of this machine, with one socket and one connection.
pub struct Client {
    datagrams: UdpSocket,
    stream: TcpStream,
}

impl Client {
    pub fn new(server: SocketAddr, from: Ipv4Addr) -> Self {
        let datagrams = UdpSocket::bind((from, 0)).unwrap();
        datagrams.set_read_timeout(Some(PATIENCE)).unwrap();
        datagrams.connect(server).unwrap();
        let stream = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        stream.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        stream.connect(&server.into()).unwrap();
        let stream = TcpStream::from(stream);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { datagrams, stream }
    }

    /// The reply to a datagram.
    pub fn ask_udp(&self, packet: &[u8]) -> Vec<u8> {
        self.datagrams.send(packet).unwrap();
        let mut buffer = [0; 4096];
        let len = self.datagrams.recv(&mut buffer).unwrap_or_else(|error| panic!("no reply to {packet:02x?}: {error}"));
        buffer[..len].to_vec()
    }

    /// The reply over TCP.
    pub fn ask_tcp(&self, packet: &[u8]) -> Vec<u8> {
        let mut stream = &self.stream;
        let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length, packet].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap_or_else(|error| panic!("no reply to {packet:02x?}: {error}"));
        let mut reply = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut reply).unwrap();
        reply
    }
}
