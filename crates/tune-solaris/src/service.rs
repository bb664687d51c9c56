//! The service that sets the values at boot where the system's own program keeps nothing: on Solaris 10, and in the global
//! zone of SmartOS, whose /etc is made anew at each boot.

use std::path::Path;

use tune_host::Host;

use crate::ground::Ground;

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

/// Returns the manifest for a host.
pub(crate) fn manifest(host: &dyn Host, ground: &Ground) -> String {
    let program = host.program().filter(|path| path.to_str().is_some_and(is_plain));
    let program = program.unwrap_or_else(|| USUAL_PROGRAM.into());
    let early = if ground.ramdisk { Early::BeforeTheNetwork } else { Early::AfterTheNetwork };
    text(&program.to_string_lossy(), early)
}

/// When the service runs. It has to be before services start to listen: these keep what they find.
#[derive(Debug, Clone, Copy)]
enum Early {
    /// Interfaces are there; services that wait for the network have not been started.
    BeforeTheNetwork,
    /// The network is configured.
    AfterTheNetwork,
}

fn text(program: &str, early: Early) -> String {
    let (after, before) = match early {
        Early::BeforeTheNetwork => {
            ("svc:/network/ip-interface-management:default", "svc:/milestone/network")
        }
        Early::AfterTheNetwork => ("svc:/network/initial:default", "svc:/milestone/multi-user"),
    };
    format!(
        "<?xml version=\"1.0\"?>\n\
<!DOCTYPE service_bundle SYSTEM \"/usr/share/lib/xml/dtd/service_bundle.dtd.1\">\n\
<!-- Written by tune: sets at each boot what profiles hold, because nothing else keeps it. What holds these values:\n     \
tune active. To give one back: tune off PROFILE. -->\n\
<service_bundle type=\"manifest\" name=\"tune\">\n\
  <service name=\"system/tune\" type=\"service\" version=\"1\">\n    \
<create_default_instance enabled=\"true\"/>\n    \
<single_instance/>\n    \
<dependency name=\"filesystem\" grouping=\"require_all\" restart_on=\"none\" type=\"service\">\n      \
<service_fmri value=\"svc:/system/filesystem/local:default\"/>\n    \
</dependency>\n    \
<dependency name=\"network\" grouping=\"require_all\" restart_on=\"none\" type=\"service\">\n      \
<service_fmri value=\"{after}\"/>\n    \
</dependency>\n    \
<dependent name=\"tune\" grouping=\"optional_all\" restart_on=\"none\">\n      \
<service_fmri value=\"{before}\"/>\n    \
</dependent>\n    \
<exec_method name=\"start\" type=\"method\" exec=\"{program} apply --boot\" timeout_seconds=\"60\"/>\n    \
<exec_method name=\"stop\" type=\"method\" exec=\":true\" timeout_seconds=\"60\"/>\n    \
<property_group name=\"startd\" type=\"framework\">\n      \
<propval name=\"duration\" type=\"astring\" value=\"transient\"/>\n    \
</property_group>\n  \
</service>\n\
</service_bundle>\n"
    )
}

/// Tells whether a text is a manifest of `tune`'s and starts nothing else.
pub(crate) fn is_manifest(content: &[u8]) -> bool {
    let Some(text) = std::str::from_utf8(content).ok() else { return false };
    let Some((_, rest)) = text.split_once(" exec=\"") else { return false };
    let Some((program, _)) = rest.split_once(" apply --boot\"") else { return false };
    let is_one = |early| self::text(program, early) == text;
    is_plain(program) && [Early::BeforeTheNetwork, Early::AfterTheNetwork].into_iter().any(is_one)
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
        let whole = text("/opt/local/bin/tune", Early::BeforeTheNetwork);
        assert!(is_manifest(whole.as_bytes()), "{whole}");
        assert!(is_manifest(text("/usr/bin/tune", Early::AfterTheNetwork).as_bytes()));
        for planted in [
            whole.replace("/opt/local/bin/tune", "/tmp/../x"),
            whole.replace("/opt/local/bin/tune", "/bin/sh -c evil;"),
            whole.replace(":true", "/tmp/evil"),
            whole.replace("</service_bundle>", "<service/></service_bundle>"),
            format!("{whole} "),
            String::new(),
        ] {
            assert!(!is_manifest(planted.as_bytes()), "{planted}");
        }
    }
}
