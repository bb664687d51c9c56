//! What the loader leaves for the kernel: its files, read in the order that its defaults name.
//!
//! Only plain assignments are understood; anything else is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The variables that say which files are read.
const LISTS: &[&str] = &["loader_conf_files", "loader_conf_dirs", "local_loader_conf_files"];

/// Returns the environment that the loader makes of the files below `root`.
///
/// # Errors
///
/// Says which line or file the fake does not know the meaning of.
pub fn environment(root: &Path) -> Result<BTreeMap<String, String>, String> {
    let mut found = assignments(root, Path::new("/boot/defaults/loader.conf"))?
        .ok_or("the fake FreeBSD does not start without /boot/defaults/loader.conf")?;
    for path in sequence(root, &found)? {
        let Some(more) = assignments(root, &path)? else { continue };
        if let Some(list) = LISTS.iter().find(|list| more.contains_key(**list)) {
            return Err(format!("{}: the fake FreeBSD does not know what {list} does here", path.display()));
        }
        found.extend(more);
    }
    if root.join("boot/nextboot.conf").exists() {
        return Err("the fake FreeBSD does not know /boot/nextboot.conf".to_owned());
    }
    Ok(found)
}

/// Returns the files after the defaults, in order.
fn sequence(root: &Path, defaults: &BTreeMap<String, String>) -> Result<Vec<PathBuf>, String> {
    let words = |list: &str| {
        let words = defaults.get(list).map_or("", String::as_str).split_whitespace();
        words.map(|word| Path::new("/boot").join(word)).collect::<Vec<_>>()
    };
    let mut paths = words(LISTS[0]);
    for directory in words(LISTS[1]) {
        let real = root.join(directory.strip_prefix("/").unwrap_or(&directory));
        let Ok(entries) = std::fs::read_dir(&real) else { continue };
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names = names.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        names.sort();
        let read = names.into_iter().filter(|name| name.to_string_lossy().ends_with(".conf"));
        paths.extend(read.map(|name| directory.join(name)));
    }
    paths.extend(words(LISTS[2]));
    Ok(paths)
}

/// Returns the assignments of a file, or `None` where there is no such file.
///
/// # Errors
///
/// Names the first line that is no plain assignment.
pub fn assignments(root: &Path, path: &Path) -> Result<Option<BTreeMap<String, String>>, String> {
    let real = root.join(path.strip_prefix("/").unwrap_or(path));
    let text = match std::fs::read_to_string(&real) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let mut found = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let wrong = || format!("{}:{}: the fake FreeBSD does not know {line:?}", path.display(), at + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, rest) = line.split_once('=').ok_or_else(wrong)?;
        let sound = |c: char| c.is_ascii_alphanumeric() || "_.-%".contains(c);
        let value = value(rest).filter(|_| !name.is_empty() && name.chars().all(sound)).ok_or_else(wrong)?;
        found.insert(name.to_owned(), value);
    }
    Ok(Some(found))
}

/// Returns the value after a `=`: in quotes or one word, and nothing but a comment after it.
fn value(rest: &str) -> Option<String> {
    let (value, after) = match rest.strip_prefix('"') {
        Some(rest) => rest.split_once('"')?,
        None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
    };
    let after = after.trim_start();
    let plain = !value.contains(['"', '\'', '\\', '$', '`', '#']);
    (plain && (after.is_empty() || after.starts_with('#'))).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_plain_assignments_have_a_value() {
        assert_eq!(value("\"two words\" # said").as_deref(), Some("two words"));
        assert_eq!(value("65536").as_deref(), Some("65536"));
        for odd in ["\"open", "a b", "\"$x\"", "'single'", "\"a\"b"] {
            assert_eq!(value(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_defaults_say_which_file_has_the_last_word() {
        let root = tempfile::tempdir().unwrap();
        let boot = root.path().join("boot");
        std::fs::create_dir_all(boot.join("defaults")).unwrap();
        std::fs::create_dir_all(boot.join("loader.conf.d")).unwrap();
        let put = |name: &str, text: &str| std::fs::write(boot.join(name), text).unwrap();
        put("loader.conf", "a=\"1\"\nb=\"1\"\nc=\"1\"\n");
        put("loader.conf.d/x.conf", "b=\"2\"\nc=\"2\"\n");
        put("loader.conf.d/not-read", "a=\"3\"\n");
        put("loader.conf.local", "c=\"3\"\n");
        let of = |name: &str| environment(root.path()).unwrap()[name].clone();

        put(
            "defaults/loader.conf",
            "loader_conf_files=\"/boot/loader.conf\"\nloader_conf_dirs=\"/boot/loader.conf.d\"\n\
             local_loader_conf_files=\"/boot/loader.conf.local\"\n",
        );
        assert_eq!([of("a"), of("b"), of("c")], ["1", "2", "3"]);
        put(
            "defaults/loader.conf",
            "loader_conf_files=\"loader.conf loader.conf.local\"\nloader_conf_dirs=\"/boot/loader.conf.d\"\n",
        );
        assert_eq!([of("a"), of("b"), of("c")], ["1", "2", "2"]);
    }
}
