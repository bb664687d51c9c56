//! How a system is told things natively: its command, its files, and how a line of each looks.

use tune_model::{Catalog, Mutability, Slot, System, Tunable};

use crate::verdict::quoted;

/// A file that sets tunables at boot.
#[derive(Debug)]
pub(super) struct BootFile {
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
pub(super) struct Dialect {
    system: System,
    /// The system's name in a sentence.
    pub title: &'static str,
    /// The oldest release that is supported.
    oldest: (u32, u32),
    /// The command that shows tunables and passes over those that are not there.
    pub look: &'static str,
    /// The command that sets a tunable, before its name.
    set: &'static str,
    /// The same, passing over a tunable that is not there.
    set_if_there: &'static str,
    /// Where lines may stand that set the same.
    pub elsewhere: &'static [&'static str],
    files: &'static [BootFile],
}

const LINUX: Dialect = Dialect {
    system: System::Linux,
    title: "Linux",
    oldest: (4, 19),
    look: "sysctl -e",
    set: "sysctl -w ",
    set_if_there: "sysctl -e -w ",
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
    oldest: (13, 0),
    look: "sysctl -i",
    set: "sysctl ",
    set_if_there: "sysctl -i ",
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

/// Its values are properties, which it is told in another way; here is what its catalog says of them.
const SOLARIS: Dialect = Dialect {
    system: System::Solaris,
    title: "illumos and Solaris",
    oldest: (5, 10),
    look: "",
    set: "",
    set_if_there: "",
    elsewhere: &[],
    files: &[],
};

impl Dialect {
    /// Returns how a system is told things.
    pub const fn of(system: System) -> &'static Self {
        match system {
            System::Linux => &LINUX,
            System::FreeBsd => &FREEBSD,
            System::Solaris => &SOLARIS,
        }
    }

    /// Returns the command that sets a tunable of the running kernel.
    pub fn command(&self, tunable: &str, value: &str) -> String {
        let set = if self.presence(tunable).is_some() { self.set_if_there } else { self.set };
        format!("{set}{}", quoted(&format!("{tunable}={value}")))
    }

    /// Says on which hosts a tunable is there, where it is not on all.
    pub fn presence(&self, tunable: &str) -> Option<String> {
        let row = self.row(tunable)?;
        let newer = row.since.as_ref().filter(|since| numbers(since) > Some(self.oldest));
        let (name, title) = (&row.name, self.title);
        match (&row.module, &row.until, newer) {
            (Some(module), ..) => Some(format!("{name} is there only while the module {module} is loaded.")),
            (_, Some(until), _) => Some(format!("{name} is gone after {title} {until}.")),
            (_, _, Some(since)) => Some(format!("{name} is there since {title} {since}.")),
            _ => None,
        }
    }

    /// Returns what raises a number to the least it may be where it is lower, other fields staying as they are: now,
    /// unless the running kernel cannot, and for the next boot.
    pub fn raise(&self, slot: &Slot, least: &str, now: bool) -> Vec<String> {
        let file = self.file_for(&slot.tunable);
        let value = self.kept(slot, least);
        let set = now.then(|| format!("  {} &&", self.set(&slot.tunable, &value)));
        let line = file.line(&slot.tunable, &value).replace('"', "\\\"");
        let keep = [format!("  echo \"{line}\" \\"), format!("    >> {}", file.limits)];
        self.where_lower(slot, least, set.into_iter().chain(keep))
    }

    /// Returns what raises a number of the running kernel where it is lower.
    pub fn raise_now(&self, slot: &Slot, least: &str) -> Vec<String> {
        let set = self.set(&slot.tunable, &self.kept(slot, least));
        self.where_lower(slot, least, [format!("  {set}")])
    }

    fn set(&self, tunable: &str, value: &str) -> String {
        format!("{}\"{tunable}={value}\"", self.set)
    }

    /// Returns a tunable's text with one number replaced and the others as they have been read.
    fn kept(&self, slot: &Slot, number: &str) -> String {
        let Some(field) = slot.field else { return number.to_owned() };
        let width = self.row(&slot.tunable).map_or(field + 1, Tunable::width);
        let word = |at| if at == field { number.to_owned() } else { format!("${}", at + 1) };
        (0..width).map(word).collect::<Vec<_>>().join(" ")
    }

    fn where_lower(&self, slot: &Slot, least: &str, then: impl IntoIterator<Item = String>) -> Vec<String> {
        // What is not there is not too low.
        let absent = self.presence(&slot.tunable).map(|_| format!(" || echo {least}")).unwrap_or_default();
        let read = format!("$(sysctl -n {}{absent})", slot.tunable);
        let (before, number) = match slot.field {
            None => (None, read),
            Some(field) => (Some(format!("set -- {read}")), format!("${}", field + 1)),
        };
        let condition = format!("if [ \"{number}\" -lt {least} ]; then");
        before.into_iter().chain([condition]).chain(then).chain(["fi".to_owned()]).collect()
    }

    /// Returns what is known of a tunable.
    pub fn row(&self, tunable: &str) -> Option<&'static Tunable> {
        Catalog::of(self.system).get(tunable)
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

/// Returns the numbers of a release such as `14.1`.
fn numbers(release: &str) -> Option<(u32, u32)> {
    let (major, minor) = release.split_once('.').unwrap_or((release, "0"));
    let minor = minor.split('.').next().unwrap_or("0");
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Returns the tunable that a line of a boot file sets.
pub(super) fn set_by(line: &str) -> Option<&str> {
    let name = line.split_once('=')?.0.trim();
    (!name.starts_with('#')).then_some(name)
}
