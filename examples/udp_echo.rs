//! What the kernel alone costs: sets QR in each datagram and sends it back, on the UDP front's own batches.
//!
//! The yardstick for `vpcedns serve`: whatever an answer costs over this is ours.
//!
//! ```text
//! udp_echo [ADDRESS [WORKERS]]        default 127.0.0.1:5399 1
//! ```

use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;

use socket2::{Domain, Socket, Type};
use vpcedns::serve::mmsg::{Datagrams, report_destination};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:5399".to_owned());
    let workers = args.next().unwrap_or_else(|| "1".to_owned());
    let (Ok(address), Ok(workers)) = (address.parse(), workers.parse::<usize>()) else {
        eprintln!("usage: udp_echo [ADDRESS [WORKERS]]");
        return ExitCode::from(2);
    };
    let workers: Vec<_> = (0..workers.max(1)).map(|_| thread::spawn(move || echo(address))).collect();
    eprintln!("echoing on {address}");
    for worker in workers {
        if let Ok(Err(error)) = worker.join() {
            eprintln!("{address}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn echo(address: SocketAddr) -> std::io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    socket.set_reuse_port(true)?;
    let _ = socket.set_recv_buffer_size(4 << 20);
    let _ = socket.set_send_buffer_size(4 << 20);
    let wildcard = address.ip().is_unspecified();
    if wildcard {
        report_destination(&socket, address.is_ipv6())?;
    }
    socket.bind(&address.into())?;
    let mut datagrams = Datagrams::new(1232, wildcard);
    loop {
        datagrams.receive(&socket, true)?;
        datagrams.answer_each(|datagram, out| {
            let out = out.get_mut(..datagram.packet.len())?;
            out.copy_from_slice(datagram.packet);
            *out.get_mut(2)? |= 0x80;
            Some(out.len())
        });
        datagrams.send(&socket);
    }
}
