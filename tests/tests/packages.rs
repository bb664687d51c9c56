//! What packages say of the program, held against the program: the version in one place, and every page, profile and
//! schema in every list of files.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tune_tests::binary;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Returns every text file below a directory of the project.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn page(names: &[&str]) -> String {
    let ended = Command::new(binary::tune()).arg("man").args(names).output().unwrap();
    assert!(ended.status.success(), "tune man {names:?}");
    String::from_utf8(ended.stdout).unwrap()
}

/// Returns the names of all manual pages: that of tune, and those that a page names.
fn pages() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec!["tune".to_owned()];
    while let Some(name) = left.pop() {
        let text = page(&name.split('-').skip(1).collect::<Vec<_>>());
        let named = text.lines().filter_map(|line| line.strip_suffix("(8)"));
        left.extend(named.map(|name| name.replace("\\-", "-")).filter(|name| name.starts_with("tune-")));
        found.insert(name);
    }
    assert!(found.len() > 20, "{found:?}");
    found
}

fn names_in(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.into_string().unwrap()).collect()
}

/// Returns what stands between two texts in the lines that have both.
fn between(text: &str, before: &str, after: &str) -> BTreeSet<String> {
    let rest = text.lines().filter_map(|line| line.split_once(before));
    rest.filter_map(|(_, rest)| Some(rest.split_once(after)?.0.to_owned())).collect()
}

#[test]
fn the_version_is_said_in_one_place_and_where_a_port_must_say_it_again() {
    let port = text("packaging/freebsd/port/Makefile");
    assert!(port.contains(&format!("\nDISTVERSION=\t{VERSION}\n")), "{port}");
    let elsewhere = files_below(&root().join("packaging")).into_iter().filter(|path| {
        let found = fs::read_to_string(path).unwrap_or_default();
        // The collection and the module have to say it too, and since when there is what: their own tests hold that.
        let own_tests =
            ["packaging/ansible", "packaging/puppet"].iter().any(|part| path.starts_with(root().join(part)));
        !own_tests && !path.ends_with("freebsd/port/Makefile") && found.contains(VERSION)
    });
    assert_eq!(elsewhere.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[test]
fn what_the_build_takes_for_the_version_is_the_version() {
    let read = "source packaging/lib/common.sh && echo \"$VERSION\"";
    let ended = Command::new("bash").args(["-ec", read]).current_dir(root()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), format!("{VERSION}\n"), "{ended:?}");
}

#[test]
fn the_port_lists_every_page_profile_and_schema() {
    let list = text("packaging/freebsd/port/pkg-plist");
    assert_eq!(between(&list, "share/man/man8/", ".8.gz"), pages());
    assert_eq!(between(&(list.replace('\n', " \n")), "share/tune/profiles/", " "), names_in("profiles"));
    assert_eq!(between(&(list.replace('\n', " \n")), "share/tune/schemas/", " "), names_in("docs/schemas"));
}

#[test]
fn the_ips_manifest_lists_every_page_and_no_version() {
    let manifest = text("packaging/ips/tune.p5m");
    assert_eq!(between(&manifest, "path=usr/share/man/man8/", ".8 "), pages());
    assert!(manifest.contains("@$(VERSION),5.11-0\n"));
    // One action a line, with a mode and an owner each.
    let actions = manifest.lines().filter(|line| line.starts_with("file ") || line.starts_with("dir "));
    for action in actions {
        for part in ["path=", "owner=root", "group=", "mode=0"] {
            assert!(action.contains(part), "{action}: no {part}");
        }
    }
}
