//! A profile to start from.

/// Returns the text of a commented profile of that name, valid as it stands.
///
/// The name must satisfy [`super::is_name`].
#[must_use]
pub fn starter(name: &str) -> String {
    STARTER.replace("@NAME@", name)
}

const STARTER: &str = r#"# A profile for tune. Check it with: tune profile check ./@NAME@.toml
# See what it would do with:        tune plan @NAME@

name = "@NAME@"
summary = "What this profile is for, in a line"

# Requirements of these profiles hold too, unless this one states its own; later ones win over earlier ones.
extends = ["baseline"]

# A requirement has exactly, or at_least and at_most. What already satisfies it is left alone.
[settings."tcp.fin_wait_2_timeout"]
at_most = "30s"
# prefer = "20s"                 # the value to choose instead of the bound
why = "Orphaned FIN_WAIT_2 connections hold kernel memory until this runs out."
severity = "high"                # low, medium or high
# reference = "Where to read more"

# Amounts may follow the memory of the host; a system that has nothing of the kind is forgiven.
# [settings."tcp.orphan_limit"]
# at_least = { per_gib_of_ram = 4096, min = 16384, max = 262144 }
# optional = true

# The short form asks for exactly that.
# [settings]
# "tcp.keepalive_idle" = "10min"

# Drops what was inherited.
# [settings."tcp.keepalive_probes"]
# remove = true

# Replaces the portable requirement on one system: linux, freebsd or solaris.
# [linux.settings."tcp.listen_backlog"]
# at_least = 8192

# A native tunable, in its own unit. One that the catalog does not know also needs uncatalogued = true.
# [linux.sysctl."net.ipv4.tcp_tw_reuse"]
# exactly = 2
"#;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::catalogs;
    use super::super::{InMemory, check};
    use super::*;

    fn assert_valid(text: &str) {
        let library = InMemory::default().with("baseline", "name = \"baseline\"").with("p", text);
        let found = check(&library, catalogs, "p").unwrap();
        assert!(found.is_empty(), "{found}\n{text}");
    }

    #[test]
    fn the_starter_is_valid_as_it_stands_and_with_all_its_examples() {
        let text = starter("p");
        assert_valid(&text);
        let is_example = |line: &str| !line.starts_with(|first: char| first.is_uppercase());
        let uncommented: Vec<_> = text
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|rest| is_example(rest)).unwrap_or(line))
            .collect();
        assert!(uncommented.iter().any(|line| line.starts_with("[linux.sysctl")), "{uncommented:#?}");
        assert_valid(&format!("{}\nuncatalogued = true\n", uncommented.join("\n")));
    }
}
