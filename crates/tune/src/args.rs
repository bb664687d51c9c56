//! The command line, as typed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tune_model::{Kind, Quantity};
use tune_sockets::{Cidr, StateSet};

/// Reads and adjusts FIN_WAIT_2 timeouts, network memory limits and keepalive, with dry run and rollback.
#[derive(Debug, Parser)]
#[command(name = "tune", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// How results are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables for people.
    #[default]
    Human,
    /// One JSON object.
    Json,
    /// OpenMetrics text, for monitoring; tune diagnose only.
    Openmetrics,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// How results are written.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Where journals and claims are kept [default: /var/lib/tune; /var/db/tune on FreeBSD].
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Look at a network namespace: its name, or the id of a process in it. Running kernel only.
    #[arg(long, global = true, value_name = "NAME|PID")]
    pub(crate) netns: Option<String>,
    /// Look at an offline image below DIR. Boot files only.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// The memory of the machine that the image or the rendered plan is for, such as 16GiB.
    #[arg(long, global = true, value_name = "SIZE")]
    pub(crate) ram: Option<String>,
    /// Say more, on standard error and in tune status; twice for still more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say nothing on standard error but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the settings of this host: now, at the next boot, by default, and who decides.
    Status,
    /// Show what a setting or tunable does, and every file that sets it.
    Explain {
        /// A setting such as tcp.fin_wait_2_timeout, or a tunable such as net.ipv4.tcp_mem.
        #[arg(value_name = "SETTING|TUNABLE")]
        subject: String,
        #[command(flatten)]
        elsewhere: Elsewhere,
    },
    /// Work with profiles.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Hold profiles against this host; changes nothing.
    Audit {
        /// Names, paths (with a /), or - for standard input.
        #[arg(required_unless_present = "active", value_name = "PROFILE")]
        profiles: Vec<String>,
        /// Audit what applied profiles hold, as tune active shows it.
        #[arg(long, conflicts_with_all = ["profiles", "all_netns"])]
        active: bool,
        /// Judge the running kernel only, or the next boot only.
        #[arg(long, value_enum)]
        only: Option<OnlyLayer>,
        /// Hold them against every network namespace of the host, those of containers too.
        #[arg(long, conflicts_with_all = ["netns", "root"])]
        all_netns: bool,
    },
    /// Show what apply would do; changes nothing.
    Plan(Apply),
    /// Apply profiles.
    Apply(Apply),
    /// Change single settings: tcp.fin_wait_2_timeout=30s, or with >= and <=.
    Set {
        /// SETTING=VALUE, SETTING>=VALUE or SETTING<=VALUE; quote < and > for the shell.
        #[arg(required = true, value_name = "SETTING=VALUE")]
        assignments: Vec<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Print what profiles come to as native files and commands, for hosts without tune; reads no host.
    Render(Render),
    /// Keep what apply --confirm-within tried out, and write it to the boot files.
    Confirm,
    /// Show which profiles hold values.
    Active,
    /// Give up what profiles hold: all of them, or those named.
    Off {
        /// The profiles; all where none is named.
        #[arg(value_name = "PROFILE")]
        profiles: Vec<String>,
        /// Leave out profiles that hold nothing, instead of refusing.
        #[arg(long)]
        if_held: bool,
        #[command(flatten)]
        undo: Undo,
    },
    /// Take a transaction back: the last one, or the one named.
    Rollback {
        /// The transaction's number, as tune history shows it.
        #[arg(value_name = "ID")]
        id: Option<u64>,
        #[command(flatten)]
        undo: Undo,
    },
    /// Show transactions: all of them, or one.
    History {
        /// The transaction's number.
        #[arg(value_name = "ID")]
        id: Option<u64>,
        /// Check that no record was edited, moved or lost.
        #[arg(long, conflicts_with = "id")]
        verify: bool,
    },
    /// Measure on real connections that the FIN_WAIT_2 timeout acts as configured.
    Prove(Prove),
    /// Finish what a crash interrupted.
    Recover,
    /// Show half-closed connections, who holds them, what is behind them, and what helps; changes nothing.
    Diagnose(Diagnose),
    /// Abort chosen connections; lists them first and asks. It cannot be undone.
    Drop(Drop),
    /// Print what configuration management collects of this host: one JSON object, with an error in it if need be.
    Facts,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page of tune, or of one of its commands.
    Man {
        /// The command, and its own command where it has some: profile list.
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
}

impl Command {
    /// Tells whether the command may change the host.
    pub(crate) const fn changes(&self) -> bool {
        match self {
            Self::Apply(Apply { change, .. }) | Self::Set { change, .. } => !change.dry_run,
            Self::Off { undo, .. } | Self::Rollback { undo, .. } => !undo.dry_run,
            Self::Drop(Drop { dry_run, .. }) => !*dry_run,
            Self::Recover | Self::Confirm => true,
            _ => false,
        }
    }
}

impl Global {
    /// What a command has that was told nothing but where its state is.
    pub(crate) fn of_state(state: &Path) -> Self {
        Self {
            format: Format::Human,
            state_dir: Some(state.to_owned()),
            netns: None,
            root: None,
            ram: None,
            verbose: 0,
            quiet: true,
        }
    }
}

/// The shortest and the longest time to wait for something, in milliseconds.
const TIMES: std::ops::RangeInclusive<u64> = 1000..=24 * 3_600_000;

fn some_time(text: &str) -> Result<Duration, String> {
    match Quantity::parse(Kind::Duration, text) {
        Ok(Quantity::Duration(time)) if TIMES.contains(&time) => Ok(Duration::from_millis(time)),
        Ok(_) => Err("it has to be from 1s to 24h".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// One of the two things that are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnlyLayer {
    /// The running kernel.
    Runtime,
    /// The next boot.
    Boot,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// Show which profiles there are.
    List,
    /// Show what a profile requires, and where each line comes from.
    Show {
        /// A name, a path (with a /), or - for standard input.
        #[arg(value_name = "PROFILE")]
        profile: String,
        /// The system whose tables are worked in [default: this one].
        #[arg(long = "for", value_name = "SYSTEM")]
        system: Option<String>,
    },
    /// Check profiles, on every system; all mistakes are shown.
    Check {
        /// Names, paths (with a /), or - for standard input.
        #[arg(required = true, value_name = "PROFILE")]
        profiles: Vec<String>,
    },
    /// Print the JSON Schema of profiles.
    Schema,
    /// Print a profile to start from.
    New {
        /// The new profile's name.
        name: String,
    },
}

/// The shortest and the longest time to watch counters for, in milliseconds.
const SAMPLE_TIMES: std::ops::RangeInclusive<u64> = 100..=3_600_000;

fn sample_time(text: &str) -> Result<Duration, String> {
    match Quantity::parse(Kind::Duration, text) {
        Ok(Quantity::Duration(time)) if SAMPLE_TIMES.contains(&time) => Ok(Duration::from_millis(time)),
        Ok(_) => Err("it has to be from 100ms to 1h".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// What diagnose takes.
#[derive(Debug, Args)]
pub(crate) struct Diagnose {
    /// Watch the kernel's counters for TIME, such as 5s, and show how they grow; with --watch, how often to look.
    #[arg(long, value_name = "TIME", value_parser = sample_time)]
    pub(crate) sample: Option<Duration>,
    /// Look into every network namespace of the host, those of containers too.
    #[arg(long, conflicts_with_all = ["netns", "root"])]
    pub(crate) all_netns: bool,
    /// Look again and again, at a terminal in place; q or Ctrl-C ends it.
    #[arg(long)]
    pub(crate) watch: bool,
}

/// What drop takes.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // switches
pub(crate) struct Drop {
    /// Those in these states, such as fin-wait-2,close-wait [default: all that one side has closed, but not TIME_WAIT].
    #[arg(long, value_name = "STATE", value_parser = str::parse::<StateSet>)]
    pub(crate) state: Vec<StateSet>,
    /// Those that no process has any more.
    #[arg(long, conflicts_with = "held")]
    pub(crate) orphaned: bool,
    /// Those that a process has open.
    #[arg(long)]
    pub(crate) held: bool,
    /// Those on which nothing happened for AGE, such as 5min, or that were orphaned about so long ago.
    #[arg(long, value_name = "AGE", value_parser = tune_sockets::parse_age)]
    pub(crate) older_than: Option<Duration>,
    /// Those with a peer in this block of addresses; may be repeated.
    #[arg(long, value_name = "CIDR", value_parser = str::parse::<Cidr>)]
    pub(crate) peer: Vec<Cidr>,
    /// Those with this port here; may be repeated.
    #[arg(long, value_name = "PORT", value_parser = tune_sockets::parse_port)]
    pub(crate) local_port: Vec<u16>,
    /// Those that this process has open; may be repeated.
    #[arg(long, value_name = "PID", value_parser = tune_sockets::parse_pid)]
    pub(crate) pid: Vec<i32>,
    /// Drop at most so many at once.
    #[arg(long, value_name = "N", default_value_t = tune_sockets::drop::MOST)]
    pub(crate) max: usize,
    /// Show what would be done, and do nothing.
    #[arg(long, visible_alias = "check")]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Exit with 2 when something was changed.
    #[arg(long)]
    pub(crate) detailed_exitcodes: bool,
}

/// What apply and plan take.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Names, paths (with a /), or - for standard input. At a terminal, apply offers the list where none is named.
    #[arg(value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    /// For a service that runs at boot: finish what was interrupted, then set what profiles hold where the system keeps no
    /// values itself; elsewhere only what came to be after the boot settings, such as keys of a module. Touches no boot files.
    #[arg(long, conflicts_with_all = ["profiles", "boot_only", "runtime_only", "only", "except", "confirm_within"])]
    pub(crate) boot: bool,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// Which other systems than this host's explain tells of.
#[derive(Debug, Args)]
pub(crate) struct Elsewhere {
    /// Tell what is known of it on SYSTEM, without looking at this host: linux, freebsd, hp-ux, aix, openbsd-7.3, ...
    #[arg(long = "for", value_name = "SYSTEM")]
    pub(crate) system: Option<String>,
    /// Compare a setting on all systems, old ones included.
    #[arg(long, conflicts_with = "system")]
    pub(crate) all_systems: bool,
}

/// What render takes.
#[derive(Debug, Args)]
pub(crate) struct Render {
    /// Names, paths (with a /), or - for standard input.
    #[arg(required = true, value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    /// The system to write for: linux, freebsd, illumos, solaris-11, solaris-10, or one that tune only knows of, such as
    /// hp-ux, aix or openbsd-7.3.
    #[arg(long = "for", value_name = "SYSTEM")]
    pub(crate) system: String,
    /// Only this setting or tunable; may be repeated.
    #[arg(long, value_name = "SETTING")]
    pub(crate) only: Vec<String>,
    /// Not this setting or tunable; may be repeated.
    #[arg(long, value_name = "SETTING")]
    pub(crate) except: Vec<String>,
    /// Leave out what the system has nothing of.
    #[arg(long)]
    pub(crate) skip_unsupported: bool,
    /// Accept a dangerous value for this setting or tunable; may be repeated.
    #[arg(long, value_name = "SETTING")]
    pub(crate) allow_unsafe: Vec<String>,
    /// Show also commands that rest on general knowledge, marked as unverified; for systems that tune only knows of.
    #[arg(long)]
    pub(crate) unverified: bool,
}

/// What prove takes.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// Measure where this host's connections are, not in a network namespace of its own; needs no privilege.
    #[arg(long)]
    pub(crate) here: bool,
    /// Wait no longer than TIME, such as 2min; what takes longer is not begun.
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "90s")]
    pub(crate) timeout: Duration,
}

/// How settings are changed.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // switches
pub(crate) struct Change {
    /// Show what would be done, and do nothing.
    #[arg(long, visible_alias = "check")]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Show the texts before and after.
    #[arg(long)]
    pub(crate) diff: bool,
    /// Only this setting or tunable; may be repeated.
    #[arg(long, value_name = "SETTING")]
    pub(crate) only: Vec<String>,
    /// Not this setting or tunable; may be repeated.
    #[arg(long, value_name = "SETTING")]
    pub(crate) except: Vec<String>,
    /// Change the running kernel and leave the boot files alone.
    #[arg(long, conflicts_with = "boot_only")]
    pub(crate) runtime_only: bool,
    /// Change the boot files and leave the running kernel alone.
    #[arg(long)]
    pub(crate) boot_only: bool,
    /// Comment out lines of other files that would win at the next boot; reversible.
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Go on although another line wins at the next boot.
    #[arg(long)]
    pub(crate) accept_override: bool,
    /// Replace what somebody else has changed since tune wrote it.
    #[arg(long)]
    pub(crate) overwrite_foreign: bool,
    /// Change the running kernel first, and undo that unless tune confirm keeps it within TIME, such as 2min.
    #[arg(long, value_name = "TIME", value_parser = some_time, conflicts_with = "boot_only")]
    pub(crate) confirm_within: Option<Duration>,
    /// Leave out what this system has nothing of.
    #[arg(long)]
    pub(crate) skip_unsupported: bool,
    /// Accept what cannot be undone before a reboot.
    #[arg(long)]
    pub(crate) accept_irreversible: bool,
    /// Accept a dangerous value for this setting or tunable; may be repeated.
    #[arg(long, value_name = "SETTING")]
    pub(crate) allow_unsafe: Vec<String>,
    /// Let the claims of this profile give way; may be repeated.
    #[arg(long, value_name = "PROFILE")]
    pub(crate) replace: Vec<String>,
    /// Exit with 2 when something was changed.
    #[arg(long)]
    pub(crate) detailed_exitcodes: bool,
}

/// How something is taken back.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // switches
pub(crate) struct Undo {
    /// Show what would be done, and do nothing.
    #[arg(long, visible_alias = "check")]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Show the texts before and after.
    #[arg(long)]
    pub(crate) diff: bool,
    /// Put back also what somebody else has changed since.
    #[arg(long)]
    pub(crate) overwrite_foreign: bool,
    /// Touch nothing when somebody else has changed something.
    #[arg(long, conflicts_with = "overwrite_foreign")]
    pub(crate) all_or_nothing: bool,
    /// Exit with 2 when something was changed.
    #[arg(long)]
    pub(crate) detailed_exitcodes: bool,
}
