//! Journals and the history.

use std::path::Path;

use tune_host::Backend;
use tune_model::Effect;
use tune_transaction::{StateError, untrusted};

use super::host::Memory;

const BOOT: &str = "boot";

/// Reads a journal as it stands; then with the checks made to fit, as whoever may write the directory could.
pub fn journal(bytes: &[u8]) {
    read_journal(bytes);
    read_journal(&sealed(bytes));
}

fn read_journal(bytes: &[u8]) {
    for boot in [BOOT, "another boot"] {
        match untrusted::journal(bytes, 1, boot) {
            Ok(found) => {
                if let Some((steps, length)) = found {
                    assert!(length <= bytes.len() as u64);
                    steps.iter().for_each(|step| what_is_permitted_is_ours(&step.effect));
                }
                torn_is_no_damage(bytes, boot);
            }
            Err(error) => is_inside(&error, bytes),
        }
    }
}

/// A journal that was cut by a loss of power is one that is shorter.
fn torn_is_no_damage(bytes: &[u8], boot: &str) {
    for cut in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
        if let Err(error) = untrusted::journal(&bytes[..cut], 1, boot) {
            panic!("cut at {cut}: {error}");
        }
    }
}

/// Whatever a journal says: what is permitted is a tunable or a file of boot settings.
fn what_is_permitted_is_ours(effect: &Effect) {
    const FILES: [&str; 3] = ["/etc/sysctl", "/boot/loader.conf", "/etc/sysctl.d"];
    let host = Memory::default();
    let systems: [Box<dyn Backend>; 2] =
        [Box::new(tune_linux::Linux::on(&host)), Box::new(tune_freebsd::FreeBsd::on(&host))];
    if !systems.iter().any(|system| system.may_do(effect)) {
        return;
    }
    let ours = |path: &Path| {
        let text = path.to_string_lossy();
        FILES.iter().any(|prefix| text.starts_with(prefix)) && !text.contains("..") && !text.contains("//")
    };
    match effect {
        Effect::SetTunable { tunable, before, after, .. } => {
            assert!(
                ["net.", "kern.", "vm.", "fs."].iter().any(|prefix| tunable.starts_with(prefix)),
                "{tunable:?}"
            );
            assert!(![tunable, before, after].iter().any(|text| text.contains('\n')), "{tunable:?}");
        }
        Effect::ReplaceFile { path, .. } | Effect::Directory { path, .. } => {
            assert!(ours(path), "{}", path.display());
        }
        _ => panic!("an effect that this test does not know is permitted"),
    }
}

fn is_inside(error: &StateError, bytes: &[u8]) {
    match error {
        StateError::Corrupt { line, .. } => {
            assert!((1..=super::lines(bytes) as usize).contains(line), "{error}");
        }
        StateError::NewerFormat { .. } | StateError::OfNewer { .. } => drop(error.to_string()),
        _ => panic!("{error}"),
    }
}

/// Puts the check that fits behind each line.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    let mut check = String::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let body = line.strip_suffix(b"}").unwrap_or(line);
        let body = body.windows(10).rposition(|part| part == b",\"check\":\"").map_or(body, |at| &body[..at]);
        let digest = tune_transaction::digest([check.as_bytes(), body]);
        check = digest["sha256:".len()..][..16].to_owned();
        sealed.extend([body, b",\"check\":\"", check.as_bytes(), b"\"}\n"].concat());
    }
    sealed
}

/// Reads a history, and a head where one stands behind a line of dashes.
pub fn history(bytes: &[u8]) {
    let at = bytes.windows(5).position(|part| part == b"\n---\n");
    let (content, head) = at.map_or((bytes, None), |at| (&bytes[..=at], Some(&bytes[at + 5..])));
    match untrusted::history(content, head) {
        Ok((verification, entries)) => {
            assert!(entries.len() <= verification.lines);
            assert!(entries.is_sorted_by(|a, b| a.id < b.id));
            let shown = serde_json::to_string(&entries).unwrap();
            let again: Vec<tune_model::transaction::Entry> = serde_json::from_str(&shown).unwrap();
            assert_eq!(again, entries);
        }
        Err(error) => is_inside(&error, bytes),
    }
}
