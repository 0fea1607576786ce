//! Descriptors through a Unix socket (SCM_RIGHTS, unix(7)).
//!
//! Each message has up to [`AT_ONCE`] of them and two octets: how many these are, and whether more follow.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// Descriptors in one message; the kernel takes 253 (SCM_MAX_FD).
const AT_ONCE: usize = 64;
/// Most descriptors that are taken of a sender.
const MOST: usize = 1 << 16;

/// Sends copies of all of `descriptors`.
pub fn send(stream: &UnixStream, descriptors: &[Arc<OwnedFd>]) -> io::Result<()> {
    let mut chunks = descriptors.chunks(AT_ONCE).peekable();
    if chunks.peek().is_none() {
        return sent(sendmsg(
            stream,
            &[IoSlice::new(&[0, 0])],
            &mut SendAncillaryBuffer::default(),
            SendFlags::NOSIGNAL,
        ));
    }
    while let Some(chunk) = chunks.next() {
        let borrowed: Vec<_> = chunk.iter().map(|descriptor| descriptor.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
            return Err(io::Error::other("there is no room for descriptors"));
        }
        let head = [chunk.len() as u8, u8::from(chunks.peek().is_some())];
        sent(sendmsg(stream, &[IoSlice::new(&head)], &mut control, SendFlags::NOSIGNAL))?;
    }
    Ok(())
}

fn sent(outcome: rustix::io::Result<usize>) -> io::Result<()> {
    // two octets go whole or not at all
    outcome.map(drop).map_err(io::Error::from)
}

/// Takes what [`send`] has sent. Fails if any of them did not arrive, as where this process may have no more.
pub fn receive(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut all = Vec::new();
    loop {
        let mut head = [0; 2];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
        let got = recvmsg(stream, &mut [IoSliceMut::new(&mut head)], &mut control, flags)?;
        let before = all.len();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                all.extend(descriptors);
            }
        }
        let [count, more] = head;
        if got.bytes != head.len() || all.len() - before != usize::from(count) || all.len() > MOST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not all sockets have arrived"));
        }
        if more == 0 {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn any_number_of_descriptors_arrives() {
        for count in [0, 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE] {
            let sockets: Vec<UdpSocket> = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
            let descriptors: Vec<Arc<OwnedFd>> =
                sockets.iter().map(|socket| Arc::new(socket.try_clone().unwrap().into())).collect();
            let (from, to) = UnixStream::pair().unwrap();
            send(&from, &descriptors).unwrap();
            let arrived: Vec<UdpSocket> = receive(&to).unwrap().into_iter().map(UdpSocket::from).collect();
            let addresses = |sockets: &[UdpSocket]| sockets.iter().map(|s| s.local_addr().unwrap()).collect::<Vec<_>>();
            assert_eq!(addresses(&arrived), addresses(&sockets));
        }
    }

    #[test]
    fn what_breaks_off_is_an_error() {
        let (from, to) = UnixStream::pair().unwrap();
        drop(from);
        assert!(receive(&to).is_err());
        let (mut from, to) = UnixStream::pair().unwrap();
        from.write_all(&[1, 0]).unwrap();
        assert!(receive(&to).is_err(), "one is promised and none is there");
    }
}
