//! Turns the catalogs from TOML, which people edit, into JSON, which is read several times faster: every start of the
//! command reads one.

use std::path::Path;
use std::{env, fs};

/// The catalogs: those of systems, and what is known of systems without a backend.
const SYSTEMS: &[&str] = &["linux", "freebsd", "solaris", "legacy"];

fn main() {
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    for system in SYSTEMS {
        let source = format!("catalog/{system}.toml");
        println!("cargo::rerun-if-changed={source}");
        let text = fs::read_to_string(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
        let rows: toml::Table = text.parse().unwrap_or_else(|error| panic!("{source}: {error}"));
        let json = serde_json::to_string(&rows).unwrap_or_else(|error| panic!("{source}: {error}"));
        let target = Path::new(&out).join(format!("{system}.json"));
        fs::write(&target, json).unwrap_or_else(|error| panic!("{}: {error}", target.display()));
    }
}
