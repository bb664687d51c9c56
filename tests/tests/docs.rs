//! The documents: links lead somewhere, profiles in them can be used, and the page of settings is up to date.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use tune_model::Catalog;
use tune_model::profile::{self, BuiltIn, InMemory, Library, LibraryError, ProfileText};
use tune_tests::legacy_page::legacy_page;
use tune_tests::one_profile::one_profile_page;
use tune_tests::reference::{self, anchor};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns every document of the project: those at the top, in docs, and the README of each part.
fn documents() -> Vec<(PathBuf, String)> {
    let below = [
        "",
        "docs",
        "docs/schemas",
        "docs/settings",
        "docs/systems",
        "docs/tunables",
        "packaging/ansible",
        "packaging/puppet",
        "packaging/salt",
        "tests",
    ];
    let mut folders: Vec<_> = below.iter().map(|folder| root().join(folder)).collect();
    let crates = fs::read_dir(root().join("crates")).unwrap();
    folders.extend(crates.map(|entry| entry.unwrap().path()));
    let files =
        folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    let pages = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut found: Vec<_> = pages.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    found.sort();
    assert!(found.len() >= 15, "{found:?}");
    found
}

/// Returns the fenced blocks of a document: what stands behind the fence, and the text.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let body: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((info, body.join("\n") + "\n"));
        }
    }
    blocks
}

/// Returns a document without its fenced blocks.
fn prose(text: &str) -> String {
    let mut inside = false;
    let outside = |line: &&str| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    text.lines().filter(outside).collect::<Vec<_>>().join("\n")
}

fn links(prose: &str) -> impl Iterator<Item = &str> {
    prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0))
}

fn has_anchor(text: &str, wanted: &str) -> bool {
    let prose = prose(text);
    let headings = prose.lines().filter_map(|line| line.strip_prefix('#'));
    headings.map(|heading| anchor(heading.trim_start_matches('#'))).any(|anchor| anchor == wanted)
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for (path, text) in documents() {
        for link in links(&prose(&text)).filter(|link| !link.contains("://")) {
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let content = fs::read_to_string(&target).unwrap_or_default();
            if !target.exists() || (!fragment.is_empty() && !has_anchor(&content, fragment)) {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

/// The built-in profiles, and one from a document.
struct Shelf(InMemory);

impl Library for Shelf {
    fn find(&self, name: &str) -> Result<Option<ProfileText>, LibraryError> {
        self.0.find(name)?.map_or_else(|| BuiltIn.find(name), |found| Ok(Some(found)))
    }

    fn names(&self) -> Vec<String> {
        BuiltIn.names()
    }
}

fn mistakes(library: &dyn Library, name: &str) -> String {
    match profile::check(library, Catalog::of, name) {
        Ok(found) => found.iter().map(|found| format!("{}: {}\n", found.origin, found.message)).collect(),
        Err(error) => format!("{error}\n"),
    }
}

fn name_in(profile: &str) -> &str {
    profile.split("name = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap()
}

#[test]
fn profiles_in_documents_can_be_used() {
    let mut checked = 0;
    for (path, text) in documents() {
        for (info, block) in blocks(&text) {
            let (library, name) = match info.split_once(' ') {
                Some(("toml", "profile")) => {
                    (InMemory::default().with(name_in(&block), &block), name_in(&block))
                }
                Some(("toml", rest)) => {
                    let name = rest.strip_prefix("override ").expect("what the block is");
                    let below = BuiltIn::text(name).unwrap();
                    (InMemory::default().with(name, below).with_override(name, "10.toml", &block), name)
                }
                _ => continue,
            };
            let found = mistakes(&Shelf(library), name);
            assert!(found.is_empty(), "{}: {name}:\n{found}", path.display());
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} profiles were found");
}

/// Holds a page against what it is made from, and writes it anew where that is asked for.
fn is_up_to_date(name: &str, page: &str) {
    let path = root().join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        // Put in place at once: another test follows the links to this page meanwhile.
        let beside = path.with_extension("new");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&beside, page).unwrap();
        fs::rename(&beside, &path).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(published == page, "{name} is out of date: run the tests once with UPDATE_DOCS=1");
}

#[test]
fn the_reference_is_up_to_date() {
    let pages = reference::pages();
    assert!(pages.len() > 20, "{}", pages.len());
    pages.iter().for_each(|(name, page)| is_up_to_date(name, page));
    for folder in ["docs/settings", "docs/tunables"] {
        for file in fs::read_dir(root().join(folder)).unwrap() {
            let name = format!("{folder}/{}", file.unwrap().file_name().to_str().unwrap());
            assert!(pages.iter().any(|(page, _)| *page == name), "{name} is of nothing that there is");
        }
    }
}

#[test]
fn the_page_of_other_systems_is_up_to_date() {
    is_up_to_date("docs/systems/legacy.md", &legacy_page());
}

#[test]
fn the_page_of_one_profile_is_up_to_date() {
    is_up_to_date("docs/one-profile.md", &one_profile_page());
}

#[test]
fn headings_become_anchors_as_on_the_pages() {
    assert_eq!(anchor("tcp.fin_wait_2_timeout"), "tcpfin_wait_2_timeout");
    assert_eq!(anchor(" From configuration management"), "from-configuration-management");
    assert_eq!(links("see [a](b.md) and [c](d.md#e)").collect::<Vec<_>>(), ["b.md", "d.md#e"]);
}
