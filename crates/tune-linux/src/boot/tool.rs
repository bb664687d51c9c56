//! Which tool applies the settings at boot.

use std::fmt;
use std::path::{Path, PathBuf};

use tune_host::{FileKind, Files};

/// A program that applies sysctl settings at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BootTool {
    /// `systemd-sysctl`, run by `systemd-sysctl.service`.
    SystemdSysctl,
    /// `sysctl --system` of procps.
    Procps,
    /// The shell loop of OpenRC around busybox `sysctl -w`.
    OpenrcBusybox,
}

impl BootTool {
    /// Returns the bytes that the tool hands to the kernel for a value.
    #[must_use]
    pub fn written(self, value: &[u8]) -> Vec<u8> {
        let end: &[u8] = if self == Self::OpenrcBusybox { b"" } else { b"\n" };
        [value, end].concat()
    }

    /// Returns what the tool writes next after the kernel refused `written`: procps cuts a text of more than
    /// 4096 bytes at its last comma within them and tries the first part, whatever kind of key it is.
    #[must_use]
    pub fn retried(self, written: &[u8]) -> Option<Vec<u8>> {
        let head = written.get(..PROCPS_PIECE).filter(|head| head.len() < written.len())?;
        let comma = head.iter().rposition(|byte| *byte == b',').filter(|_| self == Self::Procps)?;
        Some([&head[..comma], b"\n"].concat())
    }
}

/// What procps thinks the kernel takes at once.
const PROCPS_PIECE: usize = 4096;

impl fmt::Display for BootTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SystemdSysctl => "systemd-sysctl",
            Self::Procps => "sysctl --system",
            Self::OpenrcBusybox => "OpenRC with busybox",
        })
    }
}

/// Which tool decides at boot, and which one an administrator may run by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolChoice {
    /// The tool that runs at boot; nothing where none was found or its service is masked.
    pub boot: Option<BootTool>,
    /// Another tool that is installed and may be run by hand.
    pub by_hand: Option<BootTool>,
    /// The file that told.
    pub evidence: Option<PathBuf>,
}

/// A credential that systemd-sysctl reads after all files.
pub const CREDENTIAL_NOTE: &str = "the credential sysctl.extra, where the service manager is given one, is read \
     after all files and wins over them; it is not looked at here";

const SYSTEMD_SYSCTL: [&str; 2] = ["/usr/lib/systemd/systemd-sysctl", "/lib/systemd/systemd-sysctl"];
const SYSCTL: [&str; 4] = ["/usr/sbin/sysctl", "/sbin/sysctl", "/usr/bin/sysctl", "/bin/sysctl"];
const OPENRC: [&str; 3] = ["/etc/init.d/sysctl", "/sbin/openrc", "/usr/sbin/openrc"];
const UNIT: &str = "/etc/systemd/system/systemd-sysctl.service";

/// Finds the tool that applies settings at boot, by files alone.
///
/// `running` tells that `files` are those of the running system, where `/run/systemd/system` says whether
/// systemd is the service manager. Elsewhere what is installed, and what `/sbin/init` leads to, says it.
#[must_use]
pub fn detect(files: &dyn Files, running: bool) -> ToolChoice {
    let sysctl = installed_sysctl(files);
    match systemd(files, running) {
        Some(_) if masked(files) => ToolChoice { boot: None, by_hand: sysctl, evidence: Some(UNIT.into()) },
        Some(evidence) => {
            ToolChoice { boot: Some(BootTool::SystemdSysctl), by_hand: sysctl, evidence: Some(evidence) }
        }
        None => without_systemd(files, sysctl),
    }
}

fn without_systemd(files: &dyn Files, sysctl: Option<BootTool>) -> ToolChoice {
    let script = first_existing(files, &OPENRC).or_else(|| first_existing(files, &["/etc/init.d/procps"]));
    let by_hand = first_existing(files, &SYSTEMD_SYSCTL).map(|_| BootTool::SystemdSysctl);
    ToolChoice { boot: script.as_ref().and(sysctl), by_hand, evidence: script }
}

fn systemd(files: &dyn Files, running: bool) -> Option<PathBuf> {
    if running {
        return first_existing(files, &["/run/systemd/system"]);
    }
    let program = first_existing(files, &SYSTEMD_SYSCTL)?;
    let other_init =
        files.real_path(Path::new("/sbin/init")).is_ok_and(|init| !init.ends_with("systemd/systemd"));
    (!other_init).then_some(program)
}

/// A unit file that is empty or leads to `/dev/null` is never started.
fn masked(files: &dyn Files) -> bool {
    let unit = Path::new(UNIT);
    match files.kind(unit) {
        Ok(FileKind::Regular) => files.read(unit).is_ok_and(|content| content.is_empty()),
        Ok(FileKind::Other) => files.real_path(unit).is_ok_and(|real| real == Path::new("/dev/null")),
        _ => false,
    }
}

/// The `sysctl` that is installed: busybox is a link to one program that is called so.
fn installed_sysctl(files: &dyn Files) -> Option<BootTool> {
    let real = files.real_path(&first_existing(files, &SYSCTL)?).ok()?;
    let busybox = real.file_name().is_some_and(|name| name.to_string_lossy().starts_with("busybox"));
    Some(if busybox { BootTool::OpenrcBusybox } else { BootTool::Procps })
}

fn first_existing(files: &dyn Files, paths: &[&str]) -> Option<PathBuf> {
    paths.iter().map(Path::new).find(|path| files.kind(path).is_ok()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tune_host::MemoryFiles;

    fn debian() -> MemoryFiles {
        MemoryFiles::default().with("/usr/lib/systemd/systemd-sysctl", "").with("/usr/sbin/sysctl", "")
    }

    #[test]
    fn the_running_service_manager_decides() {
        let live = debian().with_directory("/run/systemd/system");
        assert_eq!(detect(&live, true).boot, Some(BootTool::SystemdSysctl));
        assert_eq!(detect(&live, true).by_hand, Some(BootTool::Procps));
        let container = debian().with("/etc/init.d/procps", "");
        assert_eq!(detect(&container, true).boot, Some(BootTool::Procps));
    }

    #[test]
    fn an_image_is_judged_by_what_is_installed() {
        assert_eq!(detect(&debian(), false).boot, Some(BootTool::SystemdSysctl));
        let sysvinit = debian().with("/usr/lib/sysvinit/init", "").with("/etc/init.d/procps", "");
        let sysvinit = sysvinit.with_link("/sbin/init", "/usr/lib/sysvinit/init");
        assert_eq!(detect(&sysvinit, false).boot, Some(BootTool::Procps));
        assert_eq!(detect(&MemoryFiles::default(), false).boot, None);
    }

    #[test]
    fn openrc_runs_whichever_sysctl_there_is() {
        let alpine = MemoryFiles::default().with("/bin/busybox", "").with("/etc/init.d/sysctl", "");
        let busybox = alpine.clone().with_link("/sbin/sysctl", "/bin/busybox");
        assert_eq!(detect(&busybox, false).boot, Some(BootTool::OpenrcBusybox));
        assert_eq!(detect(&alpine.with("/sbin/sysctl", ""), false).boot, Some(BootTool::Procps));
    }

    #[test]
    fn a_masked_service_applies_nothing() {
        let files = debian().with_device("/dev/null").with_link(UNIT, "/dev/null");
        assert_eq!(detect(&files, false).boot, None);
        assert_eq!(detect(&files, false).evidence.as_deref(), Some(Path::new(UNIT)));
    }
}
