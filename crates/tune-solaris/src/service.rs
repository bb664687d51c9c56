//! The service that sets the values at boot where the system's own program keeps nothing: on Solaris 10, and in the global
//! zone of SmartOS, whose /etc is made anew at each boot.

use std::path::Path;

use tune_host::Host;

use crate::ground::Ground;
use crate::names;

const SITE: &str = "/var/svc/manifest/site/tune.xml";
const SMARTOS: &str = "/opt/custom/smf/tune.xml";

/// Where the program is on a host that is not running.
const USUAL_PROGRAM: &str = "/usr/bin/tune";

/// Returns where the manifest goes: a directory that is imported at each boot and survives it.
pub(crate) const fn manifest_path(ground: &Ground) -> &'static str {
    if ground.ramdisk { SMARTOS } else { SITE }
}

/// Every place that a manifest can be at.
pub(crate) const MANIFESTS: [&str; 2] = [SITE, SMARTOS];

/// The directories that may have to be made for it, outermost first.
pub(crate) const DIRECTORIES: [&str; 3] = ["/var/svc/manifest/site", "/opt/custom", "/opt/custom/smf"];

/// Tells whether the manifest is there, whole.
pub(crate) fn is_installed(host: &dyn Host, ground: &Ground) -> bool {
    host.files().read(Path::new(manifest_path(ground))).is_ok_and(|content| is_manifest(&content))
}

/// Returns the manifest for a host, with the values that the service sets for whoever opens the file.
pub(crate) fn manifest<'v>(
    host: &dyn Host,
    ground: &Ground,
    values: impl Iterator<Item = (&'v str, &'v str)>,
) -> String {
    let program = host.program().filter(|path| path.to_str().is_some_and(is_plain));
    let program = program.unwrap_or_else(|| USUAL_PROGRAM.into());
    let early = if ground.ramdisk { Early::BeforeTheNetwork } else { Early::AfterTheNetwork };
    let values: Vec<String> = values.map(|(tunable, value)| format!("{tunable} = {value}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    text(&program.to_string_lossy(), early, &values)
}

/// Returns the line of a manifest that names a tunable.
pub(crate) fn line_of(manifest: &str, tunable: &str) -> u32 {
    let is_it = |line: &str| line.trim().strip_prefix(tunable).is_some_and(|rest| rest.starts_with(" = "));
    manifest.lines().zip(1..).find(|(line, _)| is_it(line)).map_or(1, |(_, number)| number)
}

/// When the service runs. It has to be before services start to listen: these keep what they find.
#[derive(Debug, Clone, Copy)]
enum Early {
    /// Interfaces are there; services that wait for the network have not been started.
    BeforeTheNetwork,
    /// The network is configured.
    AfterTheNetwork,
}

/// The manifest for a host on which the network has to be configured first, the program is at its usual place, and nothing
/// is listed.
const MANIFEST: &str = include_str!("../../../packaging/smf/tune.xml");

fn text(program: &str, early: Early, values: &[&str]) -> String {
    let values: String = values.iter().map(|value| format!("       {value}\n")).collect();
    let (head, tail) = MANIFEST.split_once("-->\n").unwrap_or((MANIFEST, ""));
    let tail = tail.replace(USUAL_PROGRAM, program);
    let tail = match early {
        Early::AfterTheNetwork => tail,
        Early::BeforeTheNetwork => tail
            .replace("svc:/network/initial:default", "svc:/network/ip-interface-management:default")
            .replace("svc:/milestone/multi-user", "svc:/milestone/network"),
    };
    format!("{head}{values}-->\n{tail}")
}

/// Tells whether a text is a manifest of `tune`'s and starts nothing else.
pub(crate) fn is_manifest(content: &[u8]) -> bool {
    let Some(text) = std::str::from_utf8(content).ok() else { return false };
    let Some((_, rest)) = text.split_once(" exec=\"") else { return false };
    let Some((program, _)) = rest.split_once(" apply --boot\"") else { return false };
    let listed = text.lines().map_while(|line| (line != "-->").then(|| line.trim()));
    let values: Vec<&str> = listed.filter(|line| is_value(line)).collect();
    let is_one = |early| self::text(program, early, &values) == text;
    is_plain(program) && [Early::BeforeTheNetwork, Early::AfterTheNetwork].into_iter().any(is_one)
}

fn is_value(line: &str) -> bool {
    let digits = |value: &str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    line.split_once(" = ").is_some_and(|(tunable, value)| names::parts(tunable).is_some() && digits(value))
}

/// Tells whether a path is absolute and means the same to XML and to the program that starts services.
fn is_plain(path: &str) -> bool {
    let parts = path.strip_prefix('/').unwrap_or_default().split('/');
    let sound = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
        !part.is_empty() && part != ".." && part != "." && part.chars().all(plain)
    };
    path.starts_with('/') && parts.into_iter().all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_manifest_is_one() {
        const FLUSH: &str = "ipadm.tcp._fin_wait_2_flush_interval = 30000";
        let whole = text("/opt/local/bin/tune", Early::BeforeTheNetwork, &[FLUSH]);
        assert!(is_manifest(whole.as_bytes()), "{whole}");
        assert_eq!(line_of(&whole, "ipadm.tcp._fin_wait_2_flush_interval"), 5);
        assert!(is_manifest(text("/usr/bin/tune", Early::AfterTheNetwork, &[]).as_bytes()));
        for planted in [
            whole.replace("/opt/local/bin/tune", "/tmp/../x"),
            whole.replace("/opt/local/bin/tune", "/bin/sh -c evil;"),
            whole.replace(":true", "/tmp/evil"),
            whole.replace("</service_bundle>", "<service/></service_bundle>"),
            format!("{whole} "),
            whole.replace(FLUSH, "--><service/><!-- = 1"),
            whole.replace("30000", "30000 -->"),
            String::new(),
        ] {
            assert!(!is_manifest(planted.as_bytes()), "{planted}");
        }
    }
}
