//! The commands that the documents show are commands that there are.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use clap::Parser;

use crate::args::Cli;

/// Splits a command as a shell would, as far as the documents need it; a comment ends it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next().filter(|first| *first != '#') {
        let (word, after) = match first {
            '\'' | '"' => rest[1..].split_once(first).unwrap(),
            _ => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

/// Returns the `tune` command in a line of a block, whatever stands before it.
fn command(line: &str) -> Option<Vec<String>> {
    const BEFORE: &[&str] = &[
        "$ ",
        "# ",
        "- ",
        "ansible.builtin.command: ",
        "command: ",
        "name: ",
        "test_name: ",
        "unless => '",
        "exec { '",
    ];
    let mut line = line.trim().split(" && ").last()?;
    while let Some(rest) = BEFORE.iter().find_map(|before| line.strip_prefix(before)) {
        line = rest;
    }
    let line = line.strip_prefix("target/release/").unwrap_or(line);
    let line = line.split(" > ").next()?.split(" || ").next()?;
    let line = line.strip_suffix("',").or_else(|| line.strip_suffix("':")).unwrap_or(line);
    line.starts_with("tune ").then(|| words(line))
}

fn commands(text: &str) -> Vec<Vec<String>> {
    let mut inside = false;
    let blocks = text.lines().filter(|line| {
        let fence = line.starts_with("```");
        inside ^= fence;
        inside && !fence
    });
    blocks.filter_map(command).collect()
}

#[test]
fn commands_in_the_documents_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = 0;
    for name in [
        "README.md",
        "docs/guide.md",
        "docs/fleets.md",
        "docs/profiles.md",
        "docs/linux.md",
        "docs/diagnose.md",
        "docs/systems/legacy.md",
        "CONTRIBUTING.md",
    ] {
        for words in commands(&std::fs::read_to_string(root.join(name)).unwrap()) {
            let parsed = Cli::try_parse_from(&words);
            assert!(parsed.is_ok(), "{name}: {words:?}: {}", parsed.unwrap_err());
            found += 1;
        }
    }
    assert!(found > 30, "only {found} commands were found");
}

#[test]
fn a_command_is_found_whatever_stands_before_it() {
    let of = |line| command(line).map(|words| words.join("|"));
    assert_eq!(of("# tune set 'a.b<=30s' --yes").unwrap(), "tune|set|a.b<=30s|--yes");
    assert_eq!(of("    - name: tune apply x --yes").unwrap(), "tune|apply|x|--yes");
    assert_eq!(of("cargo build && target/release/tune apply x --check").unwrap(), "tune|apply|x|--check");
    assert_eq!(of("exec { 'tune apply x --yes':").unwrap(), "tune|apply|x|--yes");
    assert_eq!(of("  unless => 'tune audit x --format json',").unwrap(), "tune|audit|x|--format|json");
    assert_eq!(of("tune plan x    # what would be done").unwrap(), "tune|plan|x");
    assert_eq!(of("tune man apply > /usr/share/x").unwrap(), "tune|man|apply");
    assert_eq!(of("- test_name: tune plan x || test $? -eq 2").unwrap(), "tune|plan|x");
    assert_eq!(of("next: tune apply x"), None);
}
