//! Linux: a network namespace that ends with the thread that made it.

use nix::errno::Errno as Refusal;
use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recvfrom, sendto, socket_with,
};

use super::linux::own_namespace;
use crate::files::plain;
use crate::new_network::NewNetworkError;

pub(crate) fn in_new_network<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, NewNetworkError> {
    let enter = || {
        make()?;
        Ok(work())
    };
    std::thread::scope(|threads| {
        threads.spawn(enter).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Takes the calling thread to a new namespace.
fn make() -> Result<(), NewNetworkError> {
    let before = own_namespace();
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
        Refusal::EPERM => NewNetworkError::Denied,
        Refusal::EINVAL => NewNetworkError::Unsupported,
        Refusal::ENOSPC => {
            NewNetworkError::Failed("there are as many as user.max_net_namespaces allows".to_owned())
        }
        errno => NewNetworkError::Failed(plain(&errno.into())),
    })?;
    // What comes next writes: it must not be in the namespace that others are in.
    if before.is_none() || own_namespace() == before {
        return Err(NewNetworkError::Failed("it cannot be told from the present one".to_owned()));
    }
    raise_loopback().map_err(|errno| {
        NewNetworkError::Failed(format!("its loopback interface stays down: {}", plain(&errno.into())))
    })
}

/// Makes a request of `NETLINK_ROUTE` that sets flags of an interface. Source: rtnetlink(7), netlink(7).
fn up_request(interface: u32) -> Vec<u8> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACKNOWLEDGE: u16 = 0x1 | 0x4;
    const IFF_UP: u32 = 0x1;
    // struct ifinfomsg: family, padding, type; interface; flags, which of them
    let content = [0, interface, IFF_UP, IFF_UP].map(u32::to_ne_bytes).concat();
    let mut request = Vec::with_capacity(32);
    request.extend(32_u32.to_ne_bytes());
    request.extend(RTM_NEWLINK.to_ne_bytes());
    request.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    request.extend([1_u32, 0].map(u32::to_ne_bytes).concat());
    request.extend(content);
    request
}

/// The loopback interface is the first of a namespace. Source: include/net/net_namespace.h `LOOPBACK_IFINDEX`.
const LOOPBACK: u32 = 1;
/// Where an answer has the error number, behind its header.
const ERROR_AT: usize = 16;

/// The kernel gives the interface its addresses when it goes up.
fn raise_loopback() -> Result<(), Errno> {
    // NETLINK_ROUTE is the protocol 0.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    sendto(&socket, &up_request(LOOPBACK), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 512];
    let (length, _, _) = recvfrom(&socket, &mut answer[..], RecvFlags::empty())?;
    let number = answer[..length].get(ERROR_AT..ERROR_AT + 4).and_then(|bytes| bytes.try_into().ok());
    match number.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(number) => Err(Errno::from_raw_os_error(number.wrapping_neg())),
        None => Err(Errno::PROTO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Laid out as iproute2's `ip link set lo up` sends it.
    #[test]
    fn a_request_has_the_form_of_the_kernel() {
        let words: Vec<_> = up_request(1).chunks_exact(4).map(<[u8]>::to_vec).collect();
        let wanted = [32, 0x0005_0010, 1, 0, 0, 1, 1, 1].map(|word: u32| word.to_ne_bytes().to_vec());
        if cfg!(target_endian = "little") {
            assert_eq!(words, wanted);
        }
        assert_eq!(words.len(), 8);
    }
}
