//! Programs that only tell something: their answers are kept in files that a test may replace.

use std::fs;

use super::host::Host;
use super::model::Zone;
use super::said::Said;

fn unmodelled(program: &str, words: &[String]) -> Said {
    Said::unmodelled(&format!("{program} {}", words.join(" ")))
}

/// The answers of netstat, as they were recorded: commands, what they said, how they ended.
pub(super) const NETSTAT: &str = "netstat.txt";
/// The statistics of kstat: `module:instance:name:statistic`, a tab, the value.
pub(super) const KSTAT: &str = "kstat.txt";
/// The states of services: the name, a blank, the state.
pub(super) const SVCS: &str = "svcs.txt";

fn file(host: &Host, name: &str) -> String {
    let path = host.paths.own_file(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `zonename` and `zonename -t`.
pub(super) fn zonename(host: &Host, words: &[String]) -> Said {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (&words[..], &host.setup.zone) {
        ([], zone) => Said::out(format!("{}\n", zone.name())),
        // The global zone is listed as shared too (UNCONFIRMED), so that its name has to be asked first.
        (["-t"], Zone::Shared(_) | Zone::Global) => Said::out("shared\n"),
        (["-t"], Zone::Exclusive(_)) => Said::out("exclusive\n"),
        _ => Said::unmodelled(&format!("zonename {}", words.join(" "))),
    }
}

/// `uname` with -s, -r and -v.
pub(super) fn uname(host: &Host, words: &[String]) -> Said {
    let letters: Option<String> = words.iter().map(|word| word.strip_prefix('-')).collect();
    let letters = letters.filter(|letters| letters.chars().all(|letter| "srv".contains(letter)));
    let Some(letters) = letters.filter(|_| words.iter().all(|word| word.len() > 1)) else {
        return unmodelled("uname", words);
    };
    let setup = &host.setup;
    let known = [('s', "SunOS"), ('r', setup.release.as_str()), ('v', setup.version.as_str())];
    let asked = |letter: char| letters.contains(letter) || (letters.is_empty() && letter == 's');
    let parts: Vec<&str> = known.iter().filter(|(letter, _)| asked(*letter)).map(|(_, part)| *part).collect();
    Said::out(format!("{}\n", parts.join(" ")))
}

/// `kstat -p` with whole names: `module:instance:name` or `module:instance:name:statistic`, parts of which may be empty.
pub(super) fn kstat(host: &Host, words: &[String]) -> Said {
    let [dash, patterns @ ..] = words else { return unmodelled("kstat", words) };
    let whole = |pattern: &String| !pattern.is_empty() && !pattern.contains(['*', '?', '[', '/', '-']);
    if dash != "-p" || patterns.is_empty() || !patterns.iter().all(whole) {
        return unmodelled("kstat", words);
    }
    let file = file(host, KSTAT);
    let fits = |line: &&str| {
        let name = line.split('\t').next().unwrap_or_default();
        patterns.iter().any(|pattern| {
            let mut parts = name.split(':');
            pattern.split(':').all(|asked| {
                let part = parts.next();
                asked.is_empty() || part == Some(asked)
            })
        })
    };
    let out: String = file.lines().filter(fits).map(|line| format!("{line}\n")).collect();
    Said { code: u8::from(out.is_empty()), ..Said::out(out) }
}

/// `svcs -H -o state SERVICE` of services that are in the file.
pub(super) fn svcs(host: &Host, words: &[String]) -> Said {
    let parts: Vec<&str> = words.iter().map(String::as_str).collect();
    let ["-H", "-o", "state", service] = parts[..] else { return unmodelled("svcs", words) };
    let file = file(host, SVCS);
    let state = file.lines().find_map(|line| line.strip_prefix(service)?.strip_prefix(' '));
    match state {
        Some(_) if host.meets(super::Fault::NoIpmgmtd) && service.contains("ip-interface-management") => {
            Said::out("disabled\n")
        }
        Some(state) => Said::out(format!("{state}\n")),
        None => unmodelled("svcs", words),
    }
}

/// `netstat` with words that are in the file; `-an -P tcp` shows both families, one after the other.
pub(super) fn netstat(host: &Host, words: &[String]) -> Said {
    let file = file(host, NETSTAT);
    let line = words.join(" ");
    let said = recorded(&file, &line).or_else(|| {
        let both = (line == "-an -P tcp").then_some(["-an -f inet -P tcp", "-an -f inet6 -P tcp"])?;
        let [mut v4, v6] = [recorded(&file, both[0])?, recorded(&file, both[1])?];
        v4.out.extend_from_slice(&v6.out);
        Some(v4)
    });
    said.unwrap_or_else(|| unmodelled("netstat", words))
}

/// The answer to a command, out of a recording.
fn recorded(file: &str, line: &str) -> Option<Said> {
    let mut lines = file.lines().skip_while(|found| found.strip_prefix("$ netstat ") != Some(line)).skip(1);
    let mut said = Said::default();
    loop {
        let line = lines.next()?;
        if let Some(text) = line.strip_prefix("1> ") {
            said.out.extend_from_slice(format!("{text}\n").as_bytes());
        } else if let Some(text) = line.strip_prefix("2> ") {
            said.err.extend_from_slice(format!("{text}\n").as_bytes());
        } else {
            let code = line.strip_prefix("[exit ")?.strip_suffix(']')?;
            return Some(Said { code: code.parse().ok()?, ..said });
        }
    }
}
