//! How the kernel reads numbers: `ddi_strtoul(9F)` and `ddi_strtol(9F)`, base 10.

/// Blanks, a sign, and what follows.
fn sign(text: &str) -> (bool, &str) {
    let text = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// The digits at the start as a number, and the rest.
fn digits(text: &str) -> Option<(u128, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(end);
    // Whatever does not fit here does not fit there either.
    (end > 0).then(|| (digits.parse().unwrap_or(u128::MAX), rest))
}

/// Reads an unsigned number of 64 bits, and returns it with what follows it.
///
/// A minus is taken: the number wraps around, as in C.
pub(super) fn unsigned(text: &str) -> Option<(u64, &str)> {
    let (negative, text) = sign(text);
    let (number, rest) = digits(text)?;
    let number = u64::try_from(number).ok()?;
    Some((if negative { number.wrapping_neg() } else { number }, rest))
}

/// Reads a signed number of 64 bits, and returns it with what follows it.
pub(super) fn signed(text: &str) -> Option<(i64, &str)> {
    let (negative, text) = sign(text);
    let (number, rest) = digits(text)?;
    let number = i128::try_from(number).ok()?;
    Some((i64::try_from(if negative { -number } else { number }).ok()?, rest))
}

/// Reads an unsigned number that nothing follows.
pub(super) fn whole(text: &str) -> Option<u64> {
    unsigned(text).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_kernel_does() {
        let cases = [
            ("30000", Some((30000, ""))),
            (" \t30000", Some((30000, ""))),
            ("+30000", Some((30000, ""))),
            ("030000", Some((30000, ""))),
            ("30000 ", Some((30000, " "))),
            ("30s", Some((30, "s"))),
            ("0x7530", Some((0, "x7530"))),
            ("-1", Some((u64::MAX, ""))),
            ("-18446744073709521616", Some((30000, ""))),
            ("18446744073709551615", Some((u64::MAX, ""))),
            ("18446744073709551616", None),
            ("+-1", None),
            ("+ 1", None),
            ("abc", None),
            ("", None),
        ];
        for (text, read) in cases {
            assert_eq!(unsigned(text), read, "{text:?}");
        }
        assert_eq!(signed("-1"), Some((-1, "")));
        assert_eq!(signed("80:10"), Some((80, ":10")));
        assert_eq!(signed("9223372036854775808"), None);
        assert_eq!(signed("-9223372036854775808"), Some((i64::MIN, "")));
    }
}
