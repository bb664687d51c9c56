//! The values that are tried on a tunable or a setting, and the ways of asking for them.

use std::collections::BTreeSet;

use tune_model::{Catalog, Slot, System, Tunable};

/// How a value is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// As a line of a site's profile: the table, and what stands in it.
    Profile(String, String),
    /// As the argument of `tune set`.
    Set(String),
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The setting or tunable, a field of it perhaps.
    pub subject: String,
    /// How it is asked for.
    pub form: Form,
    /// Whether unsafe values are allowed.
    pub insist: bool,
}

impl Case {
    fn set(subject: &str, operator: &str, raw: &str) -> Self {
        Self::asking(subject, Form::Set(format!("{subject}{operator}{raw}")))
    }

    /// A line of a profile; `raw` is TOML.
    fn line(table: &str, subject: &str, key: &str, raw: &str) -> Self {
        let form = Form::Profile(format!("[{table}.{subject:?}]"), format!("{key} = {raw}"));
        Self::asking(subject, form)
    }

    fn asking(subject: &str, form: Form) -> Self {
        Self { subject: subject.to_owned(), form, insist: false }
    }

    /// The slot and the plain decimal number that exactly is asked for, where it is one.
    #[must_use]
    pub fn number(&self) -> Option<(Slot, i128)> {
        let raw = match &self.form {
            Form::Set(argument) => argument.strip_prefix(&format!("{}=", self.subject)),
            Form::Profile(_, line) => line.strip_prefix("exactly = "),
        };
        let slot: Slot = self.subject.parse().ok()?;
        Catalog::of(System::Linux).get(&slot.tunable)?;
        let number: i128 = raw?.parse().ok()?;
        Some((slot, number)).filter(|(_, number)| raw == Some(number.to_string().as_str()))
    }

    /// The largest number in the request, whatever it stands for.
    #[must_use]
    pub fn largest_number(&self) -> Option<i128> {
        let (Form::Set(text) | Form::Profile(_, text)) = &self.form;
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).max()
    }

    /// Whether exactly a number is asked for that the catalog says every kernel takes.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        let Some((slot, number)) = self.number() else { return false };
        let row =
            Catalog::of(System::Linux).get(&slot.tunable).filter(|row| row.unit != "pages" && !row.is_text());
        let row = row.filter(|row| row.slots().contains(&slot));
        let accepted = row.and_then(|row| row.accepted_in(slot.field));
        accepted.is_some_and(|(low, high)| (low..=high).contains(&number))
    }

    /// The text of a site's profile; nothing for an argument.
    #[must_use]
    pub fn profile_text(&self) -> Option<String> {
        match &self.form {
            Form::Profile(table, line) => {
                Some(format!("name = \"edge\"\nsummary = \"One edge value\"\n\n{table}\n{line}\n"))
            }
            Form::Set(_) => None,
        }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.form {
            Form::Profile(table, line) => write!(f, "{table} {}", short(line))?,
            Form::Set(argument) => write!(f, "set {:?}", short(argument))?,
        }
        if self.insist { f.write_str(" --allow-unsafe") } else { Ok(()) }
    }
}

fn short(text: &str) -> String {
    if text.len() <= 100 { text.to_owned() } else { format!("{}… ({} bytes)", &text[..60], text.len()) }
}

/// What is no plain decimal number, or hardly: kernels, shells and people read these differently.
const SPELLINGS: &[&str] = &[
    "010",
    "0x10",
    "0b11",
    "0o17",
    "10 abc",
    "10abc",
    "+5",
    "1e3",
    "5.0",
    "-0",
    "--1",
    "1_000",
    "10,11",
    "",
    " ",
    "10 11 12 13",
    "99999999999999999999",
    "-99999999999999999999",
    "\u{663}",
    "\u{a0}7",
    "ten",
    "30s",
    "1KiB",
];

/// Every request that is tried on a tunable of the catalog, each with and without insisting.
#[must_use]
pub fn of_tunable(row: &Tunable) -> Vec<Case> {
    let mut cases = if row.is_text() { lists(&row.name) } else { numbers(row) };
    cases.extend(triples(row));
    with_insistence(cases)
}

fn with_insistence(cases: Vec<Case>) -> Vec<Case> {
    let insisting: Vec<_> = cases.iter().map(|case| Case { insist: true, ..case.clone() }).collect();
    cases.into_iter().chain(insisting).collect()
}

fn numbers(row: &Tunable) -> Vec<Case> {
    let pages = row.unit == "pages";
    let mut cases = Vec::new();
    for slot in row.slots() {
        let name = slot.to_string();
        let ranges = [row.allowed_in(slot.field), row.accepted_in(slot.field)];
        for number in edges(ranges.into_iter().flatten()) {
            cases.extend(of_number(&name, number, pages));
        }
        for raw in SPELLINGS {
            cases.extend(spelt(&name, raw));
        }
        cases.extend(spelt(&name, "10\n"));
        cases.extend(spelt(&name, "10\n11"));
    }
    cases
}

/// The numbers at, below and above every bound, and at the ends of the types that a kernel knows.
fn edges(ranges: impl Iterator<Item = (i128, i128)>) -> BTreeSet<i128> {
    let ends = [i32::MIN.into(), i32::MAX.into(), u32::MAX.into(), i64::MIN.into(), i64::MAX.into()];
    let bounds = ranges.flat_map(|(low, high)| [low, high]);
    let near = bounds.chain([0, 1, 60, 5000, 65_535, u64::MAX.into()]).chain(ends);
    near.flat_map(|number| [number - 1, number, number + 1]).collect()
}

fn of_number(name: &str, number: i128, pages: bool) -> Vec<Case> {
    let table = "linux.sysctl";
    let mut cases = vec![Case::set(name, "=", &number.to_string())];
    if pages {
        let text = format!("{number} pages");
        cases.push(Case::set(name, "=", &text));
        for key in ["exactly", "at_least", "at_most"] {
            cases.push(Case::line(table, name, key, &format!("{text:?}")));
        }
        return cases;
    }
    for key in ["exactly", "at_least", "at_most"] {
        cases.push(Case::line(table, name, key, &number.to_string()));
    }
    cases.push(Case::line(table, name, "exactly", &format!("\"{number}\"")));
    cases
}

/// One spelling as an argument, as a bare value and as a text of a profile.
fn spelt(name: &str, raw: &str) -> Vec<Case> {
    let quoted = format!("{:?}", raw.replace('\u{a0}', " "));
    let mut cases = vec![
        Case::set(name, "=", raw),
        Case::set(name, ">=", raw),
        Case::set(name, "<=", raw),
        Case::line("linux.sysctl", name, "exactly", &quoted),
    ];
    if !raw.contains('\n') {
        cases.push(Case::line("linux.sysctl", name, "exactly", raw));
    }
    cases
}

/// Whole rows: too few, too many, out of order, wrong in one place.
fn triples(row: &Tunable) -> Vec<Case> {
    let name = row.name.as_str();
    let rows: &[&str] = match (row.fields.len(), row.unit.as_str()) {
        (0, _) => return Vec::new(),
        (2, _) => &[
            "1024 65535",
            "1023 65535",
            "1024 65536",
            "0 65535",
            "1 65535",
            "60000 50000",
            "50000 50000",
            "50001 50000",
            "32768 60999",
            "32768",
            "1 2 3",
            "",
            "32768\t60999",
            "32768,60999",
            "-1 60999",
            "010000 60999",
            "0x8000 60999",
            "32768 60999 abc",
            "32768 60999\n",
            "+32768 60999",
            "65535 65535",
        ],
        (_, "pages") => &[
            "1 2 3 pages",
            "4000 5000 6000 pages",
            "4000 3000 6000 pages",
            "16MiB 32MiB 64MiB",
            "16MiB 32MiB 1EiB",
            "16MiB 32MiB",
            "1000 2000 3000",
            "0 0 0 pages",
            "1 2 2251799813685248 pages",
            "4097B 32MiB 64MiB",
            "1 2 3 4 pages",
            "1 2 99999999999999999999 pages",
            "010 020 030 pages",
        ],
        _ => &[
            "4096 131072 6291456",
            "8192 8388608 16777216",
            "65536 32768 6291456",
            "6291456 131072 4096",
            "4096 131072",
            "4096",
            "4096 131072 6291456 7",
            "4096 131072 abc",
            "4095 131072 6291456",
            "4096 131072 65535",
            "4096 131072 2147483648",
            "4096 2147483648 6291456",
            "0 131072 6291456",
            "1 2 3",
            "-1 131072 6291456",
            "010000 0400000 030000000",
            "0x1000 0x20000 0x600000",
            "",
            "4096 131072 6291456 abc",
            "4096\t131072\t6291456",
            "4096,131072,6291456",
            "4096 131072 6291456\n",
            "1048576 16777216 1073741824",
            "1048577 16777216 1073741824",
            "4096 16777217 1073741824",
            "2147483647 2147483647 2147483647",
        ],
    };
    let mut cases = Vec::new();
    for text in rows {
        cases.push(Case::set(name, "=", text));
        cases.push(Case::set(name, ">=", text));
        cases.push(Case::line("linux.sysctl", name, "exactly", &format!("{text:?}")));
        let items = text.split_whitespace().collect::<Vec<_>>().join(", ");
        cases.push(Case::line("linux.sysctl", name, "exactly", &format!("[{items}]")));
    }
    cases
}

fn lists(name: &str) -> Vec<Case> {
    // Two bytes more than a page holds, and as long as one write can be.
    let odd = |count: usize| (0..count).map(|n| (10_001 + 2 * n).to_string()).collect::<Vec<_>>().join(",");
    let (long, longest) = (odd(683), odd(682));
    let texts = [
        "",
        "8080",
        "8080,8081,8082",
        "8082,8080,8081",
        "9000-9010,8080",
        "10000-10010,10005-10020",
        "2000,2001",
        "2000-2000",
        "1024-65535",
        "1023-65535",
        "65535",
        "65536",
        "0",
        "1",
        "1023",
        "9-8",
        "8080,",
        ",8080",
        ",",
        "-",
        "8080-",
        "8080, 9090",
        "8080 9090",
        "08080",
        "0x1f90",
        "+8080",
        "8080abc",
        "8080\n",
        "8080;9090",
        "99999999999999999999",
        "-1",
        "8080--9090",
        "8080-8090-9000",
        long.as_str(),
        longest.as_str(),
    ];
    let mut cases = Vec::new();
    for text in texts {
        cases.push(Case::set(name, "=", text));
        cases.push(Case::line("linux.sysctl", name, "exactly", &format!("{text:?}")));
    }
    cases.push(Case::line("linux.sysctl", name, "exactly", "8080"));
    cases.push(Case::line("linux.sysctl", name, "exactly", "[8080, 9090]"));
    cases.push(Case::line("linux.sysctl", name, "at_least", "\"8080\""));
    cases
}

const DURATIONS: &[&str] = &[
    "0s",
    "1ms",
    "499ms",
    "999ms",
    "1s",
    "1500ms",
    "2s",
    "4s",
    "5s",
    "59s",
    "60s",
    "60001ms",
    "61s",
    "90s",
    "119s",
    "120s",
    "121s",
    "122s",
    "3min",
    "180s",
    "1h",
    "7080s",
    "7081s",
    "7082s",
    "24h",
    "86401s",
    "2147483s",
    "2147484s",
    "4294846s",
    "4294847s",
    "600000000h",
    "99999999999999999999s",
    "-1s",
    "30",
    "1.5s",
    "1h30min",
    "",
];
const COUNTS: &[&str] = &[
    "0",
    "1",
    "2",
    "7",
    "8",
    "127",
    "128",
    "129",
    "255",
    "256",
    "4095",
    "4096",
    "65535",
    "65536",
    "262144",
    "262145",
    "4194304",
    "4194305",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "-1",
    "010",
    "0x10",
    "1e3",
    "+5",
    "10 abc",
    "99999999999999999999",
    "",
];
const BYTES: &[&str] = &[
    "0B",
    "1B",
    "4095B",
    "4096B",
    "4097B",
    "65535B",
    "64KiB",
    "65537B",
    "6MiB",
    "1GiB",
    "1073741825B",
    "2147483647B",
    "2GiB",
    "16MiB",
    "16777217B",
    "1EB",
    "16TiB",
    "4096",
    "-1B",
    "1.5MiB",
    "100MB",
    "",
];
const PORTS: &[&str] = &[
    "1024-65535",
    "1023-65535",
    "0-65535",
    "1-65535",
    "1024-65536",
    "60000-50000",
    "50000-50000",
    "32768-60999",
    "32768 60999",
    "32768",
    "01024-65535",
    "-",
    "",
    "65535-65535",
];

/// Every portable setting of Linux that has a value, with the texts that are tried on it.
const SETTINGS: &[(&str, &[&str])] = &[
    ("tcp.fin_wait_2_timeout", DURATIONS),
    ("tcp.keepalive_idle", DURATIONS),
    ("tcp.keepalive_interval", DURATIONS),
    ("tcp.keepalive_abort", DURATIONS),
    ("tcp.time_wait_interval", DURATIONS),
    ("tcp.keepalive_probes", COUNTS),
    ("tcp.time_wait_limit", COUNTS),
    ("tcp.orphan_limit", COUNTS),
    ("tcp.listen_backlog", COUNTS),
    ("tcp.syn_backlog", COUNTS),
    ("net.mbuf_clusters", COUNTS),
    ("net.max_sockets", COUNTS),
    ("tcp.send_buffer_max", BYTES),
    ("tcp.receive_buffer_max", BYTES),
    ("net.tcp_memory_limit", BYTES),
    ("tcp.ephemeral_ports", PORTS),
];

/// Every request that is tried on the portable settings, each with and without insisting.
#[must_use]
pub fn of_settings() -> Vec<Case> {
    let mut cases = Vec::new();
    for (setting, texts) in SETTINGS {
        for text in *texts {
            for operator in ["=", "<=", ">="] {
                cases.push(Case::set(setting, operator, text));
            }
            for key in ["exactly", "at_least", "at_most"] {
                let bare = text.parse::<i128>().is_ok();
                let raw = if bare { (*text).to_owned() } else { format!("{text:?}") };
                cases.push(Case::line("settings", setting, key, &raw));
            }
        }
    }
    with_insistence(cases)
}
