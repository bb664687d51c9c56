//! What /etc/rc.conf has rc.d/netoptions write.
//!
//! Source: libexec/rc/rc.d/netoptions, rc.subr `load_rc_config` and `checkyesno`, rc `nojailvnet`. The files are shell
//! programs: what is more than assignments is not followed, and what it may set is not told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tune_host::{FileKind, Files};
use tune_model::Place;

use super::Jail;
use super::problem::{Problem, content};
use super::shell::{self, Program};

const SCRIPT: &str = "/etc/rc.d/netoptions";
const DEFAULTS: &str = "/etc/defaults/rc.conf";
const VENDOR: &str = "/etc/defaults/vendor.conf";
/// Files, or directories of files, for this script alone.
const OF_THE_SCRIPT: [&str; 2] = ["/etc/rc.conf.d/netoptions", "/usr/local/etc/rc.conf.d/netoptions"];

/// How a variable becomes the value of tunables.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// 1 and 2 as they are, everything else as 0.
    OneOrTwo,
    /// One value for yes and one for no; nothing is written where there is none.
    YesNo(Option<&'static str>, Option<&'static str>),
    /// What begins with a digit as it is, and nothing is written for anything else.
    Number,
    /// 0 for what means none, 1 for a name.
    Named,
}

struct Knob {
    variable: &'static str,
    form: Form,
    tunables: &'static [&'static str],
}

const fn knob(variable: &'static str, form: Form, tunables: &'static [&'static str]) -> Knob {
    Knob { variable, form, tunables }
}

const KNOBS: [Knob; 9] = [
    knob("log_in_vain", Form::OneOrTwo, &["net.inet.tcp.log_in_vain", "net.inet.udp.log_in_vain"]),
    knob("tcp_extensions", Form::YesNo(Some("1"), Some("0")), &["net.inet.tcp.rfc1323"]),
    knob("tcp_keepalive", Form::YesNo(Some("1"), Some("0")), &["net.inet.tcp.always_keepalive"]),
    knob("tcp_drop_synfin", Form::YesNo(Some("1"), Some("0")), &["net.inet.tcp.drop_synfin"]),
    knob("ip_portrange_first", Form::Number, &["net.inet.ip.portrange.first"]),
    knob("ip_portrange_last", Form::Number, &["net.inet.ip.portrange.last"]),
    knob("ipv6_ipv4mapping", Form::YesNo(Some("0"), Some("1")), &["net.inet6.ip6.v6only"]),
    knob(
        "ipv6_privacy",
        Form::YesNo(Some("1"), None),
        &["net.inet6.ip6.use_tempaddr", "net.inet6.ip6.prefer_tempaddr"],
    ),
    knob("ipv6_cpe_wanif", Form::Named, &["net.inet6.ip6.no_radr", "net.inet6.ip6.rfc6204w3"]),
];

/// A value that the script writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RcWrite {
    /// The tunable.
    pub(crate) tunable: &'static str,
    /// The variable of rc.conf.
    pub(crate) variable: &'static str,
    /// The line that sets the variable.
    pub(crate) place: Option<Place>,
    /// The value that is written, or why that cannot be told.
    pub(crate) value: Result<String, String>,
}

/// What the script writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Netoptions {
    /// The writes, in order.
    pub(crate) writes: Vec<RcWrite>,
}

impl Netoptions {
    /// Reads what decides it; nothing is written where the script does not run.
    pub(crate) fn read(files: &dyn Files, jail: Jail) -> Self {
        if !runs(files, jail) {
            return Self::default();
        }
        let mut shell = Shell::default();
        shell.load(files);
        Self { writes: KNOBS.iter().flat_map(|knob| shell.writes(knob)).collect() }
    }
}

/// Returns the command that makes rc.conf agree with a value, where it can.
pub(crate) fn sysrc(tunable: &str, value: &str) -> Option<String> {
    let knob = KNOBS.iter().find(|knob| knob.tunables.contains(&tunable))?;
    let setting = match knob.form {
        Form::OneOrTwo | Form::Number => value,
        Form::YesNo(Some(yes), _) if yes == value => "YES",
        Form::YesNo(_, Some(no)) if no == value => "NO",
        Form::YesNo(..) | Form::Named => return None,
    };
    Some(format!("sysrc {}={setting}", knob.variable))
}

/// A script is passed over in the jails that its keywords name.
fn runs(files: &dyn Files, jail: Jail) -> bool {
    let Ok(script) = files.read(Path::new(SCRIPT)) else { return false };
    let script = String::from_utf8_lossy(&script);
    let keywords = script.lines().filter_map(|line| line.strip_prefix("# KEYWORD:"));
    let has = |keyword: &str| keywords.clone().flat_map(str::split_whitespace).any(|word| word == keyword);
    match jail {
        Jail::None => true,
        Jail::Vnet => !has("nojail"),
        Jail::Shared => !has("nojail") && !has("nojailvnet"),
    }
}

/// The variables of a shell that has read files.
#[derive(Default)]
struct Shell {
    /// By name: the value, or why it cannot be told, and the line.
    variables: BTreeMap<String, (Result<String, String>, Place)>,
    /// Why any variable may be something else.
    blind: Option<String>,
}

impl Shell {
    fn load(&mut self, files: &dyn Files) {
        // The one file that is a program by design; its variables are plain.
        let defaults = self.source(files, Path::new(DEFAULTS), true);
        if !defaults {
            self.source(files, Path::new("/etc/rc.conf"), false);
        } else {
            self.source(files, Path::new(VENDOR), false);
            self.listed(files);
        }
        for path in OF_THE_SCRIPT.map(Path::new) {
            self.of_the_script(files, path);
        }
    }

    /// Reads the files that a variable names, and those that they name in it once.
    fn listed(&mut self, files: &dyn Files) {
        let mut seen: Vec<PathBuf> = Vec::new();
        for _ in 0..2 {
            let list = self.variables.get("rc_conf_files").map(|(value, _)| value.clone());
            match list {
                None => {}
                Some(Err(doubt)) => self.blind = Some(format!("rc_conf_files cannot be told: {doubt}")),
                Some(Ok(list)) => {
                    for file in list.split_whitespace().map(PathBuf::from) {
                        if !seen.contains(&file) {
                            self.source(files, &file, false);
                            seen.push(file);
                        }
                    }
                }
            }
        }
    }

    fn of_the_script(&mut self, files: &dyn Files, path: &Path) {
        if files.kind(path) != Ok(FileKind::Directory) {
            self.source(files, path, false);
            return;
        }
        match files.names(path) {
            Ok(names) => {
                for name in names.iter().filter(|name| !name.to_string_lossy().starts_with('.')) {
                    self.source(files, &path.join(name), false);
                }
            }
            Err(error) => self.blind = Some(error.to_string()),
        }
    }

    /// Reads a file; false where there is none.
    fn source(&mut self, files: &dyn Files, path: &Path, known: bool) -> bool {
        let mut problems: Vec<Problem> = Vec::new();
        let Some(bytes) = content(files, path, &mut problems) else {
            if let Some(problem) = problems.first() {
                self.blind = Some(problem.to_string());
            }
            return !problems.is_empty();
        };
        let script = shell::read(&String::from_utf8_lossy(&bytes));
        let program = !known && script.program.is_some();
        let mentions = script.mentions.into_iter().filter(|_| !known);
        let mentions = mentions.map(|(name, line)| (name, Err("a command mentions it".to_owned()), line));
        for (name, value, line) in script.assignments.into_iter().chain(mentions) {
            let place = Place { file: path.to_owned(), line };
            let doubt = || format!("{place} is in a file that is more than assignments");
            let value = if program { Err(doubt()) } else { value };
            self.variables.insert(name, (value, place));
        }
        match script.program {
            Some(Program::SetsAnything(line)) if !known => {
                let file = path.display();
                self.blind = Some(format!("{file}:{line} may set any variable, which is not followed"));
            }
            _ => {}
        }
        true
    }

    fn writes(&self, knob: &Knob) -> Vec<RcWrite> {
        let found = self.variables.get(knob.variable);
        let place = found.map(|(_, place)| place.clone());
        let setting = match (&self.blind, found) {
            (Some(blind), _) => Err(blind.clone()),
            (None, None) => Ok(String::new()),
            (None, Some((value, _))) => value.clone(),
        };
        let value = match &setting {
            Ok(setting) => match written(knob.form, setting) {
                Some(value) => Ok(value),
                None => return Vec::new(),
            },
            Err(doubt) => Err(format!("rc.conf's {} cannot be told: {doubt}", knob.variable)),
        };
        let write = |tunable: &&'static str| RcWrite {
            tunable,
            variable: knob.variable,
            place: place.clone(),
            value: value.clone(),
        };
        knob.tunables.iter().map(write).collect()
    }
}

fn written(form: Form, setting: &str) -> Option<String> {
    let text = match form {
        Form::OneOrTwo if matches!(setting, "1" | "2") => setting,
        Form::OneOrTwo => "0",
        Form::YesNo(yes, _) if is_one_of(setting, &["yes", "true", "on", "1"]) => yes?,
        Form::YesNo(_, no) => no?,
        Form::Number => Some(setting).filter(|setting| setting.starts_with(|c: char| c.is_ascii_digit()))?,
        Form::Named if is_one_of(setting, &["", "no", "none", "false", "off", "0"]) => "0",
        Form::Named => "1",
    };
    Some(text.to_owned())
}

fn is_one_of(setting: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(setting))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tune_host::MemoryFiles;

    const PLAIN_DEFAULTS: &str = "tcp_extensions=\"YES\"\t# Set to NO\nlog_in_vain=\"0\"\ntcp_keepalive=\"YES\"\n\
        tcp_drop_synfin=\"NO\"\nip_portrange_first=\"NO\"\nip_portrange_last=\"NO\"\nipv6_privacy=\"NO\"\n\
        rc_conf_files=\"/etc/rc.conf /etc/rc.conf.local\"\n\
        if [ -z \"${source_rc_confs_defined}\" ]; then\n\tsource_rc_confs() {\n\t\t. $i\n\t}\nfi\n";

    fn host(rc_conf: &str) -> MemoryFiles {
        MemoryFiles::default()
            .with("/etc/rc.d/netoptions", "#!/bin/sh\n# PROVIDE: netoptions\n# KEYWORD: nojailvnet\n")
            .with("/etc/defaults/rc.conf", PLAIN_DEFAULTS)
            .with("/etc/rc.conf", rc_conf)
    }

    fn write(files: &MemoryFiles, tunable: &str) -> Option<RcWrite> {
        Netoptions::read(files, Jail::None).writes.into_iter().find(|write| write.tunable == tunable)
    }

    fn value(files: &MemoryFiles, tunable: &str) -> Option<String> {
        write(files, tunable).map(|write| write.value.unwrap_or_else(|doubt| format!("? {doubt}")))
    }

    #[test]
    fn each_variable_is_written_as_the_script_writes_it() {
        for (line, tunable, written) in [
            ("", "net.inet.tcp.always_keepalive", Some("1")),
            ("tcp_keepalive=NO", "net.inet.tcp.always_keepalive", Some("0")),
            ("tcp_keepalive='off'", "net.inet.tcp.always_keepalive", Some("0")),
            ("tcp_keepalive=\"True\" # on", "net.inet.tcp.always_keepalive", Some("1")),
            ("tcp_keepalive=perhaps", "net.inet.tcp.always_keepalive", Some("0")),
            ("tcp_keepalive=", "net.inet.tcp.always_keepalive", Some("0")),
            ("", "net.inet.tcp.drop_synfin", Some("0")),
            ("tcp_drop_synfin=\"YES\"", "net.inet.tcp.drop_synfin", Some("1")),
            ("tcp_extensions=NO", "net.inet.tcp.rfc1323", Some("0")),
            ("log_in_vain=2", "net.inet.tcp.log_in_vain", Some("2")),
            ("log_in_vain=3", "net.inet.udp.log_in_vain", Some("0")),
            ("", "net.inet.ip.portrange.first", None),
            ("ip_portrange_first=20000", "net.inet.ip.portrange.first", Some("20000")),
            ("ip_portrange_last=\"60000\"", "net.inet.ip.portrange.last", Some("60000")),
            ("ip_portrange_first=none", "net.inet.ip.portrange.first", None),
            ("", "net.inet6.ip6.use_tempaddr", None),
            ("ipv6_privacy=YES", "net.inet6.ip6.use_tempaddr", Some("1")),
            ("ipv6_cpe_wanif=em0", "net.inet6.ip6.no_radr", Some("1")),
            ("a=1; tcp_keepalive=NO", "net.inet.tcp.always_keepalive", Some("0")),
            ("a=\"1\n2\"\ntcp_keepalive=N\"O\"", "net.inet.tcp.always_keepalive", Some("0")),
        ] {
            assert_eq!(value(&host(line), tunable).as_deref(), written, "{line} {tunable}");
        }
    }

    #[test]
    fn the_line_is_told_and_later_files_win() {
        let files = host("\n\ntcp_keepalive=NO\n").with("/etc/rc.conf.local", "tcp_keepalive=YES\n");
        let found = write(&files, "net.inet.tcp.always_keepalive").unwrap();
        assert_eq!(found.place.unwrap().to_string(), "/etc/rc.conf.local:1");
        let own = files.with("/etc/rc.conf.d/netoptions", "tcp_keepalive=NO\n");
        assert_eq!(value(&own, "net.inet.tcp.always_keepalive").as_deref(), Some("0"));
        let elsewhere =
            host("rc_conf_files=\"/etc/rc.conf /etc/rc.site\"\n").with("/etc/rc.site", "log_in_vain=1\n");
        assert_eq!(
            write(&elsewhere, "net.inet.tcp.log_in_vain").unwrap().place.unwrap().to_string(),
            "/etc/rc.site:1"
        );
    }

    #[test]
    fn what_is_more_than_an_assignment_is_not_guessed() {
        for line in [
            "if true; then\n tcp_keepalive=NO\nfi",
            "tcp_keepalive=$other",
            "tcp_keepalive=`cat /x`",
            ": ${tcp_keepalive:=NO}",
            "export tcp_keepalive=NO",
            "tcp_keepalive=NO true",
            "tcp_keepalive=NO &",
            ". /etc/rc.site",
            "a=\"unclosed",
        ] {
            let told = value(&host(line), "net.inet.tcp.always_keepalive").unwrap();
            assert!(told.starts_with("? rc.conf's tcp_keepalive cannot be told"), "{line}: {told}");
        }
        let other = host("if true; then\n hostname=x\nfi");
        assert_eq!(value(&other, "net.inet.tcp.always_keepalive").as_deref(), Some("1"));
        let denied = host("").with_denied("/etc/rc.conf.local");
        assert!(value(&denied, "net.inet.tcp.drop_synfin").unwrap().starts_with('?'));
    }

    #[test]
    fn it_runs_in_the_jails_that_its_keywords_allow() {
        let files = host("");
        let writes = |files: &MemoryFiles, jail| !Netoptions::read(files, jail).writes.is_empty();
        assert!(writes(&files, Jail::None) && writes(&files, Jail::Vnet) && !writes(&files, Jail::Shared));
        let older = files.clone().with("/etc/rc.d/netoptions", "# KEYWORD: nojail\n");
        assert!(!writes(&older, Jail::Vnet));
        let none = MemoryFiles::default().with("/etc/rc.conf", "tcp_keepalive=NO\n");
        assert!(!writes(&none, Jail::None));
    }

    #[test]
    fn the_command_that_agrees_is_named() {
        assert_eq!(sysrc("net.inet.tcp.always_keepalive", "0").as_deref(), Some("sysrc tcp_keepalive=NO"));
        assert_eq!(
            sysrc("net.inet.ip.portrange.first", "20000").as_deref(),
            Some("sysrc ip_portrange_first=20000")
        );
        assert_eq!(sysrc("net.inet.tcp.always_keepalive", "2"), None);
        assert_eq!(sysrc("net.inet.tcp.msl", "2"), None);
    }
}
