//! Trees of sysctl settings files made from a number: the same number always gives the same tree.

use tune_host::MemoryFiles;
use tune_linux::boot::{Fields, Key};

use crate::boot_lab::DOTTED_INTERFACE;

/// A small generator of numbers (SplitMix64), so that a tree is known by its seed alone.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.roll() % limit.max(1) as u64).unwrap_or(0)
    }

    /// True once in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A key that the trees set, which belongs to the network namespace alone.
#[derive(Debug, Clone)]
pub struct Tunable {
    /// The path below `/proc/sys`.
    pub path: &'static str,
    /// What the kernel shows before every run.
    pub start: &'static str,
    /// What the kernel makes of a text.
    pub fields: Fields,
}

impl Tunable {
    /// Returns the key's name.
    ///
    /// # Panics
    ///
    /// Never: the names of the table are well formed.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::parse(self.path).expect("the table holds clean names")
    }
}

const INT: std::ops::RangeInclusive<i128> = i32::MIN as i128..=i32::MAX as i128;
const POSITIVE: std::ops::RangeInclusive<i128> = 1..=i32::MAX as i128;
const BYTE: std::ops::RangeInclusive<i128> = 0..=255;

/// Returns the keys. `jiffies` is the most seconds that the kernel's clock can count, `i32::MAX / HZ`.
#[must_use]
pub fn tunables(jiffies: i128) -> Vec<Tunable> {
    let seconds = Fields::signed(1, -jiffies..=jiffies);
    let int = Fields::signed(1, INT);
    let byte = Fields::unsigned(1, BYTE);
    let triple = Fields::signed(3, POSITIVE);
    let minimum = Fields::signed(1, POSITIVE);
    let row = |path, start, fields: &Fields| Tunable { path, start, fields: fields.clone() };
    vec![
        row("net/ipv4/tcp_fin_timeout", "60", &seconds),
        row("net/ipv4/tcp_keepalive_time", "7200", &seconds),
        row("net/ipv4/tcp_keepalive_intvl", "75", &seconds),
        row("net/ipv4/tcp_keepalive_probes", "9", &byte),
        row("net/ipv4/tcp_retries1", "3", &byte),
        row("net/ipv4/tcp_retries2", "15", &byte),
        row("net/ipv4/tcp_orphan_retries", "0", &byte),
        row("net/ipv4/tcp_syncookies", "1", &byte),
        row("net/ipv4/tcp_tw_reuse", "2", &Fields::unsigned(1, 0..=2)),
        row("net/ipv4/tcp_max_tw_buckets", "131072", &int),
        row("net/ipv4/tcp_max_syn_backlog", "2048", &int),
        row("net/ipv4/tcp_challenge_ack_limit", "2147483647", &int),
        row("net/ipv4/tcp_limit_output_bytes", "4194304", &int),
        row("net/ipv4/tcp_notsent_lowat", "4294967295", &Fields::unsigned(1, 0..=i128::from(u32::MAX))),
        row("net/ipv4/tcp_rmem", "4096\t131072\t33554432", &triple),
        row("net/ipv4/tcp_wmem", "4096\t16384\t4194304", &triple),
        row("net/ipv4/udp_rmem_min", "4096", &minimum),
        row("net/ipv4/udp_wmem_min", "4096", &minimum),
        row("net/ipv4/ip_local_port_range", "32768\t60999", &Fields::port_range(1024)),
        row("net/core/somaxconn", "4096", &Fields::signed(1, 0..=i128::from(i32::MAX))),
        row("net/ipv4/conf/default/arp_ignore", "0", &int),
        row("net/ipv4/conf/all/arp_ignore", "0", &int),
        row("net/ipv4/conf/lo/arp_ignore", "0", &int),
        row("net/ipv4/conf/d0.100/arp_ignore", "0", &int),
        row("net/ipv4/conf/default/rp_filter", "0", &int),
        row("net/ipv4/conf/all/rp_filter", "0", &int),
        row("net/ipv4/conf/lo/rp_filter", "0", &int),
        row("net/ipv4/conf/d0.100/rp_filter", "0", &int),
    ]
}

/// One thing in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File(Vec<u8>),
    /// An empty directory.
    Directory,
    /// A symbolic link.
    Link(String),
}

/// A tree of settings files.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The number it was made from.
    pub seed: u64,
    /// Whether `/lib` is a directory of its own and not `/usr/lib`.
    pub split_lib: bool,
    /// What is in it, in the order it is made; no path occurs twice.
    pub nodes: Vec<(String, Node)>,
}

impl Tree {
    /// Returns where `/lib` leads.
    #[must_use]
    pub fn lib(&self) -> &'static str {
        if self.split_lib { ".split" } else { "usr/lib" }
    }

    /// Returns the tree in memory.
    #[must_use]
    pub fn in_memory(&self) -> MemoryFiles {
        let base = MemoryFiles::default().with_device("/dev/null").with_directory("/usr/lib");
        let base = base.with_directory("/.split").with_link("/lib", self.lib());
        self.nodes.iter().fold(base, |files, (path, node)| match node {
            Node::File(content) => files.with(path, content),
            Node::Directory => files.with_directory(path),
            Node::Link(target) => files.with_link(path, target),
        })
    }

    fn has(&self, path: &str) -> bool {
        self.nodes.iter().any(|(taken, _)| taken == path)
    }
}

const DIRECTORIES: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/.split/sysctl.d"];

/// Few names, so that directories often hold the same one.
const NAMES: &[&str] = &[
    "10-a.conf",
    "100-b.conf",
    "9-c.conf",
    "50-x.conf",
    "99-sysctl.conf",
    "99-zz.conf",
    "Z.conf",
    "a.conf",
    "10-.conf",
    "zz-tune.conf",
    "50-X.conf",
    "_.conf",
    "~.conf",
    "é.conf",
    "sp ace.conf",
    ".hidden.conf",
    ".conf",
    "10-[a].conf",
    "{10-a,Z,none}.conf",
    "?.conf",
    "5*.conf",
    "50\\-x.conf",
    "readme",
    "x.conf.bak",
    "x.CONF",
    "[.conf",
    "{.conf",
];

/// Makes the tree of a seed.
#[must_use]
pub fn tree(seed: u64, tunables: &[Tunable]) -> Tree {
    let mut dice = Dice::new(seed);
    let split_lib = dice.once_in(3);
    let mut tree = Tree { seed, split_lib, nodes: Vec::new() };
    let keys = (0..1 + dice.below(4)).map(|_| dice.pick(tunables)).collect();
    if dice.once_in(12) {
        tree.nodes.push(("/run/sysctl.d".to_owned(), Node::Link("../etc/sysctl.d".to_owned())));
    }
    let names = if dice.once_in(3) { NAMES } else { &NAMES[..10] };
    let doubled = dice.once_in(10);
    let mut author = Author { dice, keys, lines: Vec::new(), doubled };
    for _ in 0..1 + author.dice.below(9) {
        let directory = *author.dice.pick(&DIRECTORIES);
        let path = format!("{directory}/{}", author.dice.pick(names));
        let linked_away = tree.has(directory);
        if !tree.has(&path) && !linked_away {
            add_file(&mut author, &mut tree, path);
        }
    }
    add_sysctl_conf(&mut author, &mut tree);
    tree
}

/// Who writes the lines of one tree: a few keys only, so that they meet, and a memory of earlier lines.
struct Author<'a> {
    dice: Dice,
    keys: Vec<&'a Tunable>,
    lines: Vec<Vec<u8>>,
    /// Whether paths are spelled with a doubled slash before their last part.
    doubled: bool,
}

fn add_file(author: &mut Author<'_>, tree: &mut Tree, path: String) {
    let node = match author.dice.below(30) {
        0 => Node::File(Vec::new()),
        1 | 2 => Node::Link("/dev/null".to_owned()),
        3 => Node::Link("/srv/nowhere.conf".to_owned()),
        4 => Node::Directory,
        5 | 6 => linked_file(author, tree),
        7 => Node::Link("../../etc/sysctl.conf".to_owned()),
        _ => Node::File(content(author)),
    };
    tree.nodes.push((path, node));
}

fn linked_file(author: &mut Author<'_>, tree: &mut Tree) -> Node {
    let target = format!("/srv/elsewhere-{}", author.dice.below(3));
    if !tree.has(&target) {
        let content = content(author);
        tree.nodes.push((target.clone(), Node::File(content)));
    }
    Node::Link(target)
}

fn add_sysctl_conf(author: &mut Author<'_>, tree: &mut Tree) {
    let link = "/etc/sysctl.d/99-sysctl.conf";
    if author.dice.once_in(3) && !tree.has(link) {
        tree.nodes.push((link.to_owned(), Node::Link("../sysctl.conf".to_owned())));
    }
    let node = match author.dice.below(20) {
        0 => Node::Link("/dev/null".to_owned()),
        1 => Node::Directory,
        2 => linked_file(author, tree),
        3..=7 => return,
        _ => Node::File(content(author)),
    };
    tree.nodes.push(("/etc/sysctl.conf".to_owned(), node));
}

/// Line endings of a whole file.
const ENDINGS: &[&[u8]] = &[b"\n", b"\n", b"\n", b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\n\r"];

fn content(author: &mut Author<'_>) -> Vec<u8> {
    let ending = *author.dice.pick(ENDINGS);
    let mut content = if author.dice.once_in(25) { "\u{feff}".as_bytes().to_vec() } else { Vec::new() };
    let lines = 1 + author.dice.below(6);
    for at in 0..lines {
        content.extend(next_line(author));
        let dice = &mut author.dice;
        if at + 1 < lines || !dice.once_in(6) {
            let odd = dice.once_in(60).then(|| *dice.pick(&[&b"\r"[..], b"\0", b"\n\0", b"\r\n\0", b"\n\n"]));
            content.extend(odd.unwrap_or(ending));
        }
    }
    content
}

/// A line: often one that was there before, or one that excludes what an earlier one set.
fn next_line(author: &mut Author<'_>) -> Vec<u8> {
    if author.lines.is_empty() || !author.dice.once_in(4) {
        let line = line(author);
        author.lines.push(line.clone());
        return line;
    }
    let mut earlier = author.dice.pick(&author.lines).clone();
    if author.dice.once_in(3) {
        earlier.truncate(earlier.iter().position(|byte| *byte == b'=').unwrap_or(earlier.len()));
        earlier.splice(0..0, *b"-");
    }
    earlier
}

/// White space before and after names and values.
const SPACES: &[&str] = &["", "", "", " ", " ", "\t", "  ", " \t ", "\x0b", "\x0c", "\r"];

fn space(dice: &mut Dice) -> &'static str {
    let usual = if dice.once_in(8) { SPACES.len() } else { 8 };
    SPACES[dice.below(usual)]
}

fn line(author: &mut Author<'_>) -> Vec<u8> {
    let dice = &mut author.dice;
    let tunable = *dice.pick(&author.keys);
    match dice.below(40) {
        0 => return b"".to_vec(),
        1 => return format!("{}# net.ipv4.tcp_fin_timeout = 1", space(dice)).into_bytes(),
        2 => return format!("{};net.ipv4.tcp_fin_timeout = 2", space(dice)).into_bytes(),
        3 => return b"no equals here".to_vec(),
        4 => return vec![*dice.pick(b"x=-#; ")],
        5 => return format!("#{}", "x".repeat(dice.below(9000))).into_bytes(),
        _ => {}
    }
    let mark = match dice.below(14) {
        0 | 1 => "-",
        2 => *dice.pick(&["- ", "--", "-\t", "+", "\u{feff}"]),
        _ => "",
    };
    let name = match dice.below(10) {
        0..=2 => pattern(dice, tunable.path),
        _ if author.doubled => doubled(tunable.path),
        _ => spelling(dice, tunable.path),
    };
    let name = if author.doubled && !name.contains("//") { doubled(&name) } else { name };
    let mut line = format!("{}{mark}{name}{}", space(dice), space(dice)).into_bytes();
    let exclusion = (mark.starts_with('-') && dice.once_in(2)) || dice.once_in(60);
    if !exclusion {
        line.extend(format!("={}", space(dice)).bytes());
        line.extend(value(dice, &tunable.fields));
        line.extend(space(dice).bytes());
    }
    line
}

fn doubled(path: &str) -> String {
    path.rsplit_once('/').map_or_else(|| path.to_owned(), |(above, last)| format!("{above}//{last}"))
}

/// A path in one of the ways it may be written, some of which lead nowhere.
fn spelling(dice: &mut Dice, path: &str) -> String {
    let dotted = Key::parse(path).map(|key| key.dotted()).unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    match dice.below(36) {
        0..=19 => dotted,
        20..=27 => path.to_owned(),
        28 => format!("/{path}"),
        29 => format!(".{dotted}"),
        30 => dotted.replacen('.', "..", 1),
        31 => path.replacen('/', dice.pick::<&str>(&["//", "/./", "/.//"]), 1),
        32 => format!("{}{}", path, *dice.pick(&["/", "/.", "//", ".", "/x", "/.."])),
        33 => path
            .replace(last, &format!("{}/{last}", *dice.pick(&["..", "../ipv4", "../../net/ipv4", "x/.."]))),
        34 => path.replace('/', "."),
        _ => (*dice.pick(&[
            "net.ipv4.no_such_key",
            "",
            ".",
            "/",
            "NET.IPV4.TCP_FIN_TIMEOUT",
            "net.ipv4",
            "net",
        ]))
        .to_owned(),
    }
}

/// A pattern that may match a path, and others of the table.
fn pattern(dice: &mut Dice, path: &str) -> String {
    let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
    let cut = 4 + dice.below(last.len().saturating_sub(4));
    let cut = cut.min(last.len() - 1);
    let first = last[cut..].chars().next().unwrap_or('x');
    let pattern = match dice.below(20) {
        0..=3 => format!("{above}/{}*", &last[..cut]),
        4 => format!("{above}/{}?{}", &last[..cut], &last[cut + 1..]),
        5 => format!("{above}/{}[{first}x]{}", &last[..cut], &last[cut + 1..]),
        6 => format!("{above}/{}[!{first}]{}", &last[..cut], &last[cut + 1..]),
        7 => format!("{above}/{}[a-z_]*", &last[..cut]),
        8 => format!("net/*/{last}"),
        9 => format!("*/{}/{last}", above.split_once('/').map_or("ipv4", |(_, rest)| rest)),
        10 => format!("{above}/{{{last},{}*}}", &last[..cut]),
        11 => format!("{above}/{{{last},none}}"),
        12 => format!("{above}/{}\\{first}{}*", &last[..cut], &last[cut + 1..]),
        13 => format!("{above}/{}[{first}", &last[..cut]),
        14 => format!("{above}//{}*", &last[..cut]),
        15 => format!("{above}/{}[[:lower:]]*", &last[..cut]),
        16 => format!("{above}/./{}*", &last[..cut]),
        17 => format!("{above}/{}*/", &last[..cut]),
        // The first letters keep it from keys that others depend on, such as ip_unprivileged_port_start.
        _ => format!("{above}/{}*{}", &last[..4], &last[cut..]),
    };
    let pattern = match above {
        "net/ipv4/conf/lo" | "net/ipv4/conf/all" | "net/ipv4/conf/default" if !dice.once_in(4) => {
            format!("net/ipv4/conf/{}/{last}", *dice.pick(&["*", "?*", "[ad]*", "l?", "d0*", "{lo,a*}"]))
        }
        _ => pattern,
    };
    let starts_with_a_part = pattern.split('/').next().is_some_and(|part| !part.contains('.'));
    if dice.once_in(2) && starts_with_a_part && !pattern.contains("/.") {
        pattern
            .chars()
            .map(|c| {
                if c == '/' {
                    '.'
                } else if c == '.' {
                    '/'
                } else {
                    c
                }
            })
            .collect()
    } else {
        pattern
    }
}

/// Something behind `=`, which the kernel takes, takes in part, or refuses.
fn value(dice: &mut Dice, fields: &Fields) -> Vec<u8> {
    let count = match dice.below(8) {
        0 => 1 + dice.below(4),
        _ => fields.ranges.len(),
    };
    let mut value = Vec::new();
    for at in 0..count {
        if at > 0 {
            let between: &[&str] =
                if dice.once_in(10) { &[",", "\x0b", "\r", "  \t ", ""] } else { &[" ", " ", "\t"] };
            value.extend(dice.pick(between).bytes());
            if dice.once_in(50) {
                value.extend(" ".repeat(4070 + dice.below(40)).bytes());
            }
        }
        let range = fields.ranges.get(at).cloned().unwrap_or(0..=9);
        value.extend(number(dice, &range));
    }
    match dice.below(30) {
        0 => value.extend(b" # because"),
        1 => value.extend(b" ; because"),
        2 => value.extend(b"#because"),
        3 => value.insert(0, b'"'),
        4 => value.extend(b" = 7"),
        5 => value.clear(),
        6 => value.insert(0, *dice.pick(&[0xa0, 0x0b, b'\'', b'+', 0xff])),
        7 => value.extend(b" ".repeat(dice.below(5000))),
        _ => {}
    }
    value
}

fn number(dice: &mut Dice, range: &std::ops::RangeInclusive<i128>) -> Vec<u8> {
    let limit = *dice.pick(&[200, 70_000]);
    let within = i128::try_from(dice.below(limit)).unwrap_or(0);
    let fitting = within.clamp(*range.start(), *range.end());
    match dice.below(24) {
        0 => format!("0{fitting:o}"),
        1 => format!("0x{fitting:x}"),
        2 => format!("0X{fitting:X}"),
        3 => format!("{}", range.end() + i128::from(dice.once_in(2))),
        4 => format!("{}", range.start() - i128::from(dice.once_in(2))),
        5 => format!("-{fitting}"),
        6 => format!("{fitting}x"),
        7 => (*dice
            .pick(&["abc", "08", "0x", "0xg", "1.5", "1e3", "+5", "--5", "-", "5\u{a0}", "٣", "-0", "00"]))
        .to_owned(),
        8 => format!("{}{fitting}", "0".repeat(12 + dice.below(12))),
        9 => (*dice.pick(&["18446744073709551615", "18446744073709551616", "2147483647", "2147483648"]))
            .to_owned(),
        _ => format!("{fitting}"),
    }
    .into_bytes()
}

/// The keys that exist only with the interface of the laboratory.
#[must_use]
pub fn needs_interface(tunable: &Tunable) -> bool {
    tunable.path.contains(DOTTED_INTERFACE)
}
