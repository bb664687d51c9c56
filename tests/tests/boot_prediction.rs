//! Predicts what `systemd-sysctl`, `sysctl --system` and OpenRC with busybox make of trees of settings files,
//! runs them on the real kernel in a laboratory, and compares every key.
//!
//! 500 trees take part in `cargo test`. A campaign, with other trees:
//!
//! ```sh
//! TUNE_TREES=10000 TUNE_SEED=7 cargo test --release -p tune-tests --test boot_prediction -- --nocapture
//! ```

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::fmt::Write;
use std::time::Instant;

use tune_host::RootedFiles;
use tune_linux::boot::{BootPlan, BootTool, decide};
use tune_tests::boot_lab::BootLab;
use tune_tests::sysctl_trees::{Tree, Tunable, needs_interface, tree, tunables};

const TOOLS: [BootTool; 3] = [BootTool::SystemdSysctl, BootTool::Procps, BootTool::OpenrcBusybox];

#[derive(Debug, Default)]
struct Tally {
    compared: usize,
    changed: usize,
    open: usize,
    mismatches: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.compared += other.compared;
        self.changed += other.changed;
        self.open += other.open;
        self.mismatches.extend(other.mismatches);
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn the_tools_do_what_was_predicted() {
    if !tune_tests::needs_root() {
        return;
    }
    let (trees, seed) = (number("TUNE_TREES", 500), number("TUNE_SEED", 1));
    let before = host_values();
    let start = Instant::now();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = move |worker| (worker as u64..trees).step_by(workers);
    let threads: Vec<_> =
        (0..workers).map(|worker| std::thread::spawn(move || campaign(seed, share(worker)))).collect();
    let mut tally = Tally::default();
    threads.into_iter().for_each(|thread| tally.add(thread.join().unwrap()));
    eprintln!(
        "{trees} trees from seed {seed} on {} tools in {:.1} s: {} values compared, {} of them changed, {} left \
         open, {} mismatches",
        TOOLS.len(),
        start.elapsed().as_secs_f64(),
        tally.compared,
        tally.changed,
        tally.open,
        tally.mismatches.len()
    );
    for mismatch in tally.mismatches.iter().take(5) {
        eprintln!("{mismatch}");
    }
    assert_eq!(before, host_values(), "values of the host changed");
    assert!(tally.mismatches.is_empty(), "{} mismatches from seed {seed}", tally.mismatches.len());
    assert!(tally.changed > 0, "no tree changed anything");
}

/// The values of the host itself, which must not move.
fn host_values() -> Vec<Option<String>> {
    let value = |tunable: Tunable| {
        std::fs::read_to_string(format!("/proc/sys/{}", tunable.path)).ok().map(|text| text.trim().to_owned())
    };
    tunables(1).into_iter().map(value).collect()
}

fn campaign(seed: u64, numbers: impl Iterator<Item = u64>) -> Tally {
    let lab = BootLab::enter().unwrap();
    let mut known = tunables(jiffies(&lab));
    known.retain(|tunable| !needs_interface(tunable) || lab.read(tunable.path).is_ok());
    // An interface that was never set itself follows `default`: from here on none does.
    known.iter().for_each(|tunable| lab.write(tunable.path, tunable.start).unwrap());
    let mut tally = Tally::default();
    for number in numbers {
        let tree = tree((seed << 32) + number, &known);
        lab.plant(&tree).unwrap();
        for tool in TOOLS.into_iter().filter(|tool| lab.has(*tool) && takes_part(*tool, number)) {
            compare(&lab, &tree, tool, &known, &mut tally);
        }
    }
    tally
}

/// Busybox runs a program per line, so it gets every fifth tree.
fn takes_part(tool: BootTool, number: u64) -> bool {
    tool != BootTool::OpenrcBusybox || number.is_multiple_of(5)
}

/// The most seconds the kernel takes for a time: it counts them in ticks, of which it has 100 to 1000 a second.
fn jiffies(lab: &BootLab) -> i128 {
    let key = "net/ipv4/tcp_fin_timeout";
    let fits = |ticks: &i32| {
        let most = i32::MAX / ticks;
        lab.write(key, &most.to_string()).is_ok() && lab.write(key, &(most + 1).to_string()).is_err()
    };
    let ticks = [100, 250, 300, 1000].into_iter().find(fits).expect("a usual tick rate");
    i128::from(i32::MAX / ticks)
}

fn compare(lab: &BootLab, tree: &Tree, tool: BootTool, known: &[Tunable], tally: &mut Tally) {
    known.iter().for_each(|tunable| lab.reset(tunable).unwrap());
    lab.run(tool).unwrap();
    let plan = BootPlan::read(&RootedFiles::new("/"), tool);
    let remembered = BootPlan::read(&tree.in_memory(), tool);
    if plan != remembered {
        tally.mismatches.push(format!("{tool}: disk and memory differ\n{plan:#?}\n{remembered:#?}"));
    }
    for tunable in known {
        let decision = decide(&tunable.key(), &plan);
        if decision.doubts.iter().any(|doubt| !lab.settles(doubt)) {
            tally.open += 1;
            continue;
        }
        let predicted = decision.predict(tunable.start, &tunable.fields).unwrap().shown;
        let found = lab.read(tunable.path).unwrap();
        tally.compared += 1;
        tally.changed += usize::from(found != tunable.start);
        if found != predicted {
            tally.mismatches.push(describe(tree, tool, tunable, &predicted, &found));
        }
    }
}

fn describe(tree: &Tree, tool: BootTool, tunable: &Tunable, predicted: &str, found: &str) -> String {
    let mut text = format!(
        "{tool}, tree {:#x}: {} predicted {predicted:?}, found {found:?}; /lib -> {}",
        tree.seed,
        tunable.path,
        tree.lib()
    );
    for (path, node) in &tree.nodes {
        let shown = match node {
            tune_tests::sysctl_trees::Node::File(content) => content.escape_ascii().to_string(),
            other => format!("{other:?}"),
        };
        let shown: String = shown.chars().take(600).collect();
        let _ = write!(text, "\n  {path}: {shown}");
    }
    text
}
