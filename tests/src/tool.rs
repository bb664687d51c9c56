//! Programs of others that a test drives and that not every machine has.

use std::path::{Path, PathBuf};

/// A site's profile of two values that every network namespace has.
pub const SITE: &str = r#"
[settings]
"tcp.fin_wait_2_timeout" = "30s"
"tcp.keepalive_idle" = "10min"
"#;

/// Returns where a program is: at the path in an environment variable, or in `PATH`.
///
/// # Errors
///
/// What is missing, in words for [`crate::may_run`], where it is at neither.
pub fn find(variable: &str, name: &str) -> Result<PathBuf, String> {
    let found = std::env::var_os(variable).map_or_else(|| in_path(name), |path| Some(PathBuf::from(path)));
    let missing = || format!("needs {name}: it is not in PATH, and {variable} names none");
    let found = found.ok_or_else(missing)?;
    if !found.is_file() {
        return Err(format!("needs {name}: {variable} names {}, which is no file", found.display()));
    }
    Ok(found)
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// Returns a directory of `packaging/`.
#[must_use]
pub fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name)
}
