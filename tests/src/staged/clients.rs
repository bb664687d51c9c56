//! Clients that do not close, or do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a server may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections that clients keep open until this is dropped.
#[derive(Debug)]
pub struct Clients(Vec<TcpStream>);

fn connected(address: SocketAddr, request: &str) -> TcpStream {
    let mut refused = 0;
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            // The server is being started.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused && refused < 300 => refused += 1,
            Err(error) => panic!("{address}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

impl Clients {
    /// Connects so many, which send a request.
    #[must_use]
    pub fn that_ask(address: Ipv4Addr, port: u16, many: usize, request: &str) -> Self {
        Self((0..many).map(|_| connected((address, port).into(), request)).collect())
    }

    /// Connects so many, which say nothing.
    #[must_use]
    pub fn that_are_silent(address: Ipv4Addr, port: u16, many: usize) -> Self {
        Self::that_ask(address, port, many, "")
    }

    /// Is none at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Returns how many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits until each has a line of its answer.
    #[must_use]
    pub fn answered(mut self) -> Self {
        for stream in &mut self.0 {
            let mut byte = [0];
            while byte != *b"\n" {
                stream.read_exact(&mut byte).unwrap();
            }
        }
        self
    }

    /// Waits until the server has closed its direction of each.
    #[must_use]
    pub fn left_alone(mut self) -> Self {
        for stream in &mut self.0 {
            let _ = stream.read_to_end(&mut Vec::new()).unwrap();
        }
        self
    }

    /// Returns how many were reset.
    #[must_use]
    pub fn reset(&mut self) -> usize {
        let is_reset = |stream: &mut TcpStream| {
            let written = stream.write_all(b"?").and_then(|()| stream.write_all(b"?"));
            written.is_err_and(|error| {
                matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
            })
        };
        self.0.iter_mut().map(is_reset).filter(|reset| *reset).count()
    }

    /// Closes all of them.
    pub fn close(self) {}
}

/// Clients that come one after the other, ask, and never close.
#[derive(Debug)]
pub struct Load {
    ended: Arc<AtomicBool>,
    coming: Option<JoinHandle<()>>,
    kept: Arc<Mutex<Vec<TcpStream>>>,
}

impl Load {
    /// Lets one come at a time, so far apart.
    #[must_use]
    pub fn of(address: Ipv4Addr, port: u16, apart: Duration, request: &'static str) -> Self {
        let (ended, kept) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (is_over, keep) = (Arc::clone(&ended), Arc::clone(&kept));
        // A thread begins in the network namespace of the one that makes it.
        let coming = std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                // A server that is being restarted may do anything to who comes then.
                if let Ok(mut stream) = TcpStream::connect((address, port))
                    && stream.write_all(request.as_bytes()).is_ok()
                {
                    keep.lock().unwrap().push(stream);
                }
                std::thread::sleep(apart);
            }
        });
        Self { ended, coming: Some(coming), kept }
    }

    /// Keeps others open for as long.
    pub fn keeps(&self, clients: Clients) {
        self.kept.lock().unwrap().extend(clients.0);
    }

    /// Lets no more come; those that are there stay.
    pub fn ends(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(coming) = self.coming.take() {
            coming.join().unwrap();
        }
    }

    /// Returns how many came.
    #[must_use]
    pub fn came(&self) -> usize {
        self.kept.lock().unwrap().len()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(coming) = self.coming.take() {
            let _ = coming.join();
        }
    }
}
