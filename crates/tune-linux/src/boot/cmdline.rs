//! Settings on the kernel command line.

use super::keys::Key;

/// `sysctl.KEY=VALUE` on the kernel command line.
///
/// Applied before the first process starts, to built-in keys only, so that any file wins over it.
/// Since Linux 5.8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLineSetting {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: String,
}

/// Reads the settings on a kernel command line, in order; the last one of a key counts.
///
/// Words behind `--` are for init. Double quotes keep white space together.
#[must_use]
pub fn command_line_settings(text: &str) -> Vec<CommandLineSetting> {
    words(text).iter().take_while(|word| *word != "--").filter_map(|word| setting(word)).collect()
}

/// Every dot is a slash here: interface names with dots cannot be written.
fn setting(word: &str) -> Option<CommandLineSetting> {
    let name = word.strip_prefix("sysctl.").or_else(|| word.strip_prefix("sysctl/"))?;
    let (name, value) = name.split_once('=')?;
    let key = Key::parse(&name.replace('.', "/")).ok()?;
    Some(CommandLineSetting { key, value: value.to_owned() })
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            space if space.is_ascii_whitespace() && !quoted => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<(String, String)> {
        command_line_settings(text).into_iter().map(|one| (one.key.dotted(), one.value)).collect()
    }

    #[test]
    fn settings_are_found_among_other_words() {
        let found = read("quiet sysctl.net.ipv4.tcp_fin_timeout=30 \"sysctl.net/ipv4/tcp_rmem=1 2 3\" ro\n");
        assert_eq!(found[0], ("net.ipv4.tcp_fin_timeout".into(), "30".into()));
        assert_eq!(found[1], ("net.ipv4.tcp_rmem".into(), "1 2 3".into()));
    }

    #[test]
    fn words_for_init_and_without_value_do_not_count() {
        assert_eq!(read("sysctl.vm.x -- sysctl.vm.swappiness=1"), []);
        assert_eq!(read("sysctlx=1 sysctl=2"), []);
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,80}") {
            let _ = command_line_settings(&text);
        }
    }
}
