//! Names of Linux tunables and their paths.

use std::path::PathBuf;

/// Returns the file of a Linux tunable, or `None` where the name cannot be one.
///
/// Dots separate, and a slash stands for a dot inside a part (`net.ipv4.conf.eth0/100.rp_filter`); when the first
/// separator is a slash, the name is the path itself. Source: sysctl.d(5).
#[must_use]
pub fn sysctl_path(name: &str) -> Option<PathBuf> {
    let first = name.find(['.', '/'])?;
    let path: String = if name.as_bytes()[first] == b'/' {
        name.to_owned()
    } else {
        name.chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect()
    };
    let sound = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    path.split('/').all(sound).then(|| PathBuf::from("/proc/sys").join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_and_cannot_leave_the_tree() {
        let path = |name| sysctl_path(name).map(|path| path.to_string_lossy().into_owned());
        assert_eq!(path("net.ipv4.tcp_mem").as_deref(), Some("/proc/sys/net/ipv4/tcp_mem"));
        assert_eq!(path("net/ipv4/conf/eth0.100/x").as_deref(), Some("/proc/sys/net/ipv4/conf/eth0.100/x"));
        assert_eq!(path("net.ipv4.conf.eth0/100.x").as_deref(), Some("/proc/sys/net/ipv4/conf/eth0.100/x"));
        for bad in
            ["", "kernel", "..", "net..ipv4", "/etc/passwd", "net/../../etc/passwd", "net.ipv4.", "a.\0"]
        {
            assert_eq!(path(bad), None, "{bad:?}");
        }
    }
}
