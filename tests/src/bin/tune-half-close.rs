//! Makes half-closed connections and keeps them: peers for them, or the side that closes.
//!
//! ```text
//! tune-half-close peer PORTS
//!     listens on PORTS ports of 127.0.0.1 and ::1, prints `port N` for each, and keeps every connection open that
//!     is made to it
//! tune-half-close close HELD ORPHANED COPIES ADDRESS...
//!     makes connections to the addresses in turn; of HELD it closes one direction, and prints for each `held
//!     LOCAL REMOTE INODE`; of ORPHANED both, and prints `orphaned LOCAL REMOTE`. Of every held one it keeps
//!     COPIES further descriptors
//! ```
//!
//! When its peers have acknowledged that, it prints `ready` and waits until its standard input ends; the side that closes then prints for each one that it
//! holds `open LOCAL`, or `aborted LOCAL`, as it finds it. Where it runs is up to the caller: a network namespace of
//! its own.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // Whatever cannot be had fails the test that started it.

use std::io::{BufWriter, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::fstat;

fn main() {
    raise_limit();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["peer", ports] => peer(ports.parse().unwrap()),
        ["close", held, orphaned, copies, ref addresses @ ..] => {
            let addresses: Vec<SocketAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
            let numbers = [held, orphaned, copies].map(|text| text.parse().unwrap());
            close(numbers, &addresses);
        }
        _ => panic!("peer PORTS, or close HELD ORPHANED COPIES ADDRESS..."),
    }
}

/// As many descriptors as this process may have.
fn raise_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

fn peer(ports: usize) {
    for _ in 0..ports {
        let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = v4.local_addr().unwrap().port();
        println!("port {port}");
        keep_all(v4);
        // The same port, where there is IPv6.
        if let Ok(v6) = TcpListener::bind(("::1", port)) {
            keep_all(v6);
        }
    }
    wait();
}

fn keep_all(listener: TcpListener) {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            kept.push(stream);
        }
        panic!("no more connections are accepted: {}", std::io::Error::last_os_error());
    });
}

fn close([held, orphaned, copies]: [usize; 3], addresses: &[SocketAddr]) {
    let mut out = BufWriter::new(std::io::stdout());
    let (mut streams, mut duplicates) = (Vec::new(), Vec::new());
    for (at, address) in (0..held + orphaned).zip(addresses.iter().cycle()) {
        let stream = TcpStream::connect(address).unwrap();
        let local = stream.local_addr().unwrap();
        if at < held {
            stream.shutdown(Shutdown::Write).unwrap();
            writeln!(out, "held {local} {address} {}", fstat(stream.as_fd()).unwrap().st_ino).unwrap();
            duplicates.extend((0..copies).map(|_| stream.try_clone().unwrap()));
            streams.push((local, stream));
        } else {
            drop(stream);
            writeln!(out, "orphaned {local} {address}").unwrap();
        }
    }
    drop(out);
    until_acknowledged();
    wait();
    for (local, mut stream) in streams {
        stream.set_nonblocking(true).unwrap();
        let is = match stream.read(&mut [0]).map_err(|error| error.kind()) {
            Err(ErrorKind::WouldBlock) => "open",
            Err(ErrorKind::ConnectionAborted) => "aborted",
            other => panic!("{local}: {other:?}"),
        };
        println!("{is} {local}");
    }
}

/// Waits until no peer in this network has a FIN left to acknowledge: on a busy machine a connection stays in FIN_WAIT_1
/// for a moment after it was closed.
fn until_acknowledged() {
    let patience = Instant::now() + Duration::from_secs(20);
    while ["/proc/self/net/tcp", "/proc/self/net/tcp6"].iter().any(|table| has_fin_wait_1(table)) {
        assert!(Instant::now() < patience, "connections stay in FIN_WAIT_1");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Where there is no IPv6 there is no table of it.
fn has_fin_wait_1(table: &str) -> bool {
    let text = std::fs::read_to_string(table).unwrap_or_default();
    text.lines().any(|line| line.split_ascii_whitespace().nth(3) == Some("04"))
}

fn wait() {
    println!("ready");
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
