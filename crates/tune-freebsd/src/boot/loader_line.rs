//! A line of a file of the loader.
//!
//! Source: stand/lua/config.lua.

/// Endings of names that say something of a module.
const OF_MODULES: [&str; 7] = ["_load", "_name", "_type", "_flags", "_before", "_after", "_error"];

/// What a line says to the loader.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Statement<'l> {
    Nothing,
    Malformed,
    Run(&'l str),
    Set(&'l str, Result<String, String>),
}

pub(super) fn statement(line: &str) -> Statement<'_> {
    let line = line.trim_matches(is_space);
    if is_comment(line) {
        return Statement::Nothing;
    }
    let name_end =
        line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(line.len());
    let (name, rest) = line.split_at(name_end);
    let Some(value) = rest.trim_start_matches(is_space).strip_prefix('=') else {
        return Statement::Malformed;
    };
    let value = value.trim_start_matches(is_space);
    let Some(value) = quoted(value).or_else(|| word(value)) else { return Statement::Malformed };
    if name == "exec" {
        return Statement::Run(value);
    }
    if OF_MODULES.iter().any(|ending| name.len() > ending.len() && name.ends_with(ending)) {
        return Statement::Nothing;
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Statement::Malformed;
    }
    match expanded(value) {
        Ok(value) => Statement::Set(name, Ok(value)),
        Err(doubt) => Statement::Set(name, Err(doubt)),
    }
}

/// Returns the variable that a line sets.
pub(crate) fn variable(line: &str) -> Option<&str> {
    match statement(line) {
        Statement::Set(name, _) => Some(name),
        _ => None,
    }
}

fn is_space(c: char) -> bool {
    c == ' ' || ('\t'..='\r').contains(&c)
}

/// Tells whether nothing but a comment is left of a line.
fn is_comment(rest: &str) -> bool {
    let rest = rest.trim_start_matches(is_space);
    rest.is_empty() || rest.starts_with('#')
}

/// Takes a value in quotes. Up to which quote it reaches differs by release where there are more than two.
fn quoted(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('"')?;
    let (first, last) = (inside.find('"')?, inside.rfind('"')?);
    if first == last {
        return is_comment(&inside[first + 1..]).then_some(&inside[..first]);
    }
    // Taken whole, the quotes in it are found and told of.
    Some(&inside[..last])
}

fn word(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(text.len());
    let sound = end > 0 && !text.starts_with(['_', '.']) && is_comment(&text[end..]);
    sound.then_some(&text[..end])
}

/// Takes the escapes out of a value; one that is made of other variables, or holds quotes, cannot be told.
fn expanded(value: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        match c {
            '$' => return Err(format!("{value:?} is made of other variables")),
            '"' => return Err(format!("how {value:?} is read depends on the release")),
            '\\' => out.extend(rest.next()),
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set<'l>(name: &'l str, value: &str) -> Statement<'l> {
        Statement::Set(name, Ok(value.to_owned()))
    }

    #[test]
    fn a_line_is_read_as_the_loader_reads_it() {
        for (line, value) in [
            ("kern.hz=\"100\"", "100"),
            ("  kern.hz = \"100\" # slow\r", "100"),
            ("kern.hz=100", "100"),
            ("kern.hz=0x10 # hex", "0x10"),
            ("kern.hz=-1", "-1"),
            ("kern.hz=\"\"", ""),
            ("kern.hz=\"1 2\"", "1 2"),
            ("kern.hz=\"a\\$b\"", "a$b"),
        ] {
            assert_eq!(statement(line), set("kern.hz", value), "{line:?}");
        }
        for line in
            ["kern.hz=\"100", "kern.hz=1,000", "kern.hz=100 200", "kern.hz", "=1", "kern.hz=\"1\" 2", "a b=1"]
        {
            assert_eq!(statement(line), Statement::Malformed, "{line:?}");
        }
        for line in ["", "  ", "# kern.hz=1", "zfs_load=\"YES\"", "a_name=b"] {
            assert_eq!(statement(line), Statement::Nothing, "{line:?}");
        }
        assert_eq!(statement("exec=\"set kern.hz=1\""), Statement::Run("set kern.hz=1"));
        assert!(matches!(statement("kern.hz=\"${x}\""), Statement::Set(_, Err(_))));
        assert!(matches!(statement("kern.hz=\"1\" # \"x\""), Statement::Set(_, Err(_))));
    }

    proptest! {
        #[test]
        fn what_tune_writes_is_read_back(name in "[a-z][a-z0-9.]{0,30}", value in "[0-9]{1,10}") {
            let line = format!("{name}=\"{value}\"");
            prop_assert_eq!(statement(&line), set(&name, &value));
        }
    }
}
