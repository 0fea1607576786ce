//! Datagrams in batches: `recvmmsg` and `sendmmsg` over memory that is laid out once.
//!
//! Has `unsafe`, as few other files have: no maintained crate offers these calls without an allocation for
//! each of them, and a system call costs more than an answer, so one call has to carry many datagrams. Knows no DNS.
//!
//! Everything that the kernel reads or writes lives in one `Arena` behind a raw pointer. The message headers in it
//! point to its other fields and to the buffers, are written once, and never move; of each header only what the
//! kernel changes is put back.
#![allow(unsafe_code)]
// slots are below BATCH; if one ever were not, an end is better than a write beyond the arena
#![allow(clippy::indexing_slicing)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::{self, NonNull};

use socket2::SockAddr;

/// Datagrams in one batch: enough to make the cost of a system call vanish, few enough to stay in the cache.
pub const BATCH: usize = 64;

/// Room for one received datagram.
///
/// No resolver asks with more than 2,048 octets: it would have to fragment, which DNS flag day 2020 is against. The
/// odd number of cache lines spreads the heads of the packets over all sets of the first-level cache, where 2,048
/// would put all of them into two.
const PACKET: usize = 33 * LINE;

/// Octets of a cache line.
const LINE: usize = 64;

/// A cache line, for buffers that begin with one.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// Where a datagram was sent to, so that the reply can leave from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The address of this machine that was asked.
    pub address: IpAddr,
    /// The interface, for link-local addresses, which mean nothing without; else 0, and routing finds the way back.
    ///
    /// Forcing the way in as the way out would break asymmetric routes.
    pub interface: u32,
}

/// One received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// The payload.
    pub packet: &'a [u8],
    /// Who sent it.
    pub peer: SocketAddr,
    /// Where to; `None` unless asked for with [`report_destination`].
    pub destination: Option<Destination>,
}

/// Room for a control message with the destination; `cmsghdr` wants the alignment.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

/// What the kernel reads and writes besides payloads. All zeroes is a valid value.
struct Arena {
    receive_headers: [libc::mmsghdr; BATCH],
    send_headers: [libc::mmsghdr; BATCH],
    receive_vectors: [libc::iovec; BATCH],
    send_vectors: [libc::iovec; BATCH],
    peers: [libc::sockaddr_storage; BATCH],
    receive_controls: [Control; BATCH],
    send_controls: [Control; BATCH],
}

/// A batch of received datagrams and of their replies; belongs to one thread.
pub struct Datagrams {
    arena: NonNull<Arena>,
    /// `BATCH` packets of `PACKET` octets, then `BATCH` replies of `reply_stride` octets.
    buffers: *mut u8,
    /// Owns what `buffers` points to, and is not touched otherwise.
    _lines: Vec<Line>,
    reply_stride: usize,
    reply_len: usize,
    with_destination: bool,
    received: usize,
    queued: usize,
}

impl Datagrams {
    /// Room for replies of `reply_len` octets; `with_destination` for sockets with [`report_destination`].
    pub fn new(reply_len: u16, with_destination: bool) -> Self {
        let reply_len = usize::from(reply_len).max(LINE);
        let reply_stride = (reply_len.div_ceil(LINE) | 1) * LINE;
        let mut lines = vec![Line([0; LINE]); (PACKET + reply_stride) / LINE * BATCH];
        // SAFETY: Arena consists of C structs of integers and pointers, for which zero is a value.
        let arena: Arena = unsafe { std::mem::zeroed() };
        let mut datagrams = Self {
            arena: NonNull::from(Box::leak(Box::new(arena))),
            buffers: lines.as_mut_ptr().cast(),
            _lines: lines,
            reply_stride,
            reply_len,
            with_destination,
            received: 0,
            queued: 0,
        };
        datagrams.lay_out();
        datagrams
    }

    /// Points the headers to their parts.
    fn lay_out(&mut self) {
        for slot in 0..BATCH {
            let (packet, reply) = (self.packet(slot), self.reply(slot));
            let (with_destination, reply_len) = (self.with_destination, self.reply_len);
            // SAFETY: `slot` is below BATCH, so every field exists; the arena is exclusively ours, and the pointers
            // that are stored stay valid as long as it does. Only raw pointers are stored and followed, so that no
            // reference is invalidated by what the kernel writes. It pays because no batch has to do this again.
            unsafe {
                let arena = self.arena.as_ptr();
                let vector = &raw mut (*arena).receive_vectors[slot];
                vector.write(libc::iovec { iov_base: packet.cast(), iov_len: PACKET });
                let header = &raw mut (*arena).receive_headers[slot].msg_hdr;
                (*header).msg_iov = vector;
                (*header).msg_iovlen = 1;
                (*header).msg_name = (&raw mut (*arena).peers[slot]).cast();
                (*header).msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
                if with_destination {
                    (*header).msg_control = (&raw mut (*arena).receive_controls[slot]).cast();
                    (*header).msg_controllen = size_of::<Control>() as _;
                }
                let vector = &raw mut (*arena).send_vectors[slot];
                vector.write(libc::iovec { iov_base: reply.cast(), iov_len: reply_len });
                let header = &raw mut (*arena).send_headers[slot].msg_hdr;
                (*header).msg_iov = vector;
                (*header).msg_iovlen = 1;
            }
        }
    }

    /// Receives what there is, at most [`BATCH`] datagrams; with `wait`, waits for the first.
    ///
    /// Returns 1 with nothing to see in it when a waiting call is woken by the socket's shutdown.
    pub fn receive(&mut self, socket: &impl AsFd, wait: bool) -> io::Result<usize> {
        let arena = self.arena.as_ptr();
        for slot in 0..self.received {
            // SAFETY: `received` is at most BATCH; the arena is ours. These are the fields that the kernel reads and
            // has written (recvmsg(2)); resetting two of them is all that a batch costs before the call.
            unsafe {
                let header = &raw mut (*arena).receive_headers[slot].msg_hdr;
                (*header).msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
                if self.with_destination {
                    (*header).msg_controllen = size_of::<Control>() as _;
                }
            }
        }
        self.received = 0;
        let flags = if wait { libc::MSG_WAITFORONE } else { libc::MSG_DONTWAIT };
        // SAFETY: the headers were laid out by `lay_out` and point into memory that lives as long as `self`; their
        // lengths are those of that memory. It pays: one call for up to BATCH datagrams.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                (&raw mut (*arena).receive_headers).cast(),
                BATCH as libc::c_uint,
                flags as _,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?.min(BATCH);
        self.received = count;
        Ok(count)
    }

    /// Shows each received datagram to `answer`, which writes a reply into the octets that it is given and returns
    /// how many they are; `None`: no reply. [`Datagrams::send`] sends them.
    ///
    /// Left out: datagrams longer than the room for them, whose end is lost, and broadcasts, which would make every
    /// server of a network answer one spoofed client.
    pub fn answer_each(&mut self, mut answer: impl FnMut(Datagram<'_>, &mut [u8]) -> Option<usize>) {
        self.queued = 0;
        for slot in 0..self.received {
            let reply = self.reply(self.queued);
            let Some(datagram) = self.datagram(slot) else { continue };
            // SAFETY: `queued` <= `slot` < BATCH; replies and packets do not overlap, and nobody else holds a
            // reference to this reply: the borrow ends with this call. It pays: replies are written in place.
            let out = unsafe { std::slice::from_raw_parts_mut(reply, self.reply_len) };
            let destination = datagram.destination;
            if let Some(len) = answer(datagram, out) {
                self.queue(slot, len.min(self.reply_len), destination);
            }
        }
    }

    /// The packets that have been received, before they are answered.
    pub fn packets(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.received).filter_map(|slot| self.datagram(slot)).map(|datagram| datagram.packet)
    }

    /// The datagram in `slot`, which has been received.
    fn datagram(&self, slot: usize) -> Option<Datagram<'_>> {
        debug_assert!(slot < self.received);
        // SAFETY: `slot` < `received` <= BATCH, so the kernel has filled header, address, control and payload, the
        // latter with at most PACKET octets; nothing writes to them before the next `receive`, which borrows `self`
        // mutably. It pays: the packet is read where the kernel put it.
        unsafe {
            let arena = self.arena.as_ptr();
            let header = &raw const (*arena).receive_headers[slot];
            if (*header).msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                return None;
            }
            let peer = socket_address(&raw const (*arena).peers[slot], (*header).msg_hdr.msg_namelen)?;
            let destination =
                if self.with_destination { Some(destination(&raw const (*header).msg_hdr)?) } else { None };
            let len = ((*header).msg_len as usize).min(PACKET);
            let packet = std::slice::from_raw_parts(self.packet(slot), len);
            Some(Datagram { packet, peer, destination })
        }
    }

    /// Puts the reply that was written last behind those that wait to be sent, addressed to the sender of `slot`.
    fn queue(&mut self, slot: usize, len: usize, destination: Option<Destination>) {
        let queued = self.queued;
        // SAFETY: `queued` <= `slot` < BATCH; the arena is ours. The address that the header borrows stays as it is
        // until the next `receive`, which comes after `send` or forgets the replies.
        unsafe {
            let arena = self.arena.as_ptr();
            (*arena).send_vectors[queued].iov_len = len;
            let header = &raw mut (*arena).send_headers[queued].msg_hdr;
            (*header).msg_name = (&raw mut (*arena).peers[slot]).cast();
            (*header).msg_namelen = (*arena).receive_headers[slot].msg_hdr.msg_namelen;
            if let Some(destination) = destination {
                set_source(header, &raw mut (*arena).send_controls[queued], destination);
            }
        }
        self.queued = queued + 1;
    }

    /// Sends the replies; returns how many could not be sent.
    ///
    /// Never waits: where the way to one client is jammed (EAGAIN, ENOBUFS), forbidden (EPERM) or unknown
    /// (EHOSTUNREACH), its reply is lost, as datagrams may be, and all others go out.
    pub fn send(&mut self, socket: &impl AsFd) -> usize {
        let (mut at, mut lost) = (0, 0);
        while at < self.queued {
            // SAFETY: `at` < `queued` <= BATCH, and the headers up to `queued` were completed by `queue`. It pays:
            // one call for all replies of a batch.
            let count = unsafe {
                let first = (&raw mut (*self.arena.as_ptr()).send_headers).cast::<libc::mmsghdr>().add(at);
                let rest = (self.queued - at) as libc::c_uint;
                libc::sendmmsg(socket.as_fd().as_raw_fd(), first, rest, libc::MSG_DONTWAIT as _)
            };
            match usize::try_from(count) {
                Ok(sent) if sent > 0 => at += sent,
                _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    // the error is that of the first message of the call (sendmmsg(2))
                    at += 1;
                    lost += 1;
                }
            }
        }
        self.queued = 0;
        lost
    }

    fn packet(&self, slot: usize) -> *mut u8 {
        self.buffers.wrapping_add(slot * PACKET)
    }

    fn reply(&self, slot: usize) -> *mut u8 {
        self.buffers.wrapping_add(BATCH * PACKET + slot * self.reply_stride)
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        // SAFETY: the arena came out of a box in `new`, and nothing borrows from `self` any more.
        drop(unsafe { Box::from_raw(self.arena.as_ptr()) });
    }
}

/// Asks the kernel to report where each datagram was sent to (IP_PKTINFO, IPV6_RECVPKTINFO).
///
/// For sockets that are bound to a wildcard only: elsewhere it is known, and reporting it costs time.
pub fn report_destination(socket: &impl AsFd, v6: bool) -> io::Result<()> {
    let (level, name) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
    let on: libc::c_int = 1;
    // SAFETY: the value is a c_int that lives through the call, as both options want it (ip(7), ipv6(7)).
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends one datagram, from `source` where it is given; never waits.
pub fn send_one(socket: &impl AsFd, payload: &[u8], peer: SocketAddr, source: Option<Destination>) -> io::Result<()> {
    let peer = SockAddr::from(peer);
    let mut control = Control([0; 64]);
    let mut vector = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
    // SAFETY: all zeroes is a valid `msghdr`; what it is made to point to lives through the call, and the kernel only
    // reads it (sendmsg(2)), payload included.
    let sent = unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_name = peer.as_ptr().cast_mut().cast();
        header.msg_namelen = peer.len();
        header.msg_iov = &raw mut vector;
        header.msg_iovlen = 1;
        if let Some(source) = source {
            set_source(&raw mut header, &raw mut control, source);
        }
        libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const header, libc::MSG_DONTWAIT)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The signal by which [`interrupt`] wakes a thread. Its default is to be ignored, so one that comes late does no harm.
const WAKE: libc::c_int = libc::SIGURG;

/// Wakes a thread that waits in [`Datagrams::receive`], which then fails with [`io::ErrorKind::Interrupted`].
///
/// A thread that is about to wait is not woken: repeat it until the thread has ended. For sockets that another process
/// has, too, where a shutdown would be the end of both.
pub fn interrupt(thread: &std::thread::JoinHandle<()>) {
    extern "C" fn nothing(_: libc::c_int) {}
    static HANDLED: std::sync::Once = std::sync::Once::new();
    HANDLED.call_once(|| {
        // SAFETY: all zeroes is a valid `sigaction`: no flags, so that system calls are not begun again, and an empty
        // mask; the handler does nothing, which is safe at any time. There is no other way to wake a thread in a call.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
            libc::sigaction(WAKE, &raw const action, ptr::null_mut());
        }
    });
    // SAFETY: the thread has not been joined or detached, as its handle is borrowed, so its id is valid even if it has
    // ended (pthread_kill(3)).
    unsafe {
        libc::pthread_kill(std::os::unix::thread::JoinHandleExt::as_pthread_t(thread), WAKE);
    }
}

/// The address in `storage`, of which the kernel has written `len` octets.
///
/// # Safety
/// `storage` is valid for reads.
unsafe fn socket_address(storage: *const libc::sockaddr_storage, len: libc::socklen_t) -> Option<SocketAddr> {
    let len = len as usize;
    // SAFETY: the family and the length say which of the two has been written; the storage is as large as either and
    // at least as aligned.
    unsafe {
        match libc::c_int::from((*storage).ss_family) {
            libc::AF_INET if len >= size_of::<libc::sockaddr_in>() => {
                let address = &*storage.cast::<libc::sockaddr_in>();
                let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into())
            }
            libc::AF_INET6 if len >= size_of::<libc::sockaddr_in6>() => {
                let address = &*storage.cast::<libc::sockaddr_in6>();
                let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
                Some(SocketAddrV6::new(ip, u16::from_be(address.sin6_port), 0, address.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

/// Where the message was sent to; `None` for a broadcast or where the kernel does not say.
///
/// # Safety
/// `header` was filled by a receiving call, with a control buffer.
unsafe fn destination(header: *const libc::msghdr) -> Option<Destination> {
    // SAFETY: the CMSG functions stay within the control buffer of the header (cmsg(3)); the data is read unaligned,
    // and only after its level and type have said what it is.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = libc::CMSG_DATA(message).cast::<libc::in_pktinfo>().read_unaligned();
                    let address = IpAddr::V4(u32::from_be(info.ipi_spec_dst.s_addr).into());
                    // a broadcast is for another address than the local one that the kernel would answer from
                    let direct = info.ipi_addr.s_addr == info.ipi_spec_dst.s_addr;
                    return direct.then_some(Destination { address, interface: 0 });
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = libc::CMSG_DATA(message).cast::<libc::in6_pktinfo>().read_unaligned();
                    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    let interface = if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                    return (!address.is_multicast()).then_some(Destination { address: address.into(), interface });
                }
                _ => message = libc::CMSG_NXTHDR(header, message),
            }
        }
        None
    }
}

/// Makes the message leave from `source`.
///
/// # Safety
/// `header` and `control` are valid for writes, and `control` lives until the message is sent.
unsafe fn set_source(header: *mut libc::msghdr, control: *mut Control, source: Destination) {
    // SAFETY: a Control has room for the larger of the two messages and is aligned for its header.
    unsafe {
        (*header).msg_control = control.cast();
        let message = control.cast::<libc::cmsghdr>();
        let data = libc::CMSG_DATA(message);
        let len = match source.address {
            IpAddr::V4(address) => {
                (*message).cmsg_level = libc::IPPROTO_IP;
                (*message).cmsg_type = libc::IP_PKTINFO;
                let address = libc::in_addr { s_addr: u32::from(address).to_be() };
                let info = libc::in_pktinfo {
                    ipi_ifindex: source.interface.cast_signed(),
                    ipi_spec_dst: address,
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                data.cast::<libc::in_pktinfo>().write_unaligned(info);
                size_of::<libc::in_pktinfo>()
            }
            IpAddr::V6(address) => {
                (*message).cmsg_level = libc::IPPROTO_IPV6;
                (*message).cmsg_type = libc::IPV6_PKTINFO;
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                    ipi6_ifindex: source.interface as _,
                };
                data.cast::<libc::in6_pktinfo>().write_unaligned(info);
                size_of::<libc::in6_pktinfo>()
            }
        };
        (*message).cmsg_len = libc::CMSG_LEN(len as libc::c_uint) as _;
        (*header).msg_controllen = libc::CMSG_SPACE(len as libc::c_uint) as _;
    }
}
