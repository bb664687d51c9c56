//! What the findings come to, taken together: the exit status and the sentence.

use std::path::Path;

use tune_model::finding::ProfileRef;
use tune_model::profile::Source;
use tune_model::{Finding, Status, System};

/// Everything that counts is met.
pub const EXIT_MET: u8 = 0;
/// Something could not be read.
pub const EXIT_UNKNOWN: u8 = 1;
/// The host differs from what is wanted.
pub const EXIT_DIFFERS: u8 = 2;

/// Tells whether a finding counts: optional ones and those of a wider scope are shown only.
#[must_use]
pub fn counts(finding: &Finding) -> bool {
    !finding.optional && finding.status != Status::OutOfScope
}

/// Returns the exit status of an audit or a dry run: 2 where the host differs, else 1 where something could not be
/// read, else 0.
#[must_use]
pub fn exit_status(findings: &[Finding]) -> u8 {
    let counted = || findings.iter().filter(|finding| counts(finding));
    if counted().any(|finding| finding.status.differs()) {
        EXIT_DIFFERS
    } else if counted().any(|finding| finding.status == Status::Unreadable) {
        EXIT_UNKNOWN
    } else {
        EXIT_MET
    }
}

/// Tells whether something that counts waits for a reboot only.
#[must_use]
pub fn reboot_required(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| counts(finding) && finding.status == Status::PendingReboot)
}

/// Returns the findings in a sentence: `2 of 5 settings differ: 1 drifted, 1 will drift; 1 cannot be read.`
#[must_use]
pub fn sentence(findings: &[Finding]) -> String {
    let counted: Vec<_> = findings.iter().filter(|finding| counts(finding)).collect();
    let differing = counted.iter().filter(|finding| finding.status.differs()).count();
    let mut parts = vec![head(differing, counted.len(), &counted)];
    let unreadable = counted.iter().filter(|finding| finding.status == Status::Unreadable).count();
    if unreadable > 0 {
        parts.push(format!("{unreadable} cannot be read"));
    }
    let uncounted = findings.len() - counted.len();
    if uncounted > 0 {
        parts.push(format!("{uncounted} not counted (optional or out of scope)"));
    }
    parts.join("; ") + "."
}

fn head(differing: usize, all: usize, counted: &[&Finding]) -> String {
    match (differing, all) {
        (_, 0) => "no settings to judge".to_owned(),
        (0, _) => {
            let met = counted.iter().filter(|finding| finding.status == Status::Met).count();
            match all {
                1 if met == 1 => "1 setting met".to_owned(),
                all if met == all => format!("all {} met", settings(all)),
                all => format!("{met} of {} met", settings(all)),
            }
        }
        _ => {
            let verb = if differing == 1 { "differs" } else { "differ" };
            format!("{differing} of {} {verb}: {}", settings(all), kinds(counted))
        }
    }
}

fn kinds(counted: &[&Finding]) -> String {
    const KINDS: &[(Status, &str)] = &[
        (Status::Drifted, "drifted"),
        (Status::WillDrift, "will drift at the next boot"),
        (Status::PendingReboot, "pending a reboot"),
        (Status::Unsupported, "unsupported"),
    ];
    let number = |status| counted.iter().filter(|finding| finding.status == status).count();
    let shown =
        KINDS.iter().map(|(status, words)| (number(*status), words)).filter(|(number, _)| *number > 0);
    shown.map(|(number, words)| format!("{number} {words}")).collect::<Vec<_>>().join(", ")
}

/// Returns `1 setting`, `5 settings`.
#[must_use]
pub fn settings(number: usize) -> String {
    counted(number, "setting")
}

/// Returns a number of things: `1 step`, `5 steps`.
#[must_use]
pub fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Returns the command that does something with these profiles in this scope, or `None` when they are not to be had
/// again: from standard input, or made up on the command line.
#[must_use]
pub fn command(verb: &str, profiles: &[ProfileRef], scope: &str) -> Option<String> {
    let names = profiles.iter().map(argument).collect::<Option<Vec<_>>>()?;
    let names = if names.is_empty() { String::new() } else { format!(" {}", names.join(" ")) };
    Some(format!("tune {verb}{names}{}", scope_option(scope)))
}

/// Returns the option that chooses a scope again, after a space; nothing for the host itself.
#[must_use]
pub fn scope_option(scope: &str) -> String {
    match scope.split_once(':') {
        Some(("netns", name)) if is_own(name) => String::new(),
        Some(("netns", name)) => format!(" --netns {}", quoted(name)),
        Some(("root", dir)) => format!(" --root {}", quoted(dir)),
        _ => String::new(),
    }
}

/// Tells whether a namespace goes by its inode, as the caller's own one does.
fn is_own(name: &str) -> bool {
    name.starts_with('[')
}

fn argument(profile: &ProfileRef) -> Option<String> {
    match &profile.source {
        Source::BuiltIn => Some(quoted(&profile.name)),
        Source::File(path) if is_of_a_site(path) => Some(quoted(&profile.name)),
        Source::File(path) => Some(quoted(&path.display().to_string())),
        Source::StandardInput | Source::CommandLine => None,
    }
}

/// Tells whether a profile is where sites keep theirs: those are found by name.
fn is_of_a_site(path: &Path) -> bool {
    System::ALL.iter().any(|system| path.parent() == Some(system.profile_directory().as_ref()))
}

/// Quotes a word for the shell where it has to be.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{finding, profile};

    #[test]
    fn differing_outweighs_unreadable_and_what_does_not_count_is_left_out() {
        let optional = |status| Finding { optional: true, ..finding(status) };
        for (findings, exit) in [
            (vec![], 0),
            (vec![finding(Status::Met)], 0),
            (vec![finding(Status::Unreadable), finding(Status::Met)], 1),
            (vec![finding(Status::Unreadable), finding(Status::Drifted)], 2),
            (vec![finding(Status::WillDrift)], 2),
            (vec![finding(Status::PendingReboot)], 2),
            (vec![finding(Status::Unsupported)], 2),
            (vec![optional(Status::Unsupported), finding(Status::OutOfScope)], 0),
        ] {
            assert_eq!(exit_status(&findings), exit, "{findings:?}");
        }
    }

    #[test]
    fn the_sentence_counts_what_the_exit_status_counts() {
        let findings =
            [Status::Drifted, Status::WillDrift, Status::Met, Status::Unreadable, Status::OutOfScope];
        assert_eq!(
            sentence(&findings.map(finding)),
            "2 of 4 settings differ: 1 drifted, 1 will drift at the next boot; 1 cannot be read; \
             1 not counted (optional or out of scope)."
        );
        assert_eq!(sentence(&[finding(Status::Met)]), "1 setting met.");
        assert_eq!(sentence(&[]), "no settings to judge.");
    }

    #[test]
    fn the_next_command_can_be_pasted() {
        let mut ours = profile("my site");
        ours.source = Source::File("./it's mine.toml".into());
        assert_eq!(
            command("apply", &[profile("web-server"), ours], "netns:blue").as_deref(),
            Some("tune apply web-server './it'\\''s mine.toml' --netns blue")
        );
        let piped = ProfileRef { source: Source::StandardInput, ..profile("-") };
        assert_eq!(command("apply", &[piped], "host"), None);
        let entered = command("apply", &[profile("web-server")], "netns:[4026532178]");
        assert_eq!(entered.as_deref(), Some("tune apply web-server"), "an inode is no name to ask for");
    }
}
