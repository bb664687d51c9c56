//! The files that FreeBSD starts with.

use std::sync::LazyLock;

use tune_freebsd::FreeBsd;
use tune_host::backend::BootStory;
use tune_host::{Around, Backend, Files, MemoryFiles};
use tune_model::claim::ScopeClaims;
use tune_model::{Catalog, Place, Setting, Slot, System, Unread};

use super::host::{Memory, claims, there_and_back};

const TIMEOUT: &str = "net.inet.tcp.finwait2_timeout";
const KEEPALIVE: &str = "net.inet.tcp.always_keepalive";
const CLUSTERS: &str = "kern.ipc.nmbclusters";
const LOADER_DEFAULTS: &str = "loader_conf_files=\"/boot/loader.conf\"\nloader_conf_dirs=\"/boot/loader.conf.d\"\n\
    local_loader_conf_files=\"/boot/loader.conf.local\"\n";
const MBUFS: &str = "kern.ipc.nmbclusters=\"1000\"\nkern.ipc.nmbjumbop=\"500\"\nkern.ipc.nmbjumbo9=\"100\"\n\
    kern.ipc.nmbjumbo16=\"100\"\nkern.ipc.nmbufs=\"90000\"\n";

fn tree() -> MemoryFiles {
    static TREE: LazyLock<MemoryFiles> = LazyLock::new(|| {
        MemoryFiles::default()
            .with("/etc/rc.d/sysctl", "")
            .with("/etc/rc.d/sysctl_lastload", "")
            .with("/etc/rc.d/netoptions", "")
            .with("/etc/defaults/rc.conf", "tcp_keepalive=\"YES\"\nrc_conf_files=\"/etc/rc.conf\"\n")
            .with("/boot/defaults/loader.conf", LOADER_DEFAULTS)
            .with("/boot/loader.conf", MBUFS)
    });
    TREE.clone()
}

fn host(files: MemoryFiles) -> Memory {
    let values = [
        ("kern.hz", "1000"),
        ("hw.physmem", "8589934592"),
        ("kern.osreldate", "1401000"),
        (TIMEOUT, "60000"),
        (KEEPALIVE, "1"),
        (CLUSTERS, "1000"),
    ];
    Memory { files, values: values.map(|(name, value)| (name, value.to_owned())).into(), scope: None }
}

/// Asks what the next boot makes of a tunable, and why; every line that is named is there.
fn tell(host: &Memory, tunable: &str) {
    let backend = FreeBsd::on(host);
    let BootStory { lines, problems, .. } = backend.boot_story(host, tunable);
    lines.iter().for_each(|line| is_inside(host, &line.place));
    assert!(problems.iter().all(|problem| !problem.is_empty()));
}

fn read(host: &Memory, tunable: &str) {
    let backend = FreeBsd::on(host);
    let readings = backend.read(host, &[tunable.to_owned()].into(), &ScopeClaims::default());
    let reading = &readings[tunable];
    reading.boot_source.iter().for_each(|place| is_inside(host, place));
    if let Err(Unread::Unclear(why)) = &reading.boot {
        assert!(!why.is_empty());
    }
}

fn is_inside(host: &Memory, place: &Place) {
    let content = host.files.read(&place.file).unwrap();
    assert!((1..=super::lines(&content)).contains(&place.line), "{place}");
}

/// Reads a file of sysctl(8).
pub fn freebsd_sysctl_conf(bytes: &[u8]) {
    let host = host(tree().with("/etc/sysctl.conf", bytes).with("/etc/sysctl.conf.local", bytes));
    tell(&host, TIMEOUT);
    read(&host, KEEPALIVE);
}

/// Reads a file of the loader, where it names others too.
pub fn freebsd_loader_conf(bytes: &[u8]) {
    let files = tree().with("/boot/loader.conf", bytes).with("/boot/loader.conf.d/x.conf", bytes);
    let host = host(files.with("/bin/freebsd-version", bytes));
    tell(&host, CLUSTERS);
    let image = Memory { values: Default::default(), ..host };
    read(&image, TIMEOUT);
}

/// Reads rc.conf, which is a script.
pub fn freebsd_rc_conf(bytes: &[u8]) {
    let host = host(tree().with("/etc/rc.conf", bytes).with("/etc/rc.conf.d/netoptions", bytes));
    tell(&host, KEEPALIVE);
}

/// Takes the same bytes for the value of each tunable of the running kernel.
pub fn freebsd_kernel_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let rows = || Catalog::of(System::FreeBsd).iter();
    let more =
        ["kern.hz", "hw.physmem", "vm.kmem_size", "kern.vm_guest", "kern.osreldate", "security.jail.jailed"];
    let names = || rows().map(|row| row.name.as_str()).chain(more);
    let host =
        Memory { files: tree(), values: names().map(|name| (name, text.clone())).collect(), scope: None };
    let backend = FreeBsd::on(&host);
    let values = host.values_of();
    for setting in Setting::ALL {
        drop(backend.assess(*setting, &values));
        drop(backend.storable(*setting, &values));
    }
    for row in rows().filter(|row| !row.is_text()) {
        let slot = Slot::whole(&row.name);
        let around = Around { present: Some(&text), after: &text, values: &values };
        drop(backend.hazard(&host, &slot, "5", &around));
        drop(backend.hazard(&host, &slot, &text, &around));
        drop(backend.unstorable(&host, &row.name, &text));
    }
    drop(backend.scale(&host));
    drop(backend.read(&host, &[CLUSTERS.to_owned(), TIMEOUT.to_owned()].into(), &ScopeClaims::default()));
}

/// Puts the block in a file of somebody else, whose lines are taken over, and takes it out again.
pub fn freebsd_block(bytes: &[u8]) {
    const BLOCK: &str = "/etc/sysctl.conf.local";
    let at = bytes.windows(5).position(|part| part == b"\n---\n");
    let (local, conf) = at.map_or((bytes, None), |at| (&bytes[..=at], Some(&bytes[at + 5..])));
    let files = tree().with(BLOCK, local);
    let files = conf.iter().fold(files, |files, conf| files.with("/etc/sysctl.conf", conf));
    let host = host(files);
    let backend = FreeBsd::on(&host);
    // A block that is there is that of `tune`, whose marks go with it.
    if bytes.windows(7).any(|part| part == b"# tune:") {
        tell(&host, TIMEOUT);
        return;
    }
    there_and_back(
        host,
        &backend,
        &claims(&[(TIMEOUT, "30000"), (KEEPALIVE, "1")]),
        &[BLOCK, "/etc/sysctl.conf"],
    );
}
