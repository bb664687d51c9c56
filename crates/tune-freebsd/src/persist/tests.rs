#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use tune_host::{FakeHost, Machine, MemoryFiles};
use tune_model::Subject;
use tune_model::claim::Claim;

use crate::permitted::{BLOCK_FILE, may_do};

const TIMEOUT: &str = "net.inet.tcp.finwait2_timeout";
const KEEPALIVE: &str = "net.inet.tcp.always_keepalive";
const CLUSTERS: &str = "kern.ipc.nmbclusters";
const LOADER_CONF: &str = "/boot/loader.conf";
const DEFAULTS: &str = "loader_conf_files=\"/boot/loader.conf\"\nloader_conf_dirs=\"/boot/loader.conf.d\"\n\
    local_loader_conf_files=\"/boot/loader.conf.local\"\n";
const MBUFS: &str = "kern.ipc.nmbclusters=\"1000\"\nkern.ipc.nmbjumbop=\"500\"\nkern.ipc.nmbjumbo9=\"100\"\n\
    kern.ipc.nmbjumbo16=\"100\"\nkern.ipc.nmbufs=\"90000\"\n";

fn tree(files: &[(&str, &str)]) -> MemoryFiles {
    let base = MemoryFiles::default()
        .with("/etc/rc.d/sysctl", "")
        .with("/etc/rc.d/sysctl_lastload", "")
        .with("/etc/rc.d/netoptions", "")
        .with("/etc/defaults/rc.conf", "tcp_keepalive=\"YES\"\nrc_conf_files=\"/etc/rc.conf\"\n")
        .with("/boot/defaults/loader.conf", DEFAULTS)
        .with(LOADER_CONF, MBUFS);
    files.iter().fold(base, |tree, (path, content)| tree.with(path, content))
}

fn host(files: &[(&str, &str)]) -> FakeHost {
    FakeHost::new().with_files(tree(files))
}

fn claims(held: &[(&str, &str)]) -> ScopeClaims {
    let claim = |name: &str| Claim {
        transaction: 1,
        profile: "web".to_owned(),
        subject: Subject::Tunable(Slot::whole(name)),
        wanted: Default::default(),
    };
    let holding = |(name, value): &(&str, &str)| {
        let holding = Holding {
            original: None,
            boot_id: String::new(),
            held: Some((*value).to_owned()),
            claims: vec![claim(name)],
            taken_over: Vec::new(),
        };
        (Slot::whole(*name), holding)
    };
    ScopeClaims { boot: held.iter().map(holding).collect(), ..ScopeClaims::default() }
}

/// A host with what `tune` remembers of it.
struct Site {
    host: FakeHost,
    claims: ScopeClaims,
    jail: Jail,
}

impl Site {
    fn of(files: &[(&str, &str)]) -> Self {
        Self::on(host(files))
    }

    fn on(host: FakeHost) -> Self {
        Self { host, claims: ScopeClaims::default(), jail: Jail::None }
    }

    fn plan(&self, held: &[(&str, &str)], options: PersistOptions) -> Persistence {
        let ground = Ground {
            hz: 100,
            page: 4096,
            virtual_machine: Some(true),
            release: Some(1_400_097),
            ..Ground::default()
        };
        let claims = claims(held);
        let change = Change { before: &self.claims, claims: &claims, options };
        let planned = persist(&self.host, (&ground, self.jail), change, &Readings::new());
        for effect in &planned.effects {
            assert!(may_do(effect) && may_do(&effect.undo()), "{effect:?}");
        }
        planned
    }

    /// Carries a plan out, and remembers what the engine would.
    fn settle(&mut self, held: &[(&str, &str)], options: PersistOptions) -> Persistence {
        let planned = self.plan(held, options);
        for effect in &planned.effects {
            match effect {
                Effect::ReplaceFile { path, after, .. } => {
                    self.host.replace_file(path, after.as_ref(), "0").unwrap();
                }
                Effect::Directory { path, after, .. } => self.host.set_directory(path, *after).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        self.claims = claims(held);
        for (slot, lines) in &planned.taken_over {
            if let Some(holding) = self.claims.boot.get_mut(slot) {
                holding.taken_over.clone_from(lines);
            }
        }
        self.claims.files = planned.files.clone();
        self.claims.directories = planned.directories.clone();
        planned
    }

    fn text(&self, path: &str) -> Option<String> {
        self.host.image(path).map(|image| String::from_utf8(image.content.0).unwrap())
    }
}

const PLAIN: PersistOptions =
    PersistOptions { take_over: false, overwrite_foreign: false, leave_foreign: false, rendering: false };
const TAKE_OVER: PersistOptions = PersistOptions { take_over: true, ..PLAIN };
const OVERWRITE: PersistOptions = PersistOptions { overwrite_foreign: true, ..PLAIN };

#[test]
fn what_can_be_set_while_the_system_runs_goes_into_a_block() {
    let mut site = Site::of(&[]);
    let planned = site.settle(&[(TIMEOUT, "30000"), (KEEPALIVE, "1")], PLAIN);
    assert!(planned.overrides.is_empty() && planned.warnings.is_empty(), "{planned:?}");
    let text = site.text(BLOCK_FILE).unwrap();
    assert!(text.starts_with("# tune: begin (tune made this file)\n# Written by tune"));
    assert!(text.ends_with(
        "\n# web\nnet.inet.tcp.always_keepalive=1\n\n# web\nnet.inet.tcp.finwait2_timeout=30000\n# tune: end\n"
    ));
    assert_eq!(planned.files[Path::new(BLOCK_FILE)], text);
    assert!(site.plan(&[(TIMEOUT, "30000"), (KEEPALIVE, "1")], PLAIN).effects.is_empty());
    let planned = site.settle(&[], PLAIN);
    assert!(planned.files.is_empty());
    assert_eq!(site.text(BLOCK_FILE), None);
}

#[test]
fn a_file_of_others_comes_back_as_it_was() {
    for content in ["", "# mine", "a.b=1", "a.b=1\n", "a.b=1\r\n\r\n", "\n\n"] {
        let before = FileImage {
            content: Bytes(content.into()),
            mode: 0o640,
            uid: 0,
            gid: 5,
            attributes: BTreeMap::new(),
        };
        let mut site = Site::on(host(&[]).with_image(BLOCK_FILE, before.clone()));
        site.settle(&[(TIMEOUT, "30000")], PLAIN);
        assert!(site.text(BLOCK_FILE).unwrap().starts_with(content));
        assert_eq!(site.host.image(BLOCK_FILE).unwrap().mode, 0o640);
        site.settle(&[(TIMEOUT, "20000")], PLAIN);
        assert!(site.text(BLOCK_FILE).unwrap().contains("finwait2_timeout=20000\n"));
        site.settle(&[], PLAIN);
        assert_eq!(site.host.image(BLOCK_FILE), Some(before), "{content:?}");
    }
}

#[test]
fn what_is_read_when_the_system_starts_goes_to_the_loader() {
    let mut site = Site::of(&[]);
    let held = [(CLUSTERS, "20000"), ("net.inet.tcp.tcbhashsize", "2048")];
    let planned = site.settle(&held, PLAIN);
    assert!(planned.overrides.is_empty(), "{planned:?}");
    let kinds: Vec<_> = planned.effects.iter().map(Effect::target).collect();
    assert_eq!(kinds, [LOADER_DIRECTORY, LOADER_FILE]);
    assert_eq!(planned.directories.iter().collect::<Vec<_>>(), [Path::new(LOADER_DIRECTORY)]);
    let text = site.text(LOADER_FILE).unwrap();
    assert!(
        text.ends_with(
            "\n# web\nkern.ipc.nmbclusters=\"20000\"\n\n# web\nnet.inet.tcp.tcbhashsize=\"2048\"\n"
        )
    );
    let planned = site.settle(&[], PLAIN);
    let kinds: Vec<_> = planned.effects.iter().map(Effect::target).collect();
    assert_eq!(kinds, [LOADER_FILE, LOADER_DIRECTORY]);
    assert!(planned.directories.is_empty());
}

#[test]
fn a_directory_stays_with_what_others_put_there() {
    let mut site = Site::of(&[]);
    site.settle(&[(CLUSTERS, "20000")], PLAIN);
    site.host.set_file("/boot/loader.conf.d/site.conf", Some("a=\"1\"\n"));
    let planned = site.settle(&[], PLAIN);
    assert_eq!(planned.effects.iter().map(Effect::target).collect::<Vec<_>>(), [LOADER_FILE]);
    assert_eq!(site.text(LOADER_FILE), None);
}

#[test]
fn a_line_that_wins_is_told_and_taken_over_and_put_back() {
    for (file, content, tunable, held, line) in [
        ("/boot/loader.conf.local", "# x\nkern.ipc.nmbclusters=\"5000\" # mine", CLUSTERS, "20000", 2),
        ("/etc/sysctl.conf", "kern.ipc.nmbclusters=50000\n", CLUSTERS, "20000", 1),
        ("/boot/loader.conf.d/other.conf", "kern.ipc.nmbclusters=\"5000\"\n", CLUSTERS, "20000", 1),
    ] {
        let mut site = Site::of(&[(file, content)]);
        let told = site.plan(&[(tunable, held)], PLAIN);
        let place = told.overrides[0].place.as_ref().unwrap().to_string();
        assert_eq!(place, format!("{file}:{line}"));
        assert!(told.overrides[0].can_take_over, "{file}");
        assert!(told.overrides[0].text.as_ref().unwrap().starts_with("kern.ipc.nmbclusters="));

        let planned = site.settle(&[(tunable, held)], TAKE_OVER);
        assert!(planned.overrides.is_empty(), "{planned:?}");
        assert!(site.text(file).unwrap().contains("# tune: taken over: kern.ipc.nmbclusters="));
        site.settle(&[], PLAIN);
        assert_eq!(site.text(file).as_deref(), Some(content));
    }
}

#[test]
fn a_line_behind_the_block_wins() {
    let mut site = Site::of(&[(BLOCK_FILE, "a.b=1")]);
    site.settle(&[(TIMEOUT, "30000")], PLAIN);
    let ours = site.text(BLOCK_FILE).unwrap();
    let theirs = "net.inet.tcp.finwait2_timeout=45000";
    site.host.set_file(BLOCK_FILE, Some(&format!("{ours}{theirs}")));
    let told = site.plan(&[(TIMEOUT, "20000")], PLAIN);
    assert_eq!(told.overrides[0].text.as_deref(), Some(theirs));
    assert!(told.overrides[0].can_take_over && told.edited.is_empty());
    let planned = site.settle(&[(TIMEOUT, "20000")], TAKE_OVER);
    assert!(planned.overrides.is_empty(), "{planned:?}");
    site.settle(&[], PLAIN);
    assert_eq!(site.text(BLOCK_FILE).unwrap(), format!("a.b=1\n{theirs}"));
}

#[test]
fn several_lines_that_win_are_taken_over_one_by_one() {
    let content = "kern.ipc.nmbclusters=50000\nkern.ipc.nmbclusters=60000\n";
    let mut site = Site::of(&[("/etc/sysctl.conf", content)]);
    let planned = site.settle(&[(CLUSTERS, "20000")], TAKE_OVER);
    assert!(planned.overrides.is_empty());
    assert_eq!(planned.taken_over[&Slot::whole(CLUSTERS)].len(), 2);
    site.settle(&[], PLAIN);
    assert_eq!(site.text("/etc/sysctl.conf").as_deref(), Some(content));
}

#[test]
fn what_somebody_else_changed_in_the_block_is_left() {
    let mut site = Site::of(&[]);
    site.settle(&[(TIMEOUT, "30000"), (CLUSTERS, "20000")], PLAIN);
    let ours = site.text(BLOCK_FILE).unwrap();
    let theirs = ours.replace("=30000", "=5000");
    site.host.set_file(BLOCK_FILE, Some(&theirs));
    let planned = site.plan(&[], PLAIN);
    assert_eq!(planned.edited.len(), 1);
    assert_eq!(planned.edited[0].slots, [Slot::whole(TIMEOUT)]);
    assert_eq!((&planned.edited[0].expected, &planned.edited[0].found), (&ours, &theirs));
    assert!(planned.effects.iter().all(|effect| effect.target() != BLOCK_FILE));
    assert!(planned.effects.iter().any(|effect| effect.target() == LOADER_FILE));

    let foreign = ours.replace("# tune: end", "security.bsd.see_other_uids=0\n# tune: end");
    site.host.set_file(BLOCK_FILE, Some(&foreign));
    assert_eq!(site.plan(&[], OVERWRITE).edited.len(), 1);
    site.host.set_file(BLOCK_FILE, Some(&theirs));
    assert!(site.settle(&[(TIMEOUT, "20000")], OVERWRITE).edited.is_empty());
    assert!(site.text(BLOCK_FILE).unwrap().contains("=20000\n"));
}

#[test]
fn marks_that_make_no_block_are_not_touched_unasked() {
    let broken = "# tune: begin\na.b=1\n";
    let mut site = Site::of(&[(BLOCK_FILE, broken)]);
    assert!(site.plan(&[], PLAIN).effects.is_empty());
    assert_eq!(site.plan(&[(TIMEOUT, "30000")], PLAIN).edited.len(), 1);
    // What stood between them is nobody's any more, and stays.
    site.plan(&[(TIMEOUT, "30000")], PLAIN);
    let ground = Ground { hz: 100, page: 4096, virtual_machine: Some(true), ..Ground::default() };
    let wanted = claims(&[(TIMEOUT, "30000")]);
    let change = Change { before: &site.claims, claims: &wanted, options: OVERWRITE };
    let planned = persist(&site.host, (&ground, Jail::None), change, &Readings::new());
    let Effect::ReplaceFile { after: Some(after), .. } = &planned.effects[0] else { panic!() };
    assert!(after.content.0.starts_with(b"a.b=1\n# tune: begin\n# Written"));
    site.claims = ScopeClaims::default();
}

#[test]
fn a_loader_that_does_not_read_the_directory_is_a_doubt() {
    let site = Site::of(&[("/boot/defaults/loader.conf", "loader_conf_files=\"/boot/loader.conf\"\n")]);
    for tunable in [CLUSTERS, "net.inet.tcp.tcbhashsize"] {
        let planned = site.plan(&[(tunable, "2048")], PLAIN);
        let doubt = planned.overrides[0].doubt.as_ref().unwrap();
        assert_eq!(doubt, "the boot loader of this host does not read /boot/loader.conf.d");
    }
}

#[test]
fn a_file_beside_ours_that_disagrees_is_a_doubt_until_it_is_taken_over() {
    for name in ["a.conf", "z.conf"] {
        let file = format!("/boot/loader.conf.d/{name}");
        let site = Site::of(&[(&file, "kern.ipc.nmbclusters=\"5000\"\n")]);
        let lost = site.plan(&[(CLUSTERS, "20000")], PLAIN).overrides.remove(0);
        assert!(lost.doubt.unwrap().contains("in no certain order"), "{name}");
        assert_eq!(lost.place.unwrap().to_string(), format!("{file}:1"));
        assert!(lost.can_take_over);
        assert!(site.plan(&[(CLUSTERS, "20000")], TAKE_OVER).overrides.is_empty(), "{name}");
    }
}

#[test]
fn what_cannot_be_told_is_a_doubt() {
    let denied = Site::on(FakeHost::new().with_files(tree(&[]).with_denied("/etc/sysctl.conf")));
    let planned = denied.plan(&[(TIMEOUT, "30000")], PLAIN);
    assert!(planned.overrides[0].doubt.as_ref().unwrap().contains("is not known"));
    let link = tree(&[("/usr/local/etc/sysctl.local", "a.b=1\n")])
        .with_link(BLOCK_FILE, "/usr/local/etc/sysctl.local");
    let planned = Site::on(FakeHost::new().with_files(link)).plan(&[(TIMEOUT, "30000")], PLAIN);
    assert!(planned.effects.is_empty());
    assert!(planned.overrides[0].doubt.as_ref().unwrap().contains("symbolic link"));
    let refused = Site::of(&[]).plan(&[(TIMEOUT, "5")], PLAIN);
    assert!(refused.overrides[0].doubt.as_ref().unwrap().contains("less than a tick"));
    let bare = Site::on(FakeHost::new().with_directory("/etc"));
    let assumed = bare.plan(&[(TIMEOUT, "30000")], PLAIN);
    assert_eq!((assumed.effects.len(), assumed.overrides.len(), assumed.warnings.len()), (1, 0, 1));
    let no_loader = bare.plan(&[(CLUSTERS, "200000")], PLAIN);
    assert!(no_loader.effects.is_empty() && no_loader.overrides[0].doubt.is_some());
}

#[test]
fn a_link_to_a_file_elsewhere_is_not_taken_over() {
    let files = tree(&[("/usr/local/etc/sysctl.conf", "kern.ipc.nmbclusters=50000\n")])
        .with_link("/etc/sysctl.conf", "/usr/local/etc/sysctl.conf");
    let planned = Site::on(FakeHost::new().with_files(files)).plan(&[(CLUSTERS, "20000")], TAKE_OVER);
    assert!(!planned.overrides[0].can_take_over);
}

#[test]
fn rc_conf_is_not_touched_and_the_command_is_named() {
    let rc = ("/etc/rc.conf", "tcp_keepalive=NO\n");
    let planned = Site::of(&[rc]).plan(&[(KEEPALIVE, "1")], PLAIN);
    assert!(planned.overrides.is_empty());
    assert_eq!(planned.warnings.len(), 1);
    assert!(
        planned.warnings[0].ends_with("to have it agree: sysrc tcp_keepalive=YES"),
        "{:?}",
        planned.warnings
    );
    let mut files = tree(&[rc]);
    files.set(Path::new("/etc/rc.d/sysctl_lastload"), None);
    let planned = Site::on(FakeHost::new().with_files(files)).plan(&[(KEEPALIVE, "1")], TAKE_OVER);
    let lost = &planned.overrides[0];
    assert!(!lost.can_take_over);
    assert_eq!(lost.text.as_deref(), Some("tcp_keepalive; to change it: sysrc tcp_keepalive=YES"));
}

#[test]
fn a_jail_has_no_loader() {
    let site = Site { jail: Jail::Vnet, ..Site::of(&[]) };
    let planned = site.plan(&[("net.inet.tcp.blackhole", "2")], PLAIN);
    assert!(planned.overrides.is_empty(), "{planned:?}");
    let planned = site.plan(&[(CLUSTERS, "20000")], PLAIN);
    assert!(planned.effects.is_empty());
    assert!(planned.overrides[0].doubt.as_ref().unwrap().contains("host of this jail"));
}

#[test]
fn a_line_that_others_changed_since_keeps_its_slot() {
    let content = "kern.ipc.nmbclusters=50000\n";
    let mut site = Site::of(&[("/etc/sysctl.conf", content)]);
    site.settle(&[(CLUSTERS, "20000")], TAKE_OVER);
    site.host.set_file("/etc/sysctl.conf", Some("kern.ipc.nmbclusters=70000\n"));
    let planned = site.plan(&[], PLAIN);
    assert_eq!(planned.edited[0].found, "kern.ipc.nmbclusters=70000");
    assert_eq!(planned.taken_over.len(), 1);
    site.settle(&[], OVERWRITE);
    assert_eq!(site.text("/etc/sysctl.conf").as_deref(), Some(content));
}

#[test]
fn values_that_change_are_told_with_their_file() {
    use tune_model::reading::{Reading, Unread};
    let reading = |boot: &str| Reading {
        live: Ok(boot.to_owned()),
        boot: Ok(boot.to_owned()),
        boot_source: None,
        boot_without_tune: Err(Unread::Unclear(String::new())),
        boot_without_tune_source: None,
        default: None,
        out_of_scope: None,
        mutability: None,
        notes: Vec::new(),
    };
    let readings = [(TIMEOUT, "60000"), (CLUSTERS, "1000"), (KEEPALIVE, "1")];
    let readings = readings.map(|(name, boot)| (name.to_owned(), reading(boot))).into();
    let site = Site::of(&[]);
    let wanted = claims(&[(TIMEOUT, "30000"), (CLUSTERS, "20000")]);
    let change = Change { before: &site.claims, claims: &wanted, options: PLAIN };
    let ground = Ground { hz: 100, page: 4096, virtual_machine: Some(true), ..Ground::default() };
    let planned = persist(&site.host, (&ground, Jail::None), change, &readings);
    let told: Vec<_> =
        planned.changes.iter().map(|change| (change.key.as_str(), change.scope.as_str())).collect();
    assert_eq!(
        told,
        [(CLUSTERS, "boot:/boot/loader.conf.d/tune.conf"), (TIMEOUT, "boot:/etc/sysctl.conf.local")]
    );
    assert_eq!(planned.changes[1].after.as_deref(), Some("30000"));
}

proptest! {
    #[test]
    fn whatever_the_file_held_comes_back(content in proptest::collection::vec(any::<u8>(), 0..80)) {
        let files = tree(&[]).with(BLOCK_FILE, &content);
        let mut site = Site::on(FakeHost::new().with_files(files));
        site.settle(&[(TIMEOUT, "30000")], PLAIN);
        site.settle(&[(TIMEOUT, "20000"), (KEEPALIVE, "0")], PLAIN);
        site.settle(&[], PLAIN);
        prop_assert_eq!(site.host.image(BLOCK_FILE).unwrap().content.0, content);
    }

    #[test]
    fn lines_that_are_taken_over_come_back(
        lines in proptest::collection::vec("(kern.ipc.nmbclusters=[0-9]{1,6}|# [a-z]{0,5}|a.b=1|)", 0..6),
        end in "\n?",
    ) {
        let content = lines.join("\n") + &end;
        let mut site = Site::of(&[("/etc/sysctl.conf", &content)]);
        site.settle(&[(CLUSTERS, "20000")], TAKE_OVER);
        site.settle(&[], PLAIN);
        prop_assert_eq!(site.text("/etc/sysctl.conf"), Some(content));
    }
}

#[test]
fn what_only_the_loader_sets_is_refused_with_the_reason() {
    const CACHE: &str = "net.inet.tcp.hostcache.cachelimit";
    let (value, prison) = (Some(tune_model::catalog::KernelType::Uint), false);
    let said = tune_host::Description {
        value,
        writable: false,
        loader: true,
        vnet: true,
        prison,
        secure_above: None,
    };
    let planned = Site::on(host(&[]).describing(CACHE, said)).plan(&[(CACHE, "2000")], PLAIN);
    let doubt = planned.overrides[0].doubt.as_ref().unwrap();
    assert!(doubt.starts_with("it is read from the loader only"), "{doubt}");
}

#[test]
fn nothing_is_given_back_to_a_file_that_is_gone() {
    let line = "net.inet.tcp.finwait2_timeout=45000";
    let mut site = Site::of(&[("/etc/sysctl.conf", line)]);
    site.settle(&[(TIMEOUT, "30000")], PLAIN);
    let taken = TakenOver { path: "/etc/sysctl.conf".into(), line: line.to_owned() };
    site.claims.boot.get_mut(&Slot::whole(TIMEOUT)).unwrap().taken_over = vec![taken];
    site.host.replace_file(Path::new("/etc/sysctl.conf"), None, "0").unwrap();
    let planned = site.settle(&[], PLAIN);
    assert!(planned.edited.is_empty() && planned.taken_over.is_empty(), "{planned:?}");
    assert!(planned.warnings[0].ends_with("is not put back: the file is gone"), "{planned:?}");
    assert_eq!((site.text(BLOCK_FILE), site.text("/etc/sysctl.conf")), (None, None));
}
