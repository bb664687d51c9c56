//! `ipadm show-prop`: which properties, which columns, and what is in them.

use super::errno::Status;
use super::kernel::What;
use super::library::{Asked, Library};
use super::ofmt::Table;
use super::proto::Proto;

/// What is shown of properties, and what came of it.
pub(super) struct Shown {
    /// Standard output.
    pub(super) out: String,
    /// Warnings.
    pub(super) warnings: Vec<String>,
    /// Something could not be had.
    pub(super) failed: bool,
}

/// Shows the properties that are named, or all that the library has a name for.
pub(super) fn show(
    library: &Library<'_>,
    table: Table,
    names: Option<&[&str]>,
    proto: Option<Proto>,
) -> Result<Shown, String> {
    let publics = &library.knowledge().publics;
    let mut rows: Vec<(Proto, String)> = Vec::new();
    match (names, proto) {
        (Some(names), Some(proto)) => {
            for name in names {
                let before = rows.len();
                rows.extend(publics.named(name, proto).map(|public| (public.proto, (*name).to_owned())));
                if rows.len() == before {
                    rows.push((proto, (*name).to_owned()));
                }
            }
        }
        _ => rows.extend(publics.shown(proto).map(|public| (public.proto, public.name.to_owned()))),
    }
    let mut shown = Rows { library, table, warnings: Vec::new(), failed: false };
    for (proto, name) in rows {
        shown.row(proto, &name)?;
    }
    let Rows { table, warnings, failed, .. } = shown;
    Ok(Shown { out: table.printed(), warnings, failed })
}

struct Rows<'a, 'b> {
    library: &'a Library<'b>,
    table: Table,
    warnings: Vec<String>,
    failed: bool,
}

impl Rows<'_, '_> {
    /// Shows one property. Where a column cannot be had, neither are those after it.
    fn row(&mut self, proto: Proto, name: &str) -> Result<(), String> {
        let mut values: Vec<Option<String>> = Vec::new();
        let mut going = true;
        for column in self.table.columns() {
            if !going {
                values.push(None);
                continue;
            }
            match self.value(proto, name, column) {
                Ok(value) => values.push(Some(value)),
                Err(Status::Unmodelled(what)) => return Err(what),
                Err(status) => {
                    going = false;
                    self.failed = true;
                    self.warn(proto, name, &status);
                    values.push(None);
                }
            }
        }
        self.table.print(&values);
        Ok(())
    }

    fn value(&self, proto: Proto, name: &str, column: &str) -> Result<String, Status> {
        let asked = match column {
            "PROTO" => return Ok(proto.word().to_owned()),
            "PROPERTY" => return Ok(name.to_owned()),
            "PERM" => Asked::Kernel(What::Permission),
            "CURRENT" => Asked::Kernel(What::Current),
            "PERSISTENT" => Asked::Persistent,
            "DEFAULT" => Asked::Kernel(What::Default),
            _ => Asked::Kernel(What::Possible),
        };
        match self.library.get(proto, name, asked) {
            Err(Status::NotFound) if asked == Asked::Persistent => Ok(String::new()),
            other => other,
        }
    }

    fn warn(&mut self, proto: Proto, name: &str, status: &Status) {
        if self.library.knowledge().warns && matches!(status, Status::Unknown | Status::Invalid) {
            let (object, text) = (proto.word(), status.text());
            self.warnings.push(format!("cannot get property '{name}' for '{object}'{text}"));
        }
    }
}
