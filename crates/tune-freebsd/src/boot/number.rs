//! The numbers of boot files, as the programs that read them take them.
//!
//! Source: sbin/sysctl/sysctl.c `parse_numeric`; sys/kern/kern_environment.c `getenv_quad`; measured.

use tune_model::catalog::KernelType;

/// What a text amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meant {
    /// This number, and what is odd about how it is written.
    Number(i128, Option<String>),
    /// Nothing is set, for this reason.
    Refused(String),
    /// It is not the same on every release, or cannot be told.
    Unclear(String),
}

/// The beginning of a text as strtol(3) reads it with base 0.
enum Leading<'t> {
    Number(i128, &'t str),
    /// A number of base 2, which only later releases know.
    Binary,
    None,
}

/// Returns what sysctl(8) hands to the kernel for a tunable of that type, `None` where the type is not known.
pub(crate) fn from_sysctl(text: &str, kind: Option<KernelType>) -> Meant {
    let mut found: Vec<i128> = Vec::new();
    if text.is_empty() {
        return Meant::Refused("sysctl refuses it: there is no value".to_owned());
    }
    // The first number counts; a later one that is none makes sysctl refuse them all.
    for part in text.split([' ', ',']).filter(|part| !part.is_empty()) {
        match leading(part) {
            Leading::Number(number, "") if fits_strtol(number, kind) => found.push(number),
            Leading::Binary => return Meant::Unclear(format!("{part:?} is a number on some releases only")),
            _ => return Meant::Refused(format!("sysctl refuses it: {part:?} is no number that it reads")),
        }
    }
    match (found.first(), kind) {
        (None, _) => Meant::Refused("it has no number in it".to_owned()),
        (Some(number), Some(kind)) => truncated(*number, kind, found.len()),
        (Some(number), None) if (0..=i128::from(i32::MAX)).contains(number) && found.len() == 1 => {
            Meant::Number(*number, None)
        }
        _ => Meant::Unclear(format!("what {text:?} becomes depends on a type that is not known here")),
    }
}

/// Tells whether strtol(3), or strtoul(3) for what has no sign, takes a number.
fn fits_strtol(number: i128, kind: Option<KernelType>) -> bool {
    match kind {
        Some(kind) if kind.range().0 == 0 => number.unsigned_abs() <= u128::from(u64::MAX),
        _ => i64::try_from(number).is_ok(),
    }
}

fn truncated(number: i128, kind: KernelType, count: usize) -> Meant {
    let (low, high) = kind.range();
    let kept = (number - low).rem_euclid(high - low + 1) + low;
    let odd = if kept != number {
        Some(format!("{number} does not fit its type, and what is left of it is {kept}"))
    } else {
        (count > 1).then(|| format!("only the first of the {count} numbers counts"))
    };
    Meant::Number(kept, odd)
}

/// Returns what the kernel takes from the loader's environment for a tunable of that type.
pub(crate) fn from_loader(text: &str, kind: Option<KernelType>) -> Meant {
    let (number, rest) = match leading(text) {
        Leading::Number(number, rest) => (number, rest),
        Leading::Binary => return Meant::Refused(format!("the kernel reads no number in {text:?}")),
        Leading::None => return Meant::Refused(format!("the kernel reads no number in {text:?}")),
    };
    let shift = match rest {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        // Some tunables are read as lists, of which the first number counts.
        rest if rest.starts_with([' ', ',', '\t']) => {
            return Meant::Unclear(format!("whether the kernel reads a number in {text:?} cannot be told"));
        }
        _ => return Meant::Refused(format!("the kernel reads no number in {text:?}")),
    };
    let number = number.saturating_mul(1 << shift);
    let (low, high) = kind.unwrap_or(KernelType::S64).range();
    if !(low..=high).contains(&number) {
        return Meant::Unclear(format!(
            "what the kernel makes of {text:?}, which does not fit, cannot be told"
        ));
    }
    Meant::Number(number, None)
}

fn leading(text: &str) -> Leading<'_> {
    let text = text.trim_start_matches(|c: char| c == ' ' || ('\t'..='\r').contains(&c));
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let after = |prefix: [char; 2], base: u32| {
        let rest = digits.strip_prefix('0')?.strip_prefix(prefix)?;
        rest.starts_with(|c: char| c.is_digit(base)).then_some(rest)
    };
    let (base, digits) = match (after(['x', 'X'], 16), after(['b', 'B'], 2)) {
        (Some(rest), _) => (16, rest),
        (_, Some(_)) => return Leading::Binary,
        _ if digits.starts_with('0') => (8, digits),
        _ => (10, digits),
    };
    let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    if end == 0 {
        return Leading::None;
    }
    let add = |sum: i128, c: char| {
        sum.saturating_mul(base.into()).saturating_add(c.to_digit(base).unwrap_or(0).into())
    };
    Leading::Number(sign * digits[..end].chars().fold(0, add), &digits[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(value: i128) -> Meant {
        Meant::Number(value, None)
    }

    #[test]
    fn sysctl_reads_numbers_as_strtol_does() {
        for (text, value) in
            [("30000", 30000), ("0x7530", 30000), ("030", 24), ("+5", 5), ("-1", -1), ("0", 0)]
        {
            assert_eq!(from_sysctl(text, Some(KernelType::Int)), number(value), "{text}");
        }
        for text in ["30s", "1e4", "", "08", "0x", "soon", "1 2x", ",", "99999999999999999999", "5\t"] {
            assert!(matches!(from_sysctl(text, Some(KernelType::Int)), Meant::Refused(_)), "{text}");
        }
        assert!(matches!(from_sysctl("0b11", Some(KernelType::Int)), Meant::Unclear(_)));
    }

    #[test]
    fn what_does_not_fit_is_cut_and_the_first_of_several_counts() {
        for (text, kind, value) in [
            ("4294967296", KernelType::Int, 0),
            ("2147483648", KernelType::Int, -2_147_483_648),
            ("-1", KernelType::Uint, 4_294_967_295),
            ("256", KernelType::U8, 0),
            ("1,000", KernelType::Int, 1),
        ] {
            assert!(
                matches!(from_sysctl(text, Some(kind)), Meant::Number(kept, Some(_)) if kept == value),
                "{text}"
            );
        }
        assert_eq!(from_sysctl("18446744073709551615", Some(KernelType::Ulong)), number(u64::MAX.into()));
    }

    #[test]
    fn without_a_type_only_what_every_type_keeps_is_told() {
        assert_eq!(from_sysctl("5", None), number(5));
        assert!(matches!(from_sysctl("4294967296", None), Meant::Unclear(_)));
        assert!(matches!(from_sysctl("1 2", None), Meant::Unclear(_)));
    }

    #[test]
    fn the_loader_hands_over_suffixes() {
        for (text, value) in [("65536", 65536), ("64k", 65536), ("1M", 1 << 20), ("0x10", 16)] {
            assert_eq!(from_loader(text, Some(KernelType::Int)), number(value), "{text}");
        }
        assert_eq!(from_loader("2G", Some(KernelType::S64)), number(2 << 30));
        assert!(matches!(from_loader("2G", Some(KernelType::Int)), Meant::Unclear(_)));
        assert!(matches!(from_loader("1,000", None), Meant::Unclear(_)));
        for text in ["", "many", "1kb", "YES"] {
            assert!(matches!(from_loader(text, None), Meant::Refused(_)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,40}") {
            for kind in [None, Some(KernelType::Int), Some(KernelType::U64)] {
                let _ = (from_sysctl(&text, kind), from_loader(&text, kind));
            }
        }
    }
}
