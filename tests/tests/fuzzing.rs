//! What the fuzzers in `fuzz/` run, as properties: any bytes, and seeds with a few bytes and lines changed. Also sizes
//! and depths that a fuzzer does not reach.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tune_host::{FileError, Files, RootedFiles, SiteLibrary};
use tune_tests::fuzzing::{BODIES, Body};

/// Cases for each parser and each way of making bytes.
const CASES: u32 = 600;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let directory = corpus().join(name);
    let mut paths: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// One change of some bytes; places count modulo what there is.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Cut(usize),
    DropLine(usize),
    RepeatLine(usize),
    SwapLines(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let special =
        prop_oneof![any::<u8>(), proptest::sample::select(b"\n\r\0=#\"'[]{}\\-;:/.09 \xff".to_vec())];
    prop_oneof![
        (any::<usize>(), 1u8..).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        (any::<usize>(), special).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        any::<usize>().prop_map(Mutation::Remove),
        any::<usize>().prop_map(Mutation::Cut),
        any::<usize>().prop_map(Mutation::DropLine),
        any::<usize>().prop_map(Mutation::RepeatLine),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Mutation::SwapLines(a, b)),
    ]
}

fn changed(mut bytes: Vec<u8>, mutation: &Mutation) -> Vec<u8> {
    if bytes.is_empty() {
        return b"\n".to_vec();
    }
    let length = bytes.len();
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let count = lines.len();
    match *mutation {
        Mutation::Flip(at, bits) => bytes[at % length] ^= bits,
        Mutation::Insert(at, byte) => bytes.insert(at % length, byte),
        Mutation::Remove(at) => drop(bytes.remove(at % length)),
        Mutation::Cut(at) => bytes.truncate(at % length),
        Mutation::DropLine(at) => drop(lines.remove(at % count)),
        Mutation::RepeatLine(at) => lines.push(lines[at % count].clone()),
        Mutation::SwapLines(a, b) => lines.swap(a % count, b % count),
    }
    match mutation {
        Mutation::DropLine(_) | Mutation::RepeatLine(_) | Mutation::SwapLines(..) => lines.concat(),
        _ => bytes,
    }
}

fn holds(name: &str, bytes: impl Strategy<Value = Vec<u8>>, body: Body) {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&bytes, |bytes| {
        body(&bytes);
        Ok(())
    });
    tried.unwrap_or_else(|found| panic!("{name}: {found}"));
}

#[test]
fn seeds_are_read() {
    for (name, body) in BODIES {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        seeds.iter().for_each(|seed| body(seed));
    }
}

#[test]
fn any_bytes_are_read() {
    for (name, body) in BODIES {
        holds(name, proptest::collection::vec(any::<u8>(), 0..300), body);
    }
}

#[test]
fn changed_seeds_are_read() {
    for (name, body) in BODIES {
        let seed = proptest::sample::select(seeds(name));
        let mutations = proptest::collection::vec(mutation(), 1..12);
        holds(name, (seed, mutations).prop_map(|(seed, list)| list.iter().fold(seed, changed)), body);
    }
}

#[test]
fn depth_is_an_error_and_no_overflow_of_the_stack() {
    let open = |text: &str, times: usize| text.repeat(times).into_bytes();
    for (name, body) in BODIES {
        for deep in [
            [b"a = ".to_vec(), open("[", 20_000)].concat(),
            [b"a = ".to_vec(), open("{b=", 20_000)].concat(),
            [open("a.", 4_000), b"b = 1".to_vec()].concat(),
            [b"[".to_vec(), open("a.", 4_000), b"b]".to_vec()].concat(),
            open("[", 20_000),
            open("{\"scopes\":", 20_000),
            open("{a,", 4_000),
            [b"net/[[:".to_vec(), open("[:", 20_000), b" = 1\n".to_vec()].concat(),
            [b"net/*".to_vec(), open("{a,b}", 12), open("x", 200_000), b" = 1\n".to_vec()].concat(),
            [b"net/*".to_vec(), open("{a,", 4_000), open("}", 4_000), b" = 1\n".to_vec()].concat(),
            open("${a:-", 4_000),
            open("\"`$(", 4_000),
            open("\0", 20_000),
            open("\u{feff}é\r", 4_000),
        ] {
            let started = std::time::Instant::now();
            body(&deep);
            assert!(started.elapsed().as_secs() < 60, "{name} took {:?}", started.elapsed());
        }
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.toml");
    std::fs::File::create(&path).unwrap().set_len(100 << 20).unwrap();
    let error = SiteLibrary::file(&path).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("larger than"), "{error:?}");
    let files = RootedFiles::new(directory.path());
    assert!(matches!(files.read("/large.toml".as_ref()), Err(FileError::TooLarge { .. })));
}
