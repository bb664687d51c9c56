//! Which file and line decides each sysctl key at the next boot.
//!
//! Everything here is computed from a tree of files ([`tune_host::Files`]): the running system, an offline
//! image, a recorded one, or an overlay that shows what the next boot would do after a change. Nothing is run
//! and nothing is written.
//!
//! ```
//! use tune_host::MemoryFiles;
//! use tune_linux::boot::{BootPlan, BootTool, Key, decide};
//!
//! let files = MemoryFiles::default()
//!     .with("/etc/sysctl.d/99-zz.conf", "net.ipv4.tcp_fin_timeout = 30\n")
//!     .with("/etc/sysctl.conf", "net.ipv4.tcp_fin_timeout = 20\n");
//! let key: Key = "net.ipv4.tcp_fin_timeout".parse()?;
//!
//! let plan = BootPlan::read(&files, BootTool::SystemdSysctl);
//! let winner = decide(&key, &plan).winner.map(|line| line.place.to_string());
//! assert_eq!(winner.as_deref(), Some("/etc/sysctl.d/99-zz.conf:1"));
//!
//! let plan = BootPlan::read(&files, BootTool::Procps);
//! let winner = decide(&key, &plan).winner.map(|line| line.place.to_string());
//! assert_eq!(winner.as_deref(), Some("/etc/sysctl.conf:1"));
//! # Ok::<(), tune_linux::boot::NotAKey>(())
//! ```

mod busybox;
mod cmdline;
mod decide;
mod glob;
mod kernel_text;
mod keys;
mod lines;
mod modules;
mod plan;
mod procps;
mod systemd;
mod takeover;
mod tool;
mod tree;
mod writers;

pub use cmdline::{CommandLineSetting, command_line_settings};
pub use decide::{Decision, Disagreement, Doubt, Loser, Reason, decide, disagreement};
pub use kernel_text::{Commit, Fields, Outcome, Prediction, predict};
pub use keys::{Key, NotAKey};
pub use modules::{Module, module_of};
pub use plan::{Assignment, BootPlan, Effect, Place, Problem, Trouble};
pub use takeover::{
    NotRestored, TAKEN_OVER, Untouchable, comment_out, holds, may_comment_out, put_instead, restore,
};
pub use tool::{BootTool, CREDENTIAL_NOTE, ToolChoice, detect};
pub use tree::Masked;
pub use writers::{Writer, WriterKind, WriterSetting, writers};
