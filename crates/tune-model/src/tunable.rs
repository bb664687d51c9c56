//! Names of native tunables and the numbers in them.

use std::fmt;
use std::str::FromStr;

/// A native tunable, or one field of a tunable that holds several: `net.ipv4.tcp_rmem[2]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The tunable's name, as the system writes it.
    pub tunable: String,
    /// The field, counted from 0; `None` for the whole of it.
    pub field: Option<usize>,
}

impl Slot {
    /// The whole of a tunable.
    pub fn whole(tunable: impl Into<String>) -> Self {
        Self { tunable: tunable.into(), field: None }
    }

    /// One field of a tunable.
    pub fn field(tunable: impl Into<String>, field: usize) -> Self {
        Self { tunable: tunable.into(), field: Some(field) }
    }

    /// Returns this part of a tunable's text, or `None` when the text has no such field.
    #[must_use]
    pub fn part<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self.field {
            None => Some(text.trim()),
            Some(field) => text.split_whitespace().nth(field),
        }
    }

    /// Returns the tunable's text with this part replaced, fields separated by tabs as Linux shows them.
    #[must_use]
    pub fn replaced(&self, text: &str, part: &str) -> String {
        match self.field {
            None => part.trim().to_owned(),
            Some(field) => {
                let mut fields: Vec<_> = text.split_whitespace().collect();
                if let Some(slot) = fields.get_mut(field) {
                    *slot = part;
                }
                fields.join("\t")
            }
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            None => f.pad(&self.tunable),
            Some(field) => f.pad(&format!("{}[{field}]", self.tunable)),
        }
    }
}

impl FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((tunable, rest)) = text.split_once('[') else {
            return Ok(Self::whole(text));
        };
        let field = rest.strip_suffix(']').and_then(|field| field.parse().ok());
        let field =
            field.ok_or_else(|| format!("{text:?} is no field of a tunable, such as {tunable}[2]"))?;
        Ok(Self::field(tunable, field))
    }
}

crate::serde_as_text!(Slot);

/// Tells whether two texts of a tunable mean the same: the same words, whatever separates them.
#[must_use]
pub fn same_value(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

/// Returns the integers in a tunable's text, or `None` when one of its words is none.
#[must_use]
pub fn integers(text: &str) -> Option<Vec<i128>> {
    text.split_whitespace().map(integer).collect()
}

/// Returns the integer that a word is, or `None` where it is none, or none that a kernel of 64 bits can show.
#[must_use]
pub fn integer(word: &str) -> Option<i128> {
    word.parse().ok().filter(|number| (i64::MIN.into()..=u64::MAX.into()).contains(number))
}

/// Reads a list such as `8080,9000-9010`: the ends of each of its ranges, as they are written.
///
/// A leading zero is refused: the kernel takes such a number for octal, and people do not.
#[must_use]
pub fn list_ranges(text: &str) -> Option<Vec<(u32, u32)>> {
    let number = |text: &str| text.parse().ok().filter(|_| !text.starts_with('+') && !is_octal(text));
    let range = |part: &str| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        Some((number(low)?, number(high)?)).filter(|(low, high)| low <= high)
    };
    text.split(',').filter(|_| !text.is_empty()).map(range).collect()
}

/// Returns a list in the form in which the kernel shows it: ascending, ranges that touch made one.
#[must_use]
pub fn merged_list(text: &str) -> Option<String> {
    let mut ranges = list_ranges(text)?;
    ranges.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (low, high) in ranges {
        match merged.last_mut() {
            Some((_, last)) if low <= last.saturating_add(1) => *last = high.max(*last),
            _ => merged.push((low, high)),
        }
    }
    let shown = merged.into_iter().map(
        |(low, high)| {
            if low == high { low.to_string() } else { format!("{low}-{high}") }
        },
    );
    Some(shown.collect::<Vec<_>>().join(","))
}

/// Tells whether a number begins with a zero that makes it octal for a kernel.
pub(crate) fn is_octal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_field_is_taken_out_and_put_back_in_the_whole() {
        let slot: Slot = "net.ipv4.tcp_rmem[2]".parse().unwrap();
        assert_eq!(slot.to_string(), "net.ipv4.tcp_rmem[2]");
        assert_eq!(slot.part("4096\t131072\t33554432"), Some("33554432"));
        assert_eq!(slot.replaced("4096\t131072\t33554432", "6291456"), "4096\t131072\t6291456");
        assert_eq!(slot.part("60"), None);
    }

    #[test]
    fn a_list_is_shown_as_the_kernel_shows_it() {
        for (text, shown) in [
            ("", Some("")),
            ("8080", Some("8080")),
            ("8082,8080,8081", Some("8080-8082")),
            ("9000-9010,8080,9005-9020", Some("8080,9000-9020")),
            ("10,11", Some("10-11")),
            ("0-65535", Some("0-65535")),
            ("7-7", Some("7")),
            ("010", None),
            ("9-8", None),
            ("8080,", None),
            ("0x50", None),
        ] {
            assert_eq!(merged_list(text).as_deref(), shown, "{text:?}");
        }
    }

    #[test]
    fn spacing_does_not_make_a_difference() {
        assert!(same_value("4096 16384\t4194304\n", "4096\t16384\t4194304"));
        assert!(!same_value("4096 16384", "4096 16384 4194304"));
    }
}
