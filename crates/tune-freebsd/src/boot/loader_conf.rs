//! The files that the boot loader reads, in the order in which it reads them.
//!
//! Source: stand/lua/config.lua and stand/defaults/loader.conf of FreeBSD 13 to 15. The first file names the others, and
//! each of them may name more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tune_host::{FileError, FileKind, Files};
use tune_model::Place;

use super::loader_line::{Statement, statement};
use super::problem::{Problem, content};

/// The file that is read first.
const DEFAULTS: &str = "/boot/defaults/loader.conf";
/// What a site may add to the loader; it runs behind all files.
const LOCAL_PROGRAM: &str = "/boot/lua/local.lua";
/// The loader that is started, and the one that reads no directory and goes by other rules.
const LOADER: &str = "/boot/loader";
const FORTH_LOADER: &str = "/boot/loader_4th";

/// A line that sets a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoaderLine {
    /// Where it stands.
    pub(crate) place: Place,
    /// The variable.
    pub(crate) name: String,
    /// The value, or why it cannot be told.
    pub(crate) value: Result<String, String>,
    /// The directory whose files are read in no order that can be known.
    directory: Option<PathBuf>,
    /// The line counts for one boot.
    pub(crate) once: bool,
}

/// Which line gives a variable its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision<'l> {
    /// The last line.
    pub(crate) line: &'l LoaderLine,
    /// The value, or why it cannot be told.
    pub(crate) value: Result<&'l str, String>,
}

/// Everything that the loader reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Loader {
    /// The files that are there, in the order in which they are read.
    pub(crate) files: Vec<PathBuf>,
    /// The lines that set variables, in order.
    pub(crate) lines: Vec<LoaderLine>,
    /// What is wrong, in the order in which it is met.
    pub(crate) problems: Vec<Problem>,
}

impl Loader {
    /// Reads the files; what cannot be read or followed becomes a [`Problem`].
    pub(crate) fn read(files: &dyn Files) -> Self {
        let mut reader = Reader {
            files,
            seen: BTreeSet::new(),
            more: None,
            directory: None,
            once: false,
            found: Self::default(),
        };
        if no_lists(files).is_some() {
            reader.found.lines.extend(stock_lists());
            reader.more = Some(STOCK_FILES.to_owned());
        }
        reader.begin();
        reader.directories();
        for file in words(reader.variable("local_loader_conf_files")) {
            reader.follow(&file);
        }
        reader.next_boot();
        reader.programs();
        reader.found
    }

    /// Returns every variable that is set.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.lines.iter().map(|line| line.name.as_str()).collect()
    }

    /// Returns the lines that set a variable.
    pub(crate) fn of<'l>(&'l self, name: &str) -> impl DoubleEndedIterator<Item = &'l LoaderLine> {
        self.lines.iter().filter(move |line| line.name == name)
    }

    /// Returns the line that gives a variable its value.
    pub(crate) fn decide(&self, name: &str) -> Option<Decision<'_>> {
        let line = self.of(name).next_back()?;
        let value = match &line.value {
            Err(doubt) => Err(doubt.clone()),
            Ok(value) => self.undecided(line).map_or(Ok(value.as_str()), Err),
        };
        Some(Decision { line, value })
    }

    /// Tells which other file of the same directory sets the variable to something else, where one does.
    fn undecided(&self, line: &LoaderLine) -> Option<String> {
        let directory = line.directory.as_ref()?;
        let others = self.of(&line.name).filter(|other| other.directory.as_ref() == Some(directory));
        let mut last: BTreeMap<&Path, &LoaderLine> = BTreeMap::new();
        last.extend(others.map(|other| (other.place.file.as_path(), other)));
        let other = last.values().find(|other| other.value != line.value)?;
        Some(format!(
            "{} and {} set {} differently, and the loader reads the files of {} in no certain order",
            other.place,
            line.place,
            line.name,
            directory.display()
        ))
    }
}

/// What a stock first file names, of 14.1 and later.
const STOCK_FILES: &str = "/boot/device.hints /boot/loader.conf";
const STOCK_DIRECTORIES: &str = "/boot/loader.conf.d";
const STOCK_LOCAL_FILES: &str = "/boot/loader.conf.local";

/// Says that the file which names all others is not there. The lists of a stock one are then assumed: a kernel may be
/// loaded by something else, which keeps to them.
pub(super) fn no_lists(files: &dyn Files) -> Option<Problem> {
    let missing = matches!(files.read(Path::new(DEFAULTS)), Err(FileError::Missing(_)));
    let what = "is not there; that the loader reads the usual files is assumed";
    missing.then(|| Problem { file: DEFAULTS.into(), line: None, what: what.to_owned(), hides: false })
}

fn stock_lists() -> impl Iterator<Item = LoaderLine> {
    let lists = [("loader_conf_dirs", STOCK_DIRECTORIES), ("local_loader_conf_files", STOCK_LOCAL_FILES)];
    lists.into_iter().map(|(name, value)| LoaderLine {
        place: Place { file: DEFAULTS.into(), line: 0 },
        name: name.to_owned(),
        value: Ok(value.to_owned()),
        directory: None,
        once: false,
    })
}

struct Reader<'a> {
    files: &'a dyn Files,
    seen: BTreeSet<PathBuf>,
    /// What the file at hand says is to be read behind it.
    more: Option<String>,
    directory: Option<PathBuf>,
    once: bool,
    found: Loader,
}

impl Reader<'_> {
    /// Reads the first file; where there is none, those that a stock one names.
    fn begin(&mut self) {
        let files = words(self.more.take());
        self.follow(Path::new(DEFAULTS));
        for file in files {
            self.follow(&file);
        }
    }

    /// Reads a file once, and then those that it names.
    fn follow(&mut self, file: &Path) {
        if !self.seen.insert(file.to_owned()) {
            return;
        }
        self.more = None;
        self.parse(file);
        for name in words(self.more.take()) {
            self.follow(&name);
        }
    }

    fn parse(&mut self, file: &Path) {
        let Some(bytes) = content(self.files, file, &mut self.found.problems) else { return };
        self.found.files.push(file.to_owned());
        if file.extension().is_some_and(|extension| extension == "lua") {
            let what = "is a program of the loader, which is not followed";
            self.found.problems.push(Problem::hiding(file, None, what));
            return;
        }
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            self.line(file, number, &String::from_utf8_lossy(line));
        }
    }

    fn line(&mut self, file: &Path, number: u32, line: &str) {
        match statement(line) {
            Statement::Nothing => {}
            Statement::Malformed => {
                let what = "is not understood by the loader, which passes over it";
                self.found.problems.push(Problem::line(file, number, what));
            }
            Statement::Run(command) if command.split_whitespace().next() == Some("echo") => {}
            Statement::Run(command) => {
                let what = format!("has the loader run {command:?}, which is not followed");
                self.found.problems.push(Problem::hiding(file, Some(number), what));
            }
            // It names the files to read, and is no variable.
            Statement::Set("loader_conf_files", Ok(value)) => self.more = Some(value),
            Statement::Set(name, Err(doubt)) if LISTS.contains(&name) => {
                self.found.problems.push(Problem::hiding(
                    file,
                    Some(number),
                    format!("is not followed: {doubt}"),
                ));
            }
            Statement::Set(name, value) => {
                let place = Place { file: file.to_owned(), line: number };
                let (name, directory, once) = (name.to_owned(), self.directory.clone(), self.once);
                self.found.lines.push(LoaderLine { place, name, value, directory, once });
            }
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.found.of(name).next_back()?.value.clone().ok()
    }

    fn directories(&mut self) {
        let by_product = self.found.of("product_vars").next_back().cloned();
        if let Some(line) = by_product {
            let what = "names directories by what the machine is, which is not followed";
            let problem = Problem::hiding(&line.place.file, Some(line.place.line), what);
            self.found.problems.push(problem);
        }
        for directory in words(self.variable("loader_conf_dirs")) {
            self.directory = Some(directory.clone());
            self.one_directory(&directory);
        }
        self.directory = None;
    }

    fn one_directory(&mut self, directory: &Path) {
        let names = match self.files.names(directory) {
            Ok(names) => names,
            Err(FileError::Missing(_) | FileError::WrongKind(_)) => return,
            Err(error) => {
                let problem = Problem::hiding(directory, None, format!("is not known: {error}"));
                return self.found.problems.push(problem);
            }
        };
        for name in names {
            let text = name.to_string_lossy();
            // Some loaders run programs there too.
            let read = (text.ends_with("conf") && text.len() > 4) || text.ends_with(".lua");
            if read && self.files.kind(&directory.join(&name)) != Ok(FileKind::Directory) {
                self.follow(&directory.join(&name));
            }
        }
    }

    /// Reads what counts for one boot, unless it has been used up.
    fn next_boot(&mut self) {
        let Some(file) = self.variable("nextboot_conf").map(PathBuf::from) else { return };
        let enabled = self.variable("nextboot_enable");
        if enabled.as_deref() == Some("NO") {
            return;
        }
        let used_up = |content: Vec<u8>| content.starts_with(b"nextboot_enable=\"NO\"");
        if enabled.is_none() && self.files.read(&file).is_ok_and(used_up) {
            return;
        }
        self.once = true;
        self.parse(&file);
    }

    /// Says what else can set variables.
    fn programs(&mut self) {
        if self.files.kind(Path::new(LOCAL_PROGRAM)).is_ok() {
            let what = "is a program of the loader, which is not followed";
            self.found.problems.push(Problem::hiding(Path::new(LOCAL_PROGRAM), None, what));
        }
        let read = |path: &str| self.files.read(Path::new(path)).ok();
        let forth = read(FORTH_LOADER);
        if forth.is_some() && forth == read(LOADER) {
            let what = "is the Forth loader, which goes by rules that are not followed here";
            self.found.problems.push(Problem::hiding(Path::new(LOADER), None, what));
        }
    }
}

/// Variables that say what is read.
const LISTS: [&str; 6] = [
    "loader_conf_files",
    "loader_conf_dirs",
    "local_loader_conf_files",
    "product_vars",
    "nextboot_conf",
    "nextboot_enable",
];

fn words(list: Option<String>) -> Vec<PathBuf> {
    list.unwrap_or_default().split_ascii_whitespace().map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use tune_host::MemoryFiles;

    const EARLIER: &str = "exec=\"echo Loading /boot/defaults/loader.conf\"\n\
        loader_conf_files=\"/boot/device.hints /boot/loader.conf /boot/loader.conf.local\"\n\
        loader_conf_dirs=\"/boot/loader.conf.d\"\nnextboot_conf=\"/boot/nextboot.conf\"\n";
    const LATER: &str = "loader_conf_files=\"/boot/device.hints /boot/loader.conf\"\n\
        loader_conf_dirs=\"/boot/loader.conf.d\"\nlocal_loader_conf_files=\"/boot/loader.conf.local\"\n\
        nextboot_conf=\"/boot/nextboot.conf\"\n";

    fn decided(files: &MemoryFiles, name: &str) -> Option<(String, Result<String, String>)> {
        let found = Loader::read(files);
        let decision = found.decide(name)?;
        Some((decision.line.place.to_string(), decision.value.map(str::to_owned)))
    }

    fn ok(place: &str, value: &str) -> Option<(String, Result<String, String>)> {
        Some((place.to_owned(), Ok(value.to_owned())))
    }

    #[test]
    fn the_last_word_is_what_the_first_file_says() {
        let files = |defaults: &str| {
            MemoryFiles::default()
                .with("/boot/defaults/loader.conf", defaults)
                .with("/boot/loader.conf", "kern.hz=\"1\"\n")
                .with("/boot/loader.conf.d/x.conf", "kern.hz=\"2\"\n")
                .with("/boot/loader.conf.local", "kern.hz=\"3\"\n")
        };
        assert_eq!(decided(&files(EARLIER), "kern.hz"), ok("/boot/loader.conf.d/x.conf:1", "2"));
        assert_eq!(decided(&files(LATER), "kern.hz"), ok("/boot/loader.conf.local:1", "3"));
        assert_eq!(decided(&files(""), "kern.hz"), None);
        assert!(Loader::read(&files(EARLIER)).problems.is_empty());
    }

    #[test]
    fn a_file_names_more_files_which_are_read_behind_it() {
        let files = MemoryFiles::default()
            .with("/boot/defaults/loader.conf", EARLIER)
            .with("/boot/loader.conf", "loader_conf_files=\"/boot/site.conf /boot/loader.conf\"\na=\"1\"\n")
            .with("/boot/site.conf", "a=\"2\"\n")
            .with("/boot/loader.conf.local", "a=\"3\"\n");
        assert_eq!(decided(&files, "a"), ok("/boot/loader.conf.local:1", "3"));
        let order = Loader::read(&files).files;
        let order: Vec<_> = order.iter().filter_map(|file| file.to_str()).skip(1).collect();
        assert_eq!(order, ["/boot/loader.conf", "/boot/site.conf", "/boot/loader.conf.local"]);
    }

    #[test]
    fn files_of_the_directory_that_disagree_decide_nothing() {
        let files = MemoryFiles::default()
            .with("/boot/defaults/loader.conf", EARLIER)
            .with("/boot/loader.conf.d/a.conf", "a=\"1\"\nb=\"1\"\nc=\"7\"\nc=\"1\"\n")
            .with("/boot/loader.conf.d/b.conf", "a=\"2\"\nb=\"1\"\nc=\"1\"\n")
            .with("/boot/loader.conf.d/readme", "a=\"3\"\n");
        assert!(decided(&files, "a").unwrap().1.unwrap_err().contains("in no certain order"));
        assert_eq!(
            decided(&files, "b"),
            ok("/boot/loader.conf.d/b.conf:1".replace(":1", ":2").as_str(), "1")
        );
        assert!(decided(&files, "c").unwrap().1.is_ok());
        let later =
            files.with("/boot/defaults/loader.conf", LATER).with("/boot/loader.conf.local", "a=\"4\"\n");
        assert_eq!(decided(&later, "a"), ok("/boot/loader.conf.local:1", "4"));
    }

    #[test]
    fn what_counts_once_is_read_last_until_it_is_used_up() {
        let files = |content: &str| {
            MemoryFiles::default()
                .with("/boot/defaults/loader.conf", EARLIER)
                .with("/boot/loader.conf", "a=\"1\"\n")
                .with("/boot/nextboot.conf", content)
        };
        let fresh = files("nextboot_enable=\"YES\"\na=\"2\"\n");
        assert_eq!(decided(&fresh, "a"), ok("/boot/nextboot.conf:2", "2"));
        assert!(Loader::read(&fresh).decide("a").unwrap().line.once);
        assert_eq!(
            decided(&files("nextboot_enable=\"NO\" \na=\"2\"\n"), "a"),
            ok("/boot/loader.conf:1", "1")
        );
        let never = fresh.with("/boot/loader.conf", "a=\"1\"\nnextboot_enable=\"NO\"\n");
        assert_eq!(decided(&never, "a"), ok("/boot/loader.conf:1", "1"));
    }

    #[test]
    fn what_cannot_be_followed_is_said() {
        let base = || MemoryFiles::default().with("/boot/defaults/loader.conf", EARLIER);
        for (files, told) in [
            (base().with_denied("/boot/loader.conf"), "/boot/loader.conf is not known"),
            (
                base().with("/boot/loader.conf", "exec=\"set a=1\"\n"),
                "/boot/loader.conf:1 has the loader run",
            ),
            (
                base()
                    .with("/boot/loader.conf", "loader_conf_files=\"/boot/x.lua\"\n")
                    .with("/boot/x.lua", ""),
                "x.lua",
            ),
            (base().with("/boot/loader.conf", "loader_conf_dirs=\"$here\"\n"), "is not followed"),
            (
                base().with("/boot/loader.conf", "product_vars=\"smbios.system.product\"\n"),
                "by what the machine is",
            ),
            (base().with("/boot/loader.conf.d/x.lua", ""), "x.lua"),
            (base().with("/boot/lua/local.lua", ""), "local.lua"),
            (base().with("/boot/loader", "4").with("/boot/loader_4th", "4"), "Forth"),
        ] {
            let problems = Loader::read(&files).problems;
            assert!(
                problems.iter().any(|one| one.hides && one.to_string().contains(told)),
                "{told}: {problems:?}"
            );
        }
        let lua = base().with("/boot/loader", "lua").with("/boot/loader_4th", "4");
        assert!(Loader::read(&lua).problems.is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            let files = MemoryFiles::default().with("/boot/defaults/loader.conf", content);
            let _ = Loader::read(&files);
        }
    }
}
