//! Makes foreign text safe to show: paths, values, profile texts and user names may hold anything.

use std::fmt::Write as _;

/// Returns the text with every character spelled out that a terminal would act on instead of showing.
///
/// Those are the control characters, and the invisible ones that reorder or join what stands around them.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            spell_out(&mut safe, c);
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Returns a tunable's text with single spaces between its fields, whatever the system puts there.
#[must_use]
pub fn fields(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn spell_out(safe: &mut String, c: char) {
    let written = match c {
        '\n' => write!(safe, "\\n"),
        '\r' => write!(safe, "\\r"),
        '\t' => write!(safe, "\\t"),
        c if c.is_ascii() => write!(safe, "\\x{:02x}", u32::from(c)),
        c => write!(safe, "\\u{{{:x}}}", u32::from(c)),
    };
    debug_assert!(written.is_ok(), "writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_spelled_out() {
        for (text, shown) in [
            ("/etc/sysctl.d/99-x.conf", "/etc/sysctl.d/99-x.conf"),
            ("\x1b[2Jgone", "\\x1b[2Jgone"),
            ("two\nlines\r\t", "two\\nlines\\r\\t"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{202e}b\u{200b}", "a\\u{202e}b\\u{200b}"),
            ("Zürich", "Zürich"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }

    #[test]
    fn fields_are_separated_by_one_space() {
        assert_eq!(fields("4096\t131072\t6291456\n"), "4096 131072 6291456");
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_acts_is_left(text: String) {
            let safe = escape(&text);
            proptest::prop_assert!(!safe.chars().any(acts));
            proptest::prop_assert_eq!(escape(&safe), safe);
        }
    }
}
