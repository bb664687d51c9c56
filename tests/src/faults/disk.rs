//! A disk as a power cut finds it: what every call did, and what of that is durable.
//!
//! The calls of a trace are carried out on a model. A file's bytes and mode are durable as they were at its last `fsync`;
//! a name is durable once its directory was synced. Nothing else is: neither that a file comes before its name, nor that
//! one directory comes before another. Of one name the changes stay in order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::trace::Call;
use crate::files::{FileState, FileStates};

const FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;

/// A file or directory, whatever its name.
#[derive(Debug, Clone)]
struct Node {
    now: FileState,
    durable: FileState,
    /// How the file was after each change since its last sync.
    steps: Vec<FileState>,
}

/// A change of the names in a directory that is not durable yet.
#[derive(Debug, Clone)]
struct Pending {
    directory: PathBuf,
    gone: Option<PathBuf>,
    made: Option<(PathBuf, usize)>,
}

/// The disk.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    pending: Vec<Pending>,
    /// Every path that was ever there: what lies below one of them is lost with it.
    ever: BTreeSet<PathBuf>,
}

/// What a power cut leaves of what was not synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// None of it.
    Nothing,
    /// All of it.
    Everything,
    /// All of it, but of this file the beginning only, so many bytes.
    Cut(usize, usize),
    /// All of it, but of this file the bytes from there on read as zero.
    Zeroed(usize, usize),
}

impl Disk {
    /// A disk on which everything is durable.
    pub fn new(files: impl IntoIterator<Item = (PathBuf, FileState)>) -> Self {
        let mut disk = Self::default();
        for (path, state) in files {
            let node = disk.add(state.clone());
            disk.nodes[node].durable = state;
            disk.names.insert(path.clone(), node);
            disk.ever.insert(path.clone());
            disk.durable.insert(path, node);
        }
        disk
    }

    fn add(&mut self, now: FileState) -> usize {
        let durable = FileState { content: Vec::new(), attributes: BTreeMap::new(), ..now.clone() };
        self.nodes.push(Node { now, durable, steps: Vec::new() });
        self.nodes.len() - 1
    }

    /// Carries out a call of a trace that was taken with `-y` and with all data.
    ///
    /// # Panics
    ///
    /// When the call does not fit what is there.
    pub fn carry_out(&mut self, call: &Call) {
        if call.result.starts_with('-') || call.result == "?" {
            return;
        }
        match call.name.as_str() {
            "openat" if call.arguments.contains("O_CREAT") => self.open(call),
            "write" => {
                let at = self.node(&call.path).now.content.len();
                self.put(call, at);
            }
            "pwrite64" => self.put(call, number(last(call, 0), 10)),
            "ftruncate" => {
                let length = number(last(call, 0), 10);
                self.change(&call.path, |state| state.content.resize(length, 0));
            }
            "fchmod" | "chmod" => {
                let mode = mode(last(call, 0));
                self.change(&call.path, |state| state.mode = state.mode & !0o7777 | mode);
            }
            "fchown" => {
                let owner = (small(last(call, 1)), small(last(call, 0)));
                self.change(&call.path, |state| state.owner = owner);
            }
            "lsetxattr" => {
                let (name, value) = (call.text(1), call.text(2));
                let name = String::from_utf8_lossy(&name).into_owned();
                self.change(&call.path, |state| drop(state.attributes.insert(name, value)));
            }
            "mkdir" | "mkdirat" => self.make(&call.path, DIRECTORY | mode(last(call, 0))),
            "unlink" | "unlinkat" | "rmdir" => {
                self.names.remove(&call.path);
                self.pend(&call.path, Some(call.path.clone()), None);
            }
            "rename" | "renameat" => self.rename(&call.source(), &call.path),
            "fsync" | "fdatasync" => self.sync(&call.path),
            _ => {}
        }
    }

    fn open(&mut self, call: &Call) {
        if !self.names.contains_key(&call.path) {
            self.make(&call.path, FILE | mode(last(call, 0)));
        }
    }

    fn make(&mut self, path: &Path, mode: u32) {
        let mode = mode & !0o022;
        let state = FileState { mode, owner: (0, 0), content: Vec::new(), attributes: BTreeMap::new() };
        let node = self.add(state);
        self.names.insert(path.to_owned(), node);
        self.ever.insert(path.to_owned());
        self.pend(path, None, Some((path.to_owned(), node)));
    }

    fn pend(&mut self, path: &Path, gone: Option<PathBuf>, made: Option<(PathBuf, usize)>) {
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        self.pending.push(Pending { directory, gone, made });
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let node = self.names.remove(from).unwrap_or_else(|| panic!("{}: no such file", from.display()));
        self.names.insert(to.to_owned(), node);
        self.pend(to, Some(from.to_owned()), Some((to.to_owned(), node)));
    }

    fn node(&mut self, path: &Path) -> &mut Node {
        let at = *self.names.get(path).unwrap_or_else(|| panic!("{}: no such file", path.display()));
        &mut self.nodes[at]
    }

    fn change(&mut self, path: &Path, change: impl FnOnce(&mut FileState)) {
        let node = self.node(path);
        change(&mut node.now);
        let now = node.now.clone();
        node.steps.push(now);
    }

    fn put(&mut self, call: &Call, at: usize) {
        let bytes = call.text(0);
        self.change(&call.path, |state| {
            let end = at + bytes.len();
            if state.content.len() < end {
                state.content.resize(end, 0);
            }
            state.content[at..end].copy_from_slice(&bytes);
        });
    }

    fn sync(&mut self, path: &Path) {
        if let Some(at) = self.names.get(path) {
            let node = &mut self.nodes[*at];
            node.durable = node.now.clone();
            node.steps.clear();
        }
        let (here, later) =
            std::mem::take(&mut self.pending).into_iter().partition(|p: &Pending| p.directory == path);
        self.pending = later;
        let here: Vec<Pending> = here;
        here.iter().for_each(|pending| take(pending, &mut self.durable));
    }

    /// Returns the content of a file that no power cut can take any more, if there is such a file.
    #[must_use]
    pub fn durable(&self, path: &Path) -> Option<&FileState> {
        let all = path
            .ancestors()
            .skip(1)
            .all(|above| !self.ever.contains(above) || self.durable.contains_key(above));
        self.durable.get(path).filter(|_| all).map(|node| &self.nodes[*node].durable)
    }

    /// Returns the paths that no power cut can take any more.
    pub fn durable_paths(&self) -> impl Iterator<Item = &Path> {
        self.durable.keys().map(PathBuf::as_path)
    }

    /// Returns every choice of the unsynced names that their order allows, as bits; an even sample of them where there
    /// are too many.
    #[must_use]
    pub fn name_choices(&self) -> Vec<u32> {
        let number = u32::try_from(self.pending.len().min(12)).unwrap_or(12);
        let allowed: Vec<u32> = (0..1_u32 << number).filter(|bits| self.is_in_order(*bits)).collect();
        let step = allowed.len().div_ceil(MOST);
        let mut chosen: Vec<u32> = allowed.iter().copied().step_by(step.max(1)).collect();
        chosen.extend(allowed.last().filter(|last| chosen.last() != Some(*last)));
        chosen
    }

    /// Of one name, a later change is there only where the earlier ones are.
    fn is_in_order(&self, bits: u32) -> bool {
        let mut lacking: BTreeSet<&Path> = BTreeSet::new();
        self.pending.iter().enumerate().all(|(at, pending)| {
            let there = bits >> at & 1 == 1;
            let mut names = pending.names();
            if there {
                return !names.any(|name| lacking.contains(name));
            }
            lacking.extend(names);
            true
        })
    }

    /// Returns every way in which the unsynced bytes can be there or not. Of a file that grew, each length of its last
    /// write.
    #[must_use]
    pub fn data_choices(&self) -> Vec<Data> {
        let mut choices = vec![Data::Nothing, Data::Everything];
        for (at, node) in self.nodes.iter().enumerate() {
            let before = node.steps.iter().rev().nth(1).unwrap_or(&node.durable);
            let grown = before.content.len()..node.now.content.len();
            if !node.steps.is_empty() && !grown.is_empty() {
                // Long writes are cut at some lengths only, short ones at each.
                let step = (grown.len() / 100).max(1);
                choices.extend(grown.clone().step_by(step).map(|length| Data::Cut(at, length)));
                choices.extend(grown.step_by(step * 7).map(|length| Data::Zeroed(at, length)));
            }
        }
        choices
    }

    /// Returns the files that a power cut leaves.
    #[must_use]
    pub fn left(&self, names: u32, data: &Data) -> FileStates {
        let mut there = self.durable.clone();
        for (at, pending) in self.pending.iter().enumerate() {
            if at < 32 && names >> at & 1 == 1 {
                take(pending, &mut there);
            }
        }
        let made: BTreeSet<PathBuf> = there.keys().cloned().collect();
        let lost = |path: &Path| self.ever.contains(path) && !made.contains(path);
        let reachable = |path: &Path| !path.ancestors().skip(1).any(lost);
        let states = there.into_iter().filter(|(path, _)| reachable(path));
        states.map(|(path, node)| (path, self.state(node, data))).collect()
    }

    fn state(&self, at: usize, data: &Data) -> FileState {
        let node = &self.nodes[at];
        match data {
            Data::Nothing => node.durable.clone(),
            Data::Cut(cut, length) if *cut == at => {
                FileState { content: node.now.content[..*length].to_vec(), ..node.now.clone() }
            }
            Data::Zeroed(cut, length) if *cut == at => {
                let mut content = node.now.content[..*length].to_vec();
                content.resize(node.now.content.len(), 0);
                FileState { content, ..node.now.clone() }
            }
            _ => node.now.clone(),
        }
    }
}

/// So many choices of names at most.
const MOST: usize = 64;

impl Pending {
    fn names(&self) -> impl Iterator<Item = &Path> {
        let made = self.made.as_ref().map(|(path, _)| path.as_path());
        self.gone.as_deref().into_iter().chain(made)
    }
}

fn take(pending: &Pending, names: &mut BTreeMap<PathBuf, usize>) {
    if let Some(gone) = &pending.gone {
        names.remove(gone);
    }
    if let Some((path, node)) = &pending.made {
        names.insert(path.clone(), *node);
    }
}

/// Returns an argument, counted from the last.
fn last(call: &Call, nth: usize) -> &str {
    call.arguments.rsplit(", ").nth(nth).unwrap_or_default()
}

fn number(text: &str, radix: u32) -> usize {
    usize::from_str_radix(text, radix).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn small(text: &str) -> u32 {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn mode(text: &str) -> u32 {
    u32::from_str_radix(text, 8).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::super::trace::calls;
    use super::*;

    const TRACE: &str = r#"1 openat(3</s>, ".a.new", O_RDWR|O_CREAT, 0600) = 4</s/.a.new>
1 pwrite64(4</s/.a.new>, "new\n", 4, 0) = 4
1 fdatasync(4</s/.a.new>) = 0
1 renameat(3</s>, ".a.new", 3</s>, "a") = 0
1 pwrite64(4</s/a>, "\303\244\"\n", 4, 4) = 4
1 fsync(3</s>) = 0
"#;

    fn disk(steps: usize) -> Disk {
        let directory = FileState {
            mode: DIRECTORY | 0o755,
            owner: (0, 0),
            content: Vec::new(),
            attributes: BTreeMap::new(),
        };
        let old = FileState { mode: FILE | 0o600, content: b"old\n".to_vec(), ..directory.clone() };
        let mut disk = Disk::new([("/s".into(), directory), ("/s/a".into(), old)]);
        calls(TRACE, Path::new("/s")).iter().take(steps).for_each(|call| disk.carry_out(call));
        disk
    }

    fn contents(disk: &Disk, path: &str) -> BTreeSet<Option<Vec<u8>>> {
        let choices = disk.name_choices();
        let data = disk.data_choices();
        let all = choices.iter().flat_map(|names| data.iter().map(|data| disk.left(*names, data)));
        all.map(|files| files.get(Path::new(path)).map(|state| state.content.clone())).collect()
    }

    #[test]
    fn a_name_comes_with_the_directory_and_bytes_with_the_file() {
        let some = |texts: &[&str]| texts.iter().map(|text| Some(text.as_bytes().to_vec())).collect();
        assert_eq!(contents(&disk(2), "/s/a"), some(&["old\n"]));
        let made = contents(&disk(2), "/s/.a.new");
        assert!(
            made.contains(&None)
                && made.contains(&Some(b"".to_vec()))
                && made.contains(&Some(b"ne".to_vec()))
        );
        assert_eq!(contents(&disk(4), "/s/a"), some(&["old\n", "new\n"]));
        assert!(contents(&disk(5), "/s/a").contains(&Some(b"new\n\xc3\xa4".to_vec())));
        assert!(!contents(&disk(6), "/s/a").contains(&Some(b"old\n".to_vec())));
        assert_eq!(
            disk(6).durable(Path::new("/s/a")).map(|state| state.content.as_slice()),
            Some(&b"new\n"[..])
        );
    }
}
