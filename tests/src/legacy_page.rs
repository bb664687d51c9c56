//! The page about systems that `tune` only knows of, made from their catalog.

use std::fmt::{self, Write};

use tune_model::legacy::{Mark, Part, Release, Row, Way};
use tune_model::{Legacy, LegacySystem, Setting};

const HEAD: &str = "\
# Systems that tune only knows of

This page is made from `crates/tune-model/catalog/legacy.toml`: `UPDATE_DOCS=1 cargo test -p tune-tests --test docs`
writes it anew.

`tune` changes nothing on these systems and nobody ran it there. What is known of them is data, each row with what it
rests on:

| evidence | means |
| --- | --- |
| page | a claim of the page *Connections in the FIN_WAIT_2 state and Apache* (Apache httpd, 1997-98), carried as a claim of its time |
| document | a public document that was read |
| source | the system's own source, which was read |
| analogy | a document about another system of the same descent; not confirmed |
| general | general knowledge; not confirmed |

A **?** marks a number that is general knowledge although the rest of its row is not.

```sh
tune explain tcp.fin_wait_2_timeout --for hp-ux      # what is known there
tune explain tcp.fin_wait_2_timeout --all-systems    # every system, those with a backend too
tune render web-server --for aix                     # a script for people
tune render baseline --for tru64 --unverified        # also what nobody confirmed, marked
```

A version behind the name chooses a generation: `hp-ux-10`, `aix-4.2`, `openbsd-7.2`. Without one `explain` tells of
all, and `render` writes for the newest.

## FIN_WAIT_2
";

const SCRIPTS: &str = "
## Scripts

`tune render` translates the portable requirements of a profile; tables of one system (`[linux…]`) count there only.
Numbers are converted exactly or refused with the neighbours: 60 s are 60000 on HP-UX and 120 on AIX, and 0.25 s is
nothing on AIX. A number outside of the range is refused. What rests on general knowledge is left out with the reason;
if nothing else remains, that is the answer, with exit code 1.

A script is for the oldest shells. Run without a word it shows the values and what would be set; with `apply` it sets
them, reads them back, adds to the boot file where that is confirmed, and ends with the commands that undo it. It leaves
alone what satisfies the profile already, and stops before it begins where `uname -s` or the unit in which the kernel
counts is another.

On NetBSD, OpenBSD, DragonFly and AIX before 4.3 the wait in FIN_WAIT_2 **is** keepalive: the number of probes times
their interval, on the BSDs up to one interval more. Both are solved together and both change. Where a profile cannot
have both it is refused: on OpenBSD, with its fixed 8 probes, `web-server` asks for at most 30 s in FIN_WAIT_2 and at least
5 s between probes, which exclude each other. `--except tcp.keepalive_interval` decides it.

Commands are made of these:

| system | settings | only with `--unverified` |
| --- | --- | --- |
";

const TAIL: &str = "
## What the page says besides

Claims of the page, for what they are worth today:

- No RFC sets a time limit to FIN_WAIT_2. Many systems kept such connections until the next reboot; enough of them use up
  the kernel's memory and crash it. The server's processes are not tied up by them.
- They come from clients that do not close idle persistent connections, and from the lingering close that httpd 1.2
  brought: it goes on reading for a while after it has closed. Clients found to be buggy then: Mozilla 3.01 and 2.02 on
  FreeBSD 2.1.5, 3.01Gold on SunOS 5.5.
- A timeout is arguably against the RFC, and widely needed.
- More mbufs only put the crash off. On BSD kernels of that age their number is `options \"NMBCLUSTERS=n\"` in the kernel
  configuration, and a new kernel.
- Other ways that it names: building httpd with `-DNO_LINGCLOSE`; `SO_LINGER` in its place, which works badly on many
  systems; `KeepAlive Off` as the last resort. `tune` takes none of them. The lingering close is there for a reason: closing while
  input is unread makes TCP send a reset, and the client can lose the response.

675, 600 and 75 seconds are one family: 4.3BSD's limit of 8 probes of 75 s, and 75 s more after entering the state (general
knowledge). Each row keeps its own figure.
";

/// Returns the page.
#[must_use]
pub fn legacy_page() -> String {
    let mut page = HEAD.to_owned();
    match write_page(&mut page) {
        Ok(()) | Err(fmt::Error) => page, // writing to a text does not fail
    }
}

fn write_page(page: &mut String) -> fmt::Result {
    page.push('\n');
    page.push_str(COLUMNS);
    for system in Legacy::get().iter() {
        for release in &system.releases {
            let mut rows = system.rows_on(release, Setting::FinWait2Timeout);
            rows.try_for_each(|row| write_row(page, release, row))?;
        }
    }
    contradictions(page)?;
    notes(page)?;
    page.push_str(SCRIPTS);
    let mut without = Legacy::get().iter().filter(|system| system.live.is_none());
    without.try_for_each(|system| commands(page, system))?;
    page.push_str(TAIL);
    Ok(())
}

const fn evidence(mark: Mark) -> &'static str {
    match mark {
        Mark::PageClaim => "page",
        Mark::Document => "document",
        Mark::Source => "source",
        Mark::Analogy => "analogy",
        Mark::GeneralKnowledge => "general",
    }
}

/// What [`write_row`] writes below.
pub(crate) const COLUMNS: &str = "\
| system | called, or bounded by | unit | default | range | evidence |
| --- | --- | --- | --- | --- | --- |
";

/// Writes what is known of a setting on a system.
pub(crate) fn write_row(page: &mut String, release: &Release, row: &Row) -> fmt::Result {
    let name = row.tunable.as_ref().filter(|_| row.way == Way::Tunable).map(|name| format!("`{name}`"));
    let beside = if row.beside { "beside it: " } else { "" };
    let called = name.or_else(|| row.bounded_by.clone()).unwrap_or_default();
    let unit = row.unit.map_or("", tune_model::legacy::Unit::words);
    let amount = row.default_amount().map(|amount| amount.to_string());
    let default = match (row.default, amount) {
        (Some(0), None) => "0, never".to_owned(),
        (Some(raw), Some(amount)) if format!("{raw}{unit}") == amount => amount,
        (Some(raw), Some(amount)) => format!("{raw}, {amount}"),
        _ => String::new(),
    };
    let doubt = if row.general.contains(&Part::Default) { " **?**" } else { "" };
    let range = row.range.map(|(low, high)| format!("{low} to {high}")).unwrap_or_default();
    let (title, mark) = (&release.title, evidence(row.mark));
    writeln!(page, "| {title} | {beside}{called} | {unit} | {default}{doubt} | {range} | {mark} |")
}

fn contradictions(page: &mut String) -> fmt::Result {
    page.push_str("\n## Where sources disagree\n\nBoth claims are kept; what is used is said.\n\n");
    page.push_str("| about | claim | by | evidence |\n| --- | --- | --- | --- |\n");
    let rows = Legacy::get().iter().flat_map(|system| system.rows.iter().map(move |row| (system, row)));
    for (system, row) in rows {
        for claim in &row.conflicts {
            let titles = system.releases.iter().filter(|release| row.is_about(release));
            let titles: Vec<_> = titles.map(|release| release.title.as_str()).collect();
            let (about, mark) = (titles.join(", "), evidence(claim.mark));
            writeln!(page, "| {about}, {} | {} | {} | {mark} |", row.setting, claim.claim, claim.source)?;
        }
    }
    Ok(())
}

fn notes(page: &mut String) -> fmt::Result {
    page.push_str("\n## System by system\n");
    for system in Legacy::get().iter().filter(|system| !system.notes.is_empty()) {
        writeln!(page, "\n**{}**\n", system.title)?;
        system.notes.iter().try_for_each(|note| writeln!(page, "- {note}"))?;
    }
    Ok(())
}

/// Writes which settings commands are made of.
fn commands(page: &mut String, system: &LegacySystem) -> fmt::Result {
    for release in &system.releases {
        let (mut confirmed, mut others) = (Vec::new(), Vec::new());
        for setting in Setting::ALL {
            let Some(row) = system.row(release, *setting).filter(|row| row.way == Way::Tunable) else {
                continue;
            };
            let Some(tool) = system.tool(release, row) else { continue };
            let sure = row.is_confirmed() && row.withheld.is_none() && tool.mark.is_confirmed();
            let list = if sure { &mut confirmed } else { &mut others };
            list.push(format!("`{setting}`"));
        }
        let shown = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
        let derived = system.row(release, Setting::FinWait2Timeout).filter(|row| row.product.is_some());
        let through = derived.filter(|_| !confirmed.is_empty()).map_or("", |_| "; FIN_WAIT_2 through these");
        writeln!(page, "| {} | {}{through} | {} |", release.title, shown(&confirmed), shown(&others))?;
    }
    Ok(())
}
