//! The native programs of systems without a backend, as far as a script for them needs: they keep values in a
//! directory and log how they were called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::Ran;

const UNAME: &str = "#!/bin/sh\necho \"$SYSTEM\"\n";

const NDD: &str = r#"#!/bin/sh
echo "ndd $*" >>"$HOME/log"
case "$1" in
-get) cat "$HOME/values/$3" ;;
-set)
  if [ ! -f "$HOME/values/$3" ] || [ -f "$HOME/refuse" ]; then
    echo "ndd: set $3 failed" >&2
    exit 1
  fi
  echo "$4" >"$HOME/values/$3"
  ;;
-c) ;;
*) exit 2 ;;
esac
"#;

/// Knows `-p` unless the host has a file that says how old it is.
const NO: &str = r#"#!/bin/sh
echo "no $*" >>"$HOME/log"
if [ "$1" = -p ]; then
  if [ -f "$HOME/before-5.2" ]; then
    echo 'no: Not a recognized flag: p' >&2
    exit 1
  fi
  shift
fi
[ "$1" = -o ] || exit 2
name=`echo "$2" | sed 's/=.*//'`
if [ ! -f "$HOME/values/$name" ] || [ -f "$HOME/refuse" ]; then
  echo "no: unknown option $name" >&2
  exit 1
fi
case "$2" in
*=*) echo "$2" | sed 's/.*=//' >"$HOME/values/$name" ;;
*) echo "$name = `cat "$HOME/values/$name"`" ;;
esac
"#;

const SYSCTL: &str = r#"#!/bin/sh
echo "sysctl $*" >>"$HOME/log"
case "$1" in
-n)
  if [ ! -f "$HOME/values/$2" ]; then
    echo "sysctl: $2: value is not available" >&2
    exit 1
  fi
  cat "$HOME/values/$2"
  exit 0
  ;;
-w) shift ;;
esac
name=`echo "$1" | sed 's/=.*//'`
if [ ! -f "$HOME/values/$name" ] || [ -f "$HOME/refuse" ]; then
  echo "sysctl: $name: invalid argument" >&2
  exit 1
fi
value=`echo "$1" | sed 's/.*=//'`
echo "$name: `cat "$HOME/values/$name"` -> $value"
echo "$value" >"$HOME/values/$name"
"#;

/// A host of a system without a backend. Its files lie in a directory of their own.
#[derive(Debug)]
pub struct Native {
    directory: tempfile::TempDir,
    system: &'static str,
}

/// The shells that scripts are tried in. That of busybox would take its own programs for those of the system: functions
/// stand before them.
pub const SHELLS: &[&[&str]] = &[&["/bin/dash"], &["/bin/bash", "--posix"], &["/usr/bin/busybox", "sh"]];

impl Native {
    /// Makes a host whose `uname -s` is `system`, with these values.
    ///
    /// # Panics
    ///
    /// When the directory cannot be written.
    #[must_use]
    pub fn host(system: &'static str, values: &[(&str, i128)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the host");
        let host = Self { directory, system };
        for folder in ["bin", "values", "etc"] {
            fs::create_dir(host.path(folder)).expect("a directory of the host");
        }
        for (name, text) in [("uname", UNAME), ("ndd", NDD), ("no", NO), ("sysctl", SYSCTL)] {
            let path = host.path("bin").join(name);
            fs::write(&path, text).expect("a program of the host");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it can be run");
        }
        values.iter().for_each(|(name, value)| host.set(name, *value));
        host
    }

    /// Returns a path on the host.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Sets a value, as somebody else would.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn set(&self, name: &str, value: i128) {
        fs::write(self.path("values").join(name), format!("{value}\n")).expect("a value of the host");
    }

    /// Returns a value.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn value(&self, name: &str) -> i128 {
        let text = fs::read_to_string(self.path("values").join(name)).expect("a value of the host");
        text.trim().parse().expect("a number")
    }

    /// Makes a file that the programs look for.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file of the host");
    }

    /// Returns what a file holds; nothing where it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Returns the calls of native programs so far, and forgets them.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        let calls = self.text("log").lines().map(str::to_owned).collect();
        let _ = fs::remove_file(self.path("log"));
        calls
    }

    /// Runs a script. The boot files that it names are those of this host, in `etc`.
    ///
    /// # Panics
    ///
    /// When the script names a file of the machine itself after that, or the shell cannot be started.
    pub fn run(&self, shell: &[&str], script: &str, arguments: &[&str]) -> Ran {
        let etc = self.path("etc").display().to_string();
        let script = ["/etc/rc.config.d", "/etc"].iter().fold(script.to_owned(), |script, folder| {
            script.replace(&format!("file={folder}/"), &format!("file={etc}/"))
        });
        let own = script.lines().filter(|line| line.trim_start().starts_with("file="));
        assert!(own.clone().all(|line| line.contains(&etc)), "{script}");
        let bin = self.path("bin");
        let call = |name: &str| format!("{name}() {{ {}/{name} \"$@\"; }}\n", bin.display());
        let before: String = ["uname", "ndd", "no", "sysctl"].iter().map(|name| call(name)).collect();
        let path = self.path("script");
        fs::write(&path, before + &script).expect("the script");
        self.start(Command::new(shell[0]).args(&shell[1..]).arg(&path).args(arguments))
    }

    fn start(&self, command: &mut Command) -> Ran {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let home = self.directory.path();
        Ran::of(
            command.env_clear().envs([("PATH", path.as_str()), ("SYSTEM", self.system)]).env("HOME", home),
        )
    }

    /// Carries out the commands that a script showed to undo it.
    pub fn undo(&self, shown: &str) -> Ran {
        let commands = shown.split("to undo:\n").nth(1).unwrap_or_default().lines();
        let native =
            |line: &&str| ["ndd ", "no ", "sysctl "].iter().any(|tool| line.trim().starts_with(tool));
        let commands: Vec<_> = commands.filter(native).collect();
        self.start(Command::new("/bin/sh").args(["-ec", &commands.join("\n")]))
    }
}

/// Tells whether a shell is there to be tried.
#[must_use]
pub fn is_there(shell: &[&str]) -> bool {
    Path::new(shell[0]).exists()
}
