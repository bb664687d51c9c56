//! The lines of `ipadm.conf`: pairs of names and values, and whatever else is there, which is kept byte for byte.

/// The name of the pair that says whose property a line is about.
pub(super) const PROTOCOL: &str = "_protocol";

/// A line that is taken apart, its pairs in the order they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line(Vec<(String, String)>);

impl Line {
    /// Takes a line apart; `None` where a name is there twice, which makes the line corrupt.
    fn parse(line: &str) -> Option<Self> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in line.trim_start().split(';').filter(|part| !part.starts_with('\n')) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if pairs.iter().any(|(known, _)| known == name) {
                return None;
            }
            pairs.push((name.to_owned(), value.to_owned()));
        }
        Some(Self(pairs))
    }

    /// The line of one property.
    pub(super) fn of(protocol: &str, name: &str, value: &str) -> Self {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Self(vec![pair(PROTOCOL, protocol), pair(name, value)])
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Gives a name another value; it goes to the end.
    pub(super) fn replace(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Tells whether the line is about this protocol itself, not about an interface or an address.
    pub(super) fn is_about(&self, protocol: &str) -> bool {
        self.value(PROTOCOL) == Some(protocol)
            && self.value("_ifname").is_none()
            && self.value("_aobjname").is_none()
    }

    /// Writes the line.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value};")).chain(["\n".to_owned()]).collect()
    }
}

/// What a walker wants done with a line.
pub(super) enum Verdict {
    /// Go on.
    Next,
    /// Leave the line, and look no further.
    Stop,
    /// Write this instead, and look no further.
    Replace(String),
    /// Drop the line, and look no further.
    Drop,
}

/// Walks through the lines of a file, and returns the file as it is to be afterwards and whether a walker stopped.
///
/// Blank lines, comments, and the lines after the one that stopped the walk are kept as they are; corrupt ones go.
pub(super) fn walk(file: &[u8], mut walker: impl FnMut(&Line) -> Verdict) -> (Vec<u8>, bool) {
    let (mut kept, mut stopped) = (Vec::new(), false);
    for bytes in file.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(bytes);
        let begins = text.trim_start().chars().next();
        if stopped || begins.is_none_or(|first| first == '#') {
            kept.extend_from_slice(bytes);
            continue;
        }
        let Some(line) = Line::parse(&text) else { continue };
        let verdict = walker(&line);
        stopped = !matches!(verdict, Verdict::Next);
        match verdict {
            Verdict::Next | Verdict::Stop => kept.extend_from_slice(bytes),
            Verdict::Replace(line) => kept.extend_from_slice(line.as_bytes()),
            Verdict::Drop => {}
        }
    }
    (kept, stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_changed_is_kept_byte_for_byte() {
        let file =
            b"# \xff\n\n  \n_ifname=net0;_family=2;\n_protocol=tcp;a=1;b=2;\n _protocol=tcp;c=3;\nno newline";
        let (kept, stopped) = walk(file, |_| Verdict::Next);
        assert_eq!((kept.as_slice(), stopped), (file.as_slice(), false));

        let (kept, stopped) = walk(file, |line| {
            let mut line = line.clone();
            if line.is_about("tcp") && line.value("a").is_some() {
                line.replace("a", "5");
                return Verdict::Replace(line.text());
            }
            Verdict::Next
        });
        let text = String::from_utf8_lossy(&kept).into_owned();
        assert!(
            stopped && text.contains("\n_protocol=tcp;b=2;a=5;\n _protocol=tcp;c=3;\nno newline"),
            "{text}"
        );
    }

    #[test]
    fn a_line_that_says_a_name_twice_goes() {
        let (kept, _) = walk(b"a=1;a=2;\nb=1;\n", |_| Verdict::Next);
        assert_eq!(kept, b"b=1;\n");
    }
}
