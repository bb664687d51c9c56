//! What a plan for illumos or Solaris may contain at all. Journals are read back as untrusted input and held against this.

use std::path::Path;

use tune_model::native::{Keeper, Property};
use tune_model::plan::FileImage;
use tune_model::{Catalog, Effect, Mutability, System};

use crate::names;
use crate::service::{DIRECTORIES, MANIFESTS, is_manifest};

/// Tells whether an effect is one that a plan for these systems can contain.
pub(crate) fn may_do(effect: &Effect) -> bool {
    match effect {
        Effect::SetProperty { tunable, property, before, after } => {
            is_settable(tunable, property) && [before, after].iter().all(|value| is_digits(value))
        }
        Effect::PersistProperty { tunable, property, before, after, live, default } => {
            property.keeper == Keeper::Ipadm
                && is_settable(tunable, property)
                && [before, after].into_iter().flatten().all(|typed| is_typed(typed))
                && live.iter().chain([default]).all(|value| is_digits(value))
        }
        Effect::ReplaceFile { path, before, after } => {
            let images = [before, after].into_iter().flatten();
            MANIFESTS.iter().any(|manifest| path == Path::new(manifest)) && images.into_iter().all(is_ours)
        }
        Effect::Directory { path, .. } => DIRECTORIES.iter().any(|directory| path == Path::new(directory)),
        _ => false,
    }
}

/// Tells whether a tunable can be set, and this property is what the program knows it by.
fn is_settable(tunable: &str, property: &Property) -> bool {
    let row = Catalog::of(System::Solaris).get(tunable);
    row.is_none_or(|row| row.mutability == Mutability::Live) && names::names(tunable, property)
}

fn is_digits(value: &str) -> bool {
    (1..=20).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Tells whether a value is one that ipadm takes for a number: blanks and a sign may be before it.
fn is_typed(value: &str) -> bool {
    let digits = value.trim_start_matches([' ', '\t']);
    value.len() <= 64 && is_digits(digits.strip_prefix('+').unwrap_or(digits))
}

fn is_ours(image: &FileImage) -> bool {
    image.mode & 0o7022 == 0 && image.uid == 0 && is_manifest(&image.content.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(keeper: Keeper, name: &str) -> Property {
        Property { keeper, protocol: "tcp".to_owned(), name: name.to_owned() }
    }

    fn set(tunable: &str, property: Property, after: &str) -> bool {
        let (before, after) = ("60000".to_owned(), after.to_owned());
        may_do(&Effect::SetProperty { tunable: tunable.to_owned(), property, before, after })
    }

    fn persist(name: &str, after: Option<&str>) -> bool {
        may_do(&Effect::PersistProperty {
            tunable: format!("ipadm.tcp.{name}"),
            property: property(Keeper::Ipadm, name),
            before: None,
            after: after.map(str::to_owned),
            live: Some("60000".to_owned()),
            default: "60000".to_owned(),
        })
    }

    const FLUSH: &str = "_fin_wait_2_flush_interval";

    #[test]
    fn only_properties_that_a_plan_sets_by_the_name_that_belongs_to_them() {
        let tunable = format!("ipadm.tcp.{FLUSH}");
        assert!(set(&tunable, property(Keeper::Ipadm, FLUSH), "30000"));
        assert!(set(&tunable, property(Keeper::Ndd, "tcp_fin_wait_2_flush_interval"), "30000"));
        assert!(!set(&tunable, property(Keeper::Ndd, "tcp_time_wait_interval"), "30000"));
        assert!(!set(&tunable, property(Keeper::Ipadm, "_time_wait_interval"), "30000"));
        for name in ["-t", "a=1", "a b", "", "_x;reboot"] {
            assert!(!set(&format!("ipadm.tcp.{name}"), property(Keeper::Ipadm, name), "1"), "{name:?}");
        }
        for value in ["", "-1", "30s", "1 2", "+5", "0x10", "1,2"] {
            assert!(!set(&tunable, property(Keeper::Ipadm, FLUSH), value), "{value:?}");
        }
        let elsewhere = Property { protocol: "udp".to_owned(), ..property(Keeper::Ipadm, FLUSH) };
        assert!(!set(&tunable, elsewhere, "30000"));
    }

    #[test]
    fn what_was_typed_is_put_back_as_it_was_and_nothing_else() {
        for typed in ["30000", "+030000", " 30000"] {
            assert!(persist(FLUSH, Some(typed)), "{typed:?}");
        }
        assert!(persist(FLUSH, None));
        for planted in ["30000 ", "passive", "1,2", "1\n2", "--", "1 -t"] {
            assert!(!persist(FLUSH, Some(planted)), "{planted:?}");
        }
        let by_ndd = Effect::PersistProperty {
            tunable: format!("ipadm.tcp.{FLUSH}"),
            property: property(Keeper::Ndd, "tcp_fin_wait_2_flush_interval"),
            before: None,
            after: None,
            live: None,
            default: "60000".to_owned(),
        };
        assert!(!may_do(&by_ndd));
    }

    #[test]
    fn no_file_but_the_manifest() {
        for planted in
            ["/etc/ipadm/ipadm.conf", "/etc/system", "/etc/rc2.d/S99x", "/var/svc/manifest/site/x.xml"]
        {
            let after = Some(FileImage {
                uid: 0,
                mode: 0o644,
                gid: 0,
                content: Default::default(),
                attributes: Default::default(),
            });
            let effect = Effect::ReplaceFile { path: planted.into(), before: None, after };
            assert!(!may_do(&effect), "{planted}");
        }
    }
}
