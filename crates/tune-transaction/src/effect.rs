//! One effect on the machine: checked, carried out, read back, taken back.

use std::path::Path;

use tune_host::property::{self, Kept};
use tune_host::{FileError, FileKind, Machine, ReadError};
use tune_model::Effect;
use tune_model::native::{Property, same_number};
use tune_model::plan::{Conflict, FileImage};
use tune_model::tunable::same_value;

use crate::line::digest;

/// What a target shows, held against an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// It is as before the effect.
    pub(crate) before: bool,
    /// It is as after the effect.
    pub(crate) after: bool,
    /// Some of its fields are as before and the others as after: the kernel stored the beginning of a write.
    mixed: bool,
    /// Its network namespace is gone.
    gone: bool,
    /// What the next boot sets is told from the running kernel, and the latter is not as it has to be beside it.
    astray: Option<Astray>,
    /// What it shows, in words.
    pub(crate) found: String,
}

/// Who made the running kernel's value what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Astray {
    /// The first of the commands that the effect consists of.
    Ours,
    /// Somebody else.
    Foreign,
}

/// Why an effect was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The target is as it was.
    Failed(String),
    /// The target is neither as it was nor as it should be.
    Stuck(String),
}

/// What became of taking an effect back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Back {
    /// The target is as before.
    Undone,
    /// Somebody else changed it; it was left alone.
    Conflict(Conflict),
    /// It could not be done.
    Stuck(String),
}

/// Looks at the target of an effect.
pub(crate) fn look(machine: &dyn Machine, effect: &Effect) -> Result<Shown, String> {
    match effect {
        Effect::SetTunable { tunable, namespace, before, after } => {
            match machine.read_in(namespace.as_ref(), tunable) {
                Ok(found) => Ok(Shown {
                    before: same_value(&found, before),
                    after: same_value(&found, after),
                    mixed: is_mixture(&found, before, after),
                    ..Shown::foreign(&found)
                }),
                Err(error @ ReadError::NamespaceGone(_)) => Ok(Shown::gone(error.to_string())),
                Err(error) => Err(error.to_string()),
            }
        }
        Effect::SetProperty { property, before, after, .. } => {
            let found = shown(machine, property)?.current;
            Ok(Shown {
                before: same_number(&found, before),
                after: same_number(&found, after),
                ..Shown::foreign(&found)
            })
        }
        Effect::PersistProperty { property, before, after, .. } => {
            let found = shown(machine, property)?;
            let kept = kept(property, &found.kept)?;
            Ok(Shown {
                before: same_kept(kept, before.as_deref()),
                after: same_kept(kept, after.as_deref()),
                astray: astray(effect, &found.current),
                ..Shown::foreign(&in_words(kept))
            })
        }
        Effect::ReplaceFile { path, before, after } => match machine.file_image(path) {
            Ok(found) => Ok(Shown {
                before: same_file(found.as_ref(), before.as_ref()),
                after: same_file(found.as_ref(), after.as_ref()),
                ..Shown::foreign(&describe(found.as_ref()))
            }),
            Err(FileError::WrongKind(_)) => Ok(Shown::foreign("no regular file")),
            Err(error) => Err(error.to_string()),
        },
        Effect::Directory { path, before, after } => match is_directory(machine, path)? {
            Some(found) => Ok(Shown {
                before: found == *before,
                after: found == *after,
                ..Shown::foreign(presence(found))
            }),
            None => Ok(Shown::foreign("no directory")),
        },
        _ => Err("this version does not know such a step".to_owned()),
    }
}

impl Shown {
    fn gone(found: String) -> Self {
        Self { before: false, after: false, mixed: false, gone: true, astray: None, found }
    }

    fn foreign(found: &str) -> Self {
        Self { gone: false, ..Self::gone(found.to_owned()) }
    }

    /// Tells whether nothing of the effect is there. What somebody else made of the running kernel stays.
    fn is_back(&self) -> bool {
        self.gone || (self.before && self.astray != Some(Astray::Ours))
    }
}

fn shown(machine: &dyn Machine, property: &Property) -> Result<property::Shown, String> {
    property::read(machine, property).map_err(|error| error.to_string())
}

fn kept<'k>(property: &Property, kept: &'k Kept) -> Result<Option<&'k str>, String> {
    match kept {
        Kept::Value(value) => Ok(Some(value)),
        Kept::Nothing => Ok(None),
        _ => Err(format!("what the next boot makes {property} cannot be read")),
    }
}

fn same_kept(found: Option<&str>, wanted: Option<&str>) -> bool {
    match (found, wanted) {
        (Some(found), Some(wanted)) => same_number(found, wanted),
        (found, wanted) => found.is_none() && wanted.is_none(),
    }
}

fn in_words(kept: Option<&str>) -> String {
    kept.map_or_else(|| "not set for the next boot".to_owned(), str::to_owned)
}

/// Tells who made the running kernel's value another than it has to be beside what is kept for the next boot.
fn astray(effect: &Effect, current: &str) -> Option<Astray> {
    let Effect::PersistProperty { before, after, live: Some(live), default, .. } = effect else {
        return None;
    };
    if same_number(current, live) {
        return None;
    }
    let made = [before, after].map(|kept| kept.as_deref().unwrap_or(default));
    let ours = made.iter().any(|made| same_number(current, made));
    Some(if ours { Astray::Ours } else { Astray::Foreign })
}

/// Tells whether each field of `found` is that of `before` or that of `after`.
fn is_mixture(found: &str, before: &str, after: &str) -> bool {
    let fields = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (found, before, after) = (fields(found), fields(before), fields(after));
    let alike = found.len() == before.len() && found.len() == after.len();
    alike && found.iter().zip(before.iter().zip(&after)).all(|(is, (was, will))| is == was || is == will)
}

/// Tells whether a file is as wanted. Security labels that were not asked for are the system's own doing.
fn same_file(found: Option<&FileImage>, wanted: Option<&FileImage>) -> bool {
    let (Some(found), Some(wanted)) = (found, wanted) else {
        return found.is_none() && wanted.is_none();
    };
    let mut found = found.clone();
    found.attributes.retain(|name, _| wanted.attributes.contains_key(name) || !name.starts_with("security."));
    found == *wanted
}

fn is_directory(machine: &dyn Machine, path: &Path) -> Result<Option<bool>, String> {
    match machine.files().kind(path) {
        Ok(FileKind::Directory) => Ok(Some(true)),
        Ok(_) => Ok(None),
        Err(FileError::Missing(_)) => Ok(Some(false)),
        Err(error) => Err(error.to_string()),
    }
}

const fn presence(present: bool) -> &'static str {
    if present { "present" } else { "absent" }
}

fn describe(image: Option<&FileImage>) -> String {
    let Some(image) = image else { return presence(false).to_owned() };
    let FileImage { content, mode, uid, gid, .. } = image;
    let short = &digest(&[&content.0])[..12];
    format!("{} bytes, sha256 {short}, mode {mode:04o}, owner {uid}:{gid}", content.0.len())
}

/// Returns the two sides of an effect, in words.
pub(crate) fn sides(effect: &Effect) -> (String, String) {
    match effect {
        Effect::SetTunable { before, after, .. } | Effect::SetProperty { before, after, .. } => {
            (before.clone(), after.clone())
        }
        Effect::PersistProperty { before, after, .. } => {
            (in_words(before.as_deref()), in_words(after.as_deref()))
        }
        Effect::ReplaceFile { before, after, .. } => (describe(before.as_ref()), describe(after.as_ref())),
        Effect::Directory { before, after, .. } => {
            (presence(*before).to_owned(), presence(*after).to_owned())
        }
        _ => Default::default(),
    }
}

/// Carries an effect out: checks that the target is still as before, changes it, reads it back. What could not be
/// done, or done only in part, is put back at once.
pub(crate) fn carry_out(machine: &dyn Machine, effect: &Effect, tag: &str) -> Result<(), Trouble> {
    let shown = look(machine, effect).map_err(Trouble::Failed)?;
    if let (true, Some(_), Effect::PersistProperty { live: Some(live), .. }) =
        (shown.before, shown.astray, effect)
    {
        return Err(Trouble::Failed(format!(
            "the running kernel was changed by somebody else meanwhile: it was {live}"
        )));
    }
    if !shown.before {
        let (expected, _) = sides(effect);
        let found = shown.found;
        return Err(Trouble::Failed(format!(
            "changed by somebody else meanwhile: it was {expected}, now it is {found}"
        )));
    }
    let tried = change(machine, effect, tag);
    match (tried, look(machine, effect)) {
        (Ok(()), Ok(shown)) if shown.after && shown.astray.is_none() => Ok(()),
        (Err(reason), Ok(shown)) if shown.before && shown.astray.is_none() => {
            Err(failed(machine, effect, tag, reason))
        }
        (Ok(()), Ok(shown)) => Err(put_back(machine, effect, tag, not_so(effect, &shown))),
        (Err(reason), _) | (Ok(()), Err(reason)) => Err(put_back(machine, effect, tag, reason)),
    }
}

/// Says that a change was reported to have been made, and was not.
fn not_so(effect: &Effect, shown: &Shown) -> String {
    let (_, wanted) = sides(effect);
    match effect {
        Effect::PersistProperty { after: Some(after), .. } if shown.before && shown.astray.is_none() => {
            format!(
                "ipadm set it to {after}, reported no error and keeps nothing for the next boot: does \
             svc:/network/ip-interface-management run, and is /etc/ipadm/ipadm.conf there?"
            )
        }
        _ => format!("it reads {} after {wanted} was written", shown.found),
    }
}

/// Tells that the target is as it was, unless something is left beside it.
fn failed(machine: &dyn Machine, effect: &Effect, tag: &str, reason: String) -> Trouble {
    match clean_up(machine, effect, tag) {
        Ok(()) => Trouble::Failed(reason),
        Err(left) => Trouble::Stuck(format!("{reason}; {left}")),
    }
}

/// Puts back what a failed change may have left.
fn put_back(machine: &dyn Machine, effect: &Effect, tag: &str, reason: String) -> Trouble {
    let _ = clean_up(machine, effect, tag);
    let mut trouble = None;
    for _ in 0..ATTEMPTS {
        match look(machine, effect) {
            Ok(shown) if shown.is_back() => return failed(machine, effect, tag, reason),
            _ => {}
        }
        if let Err(error) = change(machine, &undoing(machine, effect), &undo_tag(tag)) {
            trouble.get_or_insert(error);
        }
    }
    match look(machine, effect) {
        Ok(shown) if shown.is_back() => failed(machine, effect, tag, reason),
        Ok(shown) => Trouble::Stuck(format!(
            "{reason}; it could not be put back{}, it is {}",
            colon(&trouble.unwrap_or_default()),
            shown.found
        )),
        Err(unread) => Trouble::Stuck(format!("{reason}; whether it was put back cannot be told: {unread}")),
    }
}

fn colon(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

/// How often an undo is tried: what fails once for no lasting reason must not stay changed.
pub(crate) const ATTEMPTS: usize = 2;

/// Takes an effect back, unless somebody else has changed the target since; with `overwrite` also then. What is left
/// beside the target for now keeps it from being done, so that it is tried again.
pub(crate) fn take_back(machine: &dyn Machine, effect: &Effect, tag: &str, overwrite: bool) -> Back {
    let _ = clean_up(machine, effect, tag);
    match (undo(machine, effect, tag, overwrite), clean_up(machine, effect, tag)) {
        (Back::Undone | Back::Conflict(_), Err(left)) => Back::Stuck(left),
        (back, _) => back,
    }
}

fn undo(machine: &dyn Machine, effect: &Effect, tag: &str, overwrite: bool) -> Back {
    let mut trouble = None;
    for _ in 0..ATTEMPTS {
        match look(machine, effect) {
            Ok(shown) if shown.is_back() => return Back::Undone,
            Ok(shown) if shown.before || shown.after || shown.mixed || overwrite => {
                if let Some(conflict) = in_use(machine, effect) {
                    return Back::Conflict(conflict);
                }
                if let Err(error) = change(machine, &undoing(machine, effect), &undo_tag(tag)) {
                    trouble.get_or_insert(error);
                }
            }
            Ok(shown) => return Back::Conflict(conflict(effect, shown.found)),
            Err(reason) => drop(trouble.get_or_insert(reason)),
        }
    }
    match look(machine, effect) {
        Ok(shown) if shown.is_back() => Back::Undone,
        Ok(shown) => {
            let trouble = colon(&trouble.unwrap_or_default());
            Back::Stuck(format!("it could not be put back{trouble}, it is {}", shown.found))
        }
        Err(reason) => Back::Stuck(reason),
    }
}

/// Returns the undo of an effect. What somebody else made of the running kernel meanwhile stays beside it, and where only
/// the running kernel is not as before, only that is set: it can be also while nobody keeps anything.
fn undoing(machine: &dyn Machine, effect: &Effect) -> Effect {
    let mut undo = effect.undo();
    let Effect::PersistProperty { tunable, property, after, live: Some(live), .. } = &mut undo else {
        return undo;
    };
    let Ok(found) = shown(machine, property) else { return undo };
    match (astray(effect, &found.current), kept(property, &found.kept)) {
        (Some(Astray::Ours), Ok(kept)) if same_kept(kept, after.as_deref()) => Effect::SetProperty {
            tunable: tunable.clone(),
            property: property.clone(),
            before: found.current,
            after: live.clone(),
        },
        (Some(Astray::Foreign), _) => {
            *live = found.current;
            undo
        }
        _ => undo,
    }
}

/// Returns the conflict where somebody else has changed what an effect left.
pub(crate) fn foreign(machine: &dyn Machine, effect: &Effect) -> Option<Conflict> {
    let shown = look(machine, effect).ok()?;
    let ours = shown.before || shown.after || shown.mixed || shown.gone;
    (!ours).then(|| conflict(effect, shown.found))
}

/// Returns the conflict where somebody else has changed what an effect left, or where that cannot be told.
pub fn unlike(machine: &dyn Machine, effect: &Effect) -> Option<Conflict> {
    match look(machine, effect) {
        Ok(_) => foreign(machine, effect),
        Err(reason) => Some(Conflict { unreadable: true, ..conflict(effect, reason) }),
    }
}

/// A directory that was made for a step is left when somebody else has put something into it.
fn in_use(machine: &dyn Machine, effect: &Effect) -> Option<Conflict> {
    let Effect::Directory { path, before: false, .. } = effect else { return None };
    let names = machine.files().names(path).ok()?;
    (!names.is_empty()).then(|| conflict(effect, "not empty".to_owned()))
}

fn conflict(effect: &Effect, found: String) -> Conflict {
    let (_, expected) = sides(effect);
    Conflict::new(effect.target(), effect.layer(), expected, found)
}

/// Removes the half-made files that a crash may have left beside the target.
fn clean_up(machine: &dyn Machine, effect: &Effect, tag: &str) -> Result<(), String> {
    let Effect::ReplaceFile { path, .. } = effect else { return Ok(()) };
    let removed = |tag: &str| machine.remove_leftover(path, tag).map_err(|error| error.to_string());
    let forward = removed(tag);
    forward.and(removed(&undo_tag(tag)))
}

/// Returns the tag of the files made in carrying a step out.
pub(crate) fn tag(transaction: u64, index: usize) -> String {
    format!("{transaction}-{}", index + 1)
}

fn undo_tag(tag: &str) -> String {
    format!("{tag}u")
}

fn change(machine: &dyn Machine, effect: &Effect, tag: &str) -> Result<(), String> {
    match effect {
        Effect::SetTunable { tunable, namespace, after, .. } => {
            machine.write_in(namespace.as_ref(), tunable, after).map_err(|error| error.to_string())
        }
        Effect::SetProperty { property, .. } | Effect::PersistProperty { property, .. } => {
            property::change(machine, property, &effect.commands())
        }
        Effect::ReplaceFile { path, after, .. } => {
            machine.replace_file(path, after.as_ref(), tag).map_err(|error| error.to_string())
        }
        Effect::Directory { path, after, .. } => {
            machine.set_directory(path, *after).map_err(|error| error.to_string())
        }
        _ => Err("this version does not know such a step".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use tune_host::FakeHost;
    use tune_host::fake::{Meddling, Operation};
    use tune_model::plan::Bytes;

    use super::*;

    const RMEM: &str = "net.ipv4.tcp_rmem";

    fn set(tunable: &str, before: &str, after: &str) -> Effect {
        let (before, after) = (before.to_owned(), after.to_owned());
        Effect::SetTunable { tunable: tunable.to_owned(), namespace: None, before, after }
    }

    fn image(content: &str) -> FileImage {
        let content = Bytes(content.as_bytes().to_vec());
        FileImage { content, mode: 0o644, uid: 0, gid: 0, attributes: BTreeMap::new() }
    }

    #[test]
    fn a_half_taken_triple_is_put_back() {
        let host = FakeHost::new().with_tunable(RMEM, "1\t2\t3").keeping_only(RMEM, 2);
        let effect = set(RMEM, "1 2 3", "4 5 6");
        let trouble = carry_out(&host, &effect, "1-1").unwrap_err();
        // The fake keeps two fields of the old value too, which are the right ones.
        assert!(matches!(trouble, Trouble::Failed(_)), "{trouble:?}");
        assert!(same_value(&host.value(RMEM).unwrap(), "1 2 3"));
    }

    #[test]
    fn a_rounded_or_lost_write_is_a_failure_and_nothing_stays() {
        let host = FakeHost::new()
            .with_tunable("a", "1")
            .with_tunable("b", "1")
            .storing("a", "15", "10")
            .losing_writes("b");
        let Trouble::Failed(reason) = carry_out(&host, &set("a", "1", "15"), "1-1").unwrap_err() else {
            panic!("it was put back");
        };
        assert_eq!(reason, "it reads 10 after 15 was written");
        assert_eq!(host.value("a").unwrap(), "1");
        assert!(matches!(carry_out(&host, &set("b", "1", "2"), "1-2"), Err(Trouble::Failed(_))));
    }

    #[test]
    fn a_foreign_value_is_neither_overwritten_nor_taken_back() {
        let host = FakeHost::new().with_tunable("a", "7");
        assert!(carry_out(&host, &set("a", "1", "2"), "1-1").is_err());
        assert!(matches!(take_back(&host, &set("a", "1", "2"), "1-1", false), Back::Conflict(_)));
        assert!(host.effects().is_empty());
    }

    #[test]
    fn a_mixture_is_ours_to_take_back() {
        let host = FakeHost::new().with_tunable(RMEM, "4\t2\t3");
        assert_eq!(take_back(&host, &set(RMEM, "1 2 3", "4 5 6"), "1-1", false), Back::Undone);
        assert!(same_value(&host.value(RMEM).unwrap(), "1 2 3"));
    }

    #[test]
    fn one_failing_write_does_not_spoil_the_undo_and_lasting_ones_are_told() {
        let effect = set("a", "1", "2");
        let host = FakeHost::new().with_tunable("a", "2").failing(Operation::Write, 1, "input/output error");
        assert_eq!(take_back(&host, &effect, "1-1", false), Back::Undone);
        let host = FakeHost::new().with_tunable("a", "2").refusing("a", "1");
        let Back::Stuck(reason) = take_back(&host, &effect, "1-1", false) else { panic!("it was refused") };
        assert!(reason.contains("refused") && reason.contains("it is 2"), "{reason}");
    }

    #[test]
    fn a_file_changed_in_the_window_is_found_by_the_read_back_or_left() {
        let path = "/etc/sysctl.d/zz-tune.conf";
        let effect = Effect::ReplaceFile {
            path: path.into(),
            before: Some(image("old\n")),
            after: Some(image("new\n")),
        };
        let meddling = Meddling::File(path.into(), Some(b"theirs\n".to_vec()));
        let host = FakeHost::new().with_file(path, "old\n").meddled_with_before(1, meddling);
        assert!(matches!(carry_out(&host, &effect, "1-1"), Err(Trouble::Failed(_))));
        assert_eq!(host.image(path).unwrap().content.0, b"theirs\n");
    }

    #[test]
    fn labels_of_the_system_are_no_difference_and_others_are() {
        let with = |name: &str| {
            let attributes = BTreeMap::from([(name.to_owned(), Bytes(b"x".to_vec()))]);
            FileImage { attributes, ..image("x") }
        };
        assert!(same_file(Some(&with("security.selinux")), Some(&image("x"))));
        assert!(!same_file(Some(&with("user.origin")), Some(&image("x"))));
        assert!(!same_file(Some(&image("x")), Some(&with("security.selinux"))));
    }

    #[test]
    fn a_directory_somebody_uses_is_left() {
        let effect = Effect::Directory { path: "/etc/sysctl.d".into(), before: false, after: true };
        let host = FakeHost::new().with_directory("/etc");
        carry_out(&host, &effect, "1-1").unwrap();
        assert_eq!(take_back(&host, &effect, "1-1", false), Back::Undone);
        let host = FakeHost::new().with_file("/etc/sysctl.d/theirs.conf", "");
        assert!(matches!(take_back(&host, &effect, "1-1", false), Back::Conflict(_)));
    }
}
