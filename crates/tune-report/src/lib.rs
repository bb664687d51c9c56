//! Shows the results of `tune`: one result type, many outputs.
//!
//! Everything here takes data and returns text; nothing is printed, and nothing is decided but the words. Text for
//! people holds colours as ANSI codes, to be stripped by whoever prints it where they are not wanted, and reads the
//! same without them. JSON is one object in one line; its forms are described by `docs/schemas/*.schema.json`.

#![forbid(unsafe_code)]

pub mod active;
pub mod apply;
pub mod audit;
pub mod audit_netns;
pub mod check;
pub mod diagnose;
pub mod diff;
pub mod drop;
pub mod error;
pub mod escape;
pub mod explain;
pub mod facts;
pub mod history;
pub mod json;
pub mod legacy;
pub mod page;
pub mod plan;
mod plan_document;
pub mod profiles;
pub mod prove;
pub mod recover;
pub mod render;
pub mod status;
pub mod style;
pub mod table;
pub mod verdict;
mod words;

pub use active::ActiveReport;
pub use apply::{RunReport, step_line};
pub use audit::AuditReport;
pub use audit_netns::NetworksAuditReport;
pub use check::CheckReport;
pub use diagnose::DiagnoseReport;
pub use drop::DropReport;
pub use error::ErrorReport;
pub use escape::escape;
pub use explain::ExplainReport;
pub use facts::FactsReport;
pub use history::{EntryReport, HistoryReport, VerifyReport};
pub use legacy::{ComparisonReport, ScriptReport, SystemReport};
pub use plan::{Command, PlanReport};
pub use profiles::{ProfileReport, ProfilesReport};
pub use prove::ProveReport;
pub use recover::RecoverReport;
pub use render::RenderReport;
pub use status::StatusReport;

/// A result that can be shown.
pub trait Report {
    /// Returns the text for people, at most `width` columns wide (80 where `width` is less), with colours.
    fn human(&self, width: usize) -> String;

    /// Returns the JSON document: one line, ended.
    fn json(&self) -> String;
}

#[cfg(test)]
mod schemas;
#[cfg(test)]
mod testing;
