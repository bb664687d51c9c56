//! Foretells what the boot tool at hand will leave in a fresh kernel, runs it, and compares.
//!
//! For a guest only (`tests/guest/boot`): it refuses to run unless it finds the guest's own command file.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode};

use tune_host::{Backend, Host, LiveHost};
use tune_linux::Linux;
use tune_linux::boot::{BootTool, detect};
use tune_model::{Catalog, Readings, System};
use tune_tests::boot_lab::OPENRC_LOOP;

/// What `tune` writes to its own boot file between the first and the second comparison.
const SETTINGS: &[&str] = &[
    "tcp.fin_wait_2_timeout=20s",
    "tcp.listen_backlog=8192",
    "net.tcp_memory_limit=64MiB",
    "net.ipv4.ip_local_reserved_ports=7000,6999",
];

fn main() -> ExitCode {
    if !Path::new("/guest/command").exists() {
        let _ = writeln!(io::stderr(), "guest_boot: runs in the test guest only (tests/guest/boot)");
        return ExitCode::from(2);
    }
    match run(&mut io::stdout().lock()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "guest_boot: {error}");
            ExitCode::from(2)
        }
    }
}

/// Compares before and after `tune` has added its own file; returns how many predictions were wrong.
fn run(out: &mut impl Write) -> io::Result<usize> {
    let host = LiveHost::own();
    if Path::new("/guest/systemd").exists() {
        // By this directory systemd shows that it is the service manager.
        std::fs::create_dir_all("/run/systemd/system")?;
    }
    let tool = detect(host.files(), true).boot.ok_or_else(|| io::Error::other("no boot tool was found"))?;
    writeln!(out, "{} {tool}", host.identity().release.unwrap_or_default())?;
    let fresh = read(&host);
    start(tool)?;
    let mut wrong = compare(out, "the files as they are", &fresh, &host)?;
    let status = Command::new("/bin/tune")
        .args(["--state-dir", "/tmp/state", "set"])
        .args(SETTINGS)
        .args(["--boot-only", "--accept-override", "--yes"])
        .status()?;
    if !status.success() {
        return Err(io::Error::other("tune set --boot-only failed"));
    }
    // The machine is not started anew: what no line sets stays, and is in the readings as it is.
    let planned = read(&host);
    start(tool)?;
    wrong += compare(out, "with tune's own file", &only_set(planned), &host)?;
    Ok(wrong)
}

fn read(host: &LiveHost) -> Readings {
    let names: BTreeSet<String> = Catalog::of(System::Linux).iter().map(|row| row.name.clone()).collect();
    Linux::on(host).read(host, &names, &Default::default())
}

fn only_set(mut readings: Readings) -> Readings {
    readings.retain(|_, reading| reading.boot_source.is_some());
    readings
}

fn start(tool: BootTool) -> io::Result<()> {
    let mut command = match tool {
        BootTool::SystemdSysctl => Command::new("/usr/lib/systemd/systemd-sysctl"),
        BootTool::Procps => Command::new("/usr/sbin/sysctl"),
        BootTool::OpenrcBusybox => Command::new("/bin/sh"),
    };
    match tool {
        BootTool::SystemdSysctl => &mut command,
        BootTool::Procps => command.arg("--system"),
        BootTool::OpenrcBusybox => command.args(["-c", OPENRC_LOOP]),
    };
    // Lines that the kernel refuses make it fail, and are meant to.
    command.output().map(|_| ())
}

fn compare(out: &mut impl Write, title: &str, foretold: &Readings, host: &LiveHost) -> io::Result<usize> {
    let (mut right, mut untold, mut wrong) = (0, Vec::new(), 0);
    for (name, reading) in foretold {
        let Some(Ok(found)) = host.read_tunables(&[name]).pop() else { continue };
        match &reading.boot {
            Ok(text) if *text == found => right += 1,
            Ok(text) => {
                wrong += 1;
                writeln!(out, "WRONG {name}: foretold {text:?}, there is {found:?}")?;
            }
            Err(reason) => untold.push(format!("{name} ({reason})")),
        }
    }
    writeln!(out, "{title}: {right} right, {wrong} wrong, {} not foretold", untold.len())?;
    untold.iter().try_for_each(|what| writeln!(out, "  not foretold: {what}"))?;
    Ok(wrong)
}
