//! What the shipped profiles ask of a FreeBSD host that was left alone.

use tune_model::profile::{BuiltIn, Library, Profile, Requirement, Scale, Subject, resolve};
use tune_model::{Catalog, Mutability, Quantity, Setting, System};

fn shipped() -> impl Iterator<Item = Profile> {
    BuiltIn.names().into_iter().map(|name| {
        let found = resolve(&BuiltIn, Catalog::of, &name, System::FreeBsd);
        found.unwrap_or_else(|error| panic!("{error}")).profile
    })
}

/// Returns what the kernel computes by itself for a limit that cannot be lowered again, at the least.
fn computed(setting: Setting, ram: u64) -> Option<u64> {
    // What the kernel itself takes at boot is not counted; it was 3 % of 2 GiB.
    let memory = ram / 10 * 9;
    match setting {
        Setting::MbufClusters => Some(memory / 2 / 2048 / 4),
        Setting::MaxSockets => Some(memory / 4096 / 8),
        Setting::SynBacklog => Some(15_360),
        Setting::TcpMemoryLimit => Some(memory / 2),
        _ => None,
    }
}

fn at_least(requirement: &Requirement, ram: u64) -> Option<u64> {
    let limits = requirement.wanted.limits(Scale { ram, page: 4096 })?;
    match limits.at_least? {
        Quantity::Count(number) | Quantity::Bytes(number) => Some(number),
        _ => None,
    }
}

/// Such a raise stays until the next boot, whoever takes it back: it is not to be asked for without need.
#[test]
fn nothing_is_asked_for_that_only_a_reboot_takes_back() {
    let mut held = 0;
    for profile in shipped() {
        for requirement in &profile.requirements {
            let Subject::Setting(setting) = requirement.subject else { continue };
            for ram in (29..=42).map(|power| 1_u64 << power) {
                let Some(own) = computed(setting, ram) else { continue };
                let Some(wanted) = at_least(requirement, ram) else { continue };
                assert!(wanted <= own, "{}: {setting} at {} MiB: {wanted}, {own}", profile.name, ram >> 20);
                held += 1;
            }
        }
    }
    assert!(held > 14, "{held}");
}

#[test]
fn native_requirements_are_on_what_can_be_changed_both_ways() {
    for profile in shipped() {
        for requirement in &profile.requirements {
            let Subject::Tunable(slot) = &requirement.subject else { continue };
            let row = Catalog::of(System::FreeBsd).get(&slot.tunable);
            let live = row.is_some_and(|row| row.mutability == Mutability::Live);
            assert!(live, "{}: {slot}", profile.name);
        }
    }
}

/// The timeout alone does nothing: profiles ask for what it comes to.
#[test]
fn no_profile_names_the_timeout_without_the_switch() {
    for profile in shipped() {
        let native = profile.requirements.iter().filter_map(|requirement| match &requirement.subject {
            Subject::Tunable(slot) => Some(slot.tunable.as_str()),
            Subject::Setting(_) => None,
        });
        let names: Vec<_> = native.filter(|name| name.contains("finwait2")).collect();
        assert!(names.is_empty(), "{}: {names:?}", profile.name);
    }
}
