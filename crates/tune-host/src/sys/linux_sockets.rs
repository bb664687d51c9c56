//! Linux: `NETLINK_SOCK_DIAG`, and the lists below `/proc/net`.
//!
//! A netlink socket belongs to the network namespace that it was made in, and `/proc/thread-self/net` shows that of the
//! thread; both can be read from anywhere once they are open.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, read};
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recvfrom, sendto, socket_with, sockopt,
};
use tune_model::plan::Namespace;

use super::linux::within;
use crate::files::plain;
use crate::host::ReadError;
use crate::live::NamespaceError;
use crate::sockets::{AbortError, ListRequest, Receive, SocketsError};

/// How much the kernel may be ahead of us.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Room for one datagram; the kernel makes none of more than half of this.
const ROOM: usize = 64 << 10;
/// A kernel answers at once; one that does not would be waited for without end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a message says what it is, and the types that only ask: of the older form, and of the newer. Source:
/// include/uapi/linux/inet_diag.h `TCPDIAG_GETSOCK`, sock_diag.h.
const TYPE_AT: usize = 4;
const QUESTIONS: [u16; 2] = [18, 20];
const SOCK_DESTROY: u16 = 21;
/// A message that says how a request ended. Source: include/uapi/linux/netlink.h.
const NLMSG_ERROR: u16 = 2;
/// Where that has the error number, behind the header.
const ERROR_AT: usize = 16;

fn is_of_type(request: &[u8], types: &[u16]) -> bool {
    number_at(request, TYPE_AT).is_some_and(|bytes| types.contains(&u16::from_ne_bytes(bytes)))
}

fn number_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// Makes a netlink socket in a namespace.
fn open(namespace: Option<&Namespace>) -> Result<OwnedFd, SocketsError> {
    let open = || {
        let socket =
            socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
        // Only root gets more than net.core.rmem_max.
        sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER))?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
        Ok(socket)
    };
    within(namespace, open).map_err(namespace_error)?.map_err(sockets_error)
}

fn namespace_error(error: NamespaceError) -> SocketsError {
    match error {
        NamespaceError::Missing(gone) => SocketsError::NamespaceGone(gone),
        error => SocketsError::Failed(error.to_string()),
    }
}

fn sockets_error(errno: Errno) -> SocketsError {
    match errno {
        Errno::PERM | Errno::ACCESS => SocketsError::Denied,
        Errno::NOBUFS => SocketsError::Overrun,
        Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT => {
            SocketsError::Unsupported("this kernel has no NETLINK_SOCK_DIAG".to_owned())
        }
        Errno::AGAIN => SocketsError::Failed("it does not answer".to_owned()),
        errno => SocketsError::Failed(plain(&errno.into())),
    }
}

pub(crate) fn ask_for_sockets(
    namespace: Option<&Namespace>,
    request: &[u8],
    receive: &mut Receive<'_>,
) -> Result<(), SocketsError> {
    only_asks(request)?;
    let socket = open(namespace)?;
    exchange(&socket, request, receive).map_err(sockets_error)
}

fn only_asks(request: &[u8]) -> Result<(), SocketsError> {
    if is_of_type(request, &QUESTIONS) {
        return Ok(());
    }
    Err(SocketsError::Unsupported("the request would do more than ask".to_owned()))
}

/// Reads the first list here and each other one on a thread of its own.
pub(crate) fn ask_for_lists(
    namespace: Option<&Namespace>,
    requests: Vec<ListRequest<'_>>,
) -> Result<(), SocketsError> {
    requests.iter().try_for_each(|(request, _)| only_asks(request))?;
    let sockets: Vec<_> = requests.iter().map(|_| open(namespace)).collect::<Result<_, _>>()?;
    let read = |(socket, (request, mut receive)): (OwnedFd, ListRequest<'_>)| {
        exchange(&socket, &request, &mut *receive).map_err(sockets_error)
    };
    let mut lists = sockets.into_iter().zip(requests);
    let Some(first) = lists.next() else { return Ok(()) };
    std::thread::scope(|threads| {
        let others: Vec<_> = lists.map(|list| threads.spawn(move || read(list))).collect();
        let first = read(first);
        let joined = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        others.into_iter().map(joined).fold(first, Result::and)
    })
}

fn exchange(socket: &OwnedFd, request: &[u8], receive: &mut Receive<'_>) -> Result<(), Errno> {
    sendto(socket, request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut buffer = Vec::with_capacity(ROOM);
    loop {
        buffer.clear();
        let (_, _, sender) = match recvfrom(socket, spare_capacity(&mut buffer), RecvFlags::empty()) {
            Err(Errno::INTR) => continue,
            received => received?,
        };
        // Another process may write to our socket, too.
        let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
        let from_kernel = sender.is_some_and(|sender| sender.pid() == 0);
        if from_kernel && receive(&buffer).is_break() {
            return Ok(());
        }
    }
}

pub(crate) fn abort_connection(namespace: Option<&Namespace>, request: &[u8]) -> Result<(), AbortError> {
    if !is_of_type(request, &[SOCK_DESTROY]) {
        return Err(AbortError::Failed("the request is for something else".to_owned()));
    }
    let socket = open(namespace).map_err(|error| match error {
        SocketsError::NamespaceGone(gone) => AbortError::NamespaceGone(gone),
        SocketsError::Denied => AbortError::Denied,
        SocketsError::Unsupported(_) => AbortError::Unsupported,
        error => AbortError::Failed(error.to_string()),
    })?;
    let mut answer = None;
    let asked = exchange(&socket, request, &mut |datagram| {
        let is_answer = is_of_type(datagram, &[NLMSG_ERROR]);
        answer = number_at(datagram, ERROR_AT).filter(|_| is_answer).map(i32::from_ne_bytes);
        answer.map_or(ControlFlow::Continue(()), |_| ControlFlow::Break(()))
    });
    match (asked, answer) {
        (Ok(()), Some(0)) => Ok(()),
        (Ok(()), number) => Err(abort_error(Errno::from_raw_os_error(number.map_or(0, i32::wrapping_neg)))),
        (Err(errno), _) => Err(abort_error(errno)),
    }
}

fn abort_error(errno: Errno) -> AbortError {
    match errno {
        // ESTALE: another socket has the addresses now.
        Errno::NOENT | Errno::STALE => AbortError::Gone,
        Errno::PERM | Errno::ACCESS => AbortError::Denied,
        // INVAL: a kernel that does not know the request.
        Errno::OPNOTSUPP | Errno::INVAL => AbortError::Unsupported,
        Errno::AGAIN => AbortError::Failed("it does not answer".to_owned()),
        errno => AbortError::Failed(plain(&errno.into())),
    }
}

/// Reads a file of a namespace in pieces: a list of many sockets takes megabytes.
pub(crate) fn read_network_file(
    namespace: Option<&Namespace>,
    name: &str,
    receive: &mut Receive<'_>,
) -> Result<(), SocketsError> {
    let sound = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !sound {
        return Err(SocketsError::Failed(format!("{name:?} is not the name of a file there")));
    }
    let path = format!("/proc/thread-self/net/{name}");
    let opened = within(namespace, || File::open(&path)).map_err(namespace_error)?;
    let file = opened.map_err(|error| file_error(&path, &error))?;
    let mut buffer = Vec::with_capacity(ROOM);
    loop {
        buffer.clear();
        let length = match read(&file, spare_capacity(&mut buffer)) {
            Err(Errno::INTR) => continue,
            read => read.map_err(|errno| file_error(&path, &errno.into()))?,
        };
        if length == 0 || receive(&buffer).is_break() {
            return Ok(());
        }
    }
}

fn file_error(path: &str, error: &io::Error) -> SocketsError {
    match error.kind() {
        io::ErrorKind::NotFound => SocketsError::Unsupported(format!("there is no {path}")),
        io::ErrorKind::PermissionDenied => SocketsError::Denied,
        _ => SocketsError::Failed(format!("{path}: {}", plain(error))),
    }
}

/// Linux keeps no structures in tunables.
pub(crate) fn read_structure(name: &str) -> Result<Vec<u8>, ReadError> {
    Err(ReadError::Missing(name.to_owned()))
}
