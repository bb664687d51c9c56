//! What illumos and Solaris keep, and what their programs print.

use std::collections::BTreeSet;
use std::path::Path;

use tune_host::ipadm_conf;
use tune_host::{
    Backend, FileError, Files, Host, Identity, Inquiry, Isolation, MemoryFiles, Output, ReadError, RunError,
    Scope, WriteError,
};
use tune_model::claim::ScopeClaims;
use tune_model::native::Program;
use tune_model::plan::{FileImage, Namespace};
use tune_model::{Catalog, Effect, System};
use tune_solaris::Solaris;

use super::host::{Memory, image};

const FLUSH: &str = "ipadm.tcp._fin_wait_2_flush_interval";
const MANIFEST: &str = "/var/svc/manifest/site/tune.xml";

/// A host whose programs print always the same.
struct Sun {
    memory: Memory,
    release: &'static str,
    ipadm: Option<String>,
    ndd: Option<String>,
    netstat: String,
}

impl Sun {
    fn with(files: MemoryFiles) -> Self {
        let memory = Memory { files, ..Memory::default() };
        Self { memory, release: "5.11", ipadm: None, ndd: None, netstat: String::new() }
    }

    /// Solaris 10, where ndd shows the same number for everything.
    fn ten(files: MemoryFiles) -> Self {
        Self { release: "5.10", ndd: Some("60000\n".to_owned()), ..Self::with(files) }
    }
}

impl Host for Sun {
    fn files(&self) -> &dyn Files {
        self.memory.files()
    }

    fn identity(&self) -> Identity {
        Identity {
            kernel: Some("SunOS".to_owned()),
            release: Some(self.release.to_owned()),
            ..Identity::default()
        }
    }

    fn boot_id(&self) -> String {
        self.memory.boot_id()
    }

    fn scope(&self) -> &Scope {
        self.memory.scope()
    }

    fn isolation(&self) -> Isolation {
        Isolation::None
    }

    fn namespace(&self) -> Option<Namespace> {
        None
    }

    fn page_size(&self) -> u64 {
        4096
    }

    fn stated_ram(&self) -> Option<u64> {
        None
    }

    fn read_tunables(&self, names: &[&str]) -> Vec<Result<String, ReadError>> {
        self.memory.read_tunables(names)
    }

    fn writable_tunables(&self, names: &[&str]) -> Vec<Result<(), WriteError>> {
        self.memory.writable_tunables(names)
    }

    fn file_image(&self, path: &Path) -> Result<Option<FileImage>, FileError> {
        self.memory.file_image(path)
    }

    fn inquire(&self, inquiry: &Inquiry) -> Result<Output, RunError> {
        let program = inquiry.command().program;
        let stdout = match program {
            Program::Ipadm => self.ipadm.clone(),
            Program::Ndd => self.ndd.clone(),
            Program::Netstat => Some(self.netstat.clone()),
            _ => None,
        };
        let stdout = stdout.ok_or(RunError::Absent(program))?;
        Ok(Output { status: 0, stdout, stderr: String::new() })
    }
}

fn names() -> BTreeSet<String> {
    Catalog::of(System::Solaris).iter().map(|row| row.name.clone()).collect()
}

/// Reads everything; what is told of a value names a line that is there.
fn look(host: &Sun) {
    let backend = Solaris::on(host);
    let readings = backend.read(host, &names(), &ScopeClaims::default());
    for place in readings.values().filter_map(|reading| reading.boot_source.as_ref()) {
        is_inside(host, place);
    }
    backend.boot_story(host, FLUSH).lines.iter().for_each(|line| is_inside(host, &line.place));
}

fn is_inside(host: &Sun, place: &tune_model::Place) {
    let content = host.memory.files.read(&place.file).unwrap();
    assert!((1..=super::lines(&content)).contains(&place.line), "{place}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Takes the bytes for what ipadm shows, whatever it is asked for.
pub fn sunos_show_prop(bytes: &[u8]) {
    look(&Sun { ipadm: Some(text(bytes)), ..Sun::with(MemoryFiles::default()) });
    look(&Sun { ndd: Some(text(bytes)), ..Sun::with(MemoryFiles::default()) });
    let asked = ["_fin_wait_2_flush_interval".to_owned(), "max_buf".to_owned()];
    let understood = tune_host::property::rows_of(&text(bytes), &asked);
    assert!(understood.is_err() || understood == Ok(asked.len()));
}

/// Reads the file that ipadm keeps, of a host that runs and of one that does not.
pub fn sunos_ipadm_conf(bytes: &[u8]) {
    let shown = "tcp:_fin_wait_2_flush_interval:rw:60000:60000:1000-7200000:\ntcp:max_buf:?:?:?:?:?\n";
    let files = MemoryFiles::default().with(ipadm_conf::CONF, bytes).with("/etc/release", "illumos\n");
    let mut host = Sun { ipadm: Some(shown.to_owned()), ..Sun::with(files) };
    look(&host);
    host.memory.scope = Some(Scope::Image("/image".into()));
    look(&host);
    for line in ipadm_conf::lines(&text(bytes)) {
        assert!(!line.protocol.contains(';') && !line.name.contains(['=', ';']) && !line.value.contains(';'));
    }
}

/// Reads a start script.
pub fn sunos_start_script(bytes: &[u8]) {
    look(&Sun::ten(MemoryFiles::default().with("/etc/rc2.d/S99x", bytes)));
}

/// Reads a manifest; only one that starts `tune apply --boot`, and nothing else, is one of `tune`'s.
pub fn sunos_manifest(bytes: &[u8]) {
    let host = Sun::ten(MemoryFiles::default().with(MANIFEST, bytes));
    look(&host);
    let after = Some(image(bytes.to_vec()));
    let effect = Effect::ReplaceFile { path: MANIFEST.into(), before: None, after };
    if Solaris::on(&host).may_do(&effect) {
        let text = text(bytes);
        let started: Vec<&str> =
            text.split(" exec=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let [start, ":true"] = started[..] else { panic!("{started:?}") };
        let program = start.strip_suffix(" apply --boot").unwrap();
        assert!(program.starts_with('/') && !program.contains(['"', '\'', ' ', ';', '$', '`', '&', '|']));
    }
}

/// Reads what netstat prints of sockets.
pub fn sunos_netstat(bytes: &[u8]) {
    let shown = "60000\n".to_owned();
    let host = Sun { netstat: text(bytes), ndd: Some(shown), ..Sun::with(MemoryFiles::default()) };
    let told = Solaris::on(&host).aftermath(&host, &[FLUSH].into());
    assert!(!told.is_empty() && told.iter().all(|line| !line.is_empty()));
}
