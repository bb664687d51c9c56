//! Situations as administrators meet them, staged with real servers and clients: the first thing that `tune diagnose`
//! says is the true cause, and doing what it says cures it.

#![allow(clippy::unwrap_used)]

use std::any::Any;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use tune_tests::staged::{
    CONTAINER, CONTAINER_INSIDE, Clients, Diagnosis, Finding, HOST, Load, Stage, are_installed, httpd, nginx,
    on_stage, site, until,
};
use tune_tests::{may_run, needs_root};

/// Long enough for any wait here, on a machine that is busy; what is waited for is mostly there much sooner.
const LONG: Duration = Duration::from_secs(240);
const SECOND: Duration = Duration::from_secs(1);
const MANY: usize = 40;
const ASK: &str = "question\n";
/// What `tune set` ends with.
const CHANGED: &str = "undo: tune rollback";
/// A client that does not want to ask again.
const LAST: &str = "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n";
/// One that may ask again.
const ONE_OF_SEVERAL: &str = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";

/// What happened when, for those who look at the output.
struct Log {
    situation: &'static str,
    begun: Instant,
}

impl Log {
    fn tell(&self, what: &str) {
        let _ = writeln!(
            std::io::stderr(),
            "{}: after {:.1} s: {what}",
            self.situation,
            self.begun.elapsed().as_secs_f32()
        );
    }
}

/// A situation by its name.
type Situation = (&'static str, fn(&Stage, &Log));

const WITHOUT_PACKAGES: [Situation; 6] = [
    ("a server that half-closes and leaks", half_close_leak),
    ("a server that does not close what its clients have closed", close_wait_leak),
    ("clients that never close under a long timeout", long_timeout),
    ("clients that never close under a very long timeout", very_long_timeout),
    ("a container with defaults on a host that is tuned", container),
    ("the same, and its clients are on the host", container_with_clients_here),
];

const WITH_SERVERS: [Situation; 4] = [
    ("httpd's event module and clients that ask for Connection: close", httpd_event),
    ("httpd's event module and KeepAlive Off", httpd_keepalive_off),
    ("httpd's deferred accept and silent clients", httpd_deferred_accept),
    ("nginx that always lingers", nginx_lingering),
];

/// Runs situations at the same time, each on a host of its own, and tells all that failed.
fn run(situations: &[Situation]) {
    let program = Path::new(env!("CARGO_BIN_EXE_tune-staged"));
    let failed: Vec<_> = std::thread::scope(|threads| {
        let begun: Vec<_> = situations
            .iter()
            .map(|(name, situation)| {
                let one = || {
                    let log = Log { situation: name, begun: Instant::now() };
                    on_stage(program, |stage| situation(stage, &log));
                    log.tell("cured");
                };
                (*name, threads.spawn(one))
            })
            .collect();
        begun
            .into_iter()
            .filter_map(|(name, thread)| Some(format!("{name}: {}", words(&*thread.join().err()?))))
            .collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it failed")
}

#[test]
fn the_first_finding_is_the_true_cause_and_its_remedy_cures_it() {
    if !needs_root() {
        return;
    }
    let servers = if may_run(are_installed()) { &WITH_SERVERS[..] } else { &[] };
    run(&[&WITHOUT_PACKAGES, servers].concat());
}

#[test]
#[ignore = "takes twelve minutes; .ci/full.d/60-staged.sh runs it"]
fn the_same_with_servers_and_timeouts_as_they_are_installed() {
    if needs_root() && may_run(are_installed()) {
        run(&[
            ("httpd's deferred accept as installed, until all is over", httpd_deferred_accept_as_installed),
            (
                "clients that never close under a very long timeout, until all is over",
                very_long_timeout_to_its_end,
            ),
        ]);
    }
}

fn half_close_leak(stage: &Stage, log: &Log) {
    leak(stage, log, "half-close", "half-close-leak", "/fin_wait_2/held", Clients::left_alone);
}

fn close_wait_leak(stage: &Stage, log: &Log) {
    leak(stage, log, "keep", "close-wait-leak", "/close_wait/held", |clients| {
        clients.close();
        Clients::none()
    });
}

/// A server leaks; what it holds is dropped as proposed; it leaks again, until it is mended.
fn leak(stage: &Stage, log: &Log, how: &str, cause: &str, held: &str, then: fn(Clients) -> Clients) {
    let come = || {
        let clients = then(Clients::that_ask(HOST, 8080, MANY, ASK).answered());
        until("the server has them", LONG, || stage.diagnose(&[]).number(held) == MANY as u64);
        clients
    };
    let leaky = stage.serve(how, 8080);
    let mut clients = come();
    let diagnosis = stage.diagnose(&[]);
    let title = format!("tune-staged (pid {})", leaky.pid());
    let finding = diagnosis.begins_with(cause, &title);
    assert_eq!(finding.connections, MANY as u64);
    log.tell("found");
    finding.remedy("drop").is_typed(stage, &format!("{MANY} connections dropped"));
    assert_eq!(clients.reset(), clients.len());
    stage.diagnose(&[]).is_free_of(cause);
    log.tell("dropped");

    let clients = come();
    let diagnosis = stage.diagnose(&[]);
    assert_eq!(diagnosis.begins_with(cause, &title).remedies[0].kind, "application");
    drop(leaky);
    drop(clients);
    let _mended = stage.serve("mended", 8080);
    let _clients = then(Clients::that_ask(HOST, 8080, MANY, ASK).answered());
    until("the mended server has closed", LONG, || is_over(&stage.diagnose(&[]), held));
    stage.diagnose(&[]).is_free_of(cause);
}

/// None is held, and none is on its way to be.
fn is_over(diagnosis: &Diagnosis, held: &str) -> bool {
    diagnosis.number(held) == 0 && diagnosis.in_states(&["ESTABLISHED", "FIN_WAIT_1"]) == 0
}

/// 91 comes to 62 s, of which the kernel keeps a whole socket for 31.
fn long_timeout(stage: &Stage, log: &Log) {
    unclosing(stage, log, (91, "62s"), |_, _| ());
}

/// 360 comes to ten minutes; those there are need not be waited for.
fn very_long_timeout(stage: &Stage, log: &Log) {
    unclosing(stage, log, (360, "10min"), |stage, finding| {
        finding.remedy("drop").is_typed(stage, &format!("{MANY} connections dropped"));
    });
}

fn very_long_timeout_to_its_end(stage: &Stage, log: &Log) {
    unclosing(stage, log, (360, "10min"), |_, _| ());
}

fn unclosing(
    stage: &Stage,
    log: &Log,
    (timeout, effective): (u32, &str),
    those_there_are: fn(&Stage, &Finding),
) {
    stage.types(&format!("echo {timeout} > /proc/sys/net/ipv4/tcp_fin_timeout"));
    let _server = stage.serve("close", 8080);
    let _clients = Clients::that_ask(HOST, 8080, MANY, ASK).left_alone();
    orphans_are(stage, MANY, &[]);
    let diagnosis = stage.diagnose(&[]);
    let words = format!("closed connections wait for peers that do not close, {effective} each");
    let finding = diagnosis.begins_with("unclosing-peers", &words);
    assert_eq!(finding.connections, MANY as u64);
    log.tell("found");
    finding.remedies[0].is_typed(stage, CHANGED);
    assert_eq!(stage.diagnose(&[]).number("/fin_wait_2/full_sockets"), MANY as u64);
    those_there_are(stage, finding);
    let left = usize::try_from(stage.diagnose(&[]).number("/fin_wait_2/total")).unwrap();
    let _later = Clients::that_ask(HOST, 8080, MANY, ASK).left_alone();
    let begun = Instant::now();
    orphans_are(stage, left + MANY, &[]);
    stage.diagnose(&[]).does_not_worry_about("unclosing-peers");
    until("those of before are gone", 3 * LONG, || {
        stage.diagnose(&[]).number("/fin_wait_2/full_sockets") == 0
    });
    log.tell("those of before are gone");
    until("those of after are gone", LONG, || stage.diagnose(&[]).number("/fin_wait_2/total") == 0);
    log.tell(&format!("those of after are gone in {:.1} s", begun.elapsed().as_secs_f32()));
    stage.diagnose(&[]).is_free_of("unclosing-peers");
    // And the next boot has it too.
    let boot = std::fs::read_to_string(stage.file("/etc/sysctl.d/zz-tune.conf")).unwrap();
    assert!(boot.contains("net.ipv4.tcp_fin_timeout = 30"), "{boot}");
}

/// The clients' machine has confirmed that so many are closed: a moment after the server has closed them.
fn orphans_are(stage: &Stage, many: usize, network: &[&str]) {
    let orphans = || stage.diagnose(network).number("/fin_wait_2/orphaned");
    until("they are closed", LONG, || orphans() == many as u64);
}

fn container(stage: &Stage, log: &Log) {
    in_a_container(stage, log, |_| Box::new(Clients::that_ask(CONTAINER, 80, 2 * MANY, ASK).left_alone()));
}

/// As many are half-closed on the host as in the container, in the other state.
fn container_with_clients_here(stage: &Stage, log: &Log) {
    in_a_container(stage, log, |stage| Box::new(stage.asks(CONTAINER_INSIDE, 80, 2 * MANY)));
}

/// Clients come as `come` lets them, and stay as long as what it returns.
fn in_a_container(stage: &Stage, log: &Log, come: fn(&Stage) -> Box<dyn Any>) {
    const CAUSE: &str = "other-network";
    // What an administrator has done already, and wonders why it is of no use.
    stage.types_and_agrees("tune set tcp.fin_wait_2_timeout=15s", CHANGED);
    let server = stage.serve_in_a_container("close", 80);
    let _clients = come(stage);
    orphans_are(stage, 2 * MANY, &["--netns", &server.pid()]);
    let diagnosis = stage.diagnose(&[]);
    let words = format!(
        "in the network namespace of tune-staged, pid {}, which settings here do not reach",
        server.pid()
    );
    let finding = diagnosis.begins_with(CAUSE, &words);
    assert_eq!(finding.connections, 2 * MANY as u64);
    let inside = stage.diagnose(&["--netns", &server.pid()]);
    inside.begins_with(CAUSE, "this network namespace has a timeout of its own, not the host's 15s");
    log.tell("found");
    finding.remedies[0].is_typed(stage, CHANGED);
    let begun = Instant::now();
    let _later = come(stage);
    let left = || stage.diagnose(&["--netns", &server.pid()]).number("/fin_wait_2/total");
    until("those of after are gone", LONG, || left() <= 2 * MANY as u64);
    log.tell(&format!("those of after are gone in {:.1} s", begun.elapsed().as_secs_f32()));
    until("those of before are gone", LONG, || left() == 0);
    stage.diagnose(&[]).is_free_of(CAUSE);
    stage.diagnose(&["--netns", &server.pid()]).is_free_of(CAUSE);
}

/// So many connections that are in their two seconds of lingering are no problem.
const APART: Duration = Duration::from_millis(500);

fn httpd_event(stage: &Stage, log: &Log) {
    httpd(stage);
    let diagnosis = lingering_httpd(stage, LAST);
    let finding = diagnosis.0.begins_with("httpd-lingering", "its lingering close reads on for up to 30 s");
    log.tell("found");
    finding.remedies[0].is_done_as_on_debian(stage);
    does_not_linger(stage, log, diagnosis.1);
}

fn httpd_keepalive_off(stage: &Stage, log: &Log) {
    site(stage, "KeepAlive Off\n");
    httpd(stage);
    let diagnosis = lingering_httpd(stage, ONE_OF_SEVERAL);
    let finding = diagnosis.0.begins_with("httpd-lingering", "its lingering close reads on for up to 30 s");
    log.tell("found");
    finding.remedies[0].is_written(stage);
    does_not_linger(stage, log, diagnosis.1);
}

/// Lets clients come, some at once and then one after the other, none of which closes.
fn lingering_httpd(stage: &Stage, request: &'static str) -> (Diagnosis, Load) {
    let clients = Clients::that_ask(HOST, 80, MANY, request).left_alone();
    let load = Load::of(HOST, 80, APART, request);
    load.keeps(clients);
    std::thread::sleep(2 * SECOND);
    (stage.diagnose(&[]), load)
}

/// Under the same load, httpd holds fewer and fewer, and none when no more come.
fn does_not_linger(stage: &Stage, log: &Log, mut load: Load) {
    let held = || stage.diagnose(&[]).number("/fin_wait_2/held");
    let begun = load.came();
    until("few are held at a time", LONG, || held() < 10 && load.came() > begun + 20);
    stage.diagnose(&[]).does_not_worry_about("httpd-lingering");
    log.tell("few are held at a time");
    load.ends();
    until("none is held", LONG, || is_over(&stage.diagnose(&[]), "/fin_wait_2/held"));
    stage.diagnose(&[]).is_free_of("httpd-lingering");
}

const DEFERRED: &str = "deferred-accept";

/// The site ends silent clients after a second, so that a test need not wait for the 20 of the installation.
fn httpd_deferred_accept(stage: &Stage, log: &Log) {
    site(stage, "RequestReadTimeout header=1\n");
    let _clients = deferred(stage, log);
    let diagnosis = stage.diagnose(&[]);
    let finding = diagnosis.of(DEFERRED).unwrap();
    finding.remedy("drop").is_typed(stage, &format!("{MANY} connections dropped"));
    stage.diagnose(&[]).is_free_of(DEFERRED);
    log.tell("those of before are dropped");
    silent_clients_end_in_time(stage);
}

fn httpd_deferred_accept_as_installed(stage: &Stage, log: &Log) {
    let _clients = deferred(stage, log);
    silent_clients_end_in_time(stage);
    log.tell("silent clients end in time");
    until("those of before are gone", 4 * LONG, || stage.diagnose(&[]).number("/fin_wait_2/total") == 0);
    stage.diagnose(&[]).is_free_of(DEFERRED);
}

/// Clients connect and say nothing; what is found is done.
fn deferred(stage: &Stage, log: &Log) -> Clients {
    httpd(stage);
    let clients = Clients::that_are_silent(HOST, 80, MANY);
    until("silent clients are left for long", LONG, || {
        stage.diagnose(&[]).number("/fin_wait_2/longer_than_timeout") == MANY as u64
    });
    let diagnosis = stage.diagnose(&[]);
    let finding =
        diagnosis.begins_with(DEFERRED, "far longer than the timeout of 60s: httpd's deferred accept");
    log.tell("found");
    finding.remedies[0].is_written(stage);
    clients
}

/// Such clients are left as long as the timeout says.
fn silent_clients_end_in_time(stage: &Stage) {
    let longer = || stage.diagnose(&[]).number("/fin_wait_2/longer_than_timeout");
    let before = longer();
    let _clients = Clients::that_are_silent(HOST, 80, MANY).left_alone();
    until("they are orphans", LONG, || {
        stage.diagnose(&[]).number("/fin_wait_2/orphaned") >= before + MANY as u64
    });
    assert!(longer() <= before, "{}", stage.diagnose(&[]));
}

fn nginx_lingering(stage: &Stage, log: &Log) {
    const CAUSE: &str = "nginx-lingering";
    const LINE: &str = "lingering_close always;";
    nginx(stage, LINE);
    let mut load = Load::of(HOST, 80, APART / 4, LAST);
    let held = || stage.diagnose(&[]).number("/fin_wait_2/held");
    until("nginx holds some", LONG, || held() >= 20);
    let diagnosis = stage.diagnose(&[]);
    let finding = diagnosis.begins_with(CAUSE, "closed connections open: its lingering_close");
    log.tell("found");
    finding.remedies[0].is_changed(stage, LINE);
    // The workers of before end when they have let go.
    until("nginx holds none under the same load", LONG, || held() == 0);
    let came = load.came();
    until("more come", LONG, || load.came() > came + MANY);
    stage.diagnose(&[]).is_free_of(CAUSE);
    load.ends();
}
