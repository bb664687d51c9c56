//! How a system is told things natively: its command, its files, and how a line of each looks.

use tune_model::{Catalog, Mutability, Slot, System};

use crate::verdict::quoted;

/// A file that sets tunables at boot.
#[derive(Debug)]
pub(crate) struct BootFile {
    /// The file.
    pub path: &'static str,
    /// Other lines may stand in it: ours are added at its end.
    pub shared: bool,
    /// The file for what is found too low on a host: one that is not written anew.
    pub limits: &'static str,
    /// What reads it, and what wins over it.
    pub note: &'static str,
    /// What stands between a name and its value, and around the value.
    form: (&'static str, &'static str),
}

impl BootFile {
    /// Returns the line that sets a tunable.
    pub fn line(&self, tunable: &str, value: &str) -> String {
        let (between, around) = self.form;
        format!("{tunable}{between}{around}{value}{around}")
    }
}

/// How one system is told things.
#[derive(Debug)]
pub(crate) struct Dialect {
    system: System,
    /// The system's name in a sentence.
    pub title: &'static str,
    /// The command that sets a tunable, before its name.
    set: &'static str,
    /// Where lines may stand that set the same.
    pub elsewhere: &'static [&'static str],
    files: &'static [BootFile],
}

const LINUX: Dialect = Dialect {
    system: System::Linux,
    title: "Linux",
    set: "sysctl -w ",
    elsewhere: &[
        "/etc/sysctl.conf",
        "/etc/sysctl.d",
        "/run/sysctl.d",
        "/usr/local/lib/sysctl.d",
        "/usr/lib/sysctl.d",
        "/lib/sysctl.d",
    ],
    files: &[BootFile {
        path: "/etc/sysctl.d/zz-tune.conf",
        shared: false,
        limits: "/etc/sysctl.d/zz-tune-limits.conf",
        note: "systemd-sysctl reads it after all files whose names sort before it. Where sysctl --system sets the \
               values at boot, /etc/sysctl.conf is read later still and wins.",
        form: (" = ", ""),
    }],
};

const FREEBSD: Dialect = Dialect {
    system: System::FreeBsd,
    title: "FreeBSD",
    set: "sysctl ",
    elsewhere: &[
        "/etc/sysctl.conf",
        "/etc/sysctl.conf.local",
        "/boot/loader.conf",
        "/boot/loader.conf.local",
        "/boot/loader.conf.d",
    ],
    files: &[
        BootFile {
            path: "/etc/sysctl.conf.local",
            shared: true,
            limits: "/etc/sysctl.conf.local",
            note: "sysctl(8) is given it last, early in the boot and once more at its end. These lines are added to \
                   what stands there: paste them once.",
            form: ("=", ""),
        },
        BootFile {
            path: "/boot/loader.conf.d/tune.conf",
            shared: false,
            limits: "/boot/loader.conf.d/tune-limits.conf",
            note: "The loader reads it before the kernel starts; /boot/loader.conf.local is read later and wins.",
            form: ("=", "\""),
        },
    ],
};

impl Dialect {
    /// Returns how a system is told things.
    pub const fn of(system: System) -> &'static Self {
        match system {
            System::Linux | System::Solaris => &LINUX,
            System::FreeBsd => &FREEBSD,
        }
    }

    /// Returns the command that sets a tunable of the running kernel.
    pub fn command(&self, tunable: &str, value: &str) -> String {
        format!("{}{}", self.set, quoted(&format!("{tunable}={value}")))
    }

    /// Returns what raises a number to the least it may be where it is lower, other fields staying as they are: now,
    /// unless the running kernel cannot, and for the next boot.
    pub fn raise(&self, slot: &Slot, least: &str, now: bool) -> Vec<String> {
        let (tunable, file) = (&slot.tunable, self.file_for(&slot.tunable));
        let (number, value) = match slot.field {
            None => (format!("$(sysctl -n {tunable})"), least.to_owned()),
            Some(field) => {
                let kept = |at| if at == field { least.to_owned() } else { format!("${}", at + 1) };
                (format!("${}", field + 1), self.whole(tunable, kept))
            }
        };
        let read = slot.field.map(|_| format!("set -- $(sysctl -n {tunable})"));
        let set = now.then(|| format!("  {}\"{tunable}={value}\" &&", self.set));
        let line = file.line(tunable, &value).replace('"', "\\\"");
        let condition = format!("if [ \"{number}\" -lt {least} ]; then");
        let keep = [format!("  echo \"{line}\" \\"), format!("    >> {}", file.limits), "fi".to_owned()];
        read.into_iter().chain([condition]).chain(set).chain(keep).collect()
    }

    /// Returns what is known of a tunable.
    pub fn row(&self, tunable: &str) -> Option<&'static tune_model::Tunable> {
        Catalog::of(self.system).get(tunable)
    }

    /// Returns the text of a tunable with several fields, each made by its number.
    pub fn whole(&self, tunable: &str, field: impl Fn(usize) -> String) -> String {
        let width = self.row(tunable).map_or(1, tune_model::Tunable::width);
        (0..width).map(field).collect::<Vec<_>>().join(" ")
    }

    /// Returns what is known of a boot file.
    pub fn file(&self, path: &str) -> Option<&'static BootFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Returns the file in which a tunable is set: the loader's, where there is one, for what can be set freely only
    /// before the kernel starts.
    pub fn file_for(&self, tunable: &str) -> &'static BootFile {
        let early = self.row(tunable).is_some_and(|row| row.loader && row.mutability != Mutability::Live);
        &self.files[usize::from(early && self.files.len() > 1)]
    }
}

/// Returns the tunable that a line of a boot file sets.
pub(crate) fn set_by(line: &str) -> Option<&str> {
    let name = line.split_once('=')?.0.trim();
    (!name.starts_with('#')).then_some(name)
}
