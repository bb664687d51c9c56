//! JSON documents: one object in one line, its schema named first.

use serde::Serialize;

use crate::error::ErrorReport;

/// A document: the schema's name, then what it holds.
#[derive(Debug, Serialize)]
struct Document<'a, T> {
    schema: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

/// Returns a document as one line. Whatever happens there is a document, if only one that says what went wrong.
#[must_use]
pub fn document<T: Serialize>(schema: &str, body: &T) -> String {
    let line = serde_json::to_string(&Document { schema, body }).or_else(|cause| {
        let error = ErrorReport::new("internal", 1, format!("{schema} could not be written: {cause}"));
        serde_json::to_string(&Document { schema: ErrorReport::SCHEMA, body: &error })
    });
    line.unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_cannot_be_written_is_an_error_document() {
        #[derive(Serialize)]
        struct Foreign {
            path: PathBuf,
        }
        let foreign = Foreign { path: PathBuf::from(std::ffi::OsStr::from_bytes(b"/tmp/\xff")) };
        let json: serde_json::Value = serde_json::from_str(&document("tune.test/1", &foreign)).unwrap();
        assert_eq!(json["schema"], "tune.error/1");
        assert_eq!(json["failed"], true);
    }
}
