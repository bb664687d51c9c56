//! Every row of the catalog, told, compared and written down, against the schemas and the page.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tune_model::legacy::{Amount, Assignment, LeftOut, Named, Reason, Row, Translation, Way};
use tune_model::plan::{Refusal, RefusalKind};
use tune_model::{Catalog, Effective, Legacy, LegacySystem, Limits, Setting, Subject, System};
use unicode_width::UnicodeWidthStr;

use super::{ComparisonReport, Known, Mechanism, ScriptReport, SystemReport, tell};
use crate::Report;
use crate::testing::{check, plain, profile, seconds, valid};

fn known(system: &LegacySystem, setting: Setting) -> Known {
    let mut mechanisms = Vec::new();
    for release in &system.releases {
        system.rows_on(release, setting).for_each(|row| tell(&mut mechanisms, system, release, row));
    }
    Known {
        system: system.name.clone(),
        title: system.title.clone(),
        backend: false,
        mechanisms,
        notes: system.notes.clone(),
    }
}

fn on_linux() -> Known {
    let rows = Catalog::of(System::Linux).iter().map(|row| Mechanism::of_tunable(System::Linux, row));
    let fixed = Effective::Exact(seconds(60));
    let fixed = Mechanism::without_knob(System::Linux, Way::Fixed, "a constant".to_owned(), Some(fixed));
    Known {
        system: "linux".to_owned(),
        title: "Linux".to_owned(),
        backend: true,
        mechanisms: rows.chain([fixed]).collect(),
        notes: Vec::new(),
    }
}

fn explained(known: Known, setting: Setting) -> SystemReport {
    SystemReport {
        setting: Subject::Setting(setting),
        meaning: Some(setting.meaning().to_owned()),
        takes: Some(setting.kind().expected().to_owned()),
        stands_in: known.mechanisms.is_empty().then(|| setting.stands_in().to_owned()),
        known,
    }
}

#[test]
fn every_setting_on_every_system_is_valid_and_fits_the_page() {
    for setting in Setting::ALL {
        for known in Legacy::get().iter().map(|system| known(system, *setting)).chain([on_linux()]) {
            let report = explained(known, *setting);
            let text = plain(&report);
            assert!(report.known.mechanisms.is_empty() == text.contains("Nothing is known"), "{text}");
        }
        // All of them in one document: the schema is read once.
        let mut all = on_linux();
        all.mechanisms.extend(Legacy::get().iter().flat_map(|system| known(system, *setting).mechanisms));
        check(&explained(all, *setting), "explain-system");
    }
    check(
        &explained(known(Legacy::get().iter().next().unwrap(), Setting::OrphanLimit), Setting::OrphanLimit),
        "explain-system",
    );
}

fn compared(setting: Setting) -> ComparisonReport {
    let mut linux = on_linux();
    linux
        .mechanisms
        .retain(|known| known.tunable.as_deref().is_none_or(|name| name.ends_with("tcp_fin_timeout")));
    let systems = [linux].into_iter().chain(Legacy::get().iter().map(|system| known(system, setting)));
    ComparisonReport {
        setting,
        meaning: setting.meaning(),
        takes: setting.kind().expected(),
        systems: systems.filter(|known| !known.mechanisms.is_empty()).collect(),
    }
}

#[test]
fn comparisons_fit_narrow_and_wide_pages_and_keep_names_whole() {
    for setting in Setting::ALL {
        let report = compared(*setting);
        check(&report, "comparison");
        let narrow = plain(&report);
        let wide = anstream::adapter::strip_str(&report.human(120)).to_string();
        assert!(wide.lines().all(|line| line.width() <= 120), "{wide}");
        for name in
            report.systems.iter().flat_map(|known| &known.mechanisms).filter(|known| known.set_now.is_some())
        {
            let name = name.tunable.as_deref().unwrap();
            assert!(narrow.contains(name) && wide.contains(name), "{name} is broken in\n{narrow}\n{wide}");
        }
    }
    let wide = anstream::adapter::strip_str(&compared(Setting::FinWait2Timeout).human(120)).to_string();
    for words in ["HP-UX 11", "0 (never)", "1200 (10min) ?", "half-seconds", "(no knob)", "sources disagree"]
    {
        assert!(wide.contains(words), "{words} in {wide}");
    }
}

fn row(id: &str) -> (&'static LegacySystem, &'static Row) {
    let mut all = Legacy::get().iter().flat_map(|system| system.rows.iter().map(move |row| (system, row)));
    all.find(|(_, row)| row.id == id).unwrap()
}

/// A script in which everything takes every form.
fn script(id: &str, value: i128, verified: bool) -> ScriptReport {
    let (system, row) = row(id);
    let release = system.releases.iter().rev().find(|release| row.is_about(release)).unwrap();
    let tool = system.tool(release, row).unwrap();
    let wanted = Limits { at_most: Some(seconds(30)), ..Limits::default() };
    let setting = row.setting;
    let amounts_to = Effective::Exact(row.unit.unwrap().amount(setting.kind(), value).unwrap());
    let set = |leave| Assignment {
        row,
        tool,
        value,
        amounts_to: amounts_to.clone(),
        serves: vec![Setting::FinWait2Timeout, setting],
        leave,
        verified,
    };
    let amount = |effective| Amount { setting, wanted: wanted.clone(), effective, by: "8 x 75s".to_owned() };
    let between = Effective::Between { low: seconds(24), high: seconds(27) };
    let translation = Translation {
        named: Named { system, release: None },
        release,
        wanted: vec![Reason {
            setting,
            wanted: wanted.clone(),
            why: Some("Because\n$(reboot) `reboot`".to_owned()),
        }],
        assignments: vec![
            set(None),
            set(Some((Some(1), Some(value)))),
            set(Some((Some(value), None))),
            set(Some((None, Some(value)))),
        ],
        reached: vec![amount(between)],
        shipped: vec![amount(Effective::Unbounded), amount(Effective::Unknown("not known".to_owned()))],
        left_out: vec![LeftOut {
            setting,
            reason: "not confirmed".to_owned(),
            stands_in: setting.stands_in().to_owned(),
            unverified: true,
        }],
        warnings: vec!["beware".to_owned()],
    };
    ScriptReport {
        command: "tune render web-server --for somewhere".to_owned(),
        profiles: vec![(profile("web-server"), "HTTP server".to_owned())],
        ram: Some(16 << 30),
        translation,
    }
}

const SCRIPTS: &[(&str, i128, bool)] = &[
    ("hp-ux.11.fin_wait_2", 30_000, true),
    ("hp-ux.10.keepalive_idle", 900, false),
    ("aix.4.3.fin_wait_2", 60, true),
    ("netbsd.keepalive_interval", 10, true),
    ("netbsd.keepalive_interval", 10, false),
    ("openbsd.7.3.keepalive_interval", 3, true),
    ("dragonfly.keepalive_interval", 5000, true),
    ("macos.fin_wait_2", 30_000, true),
    ("tru64.keepalive_idle", 1800, false),
];

#[test]
fn scripts_of_every_shape_are_valid_and_fit_the_page() {
    for (id, value, verified) in SCRIPTS {
        let report = script(id, *value, *verified);
        check(&report, "render-script");
        let text = plain(&report);
        assert_eq!(text.contains("UNVERIFIED"), !verified, "{text}");
        assert_eq!(report.human(80), report.human(120), "what stands in it does not depend on the terminal");
    }
}

#[test]
fn scripts_are_for_the_oldest_shells_and_foreign_text_stays_in_comments() {
    for (id, value, verified) in SCRIPTS {
        let text = script(id, *value, *verified).script();
        let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        for line in code {
            for newer in
                ["$(", "local ", "[[", "printf", "((", "${#", "reboot", "! ", "test -e", "==", "function "]
            {
                assert!(!line.contains(newer), "{newer:?} in {line:?}");
            }
        }
    }
}

#[test]
fn what_general_knowledge_says_of_boot_files_is_advice_until_asked_for() {
    let netbsd = script("netbsd.keepalive_interval", 10, true).script();
    assert!(!netbsd.contains(">>$file") && netbsd.contains("/etc/sysctl.conf: net.inet.tcp.keepintvl=10"));
    let asked = script("netbsd.keepalive_interval", 10, false).script();
    assert!(asked.contains(">>$file") && asked.contains("# UNVERIFIED: that the boot reads this file so"));
    let openbsd = script("openbsd.7.3.keepalive_interval", 3, true).script();
    assert!(openbsd.contains(">>$file"));
    let typed = script("hp-ux.10.keepalive_idle", 900, false).script();
    assert!(typed.contains("#   nettune -s tcp_keepstart 900"), "{typed}");
    assert!(typed.lines().all(|line| line.is_empty() || line.starts_with('#')), "{typed}");
}

#[test]
fn what_is_the_same_on_all_releases_is_told_once() {
    let titles = |name, setting| {
        let system = Legacy::get().iter().find(|system| system.name == name).unwrap();
        known(system, setting).mechanisms.into_iter().map(|known| known.releases).collect::<Vec<_>>()
    };
    assert_eq!(titles("openbsd", Setting::MbufClusters), ["OpenBSD"]);
    // The row is the same, but not what sets it.
    assert_eq!(titles("aix", Setting::KeepaliveIdle), ["AIX before 4.3", "AIX 4.3 and later"]);
    assert_eq!(titles("sco", Setting::KeepaliveIdle), ["SCO OpenServer 5"]);
}

#[test]
fn a_refusal_tells_every_reason() {
    let refusal = |setting, message: &str| Refusal {
        kind: RefusalKind::Unsupported,
        subject: Some(Subject::Setting(setting)),
        message: message.to_owned(),
        hints: vec!["--unverified shows it".to_owned()],
    };
    let refusals =
        [refusal(Setting::FinWait2Timeout, "patches only"), refusal(Setting::KeepaliveIdle, "nothing")];
    let error = ScriptReport::refusal(&refusals, "IRIX");
    assert_eq!(error.exit_code, 1);
    check(&error, "error");
    assert_eq!(
        plain(&error),
        "\
error: refused; nothing is written for IRIX
  because: tcp.fin_wait_2_timeout: patches only
  because: tcp.keepalive_idle: nothing
  hint: --unverified shows it
"
    );
}

#[test]
fn what_the_schemas_do_not_name_is_refused() {
    let documents = [
        ("explain-system", check(&explained(on_linux(), Setting::FinWait2Timeout), "explain-system")),
        ("comparison", check(&compared(Setting::KeepaliveIdle), "comparison")),
        ("render-script", check(&script("aix.4.3.fin_wait_2", 60, true), "render-script")),
    ];
    for (schema, document) in documents {
        let refused = |change: &dyn Fn(&mut Value)| {
            let mut changed = document.clone();
            change(&mut changed);
            assert!(valid(&changed, schema).is_err(), "{schema} takes {changed}");
        };
        refused(&|document| document["rc"] = json!(0));
        refused(&|document| document["unknown"] = json!(1));
        refused(&|document| document["schema"] = json!("tune.other/1"));
        for key in document.as_object().unwrap().keys() {
            refused(&|document| drop(document.as_object_mut().unwrap().remove(key)));
        }
    }
    let script = check(&script("aix.4.3.fin_wait_2", 60, true), "render-script");
    for (key, value) in [("evidence", json!("hearsay")), ("value", json!(60)), ("verified", json!("yes"))] {
        let mut changed = script.clone();
        changed["assignments"][0][key] = value;
        assert!(valid(&changed, "render-script").is_err(), "{key}");
    }
}

#[test]
fn the_document_has_the_lines_and_commands_as_they_are_written() {
    let document = check(&script("hp-ux.11.fin_wait_2", 30_000, true), "render-script");
    let set = &document["assignments"][0];
    assert_eq!(set["command"], "ndd -set /dev/tcp tcp_fin_wait_2_timeout 30000");
    assert_eq!(
        set["boot"]["lines"],
        json!(["TRANSPORT_NAME[0]=tcp", "NDD_NAME[0]=tcp_fin_wait_2_timeout", "NDD_VALUE[0]=30000"])
    );
    assert_eq!((&set["value"], &set["unit"]), (&json!("30000"), &json!("ms")));
    let document = check(&script("aix.4.3.fin_wait_2", 120, true), "render-script");
    assert_eq!(document["assignments"][0]["command_both"], "no -p -o tcp_finwait2=120");
    assert_eq!(
        document["assignments"][0]["amounts_to"],
        json!({"value": 60_000, "unit": "ms", "text": "60s"})
    );
}
