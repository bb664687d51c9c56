//! Shell patterns as glob(7) reads them: `*`, `?`, `[...]`, `\x`, and braces where a tool asks for them.

/// The characters that make both `systemd-sysctl` and `sysctl` take a name for a pattern.
const MAGIC: &[u8] = b"*?[";

/// Tells whether a name is taken for a pattern.
#[must_use]
pub fn is_pattern(name: &str) -> bool {
    name.bytes().any(|byte| MAGIC.contains(&byte))
}

/// Tells whether one path component matches a pattern; a leading dot must be spelled out.
#[must_use]
pub fn component_matches(pattern: &[u8], text: &[u8]) -> bool {
    if text.first() == Some(&b'.') && !matches!(pattern, [b'.', ..] | [b'\\', b'.', ..]) {
        return false;
    }
    matches(pattern, text)
}

/// Tells whether a whole path matches a pattern, component by component. Empty components and `.` are skipped.
#[must_use]
pub fn path_matches(pattern: &str, path: &str) -> bool {
    let mut wanted = components(pattern);
    let mut found = components(path);
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if component_matches(pattern.as_bytes(), part.as_bytes()) => {}
            _ => return false,
        }
    }
}

/// Splits a path into its parts, without empty ones and `.`.
pub(crate) fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// Tells whether a text matches a pattern, where `*` and `?` also stand for `/` and leading dots.
///
/// Linear in memory and at worst quadratic in time: only the last star is ever tried again.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, seen));
            at += 1;
            continue;
        }
        if let Some(used) = one(&pattern[at..], text[seen]) {
            at += used;
            seen += 1;
        } else if let Some((after, start)) = star {
            star = Some((after, start + 1));
            at = after;
            seen = start + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Matches one byte against the head of a pattern and returns how much of the pattern that used.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => match set(rest) {
            Some((used, set)) => set.holds(byte).then_some(used + 1),
            None => (byte == b'[').then_some(1),
        },
        [literal, ..] => (*literal == byte).then_some(1),
    }
}

/// A bracket expression.
struct Set<'a> {
    negated: bool,
    items: Vec<Item<'a>>,
}

enum Item<'a> {
    Range(u8, u8),
    Class(&'a [u8]),
}

impl Set<'_> {
    fn holds(&self, byte: u8) -> bool {
        let found = self.items.iter().any(|item| match item {
            Item::Range(low, high) => (*low..=*high).contains(&byte),
            Item::Class(name) => class_holds(name, byte),
        });
        found != self.negated
    }
}

/// Reads a bracket expression after its `[` and returns its length with it, or nothing where it never closes.
fn set(rest: &[u8]) -> Option<(usize, Set<'_>)> {
    let negated = matches!(rest.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let mut at = start;
    let mut items = Vec::new();
    // Where one class is not closed no later one is either: looking once keeps this linear.
    let mut closed = true;
    loop {
        let tail = rest.get(at..)?;
        match tail {
            [] => return None,
            [b']', ..] if at > start => return Some((at + 1, Set { negated, items })),
            [b'[', b':', class @ ..] if closed => {
                if let Some(length) = class.windows(2).position(|pair| pair == b":]") {
                    items.push(Item::Class(&class[..length]));
                    at += length + 4;
                    continue;
                }
                closed = false;
                items.push(Item::Range(b'[', b'['));
                at += 1;
            }
            _ => {
                let (low, used) = member(tail)?;
                at += used;
                let high = match rest.get(at..)? {
                    [b'-', end @ ..] if !end.is_empty() && end[0] != b']' => {
                        let (high, used) = member(end)?;
                        at += used + 1;
                        high
                    }
                    _ => low,
                };
                items.push(Item::Range(low, high));
            }
        }
    }
}

fn member(tail: &[u8]) -> Option<(u8, usize)> {
    match tail {
        [b'\\', escaped, ..] => Some((*escaped, 2)),
        [byte, ..] => Some((*byte, 1)),
        [] => None,
    }
}

fn class_holds(name: &[u8], byte: u8) -> bool {
    match name {
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"lower" => byte.is_ascii_lowercase(),
        b"upper" => byte.is_ascii_uppercase(),
        b"punct" => byte.is_ascii_punctuation(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"blank" => byte == b' ' || byte == b'\t',
        b"graph" => byte.is_ascii_graphic(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"cntrl" => byte.is_ascii_control(),
        _ => false,
    }
}

/// The most alternatives a pattern with braces is expanded to; more is taken literally.
const MAX_ALTERNATIVES: usize = 4096;
/// The most bytes that these may take.
const MAX_BYTES: usize = 16 << 20;

/// Returns the patterns that `{a,b}` stands for, in order; the pattern itself where it has no complete braces.
#[must_use]
pub fn expand_braces(pattern: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut pending = vec![pattern.to_owned()];
    while let Some(next) = pending.pop() {
        match first_braces(&next) {
            Some((open, close, commas)) => {
                let mut cuts = vec![open];
                cuts.extend(commas);
                cuts.push(close);
                for pair in cuts.windows(2).rev() {
                    let choice = &next[pair[0] + 1..pair[1]];
                    pending.push(format!("{}{choice}{}", &next[..open], &next[close + 1..]));
                }
            }
            None => done.push(next),
        }
        let alternatives = done.len() + pending.len();
        if alternatives > MAX_ALTERNATIVES || alternatives.saturating_mul(pattern.len()) > MAX_BYTES {
            return vec![pattern.to_owned()];
        }
    }
    done
}

/// Finds the first complete pair of braces: where it opens, where it closes, and its own commas.
fn first_braces(pattern: &str) -> Option<(usize, usize, Vec<usize>)> {
    let bytes = pattern.as_bytes();
    let open = unescaped(bytes, 0).find(|(at, byte)| *byte == b'{' && bytes.get(at + 1) != Some(&b'}'))?.0;
    let mut depth = 0;
    let mut commas = Vec::new();
    for (at, byte) in unescaped(bytes, open + 1) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some((open, at, commas)),
            b'}' => depth -= 1,
            b',' if depth == 0 => commas.push(at),
            _ => {}
        }
    }
    None
}

/// The bytes from `from` on that are not behind a backslash, with their places.
fn unescaped(bytes: &[u8], from: usize) -> impl Iterator<Item = (usize, u8)> {
    let mut escaped = false;
    bytes.iter().copied().enumerate().skip(from).filter(move |(_, byte)| {
        let plain = !escaped && *byte != b'\\';
        escaped = !escaped && *byte == b'\\';
        plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_stay_inside_a_component() {
        assert!(path_matches("net/ipv4/conf/*/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"));
        assert!(!path_matches("net/*/rp_filter", "net/ipv4/conf/all/rp_filter"));
        assert!(path_matches("net/ipv4/tcp_[a-f]in_*", "net/ipv4/tcp_fin_timeout"));
        assert!(!path_matches("net/ipv4/tcp_[!a-f]in_*", "net/ipv4/tcp_fin_timeout"));
        assert!(!component_matches(b"*.conf", b".hidden.conf"));
    }

    #[test]
    fn brackets_and_escapes() {
        assert!(matches(b"a[]]b", b"a]b"));
        assert!(matches(b"a[[:digit:]]", b"a7"));
        assert!(matches(br"a\*", b"a*"));
        assert!(!matches(br"a\*", b"ab"));
        assert!(matches(b"tcp_[abc", b"tcp_[abc"));
        assert!(matches(b"**a*b*", b"xxaxxb"));
    }

    #[test]
    fn braces_expand_in_order() {
        assert_eq!(expand_braces("a{b,c{d,e}}f"), ["abf", "acdf", "acef"]);
        assert_eq!(expand_braces("a{b"), ["a{b"]);
        assert_eq!(expand_braces("a{}b"), ["a{}b"]);
        assert_eq!(expand_braces(r"a\{b,c}"), [r"a\{b,c}"]);
    }

    #[test]
    fn a_long_pattern_is_not_multiplied() {
        let pattern = "{a,b}".repeat(12) + &"x".repeat(1 << 20);
        assert_eq!(expand_braces(&pattern), [pattern]);
        assert_eq!(expand_braces(&"{a,b}".repeat(12)).len(), 4096);
    }

    #[test]
    fn classes_that_never_close_take_no_time() {
        let started = std::time::Instant::now();
        assert!(!matches("[[:".repeat(300_000).as_bytes(), b"[[x"));
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
        assert!(matches(b"[[:x]", b":"));
    }

    proptest! {
        #[test]
        fn never_panics(pattern in ".{0,40}", text in ".{0,40}") {
            let _ = path_matches(&pattern, &text);
            for one in expand_braces(&pattern) {
                let _ = matches(one.as_bytes(), text.as_bytes());
            }
        }

        #[test]
        fn plain_text_matches_itself(text in "[a-z./_]{1,30}") {
            prop_assert!(matches(text.as_bytes(), text.as_bytes()));
        }
    }
}
