//! Every line that sets a tunable, and why the winner wins.

use tune_host::Host;
use tune_host::backend::{BootLine, BootStory};
use tune_model::Place;

use crate::boot::{Attempt, Future, Jail, Outcome, Sources, Stage};
use crate::defaults::Ground;
use crate::next_boot::setup;

/// Tells how the next boot comes to the value of a tunable.
pub(crate) fn tell(host: &dyn Host, (ground, jail): (&Ground, Jail), tunable: &str) -> BootStory {
    let files = host.files();
    if jail == Jail::Shared {
        return BootStory::default();
    }
    let sources = Sources::read(files, jail);
    let names = sources.names().chain([tunable]);
    let future = setup(host, ground, jail, names).simulate(&sources);
    let tool = match jail {
        Jail::None => "the boot loader, then rc.d/sysctl and rc.d/netoptions",
        _ => "rc.d/sysctl and rc.d/netoptions",
    };
    BootStory {
        tool: Some(tool.to_owned()),
        lines: lines(&future, tunable),
        problems: future.problems.iter().map(ToString::to_string).collect(),
        ..BootStory::default()
    }
}

fn lines(future: &Future, tunable: &str) -> Vec<BootLine> {
    let source = future.predict(tunable).source;
    future.attempts_on(tunable).filter_map(|attempt| line(attempt, source.as_ref())).collect()
}

fn line(attempt: &Attempt, source: Option<&Place>) -> Option<BootLine> {
    let place = attempt.place.clone()?;
    let wins = source == Some(&place);
    let notes: Vec<String> = [read_by(attempt.stage), note(&attempt.outcome, source.filter(|_| !wins))]
        .into_iter()
        .flatten()
        .collect();
    let note = Some(notes.join("; ")).filter(|note| !note.is_empty());
    Some(BootLine { place, value: attempt.text.clone(), wins, note })
}

/// Says who reads a line, where that is not plain from its file.
fn read_by(stage: Stage) -> Option<String> {
    match stage {
        Stage::Loader { once: true } => Some("counts for one boot".to_owned()),
        Stage::Rc { variable } => Some(format!("{variable}, through rc.d/netoptions")),
        Stage::Loader { once: false } | Stage::Sysctl | Stage::Again => None,
    }
}

/// Says why a line does not win, or what is odd about what is made of it.
fn note(outcome: &Outcome, winner: Option<&Place>) -> Option<String> {
    match (outcome, winner) {
        (Outcome::Refused(why) | Outcome::Inert(why) | Outcome::Unclear(why), _) => Some(why.clone()),
        (Outcome::Overwritten(by), _) => Some(format!("a later line sets it: {by}")),
        (Outcome::Kept(..), Some(by)) => Some(format!("another line sets it after that: {by}")),
        (Outcome::Kept(_, odd), None) => odd.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tune_host::{FakeHost, MemoryFiles};

    fn files() -> MemoryFiles {
        MemoryFiles::default()
            .with("/etc/rc.d/sysctl", "")
            .with("/etc/rc.d/sysctl_lastload", "")
            .with("/etc/rc.d/netoptions", "")
            .with("/etc/defaults/rc.conf", "tcp_keepalive=\"YES\"\nrc_conf_files=\"/etc/rc.conf\"\n")
            .with("/boot/defaults/loader.conf", "loader_conf_files=\"/boot/loader.conf\"\n")
    }

    fn story(files: MemoryFiles, tunable: &str) -> BootStory {
        let ground = Ground { hz: 100, page: 4096, ..Ground::default() };
        tell(&FakeHost::new().with_files(files), (&ground, Jail::None), tunable)
    }

    fn told(story: &BootStory) -> Vec<(String, &str, bool, &str)> {
        let line = |line: &'_ BootLine| (line.place.to_string(), line.wins);
        let each = story.lines.iter().map(|one| {
            let (place, wins) = line(one);
            (place, one.value.as_str(), wins, one.note.as_deref().unwrap_or_default())
        });
        each.collect()
    }

    #[test]
    fn every_line_is_told_in_order() {
        let files = files()
            .with("/boot/loader.conf", "net.inet.tcp.always_keepalive=\"0\"\n")
            .with("/etc/rc.conf", "tcp_keepalive=NO\n")
            .with("/etc/sysctl.conf", "net.inet.tcp.always_keepalive=1\nnet.inet.tcp.always_keepalive=no\n")
            .with("/etc/sysctl.conf.local", "net.inet.tcp.always_keepalive=2\n");
        let story = story(files, "net.inet.tcp.always_keepalive");
        let by = "another line sets it after that: /etc/sysctl.conf.local:1";
        assert_eq!(
            told(&story),
            [
                ("/boot/loader.conf:1".to_owned(), "0", false, "the kernel does not ask the loader for it"),
                ("/etc/sysctl.conf:1".to_owned(), "1", false, by),
                (
                    "/etc/sysctl.conf:2".to_owned(),
                    "no",
                    false,
                    "sysctl refuses it: \"no\" is no number that it reads"
                ),
                ("/etc/sysctl.conf.local:1".to_owned(), "2", true, ""),
                (
                    "/etc/rc.conf:1".to_owned(),
                    "0",
                    false,
                    &format!("tcp_keepalive, through rc.d/netoptions; {by}")
                ),
            ]
        );
        assert!(story.tool.is_some() && story.problems.is_empty());
    }

    #[test]
    fn what_is_wrong_with_the_files_is_told() {
        let files = files().with("/boot/loader.conf", "kern.hz=\"100\n").with_denied("/etc/sysctl.conf");
        let story = story(files, "net.inet.tcp.msl");
        assert_eq!(story.problems.len(), 2);
        assert!(story.lines.is_empty());
    }

    #[test]
    fn what_is_assumed_is_told() {
        let story = story(MemoryFiles::default(), "net.inet.tcp.msl");
        assert_eq!(story.problems.len(), 2);
        assert!(story.problems.iter().all(|problem| problem.ends_with("is assumed")), "{story:?}");
    }
}
