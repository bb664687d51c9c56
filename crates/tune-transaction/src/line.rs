//! JSON lines that carry a check over themselves and the line before, so that a torn line can be told.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// The member that ends each line: `,"check":"0123456789abcdef"}`.
const OPEN: &str = ",\"check\":\"";
const CLOSE: &str = "\"}";
const DIGITS: usize = 16;

/// Returns the SHA-256 digest in hexadecimal.
pub(crate) fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(previous: &str, body: &str) -> String {
    let mut digest = digest(&[previous.as_bytes(), body.as_bytes()]);
    digest.truncate(DIGITS);
    digest
}

/// Writes an object as a checked line; returns the line with its end, and the check.
pub(crate) fn seal<T: Serialize>(previous: &str, object: &T) -> serde_json::Result<(String, String)> {
    let text = serde_json::to_string(object)?;
    let body = text.strip_suffix('}').unwrap_or(&text);
    let check = check(previous, body);
    Ok((format!("{body}{OPEN}{check}{CLOSE}\n"), check))
}

/// Returns the check of an intact line, given without its end; `None` when it is damaged.
pub(crate) fn verify<'l>(previous: &str, line: &'l [u8]) -> Option<&'l str> {
    let line = std::str::from_utf8(line).ok()?;
    let rest = line.strip_suffix(CLOSE)?;
    let (front, found) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    let body = front.strip_suffix(OPEN)?;
    (check(previous, body) == found).then_some(found)
}

/// Splits into lines without their ends, and what follows the last line end.
pub(crate) fn split(bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (whole, torn) = bytes.split_at(end);
    let lines = whole.split_inclusive(|byte| *byte == b'\n').map(|line| &line[..line.len() - 1]).collect();
    (lines, torn)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_change_of_a_line_is_noticed() {
        let object = std::collections::BTreeMap::from([("a", "1\",\"check\":\"0123456789abcdef\"}")]);
        let (line, check) = seal("before", &object).unwrap();
        let line = line.trim_end().as_bytes();
        assert_eq!(verify("before", line), Some(check.as_str()));
        assert_eq!(verify("other", line), None);
        for at in 0..line.len() {
            let mut changed = line.to_vec();
            changed[at] ^= 1;
            assert_eq!(verify("before", &changed), None, "byte {at}");
            assert_eq!(verify("before", &line[..at]), None, "length {at}");
        }
        assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok());
    }

    #[test]
    fn a_torn_tail_is_told_from_lines() {
        assert_eq!(split(b"a\nb\nc"), (vec![b"a".as_slice(), b"b"], b"c".as_slice()));
        assert_eq!(split(b""), (vec![], b"".as_slice()));
    }
}
