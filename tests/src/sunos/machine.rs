//! An illumos or Solaris host in a directory, as tests handle it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::fault::{Fault, Switch};
use super::host::{Host, Paths, file};
use super::kernel::{Change, What};
use super::library::{Asked, Library, Mode};
use super::model::{Model, Setup};
use super::ndd::Ndd;
use super::ndd_old::Old;
use super::proto::Proto;
use super::{canned, ipmgmtd};
use crate::binary::Ran;

/// The file that ipmgmtd keeps, as a fresh system has it.
const CONF: &str = "# Kept by ipmgmtd; not to be edited, and not to be read by anything else.\n\
                    _ifname=net0;_family=2;\n\
                    _ifname=net0;_family=26;\n\
                    _ifname=net0;_aobjname=net0/v4;_ipv4addr=192.0.2.1,;up=yes;\n";

/// An illumos or Solaris host in a directory.
#[derive(Debug, Clone)]
pub struct Machine(Paths);

impl Machine {
    /// Installs a host in a directory: the global zone of a system, with an ordinary root.
    ///
    /// # Panics
    ///
    /// When the directory cannot be filled.
    pub fn install(root: &Path, model: Model) -> Self {
        Self::install_with(root, &Setup::of(model))
    }

    /// Installs a host of a certain kind in a directory.
    ///
    /// # Panics
    ///
    /// When the directory cannot be filled.
    pub fn install_with(root: &Path, setup: &Setup) -> Self {
        let root = std::path::absolute(root).expect("a directory has a path");
        let machine = Self(Paths::below(&root));
        let directories =
            ["usr/sbin", "usr/bin", "etc/ipadm", "var/lib", "var/svc/manifest/site", "opt", "stand-in"];
        for directory in directories {
            fs::create_dir_all(root.join(directory)).unwrap_or_else(|error| panic!("{directory}: {error}"));
        }
        let ipadm = setup.model.has_ipadm().then_some("usr/sbin/ipadm");
        let others =
            ["usr/sbin/ndd", "usr/bin/netstat", "usr/bin/kstat", "usr/bin/zonename", "usr/bin/uname"];
        for program in ipadm.into_iter().chain(others).chain(["usr/bin/svcs"]) {
            symlink(stand_in(), root.join(program)).unwrap_or_else(|error| panic!("{program}: {error}"));
        }
        machine.plant(setup);
        machine.0.save(file::SETUP, setup);
        machine.0.save(file::LIVE, &super::live::Live::default());
        machine.0.save(file::FAULTS, &Vec::<Switch>::new());
        machine
    }

    fn plant(&self, setup: &Setup) {
        let release = match setup.model {
            Model::S10 => "                       Solaris 10 (stand-in)\n",
            Model::Solaris11 => "                       Oracle Solaris 11.0 (stand-in)\n",
            Model::IllumosCurrent | Model::Illumos2010 => "             illumos (stand-in)\n",
        };
        let netstat = include_str!("../../fixtures/sunos/illumos-2025-01/netstat-tcp.txt");
        let files = [
            (self.root().join("etc/release"), release),
            (self.0.own_file(canned::NETSTAT), netstat),
            (self.0.own_file(canned::KSTAT), include_str!("../../fixtures/sunos/kstat.txt")),
            (self.0.own_file(canned::SVCS), include_str!("../../fixtures/sunos/svcs.txt")),
        ];
        for (path, text) in files {
            fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        if setup.model.has_ipadm() {
            self.write_conf(CONF);
            fs::write(self.0.own_file(file::PRISTINE), CONF).expect("the others were written");
        }
    }

    /// Opens the directory of a host.
    pub fn open(root: &Path) -> Self {
        Self(Paths::below(&std::path::absolute(root).expect("a directory has a path")))
    }

    /// Returns its directory.
    pub fn root(&self) -> &Path {
        self.0.root()
    }

    /// Returns what kind of host it is.
    ///
    /// # Panics
    ///
    /// When there is no host.
    pub fn setup(&self) -> Setup {
        self.host().setup
    }

    /// Returns the path of a program: `ipadm`, `zonename`.
    pub fn program(&self, name: &str) -> PathBuf {
        let place = if ["ipadm", "ndd"].contains(&name) { "usr/sbin" } else { "usr/bin" };
        self.root().join(place).join(name)
    }

    /// Returns a command that starts a program as `tune` does: by its path, with nothing else in its environment.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.program(name));
        command.env_clear().env("LC_ALL", "C").stdin(std::process::Stdio::null());
        command
    }

    /// Runs a program with words, the first being its name.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn run(&self, words: &[&str]) -> Ran {
        Ran::of(self.command(words[0]).args(&words[1..]))
    }

    /// Returns every call so far: the name of the program and the words after it.
    ///
    /// # Panics
    ///
    /// When the log of calls cannot be read.
    pub fn calls(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.0.own_file(file::CALLS)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a line is a call")).collect()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        let _ = fs::remove_file(self.0.own_file(file::CALLS));
    }

    /// Lets every call meet a fault, from now on.
    pub fn fault(&self, fault: Fault) {
        self.switch_on(Switch::of(fault));
    }

    /// Lets some calls meet a fault.
    pub fn switch_on(&self, switch: Switch) {
        let _lock = self.lock();
        let mut switches = self.switches();
        if switch.fault == Fault::NoConf && switch.first == 1 && switch.words.is_empty() {
            let _ = fs::remove_file(self.conf_path());
        }
        switches.push(switch);
        self.0.save(file::FAULTS, &switches);
    }

    /// Tells whether a program may die or hang, so that it needs a process of its own.
    pub(super) fn is_deadly(&self) -> bool {
        let deadly = [Fault::Hang, Fault::Killed, Fault::KilledHalfway];
        let _lock = self.lock();
        self.switches().iter().any(|switch| deadly.contains(&switch.fault))
    }

    /// Mends one fault.
    pub fn mend(&self, fault: Fault) {
        let _lock = self.lock();
        let mut switches = self.switches();
        switches.retain(|switch| switch.fault != fault);
        self.0.save(file::FAULTS, &switches);
    }

    /// Mends every fault.
    pub fn mend_all(&self) {
        let _lock = self.lock();
        self.0.save(file::FAULTS, &Vec::<Switch>::new());
    }

    /// Returns what a property is now, as ipadm shows it; `None` where it cannot be shown.
    ///
    /// On Solaris 10 the name is that of ndd, and the protocol is `tcp`.
    ///
    /// # Panics
    ///
    /// When there is no such protocol.
    pub fn live(&self, protocol: &str, name: &str) -> Option<String> {
        let _lock = self.lock();
        let mut host = self.host();
        if !host.setup.model.has_ipadm() {
            return Old(&mut host).get("/dev/tcp", name).ok().map(|shown| shown.trim_end().to_owned());
        }
        let library = Library::new(&mut host, Mode::Ipadm);
        library.get(proto(protocol), name, Asked::Kernel(What::Current)).ok()
    }

    /// Returns what is stored of a property, as it was typed; `None` where nothing is.
    ///
    /// # Panics
    ///
    /// When there is no such protocol.
    pub fn persistent(&self, protocol: &str, name: &str) -> Option<String> {
        let _lock = self.lock();
        let mut host = self.host();
        if !host.setup.model.has_ipadm() {
            return None;
        }
        Library::new(&mut host, Mode::Ipadm).get(proto(protocol), name, Asked::Persistent).ok()
    }

    /// Lets somebody else change a property, now only: no call is logged, and no fault met.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn set_behind(&self, protocol: &str, name: &str, value: &str) {
        let _lock = self.lock();
        let mut host = self.host();
        if host.setup.model.has_ipadm() {
            let set =
                Library::new(&mut host, Mode::Start).set(proto(protocol), name, Change::To(value), false);
            set.unwrap_or_else(|status| panic!("{name}={value}: {}", status.text()));
        } else {
            let set = Old(&mut host).set("/dev/tcp", name, value);
            set.unwrap_or_else(|said| panic!("{name}={value}: {said:?}"));
        }
        host.save();
    }

    /// Lets somebody else change what is stored of a property, and not what it is now; `None` takes it away.
    ///
    /// # Panics
    ///
    /// When it cannot be stored.
    pub fn persist_behind(&self, protocol: &str, name: &str, value: Option<&str>) {
        let _lock = self.lock();
        let change = value.map_or(Change::Default, Change::To);
        let kept = ipmgmtd::keep(&self.host(), protocol, name, change);
        assert!(kept.is_ok() || value.is_none(), "{name}: {kept:?}");
    }

    /// Returns the file that ipmgmtd keeps; `None` where it is missing.
    pub fn conf(&self) -> Option<String> {
        fs::read(self.conf_path()).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Replaces the file that ipmgmtd keeps.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write_conf(&self, text: &str) {
        let path = self.conf_path();
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Takes the file away that ipmgmtd keeps.
    pub fn remove_conf(&self) {
        let _ = fs::remove_file(self.conf_path());
    }

    /// Returns where the file is that ipmgmtd keeps.
    pub fn conf_path(&self) -> PathBuf {
        self.0.conf()
    }

    /// Replaces what a canned program answers from: `netstat.txt`, `kstat.txt`, `svcs.txt`.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn can(&self, name: &str, text: &str) {
        let path = self.0.own_file(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Restarts the host: values are the defaults again, and ipmgmtd applies what is stored, in the order of its file
    /// and carrying on after failures. On a ramdisk root its file is as it was installed. Returns what is logged.
    ///
    /// # Panics
    ///
    /// When there is no host.
    pub fn reboot(&self) -> Vec<String> {
        let _lock = self.lock();
        let mut host = self.host();
        host.live = super::live::Live::default();
        let ramdisk = self.switches().iter().any(|switch| switch.fault == Fault::Ramdisk);
        let mut logged = Vec::new();
        if host.setup.model.has_ipadm() {
            if host.setup.ramdisk || ramdisk {
                let copied = fs::copy(self.0.own_file(file::PRISTINE), self.conf_path());
                copied.unwrap_or_else(|error| panic!("{}: {error}", self.conf_path().display()));
            }
            logged = ipmgmtd::start(&mut host);
        }
        host.save();
        self.0.save(file::BOOTS, &(self.boots() + 1));
        for line in &logged {
            self.0.append(file::LOG, line).unwrap_or_else(|error| panic!("{error}"));
        }
        logged
    }

    /// Returns how often it was restarted.
    pub fn boots(&self) -> u64 {
        self.0.load(file::BOOTS).unwrap_or(0)
    }

    /// Returns everything that was logged at all starts.
    pub fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.own_file(file::LOG)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn host(&self) -> Host {
        Host::load(&self.0).unwrap_or_else(|error| panic!("{error}"))
    }

    fn switches(&self) -> Vec<Switch> {
        self.0.load(file::FAULTS).unwrap_or_else(|error| panic!("{error}"))
    }

    fn lock(&self) -> fs::File {
        self.0.lock().unwrap_or_else(|error| panic!("{error}"))
    }
}

fn proto(word: &str) -> Proto {
    Proto::named(word).unwrap_or_else(|| panic!("no protocol is called {word:?}"))
}

/// Returns the path of the program that plays the native ones.
///
/// It lies beside the programs of this crate, above its tests; cargo is asked for it once where it is not there.
/// `SUNOS_STAND_IN` names another one.
fn stand_in() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| match std::env::var_os("SUNOS_STAND_IN") {
        Some(named) => PathBuf::from(named),
        None => crate::binary::beside("sunos-stand-in"),
    })
}
