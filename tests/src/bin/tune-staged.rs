//! The processes of a staged situation.
//!
//! ```text
//! tune-staged host TUNE
//!     furnishes a host of its own, with the program TUNE and Debian's web servers as they are installed, prints
//!     `ready`, and is its first process until its standard input ends; everything on the host ends with it
//! tune-staged serve WHAT PORT
//!     listens on PORT, prints `ready`, and answers each request with a line. Then it does WHAT:
//!         close        closes
//!         half-close   closes its direction, and keeps the descriptor
//!         keep         does nothing, whatever the client does
//!         mended       closes its direction, reads until the client has closed or a second is over, and closes
//! tune-staged ask ADDRESS PORT MANY
//!     makes connections, asks on each, waits until it is answered and the server has closed, prints `ready`, and
//!     keeps them
//! ```

#![allow(clippy::unwrap_used, clippy::print_stdout)] // Whatever cannot be had fails the test that started it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::wait::waitpid;
use tune_tests::sandbox;
use tune_tests::staged::Clients;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["host", tune] => host(Path::new(tune)),
        ["serve", what, port] => serve(what, port.parse().unwrap()),
        ["ask", address, port, many] => {
            ask((address.parse().unwrap(), port.parse().unwrap()), many.parse().unwrap());
        }
        _ => panic!("host TUNE, serve WHAT PORT, or ask ADDRESS PORT MANY"),
    }
}

/// What Debian's servers keep below `/var/lib`.
const LIBRARIES: [&str; 2] = ["apache2", "nginx"];
const DIRECTORIES: [&str; 4] = ["/var/log/apache2", "/var/log/nginx", "/run/apache2", "/run/lock"];

fn host(tune: &Path) {
    sandbox::furnish(tune, &["apache2", "mime.types", "nginx"]);
    let kept = Path::new("/mnt/lib");
    std::fs::create_dir(kept).unwrap();
    for name in LIBRARIES {
        sandbox::copy(&Path::new("/var/lib").join(name), kept);
    }
    for covered in ["/var/lib", "/var/log", "/run"] {
        sandbox::in_memory(covered, "mode=755");
    }
    for name in LIBRARIES {
        sandbox::copy(&kept.join(name), Path::new("/var/lib"));
    }
    for directory in DIRECTORIES {
        std::fs::create_dir_all(directory).unwrap();
    }
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
    std::thread::spawn(reap);
    ready();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Daemons are the children of the first process.
fn reap() {
    loop {
        if waitpid(None, None) == Err(Errno::ECHILD) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn serve(what: &str, port: u16) {
    let after: fn(TcpStream) = match what {
        "close" => drop,
        "half-close" => |stream| {
            stream.shutdown(Shutdown::Write).unwrap();
            keep(stream);
        },
        "keep" => keep,
        "mended" => close_in_time,
        _ => panic!("close, half-close, keep or mended"),
    };
    let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
    ready();
    while let Ok((mut stream, _)) = listener.accept() {
        std::thread::spawn(move || {
            let asked = stream.read(&mut [0; 512]).is_ok_and(|length| length > 0);
            if asked && stream.write_all(b"answer\n").is_ok() {
                after(stream);
            }
        });
    }
}

fn ask(address: (Ipv4Addr, u16), many: usize) {
    let _kept = Clients::that_ask(address.0, address.1, many, "question\n").left_alone();
    ready();
    loop {
        std::thread::park();
    }
}

/// The mistake.
fn keep(stream: TcpStream) {
    std::mem::forget(stream);
}

fn close_in_time(mut stream: TcpStream) {
    let until = Instant::now() + Duration::from_secs(1);
    let _ = stream.shutdown(Shutdown::Write);
    let mut rest = [0; 512];
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        stream.set_read_timeout(Some(left)).unwrap();
        if stream.read(&mut rest).is_ok_and(|length| length == 0) {
            return;
        }
    }
}

fn ready() {
    println!("ready");
    std::io::stdout().flush().unwrap();
}
