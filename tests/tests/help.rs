//! Help, manual pages and completions.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use tune_tests::sandbox::{Sandbox, TUNE, inside};

const COMMANDS: &[&[&str]] = &[
    &[],
    &["status"],
    &["explain"],
    &["profile"],
    &["profile", "list"],
    &["profile", "show"],
    &["profile", "check"],
    &["profile", "schema"],
    &["profile", "new"],
    &["audit"],
    &["plan"],
    &["apply"],
    &["set"],
    &["confirm"],
    &["render"],
    &["active"],
    &["off"],
    &["rollback"],
    &["history"],
    &["prove"],
    &["recover"],
    &["diagnose"],
    &["drop"],
    &["facts"],
    &["completions"],
    &["man"],
];

#[test]
fn help_fits_and_begins_with_what_the_command_does() {
    inside(|sandbox| {
        for command in COMMANDS {
            for flag in ["-h", "--help"] {
                let help = sandbox.tune(&[command, &[flag][..]].concat()).code(0);
                assert_eq!(help.err, "");
                let first = help.out.lines().next().unwrap();
                assert!(first.chars().next().unwrap().is_uppercase(), "{first:?}");
                assert!(first.chars().count() > 10, "{first:?}");
                let widest = help.out.lines().max_by_key(|line| line.chars().count()).unwrap();
                assert!(widest.chars().count() <= 100, "{}: {widest:?}", help.line);
                assert!(help.out.contains("Usage: tune"), "{}", help.out);
                assert!(!help.out.contains('\x1b'), "{}", help.out);
            }
        }
    });
}

/// Every command that the help names.
fn named(sandbox: &Sandbox) -> Vec<String> {
    let help = sandbox.tune(&["--help"]).code(0).out;
    let list = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .filter(|name| name != "help")
        .collect()
}

#[test]
fn every_command_is_listed_here() {
    inside(|sandbox| {
        for name in named(sandbox) {
            assert!(COMMANDS.iter().any(|command| command.first() == Some(&name.as_str())), "{name}");
        }
        assert!(named(sandbox).len() > 10);
    });
}

#[test]
fn manual_pages_are_understood_by_the_tools_that_show_them() {
    inside(|sandbox| {
        let mut pages = vec!["tune".to_owned()];
        let mut read = 0;
        while let Some(page) = pages.pop() {
            let names = page.split('-').skip(1);
            let arguments: Vec<_> = ["man"].into_iter().chain(names).collect();
            let text = sandbox.tune(&arguments).code(0).out;
            let title = format!(".TH {page} 8 ");
            assert!(text.contains(&title) && text.contains(".SH NAME"), "{page:?}: {text}");
            lint(sandbox, &text);
            pages.extend(named_by(&text));
            read += 1;
        }
        assert!(read > named(sandbox).len(), "only {read} pages are named");
        let whole = sandbox.tune(&["man"]).code(0).out;
        for part in ["EXIT STATUS", "OPTIONS", "77", "tune\\-apply"] {
            assert!(whole.contains(part), "nothing of {part} in {whole}");
        }
    });
}

/// Returns the pages that a page sends its readers to.
fn named_by(page: &str) -> Vec<String> {
    let names = page.lines().filter_map(|line| line.strip_suffix("(8)"));
    names.map(|name| name.replace("\\-", "-")).filter(|name| name.starts_with("tune-")).collect()
}

fn lint(sandbox: &Sandbox, page: &str) {
    if Path::new("/usr/bin/mandoc").exists() {
        let ended = sandbox.with_input(&["mandoc", "-Tlint", "-Wwarning"], page.as_bytes());
        assert_eq!(ended.code, 0, "{}", ended.out);
    }
    if Path::new("/usr/bin/groff").exists() {
        let ended = sandbox.with_input(&["groff", "-man", "-Tutf8", "-ww", "-z"], page.as_bytes());
        // Where groff itself is not installed whole.
        let warnings: Vec<_> = ended.err.lines().filter(|line| !line.contains("man.local")).collect();
        assert!(ended.code == 0 && warnings.is_empty(), "{warnings:#?}\n{page}");
    }
}

/// A shell, and how it is asked whether it understands a text.
const SHELLS: &[(&str, &[&str])] =
    &[("bash", &["bash", "-n"]), ("zsh", &["zsh", "-n"]), ("fish", &["fish", "--no-execute"])];

#[test]
fn completions_are_understood_by_their_shells() {
    inside(|sandbox| {
        for (shell, check) in SHELLS {
            let text = sandbox.tune(&["completions", shell]).code(0).out;
            for name in named(sandbox) {
                assert!(text.contains(&name), "{shell}: {name}");
            }
            assert!(text.contains("dry-run"), "{shell}");
            if Path::new("/usr/bin").join(shell).exists() {
                let ended = sandbox.with_input(check, text.as_bytes());
                assert_eq!((ended.code, ended.err.as_str()), (0, ""));
            }
        }
        sandbox.tune(&["completions", "tcsh"]).code(64).says(&["bash", "fish", "zsh"]);
        let version = sandbox.run(&[TUNE, "--version"]).code(0).out;
        assert!(version.starts_with("tune ") && version.lines().count() == 1, "{version}");
    });
}
