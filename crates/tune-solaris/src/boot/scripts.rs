//! Start scripts that set properties when everything else has: the usual way on Solaris 10.

use std::path::{Path, PathBuf};

use tune_host::Files;
use tune_model::Place;

/// The directories of start scripts, in the order of the boot.
const DIRECTORIES: [&str; 3] = ["/etc/rcS.d", "/etc/rc2.d", "/etc/rc3.d"];

/// A line of a start script that calls `ndd -set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setter {
    /// The protocol.
    pub(crate) protocol: String,
    /// The property, as ndd names it.
    pub(crate) name: String,
    /// The value; `None` where the script computes it.
    pub(crate) value: Option<String>,
    pub(crate) place: Place,
}

/// Returns the lines that set properties, in the order in which they are reached. Whether one is reached at all only the
/// script tells.
pub(crate) fn setters(files: &dyn Files) -> Vec<Setter> {
    DIRECTORIES
        .iter()
        .flat_map(|directory| scripts(files, Path::new(directory)))
        .flat_map(|path| {
            let text = files.read(&path).unwrap_or_default();
            of_script(&path, &String::from_utf8_lossy(&text))
        })
        .collect()
}

fn scripts(files: &dyn Files, directory: &Path) -> Vec<PathBuf> {
    let mut names = files.names(directory).unwrap_or_default();
    names.retain(|name| name.to_string_lossy().starts_with('S'));
    names.sort();
    names.into_iter().map(|name| directory.join(name)).collect()
}

fn of_script(path: &Path, text: &str) -> Vec<Setter> {
    let numbered = text.lines().zip(1..);
    let set = |(line, number)| of_line(line, Place { file: path.to_owned(), line: number });
    numbered.filter_map(set).collect()
}

fn of_line(line: &str, place: Place) -> Option<Setter> {
    let words: Vec<&str> = line.split('#').next()?.split_whitespace().collect();
    let at = words.iter().position(|word| word.rsplit('/').next() == Some("ndd"))?;
    let [set, device, name, value] = words.get(at + 1..at + 5)?.try_into().ok()?;
    let protocol = device.strip_prefix("/dev/").filter(|_| set == "-set")?;
    let value = value.trim_end_matches(';');
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    Some(Setter {
        protocol: protocol.to_owned(),
        name: name.to_owned(),
        value: digits.then(|| value.to_owned()),
        place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tune_host::MemoryFiles;

    #[test]
    fn the_lines_of_start_scripts_come_in_the_order_of_the_boot() {
        let files = MemoryFiles::default()
            .with("/etc/rc2.d/S99ndd", "#!/sbin/sh\n# ndd -set /dev/tcp tcp_x 1\n/usr/sbin/ndd -set /dev/tcp tcp_fin_wait_2_flush_interval 67500\n")
            .with("/etc/rc2.d/K01old", "ndd -set /dev/tcp tcp_x 2\n")
            .with("/etc/rcS.d/S10early", "ndd -set /dev/udp udp_max_buf $SIZE; ndd -get /dev/tcp tcp_x\n");
        let found = setters(&files);
        let shown: Vec<_> =
            found.iter().map(|set| (set.name.as_str(), set.value.as_deref(), set.place.line)).collect();
        assert_eq!(shown, [("udp_max_buf", None, 1), ("tcp_fin_wait_2_flush_interval", Some("67500"), 3)]);
    }
}
