//! `getopt_long(3C)` as ipadm uses it: options anywhere, long ones cut short.

/// An option.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opt {
    pub(super) letter: char,
    pub(super) long: &'static str,
    /// It has a value.
    pub(super) valued: bool,
}

/// What comes next on a command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// An option and its value, which is empty where it has none.
    Option(char, String),
    /// An option that has no value and needs one, or has one that it does not take.
    Valueless(char),
    /// An option that is unknown or could be several; NUL stands for a long one.
    Unrecognized(char),
    /// The library would leave it half read.
    Unmodelled(String),
}

/// The options of a command line, in order.
pub(super) struct Getopt<'a> {
    options: &'a [Opt],
    words: std::slice::Iter<'a, String>,
    /// What is left of a word with several letters.
    letters: &'a str,
    operands: Vec<&'a str>,
}

impl<'a> Getopt<'a> {
    pub(super) fn new(options: &'a [Opt], words: &'a [String]) -> Self {
        Self { options, words: words.iter(), letters: "", operands: Vec::new() }
    }

    /// Returns the words that are no options, after the last option was asked for.
    pub(super) fn operands(self) -> Vec<&'a str> {
        self.operands
    }

    fn letter(&mut self) -> Option<Next> {
        let mut letters = self.letters.chars();
        let letter = letters.next()?;
        self.letters = letters.as_str();
        if letter == '-' {
            return Some(Next::Unmodelled("a dash among the letters of options".to_owned()));
        }
        let Some(option) = self.options.iter().find(|option| option.letter == letter) else {
            return Some(Next::Unrecognized(letter));
        };
        if !option.valued {
            return Some(Next::Option(letter, String::new()));
        }
        let rest = std::mem::take(&mut self.letters);
        let value = if rest.is_empty() { self.words.next().map(String::as_str) } else { Some(rest) };
        Some(value.map_or(Next::Valueless(letter), |value| Next::Option(letter, value.to_owned())))
    }

    fn long(&mut self, word: &str) -> Next {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let exact = self.options.iter().find(|option| option.long == name);
        let mut begun = self.options.iter().filter(|option| option.long.starts_with(name));
        let (first, second) = (begun.next(), begun.next());
        let Some(option) = exact.or(first.filter(|_| second.is_none())) else {
            return Next::Unrecognized('\0');
        };
        match (option.valued, value) {
            (false, None) => Next::Option(option.letter, String::new()),
            (false, Some(_)) => Next::Valueless(option.letter),
            (true, Some(value)) => Next::Option(option.letter, value.to_owned()),
            (true, None) => self
                .words
                .next()
                .map_or(Next::Valueless(option.letter), |value| Next::Option(option.letter, value.clone())),
        }
    }
}

impl Iterator for Getopt<'_> {
    type Item = Next;

    fn next(&mut self) -> Option<Next> {
        loop {
            if let Some(next) = self.letter() {
                return Some(next);
            }
            let word = self.words.next()?;
            match word.strip_prefix('-') {
                Some("-") => {
                    self.operands.extend(self.words.by_ref().map(String::as_str));
                    return None;
                }
                Some("") | None => self.operands.push(word),
                Some(letters) => match letters.strip_prefix('-') {
                    Some(long) => return Some(self.long(long)),
                    None => self.letters = letters,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[Opt] = &[
        Opt { letter: 'c', long: "parsable", valued: false },
        Opt { letter: 'p', long: "prop", valued: true },
        Opt { letter: 'o', long: "output", valued: true },
    ];

    fn read(line: &str) -> (Vec<Next>, Vec<String>) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut getopt = Getopt::new(OPTIONS, &words);
        let options = getopt.by_ref().collect();
        (options, getopt.operands().into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn options_are_read_wherever_they_are() {
        let option = |letter, value: &str| Next::Option(letter, value.to_owned());
        let cases = [
            ("-c -o a tcp", vec![option('c', ""), option('o', "a")], vec!["tcp"]),
            ("-coa tcp -pb", vec![option('c', ""), option('o', "a"), option('p', "b")], vec!["tcp"]),
            ("tcp --out a - -- -c", vec![option('o', "a")], vec!["tcp", "-", "-c"]),
            ("--prop=a=b", vec![option('p', "a=b")], vec![]),
            ("--p=a", vec![Next::Unrecognized('\0')], vec![]),
            ("--parsable=a", vec![Next::Valueless('c')], vec![]),
            ("-x", vec![Next::Unrecognized('x')], vec![]),
            ("-p", vec![Next::Valueless('p')], vec![]),
            ("-p -c", vec![option('p', "-c")], vec![]),
        ];
        for (line, options, operands) in cases {
            let operands: Vec<String> = operands.into_iter().map(str::to_owned).collect();
            assert_eq!(read(line), (options, operands), "{line}");
        }
    }
}
