//! What the kernel makes of a text written to a setting of integers.
//!
//! The rules were taken from a running kernel (6.18) and are held against one by the test suite: white space
//! in front is skipped, `0x` is hexadecimal and a leading zero octal, a number ends at a space, tab or
//! newline, what follows the last field is ignored, fields that are not given keep their value, and a bad
//! field leaves the ones before it changed.

use std::ops::RangeInclusive;

/// The integers of a setting, as the kernel reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// What each field accepts, in order.
    pub ranges: Vec<RangeInclusive<i128>>,
    /// Whether a minus sign is read at all. Where it is not, even `-0` is refused.
    pub signed: bool,
    /// Whether fields are taken over one by one, or all together at the end.
    pub commit: Commit,
}

/// When fields are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// One by one: a bad field leaves the ones before it changed.
    Each,
    /// All or none, and none unless each is at least the one before it (`ip_local_port_range`).
    Ascending,
}

impl Fields {
    /// Describes `count` signed fields with one range, such as `tcp_rmem` or `tcp_fin_timeout`.
    #[must_use]
    pub fn signed(count: usize, range: RangeInclusive<i128>) -> Self {
        Self { ranges: vec![range; count], signed: true, commit: Commit::Each }
    }

    /// Describes `count` unsigned fields with one range, such as `tcp_keepalive_probes` or `tcp_mem`.
    #[must_use]
    pub fn unsigned(count: usize, range: RangeInclusive<i128>) -> Self {
        Self { ranges: vec![range; count], signed: false, commit: Commit::Each }
    }

    /// Describes `ip_local_port_range`; `lowest` is `ip_unprivileged_port_start`.
    #[must_use]
    pub fn port_range(lowest: u16) -> Self {
        let ranges = vec![i128::from(lowest.max(1))..=65535, 1..=65535];
        Self { ranges, signed: true, commit: Commit::Ascending }
    }
}

/// What became of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted, with this many fields given. `trailing` tells that text behind them was ignored.
    Accepted {
        /// Fields that were given.
        fields: usize,
        /// Whether something behind them was ignored.
        trailing: bool,
    },
    /// Refused at the field with this number from 0, with `changed` fields before it already taken over.
    Refused {
        /// The field that was refused.
        field: usize,
        /// Fields that were changed all the same.
        changed: usize,
    },
}

/// What the kernel shows after some writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    /// The text it shows, fields separated by tabs.
    pub shown: String,
    /// What became of each write.
    pub outcomes: Vec<Outcome>,
}

/// The kernel looks at one page less one byte of what is written.
const LOOKED_AT: usize = 4095;
/// The longest number it reads, sign and prefix included.
const LONGEST_NUMBER: usize = 20;

/// Carries out writes on what the kernel shows now. Nothing where `start` does not have the fields described.
pub fn predict<'a>(
    start: &str,
    writes: impl IntoIterator<Item = &'a [u8]>,
    fields: &Fields,
) -> Option<Prediction> {
    let mut values: Vec<i128> =
        start.split_whitespace().map(|text| text.parse().ok()).collect::<Option<_>>()?;
    if values.len() != fields.ranges.len() {
        return None;
    }
    let outcomes = writes.into_iter().map(|text| write(&mut values, text, fields)).collect();
    let shown = values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\t");
    Some(Prediction { shown, outcomes })
}

fn write(values: &mut [i128], text: &[u8], fields: &Fields) -> Outcome {
    let mut changed = values.to_vec();
    let outcome = write_fields(&mut changed, text, fields);
    let keep = match (fields.commit, outcome) {
        (Commit::Each, _) => true,
        (Commit::Ascending, Outcome::Accepted { .. }) => changed.is_sorted(),
        (Commit::Ascending, Outcome::Refused { .. }) => false,
    };
    if keep {
        values.copy_from_slice(&changed);
        return outcome;
    }
    match outcome {
        Outcome::Refused { field, .. } => Outcome::Refused { field, changed: 0 },
        Outcome::Accepted { fields, .. } => Outcome::Refused { field: fields.saturating_sub(1), changed: 0 },
    }
}

fn write_fields(values: &mut [i128], text: &[u8], fields: &Fields) -> Outcome {
    if text.is_empty() {
        return Outcome::Accepted { fields: 0, trailing: false };
    }
    let mut rest = &text[..text.len().min(LOOKED_AT)];
    for (at, range) in fields.ranges.iter().enumerate() {
        rest = skip_space(rest);
        if rest.is_empty() {
            return match at {
                0 => Outcome::Refused { field: 0, changed: 0 },
                given => Outcome::Accepted { fields: given, trailing: false },
            };
        }
        match number(rest, fields.signed) {
            Some((value, behind)) if range.contains(&value) => {
                values[at] = value;
                rest = behind;
            }
            _ => return Outcome::Refused { field: at, changed: at },
        }
    }
    Outcome::Accepted { fields: fields.ranges.len(), trailing: !skip_space(rest).is_empty() }
}

/// White space as the kernel has it: a non-breaking space counts.
fn skip_space(text: &[u8]) -> &[u8] {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r' | 0xa0);
    &text[text.iter().position(|byte| !space(byte)).unwrap_or(text.len())..]
}

/// Reads a number, which must end at a space, a tab, a newline or the end.
fn number(text: &[u8], signed: bool) -> Option<(i128, &[u8])> {
    let negative = text.len() > 1 && text[0] == b'-';
    if negative && !signed {
        return None;
    }
    let unsigned = &text[usize::from(negative)..];
    let (radix, prefix) = radix(unsigned);
    let digits = unsigned[prefix..].iter().take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let length = usize::from(negative) + prefix + digits;
    if digits == 0 || length > LONGEST_NUMBER {
        return None;
    }
    let (word, rest) = text.split_at(length);
    if !matches!(rest.first(), None | Some(b' ' | b'\t' | b'\n')) {
        return None;
    }
    let magnitude = std::str::from_utf8(&word[length - digits..]).ok()?;
    let magnitude = i128::from(u64::from_str_radix(magnitude, radix).ok()?);
    Some((if negative { -magnitude } else { magnitude }, rest))
}

/// The base of a number and the length of the prefix that says so. A `0x` without digits is octal zero
/// followed by something else.
fn radix(text: &[u8]) -> (u32, usize) {
    match text {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (16, 2),
        [b'0', ..] => (8, 0),
        _ => (10, 0),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const TIMEOUT: RangeInclusive<i128> = -8_589_934..=8_589_934;

    fn timeout(text: &str) -> String {
        predict("60", [text.as_bytes()], &Fields::signed(1, TIMEOUT)).unwrap().shown
    }

    fn triple(text: &str) -> String {
        let fields = Fields::signed(3, 1..=i128::from(i32::MAX));
        predict("4096\t131072\t33554432", [text.as_bytes()], &fields).unwrap().shown
    }

    #[test]
    fn numbers_as_measured() {
        for (text, shown) in [
            ("7\n", "7"),
            (" 7\n\n", "7"),
            ("10 abc\n", "10"),
            ("10 20", "10"),
            ("010", "8"),
            ("0x10", "16"),
            ("-1", "-1"),
            ("", "60"),
            ("\n", "60"),
            ("abc", "60"),
            ("10abc", "60"),
            ("1.5", "60"),
            ("+5", "60"),
            ("5\r\n", "60"),
            ("08", "60"),
            ("0x", "60"),
            ("8589935", "60"),
            ("99999999999999999999", "60"),
        ] {
            assert_eq!(timeout(text), shown, "{text:?}");
        }
    }

    #[test]
    fn triples_change_from_the_left() {
        assert_eq!(triple("8192\n"), "8192\t131072\t33554432");
        assert_eq!(triple("4096 2048 1024 77\n"), "4096\t2048\t1024");
        assert_eq!(triple("1 2 abc\n"), "1\t2\t33554432");
        assert_eq!(triple("0 0 0\n"), "4096\t131072\t33554432");
        assert_eq!(triple("4096,131072,6291456"), "4096\t131072\t33554432");
    }

    #[test]
    fn port_ranges_are_taken_whole() {
        let ports = |text: &str| {
            let fields = Fields::port_range(1024);
            predict("32768\t60999", [text.as_bytes()], &fields).unwrap()
        };
        assert_eq!(ports("5000\n").shown, "5000\t60999");
        assert_eq!(ports("2000 1000\n").shown, "32768\t60999");
        assert!(matches!(ports("1023 65535\n").outcomes[0], Outcome::Refused { changed: 0, .. }));
    }

    #[test]
    fn unsigned_fields_refuse_a_sign() {
        let probes = Fields::unsigned(1, 0..=255);
        let outcome = |text: &str| predict("9", [text.as_bytes()], &probes).unwrap().outcomes[0];
        assert_eq!(outcome("-0\n"), Outcome::Refused { field: 0, changed: 0 });
        assert_eq!(outcome("5 x\n"), Outcome::Accepted { fields: 1, trailing: true });
        assert_eq!(timeout("-0"), "0");
    }

    #[test]
    fn text_that_is_not_integers_is_not_predicted() {
        assert_eq!(predict("cubic", [&b"reno\n"[..]], &Fields::signed(1, TIMEOUT)), None);
        assert_eq!(predict("1\t2", [&b"3\n"[..]], &Fields::signed(1, TIMEOUT)), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = predict("1\t2\t3", [text.as_slice()], &Fields::signed(3, TIMEOUT));
        }

        #[test]
        fn decimal_in_range_is_kept(value in -8_589_934..=8_589_934_i64) {
            prop_assert_eq!(timeout(&format!("{value}\n")), value.to_string());
        }
    }
}
