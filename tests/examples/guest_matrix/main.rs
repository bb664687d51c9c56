//! Writes edge values to host-global keys of a throw-away kernel and prints what became of each as a JSON line.
//!
//! For a guest only (`tests/guest/run`): on a machine that matters it would change, for moments, settings
//! that reach everybody. It refuses to run unless it finds the guest's own command file.

mod bounds;
mod defaults;
mod rows;

use defaults::Sizes;
use rows::{OPTMEM, OPTMEM_BEFORE_NAMESPACES, ROWS, Row};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bytes given to a read; numeric keys answer once, so the buffer has to hold everything.
const READ_SIZE: usize = 4096;

/// One value to be written, and what we believe the kernel answers (`None`: no belief).
struct Case {
    input: String,
    accepted: Option<bool>,
}

/// What a run of all cases came to.
#[derive(Default)]
struct Tally {
    cases: usize,
    missing: Vec<&'static str>,
    unexpected: Vec<Value>,
    not_restored: Vec<&'static str>,
}

/// The files of one case, all open before the write: a low limit on open files must not keep us from restoring.
struct Probe {
    restoring: File,
    writing: File,
    reading: File,
}

fn main() -> ExitCode {
    if !Path::new("/guest/command").exists() {
        let _ = writeln!(io::stderr(), "guest_matrix: runs in the test guest only (tests/guest/run)");
        return ExitCode::from(2);
    }
    match run(&mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "guest_matrix: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints the kernel, one line per case and the summary; true when nothing was unexpected.
fn run(out: &mut impl Write) -> io::Result<bool> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let total = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)).unwrap_or("unknown");
    writeln!(out, "{}", json!({"kernel": release.trim(), "machine": "x86_64", "mem_total_kib": total}))?;
    let mut tally = Tally::default();
    let rows: Vec<&Row> = ROWS.iter().chain([optmem()]).collect();
    let sizes = Sizes::read()?;
    for row in &rows {
        run_row(row, &sizes, &mut tally, out)?;
    }
    writeln!(
        out,
        "{}",
        json!({"summary": {"keys": rows.len(), "cases": tally.cases, "missing": tally.missing,
            "unexpected": tally.unexpected, "not_restored": tally.not_restored}})
    )?;
    Ok(tally.unexpected.is_empty() && tally.not_restored.is_empty())
}

/// Which belief fits: the key moved into namespaces together with a new default.
fn optmem() -> &'static Row {
    let old = fs::read_to_string("/proc/sys/net/core/optmem_max").is_ok_and(|text| text.trim() == "20480");
    if old { &OPTMEM_BEFORE_NAMESPACES } else { &OPTMEM }
}

fn run_row(row: &'static Row, sizes: &Sizes, tally: &mut Tally, out: &mut impl Write) -> io::Result<()> {
    let path = path_of(row.key);
    let original = match File::open(&path) {
        Ok(mut file) => read_once(&mut file)?.trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tally.missing.push(row.key);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let default = sizes.judge(row.key, &row.default, &original);
    if default["agrees"] == json!(false) {
        tally.unexpected.push(default.clone());
    }
    writeln!(out, "{default}")?;
    for case in cases(row, &original) {
        let line = run_case(row.key, &path, &case)?;
        if case.accepted.is_some_and(|accepted| accepted != line["errno"].is_null()) {
            tally.unexpected.push(json!({"key": row.key, "input": case.input, "errno": line["errno"]}));
        }
        writeln!(out, "{line}")?;
        tally.cases += 1;
    }
    for slot in 0..row.fields {
        writeln!(out, "{}", bounds::measure(row, &path, slot)?)?;
    }
    if read_once(&mut File::open(&path)?)?.trim() != original {
        tally.not_restored.push(row.key);
    }
    Ok(())
}

/// Carries out one case: one write, one read, and the value from before put back.
fn run_case(key: &str, path: &Path, case: &Case) -> io::Result<Value> {
    let before = read_once(&mut File::open(path)?)?;
    let mut probe = Probe::open(path)?;
    let written = probe.writing.write(case.input.as_bytes());
    let after = read_once(&mut probe.reading)?;
    let restored = probe.restoring.write(before.as_bytes())?;
    if restored != before.len() {
        return Err(io::Error::other(format!("restoring {key} was cut short at {restored} bytes")));
    }
    let short = written.as_ref().is_ok_and(|count| *count != case.input.len());
    Ok(json!({"key": key, "input": case.input, "errno": written.err().map(|error| errno_name(&error)),
        "short_write": short, "before": before.trim_end(), "after": after.trim_end()}))
}

impl Probe {
    fn open(path: &Path) -> io::Result<Self> {
        let writing = || OpenOptions::new().write(true).open(path);
        Ok(Self { restoring: writing()?, writing: writing()?, reading: File::open(path)? })
    }
}

fn path_of(key: &str) -> PathBuf {
    Path::new("/proc/sys").join(key.replace('.', "/"))
}

fn read_once(file: &mut File) -> io::Result<String> {
    let mut bytes = vec![0; READ_SIZE];
    let count = file.read(&mut bytes)?;
    bytes.truncate(count);
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// The numbers around both bounds and the ends of the machine's types, then the spellings.
fn cases(row: &Row, original: &str) -> Vec<Case> {
    let mut all = Vec::new();
    for number in edge_numbers(row) {
        let accepted = Some(row.accepts(number));
        all.push(Case { input: repeated(number, row.fields), accepted });
        if row.fields > 1 {
            all.push(Case { input: with_last(original, number), accepted });
        }
    }
    all.extend(spellings(row));
    all
}

fn edge_numbers(row: &Row) -> Vec<i128> {
    let ends = [i128::from(i32::MIN), i128::from(i32::MAX), i128::from(u32::MAX), i128::from(i64::MAX)];
    let mut numbers = vec![-1, 0, 1, row.low, row.high, row.base, i128::from(u64::MAX), 10_i128.pow(30)];
    numbers.extend(ends);
    let mut near: Vec<i128> = numbers.iter().flat_map(|n| [n - 1, *n, n + 1]).collect();
    near.retain(|n| *n <= row.largest_tried || *n > row.high);
    near.sort_unstable();
    near.dedup();
    near
}

/// Texts made from the base value, which lies within every bound, so that only the spelling is at stake.
fn spellings(row: &Row) -> Vec<Case> {
    let base = repeated(row.base, row.fields);
    let octal = vec![format!("0{:o}", row.base); row.fields].join(" ");
    let hex = vec![format!("{:#x}", row.base); row.fields].join(" ");
    let accepted = [
        octal,
        hex,
        format!(" {base}"),
        format!("{base}\n"),
        format!("{base}\n\n"),
        format!("{base} abc"),
        format!("{base} {}", row.base),
        String::new(),
    ];
    let refused = [
        "\n".to_owned(),
        "abc".to_owned(),
        format!("{base}abc"),
        format!("+{base}"),
        format!("{base}.5"),
        format!("{base},{base}"),
    ];
    let mut all: Vec<Case> = accepted.into_iter().map(|input| Case { input, accepted: Some(true) }).collect();
    all.extend(refused.into_iter().map(|input| Case { input, accepted: Some(false) }));
    all.extend(vector_spellings(row));
    all
}

/// Too few values, and orders that make no sense.
fn vector_spellings(row: &Row) -> Vec<Case> {
    if row.fields == 1 {
        return Vec::new();
    }
    let descending: Vec<String> = (0..row.fields).map(|n| (row.base * 4 - n as i128).to_string()).collect();
    let bad_last = format!("{} abc", repeated(row.base, row.fields - 1));
    vec![
        Case { input: row.base.to_string(), accepted: Some(true) },
        Case { input: descending.join(" "), accepted: Some(true) },
        Case { input: bad_last, accepted: Some(false) },
    ]
}

fn repeated(number: i128, fields: usize) -> String {
    vec![number.to_string(); fields].join(" ")
}

fn with_last(original: &str, number: i128) -> String {
    let mut words: Vec<String> = original.split_whitespace().map(str::to_owned).collect();
    words.pop();
    words.push(number.to_string());
    words.join(" ")
}

/// The symbol for the numbers that these writes can meet.
fn errno_name(error: &io::Error) -> String {
    let name = match error.raw_os_error() {
        Some(1) => "EPERM",
        Some(5) => "EIO",
        Some(12) => "ENOMEM",
        Some(13) => "EACCES",
        Some(22) => "EINVAL",
        Some(30) => "EROFS",
        Some(34) => "ERANGE",
        other => return format!("errno {}", other.unwrap_or_default()),
    };
    name.to_owned()
}
