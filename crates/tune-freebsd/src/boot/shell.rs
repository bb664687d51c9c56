//! Assignments of a shell script, as far as they are plain.

/// What a script is besides assignments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// It runs commands, perhaps under conditions.
    RunsCommands,
    /// The command in this line may set any variable.
    SetsAnything(u32),
}

/// A script, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// Name, value or why it cannot be told, and line, in order.
    pub(super) assignments: Vec<(String, Result<String, String>, u32)>,
    /// Names that commands mention, and perhaps set, with the line.
    pub(super) mentions: Vec<(String, u32)>,
    pub(super) program: Option<Program>,
}

/// Commands that may set any variable.
const SETTERS: [&str; 6] = [".", "source", "eval", "read", "load_rc_config", "source_rc_confs"];

/// A word of a command, quotes taken off.
#[derive(Debug, Default)]
struct Word {
    text: String,
    line: u32,
    /// It holds what the shell would replace.
    replaced: bool,
    /// Where quotes began in it.
    quoted_from: Option<usize>,
}

/// Takes a script apart.
pub(super) fn read(text: &str) -> Script {
    let mut script = Script::default();
    let (commands, whole) = commands(text);
    for command in &commands {
        script.command(command);
    }
    if !whole {
        script.program = Some(Program::SetsAnything(u32::try_from(text.lines().count()).unwrap_or(u32::MAX)));
    }
    script
}

impl Script {
    fn command(&mut self, words: &[Word]) {
        let assignments: Vec<_> = words.iter().map_while(assignment).collect();
        let all = assignments.len() == words.len();
        self.assignments.extend(assignments);
        let Some(first) = words.first().filter(|_| !all) else { return };
        let anything = words.iter().any(|word| SETTERS.contains(&word.text.as_str()));
        match self.program {
            Some(Program::SetsAnything(_)) => {}
            _ if anything => self.program = Some(Program::SetsAnything(first.line)),
            _ => self.program = Some(Program::RunsCommands),
        }
        // Also `export a=b`, `: ${a:=b}` and the like.
        self.mentioned(words);
    }

    /// Every name that a command mentions may be set by it.
    fn mentioned(&mut self, words: &[Word]) {
        for word in words {
            let names = word.text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            for name in names.filter(|name| is_name(name)) {
                self.mentions.push((name.to_owned(), word.line));
            }
        }
    }
}

fn assignment(word: &Word) -> Option<(String, Result<String, String>, u32)> {
    let at = word.text.find('=')?;
    let (name, value) = (&word.text[..at], &word.text[at + 1..]);
    if !is_name(name) || word.quoted_from.is_some_and(|from| from <= at) {
        return None;
    }
    let value =
        if word.replaced { Err(format!("{value:?} is replaced by the shell")) } else { Ok(value.to_owned()) };
    Some((name.to_owned(), value, word.line))
}

fn is_name(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(sound)
}

/// Cuts a script into commands and words; false where it ends inside of quotes.
fn commands(text: &str) -> (Vec<Vec<Word>>, bool) {
    let mut lexer =
        Lexer { rest: text.chars().peekable(), line: 1, word: None, words: Vec::new(), all: Vec::new() };
    let whole = lexer.run();
    (lexer.all, whole)
}

struct Lexer<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    line: u32,
    word: Option<Word>,
    words: Vec<Word>,
    all: Vec<Vec<Word>>,
}

impl Lexer<'_> {
    fn run(&mut self) -> bool {
        while let Some(c) = self.next() {
            match c {
                ' ' | '\t' => self.end_word(),
                '\n' | ';' | '&' | '|' | '(' | ')' => self.end_command(c),
                '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(c) => self.push(c),
                },
                '\'' | '"' => {
                    if !self.quoted(c) {
                        return false;
                    }
                }
                '$' | '`' | '*' | '?' | '[' | '~' | '<' | '>' => self.replaced(c),
                c => self.push(c),
            }
        }
        self.end_command('\n');
        true
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.line += u32::from(c == '\n');
        Some(c)
    }

    fn current(&mut self) -> &mut Word {
        let line = self.line;
        self.word.get_or_insert_with(|| Word { line, ..Word::default() })
    }

    fn push(&mut self, c: char) {
        self.current().text.push(c);
    }

    fn replaced(&mut self, c: char) {
        self.push(c);
        self.current().replaced = true;
    }

    /// Takes what stands in quotes; false where they are not closed.
    fn quoted(&mut self, quote: char) -> bool {
        let word = self.current();
        word.quoted_from.get_or_insert(word.text.len());
        while let Some(c) = self.next() {
            match c {
                c if c == quote => return true,
                '$' | '`' if quote == '"' => self.replaced(c),
                '\\' if quote == '"' => match self.next() {
                    Some('\n') | None => {}
                    Some(c @ ('$' | '`' | '"' | '\\')) => self.push(c),
                    Some(c) => {
                        self.push('\\');
                        self.push(c);
                    }
                },
                c => self.push(c),
            }
        }
        false
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn end_command(&mut self, end: char) {
        self.end_word();
        if !matches!(end, '\n' | ';') {
            // A pipe, a list or a function: no plain assignment.
            let (text, line) = (end.to_string(), self.line);
            self.words.push(Word { text, line, ..Word::default() });
        }
        let words = std::mem::take(&mut self.words);
        if !words.is_empty() {
            self.all.push(words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_panics(text in ".{0,80}") {
            let _ = read(&text);
        }

        #[test]
        fn a_plain_assignment_is_read(name in "[a-z_][a-z0-9_]{0,10}", value in "[A-Za-z0-9./ ]{0,20}") {
            let read = read(&format!("{name}=\"{value}\"\n"));
            prop_assert_eq!(read.assignments, [(name, Ok(value), 1)]);
            prop_assert_eq!(read.program, None);
        }
    }
}
