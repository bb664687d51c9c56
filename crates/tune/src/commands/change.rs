//! Carrying out a change: plan, ask, lock, recover, plan again, execute.
//!
//! The plan that is asked about is made without the lock, so that nobody waits for an answer; the one that is carried
//! out is made under it, and has to be the same.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tune_engine::{Engine, Held, Options, Release};
use tune_host::{FileError, Interrupt, WriteError};
use tune_model::finding::ProfileRef;
use tune_model::plan::Plan;
use tune_model::transaction::{Action, Entry, Outcome, StepResult, TransactionState};
use tune_model::{Effect, Profile, Step, Subject};
use tune_report::{Command, PlanReport, Report, RunReport, step_line};
use tune_transaction::{Awaiting, Deadline, Locked, Observer, Policy, Progress, Surroundings, Trial};

use super::trial;
use crate::context::{Context, profile_ref, width};
use crate::error::CliError;
use crate::prompt::Answer;
use crate::{exit, output, prompt};

/// What is to be done.
pub(crate) enum Intent {
    /// Apply profiles.
    Apply(Vec<Profile>),
    /// Drop claims.
    Release(Release),
    /// Drop the claims in a network namespace that is gone: there is nothing left to restore.
    Forget(u64),
    /// Set in the running kernel what is held for the boot.
    Boot,
    /// Set what came to be after the system had set its boot values.
    Late,
}

/// A change as it was asked for.
pub(crate) struct Wanted {
    pub(crate) intent: Intent,
    pub(crate) action: Action,
    pub(crate) options: Options,
    pub(crate) switches: Switches,
    /// What to type to have a dry run done.
    pub(crate) again: Option<String>,
}

/// How the change is gone about.
#[allow(clippy::struct_excessive_bools)] // switches of the command
pub(crate) struct Switches {
    pub(crate) dry_run: bool,
    pub(crate) yes: bool,
    pub(crate) diff: bool,
    pub(crate) detailed: bool,
    /// Tries it out for this time, and undoes it unless it is confirmed.
    pub(crate) confirm_within: Option<Duration>,
}

/// The subjects named by switches such as `--only`.
pub(crate) fn subjects(context: &Context, names: &[String]) -> Result<BTreeSet<Subject>, CliError> {
    names.iter().map(|name| subject(context, name)).collect()
}

pub(crate) fn subject(context: &Context, name: &str) -> Result<Subject, CliError> {
    subject_on(context.engine(), name)
}

/// Returns the setting or tunable that goes by a name on a host.
pub(crate) fn subject_on(engine: Engine<'_>, name: &str) -> Result<Subject, CliError> {
    let subject: Subject = dotted(name).parse().map_err(CliError::usage)?;
    match &subject {
        Subject::Tunable(slot) if !exists(engine, &slot.tunable) => Err(unknown(engine, name)),
        _ => Ok(subject),
    }
}

/// Returns a tunable's name as the catalog spells it: a path as sysctl(8) takes it has dots where slashes are, and slashes
/// where dots are.
fn dotted(name: &str) -> String {
    match name.find(['.', '/']).map(|at| name.as_bytes()[at]) {
        Some(b'/') => name
            .chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

/// Tells whether anything here knows a tunable: the catalog, the kernel, or a file that sets it.
fn exists(engine: Engine<'_>, tunable: &str) -> bool {
    if engine.backend.catalog().get(tunable).is_some() {
        return true;
    }
    let named = tunable.contains(['.', '/']) && !is_near_a_setting(tunable);
    named
        && (engine.backend.has(engine.host, tunable)
            || !engine.backend.boot_story(engine.host, tunable).lines.is_empty())
}

pub(super) fn unknown(engine: Engine<'_>, name: &str) -> CliError {
    let known = tune_model::Setting::ALL.iter().map(|setting| setting.name());
    let tunables = engine.backend.catalog().iter().map(|row| row.name.as_str());
    let nearest = tune_model::nearest(name, known.chain(tunables));
    let hint = tune_model::did_you_mean(nearest.as_deref());
    CliError::usage(format!("{name:?} is no setting and no tunable of this system{hint}"))
        .hint("see the settings: tune status")
}

/// Tells whether a name looks like a setting misspelt: those have two parts, which few tunables have.
fn is_near_a_setting(name: &str) -> bool {
    let settings = tune_model::Setting::ALL.iter().map(|setting| setting.name());
    name.split('.').count() == 2 && tune_model::nearest(name, settings).is_some()
}

impl Wanted {
    fn command(&self) -> Command {
        match self.action {
            Action::Off { .. } => Command::Off,
            Action::Rollback { .. } => Command::Rollback,
            _ => Command::Apply,
        }
    }

    fn profiles(&self) -> Vec<ProfileRef> {
        match &self.intent {
            Intent::Apply(profiles) => profiles.iter().map(profile_ref).collect(),
            Intent::Release(_) | Intent::Forget(_) | Intent::Boot | Intent::Late => Vec::new(),
        }
    }

    fn plan(
        &self,
        context: &Context,
        claims: &tune_model::Claims,
        transaction: u64,
    ) -> Result<Plan, CliError> {
        let plan = self.whole_plan(context, claims, transaction)?;
        Ok(if self.switches.confirm_within.is_some() { tune_engine::for_trial(plan) } else { plan })
    }

    fn whole_plan(
        &self,
        context: &Context,
        claims: &tune_model::Claims,
        transaction: u64,
    ) -> Result<Plan, CliError> {
        let boot_id = context.host().boot_id();
        let held = Held { claims, transaction, boot_id: &boot_id };
        match &self.intent {
            Intent::Apply(profiles) => {
                context.engine().plan_apply(profiles, held, &self.options).map_err(CliError::failed)
            }
            Intent::Release(release) => Ok(context.engine().plan_release(release, held, &self.options)),
            Intent::Forget(transaction) => Ok(tune_engine::forget(claims, *transaction)),
            Intent::Boot => Ok(context.engine().plan_boot(held)),
            Intent::Late => {
                let absent = context.look_at_store()?.map(|store| store.absent(&boot_id)).transpose()?;
                Ok(context.engine().plan_late(held, &absent.unwrap_or_default()))
            }
        }
    }

    fn report(&self, context: &Context, plan: Plan) -> PlanReport {
        PlanReport {
            command: self.command(),
            host: context.host_ref(),
            profiles: self.profiles(),
            plan,
            with_diff: self.switches.diff,
            next: self.again.clone(),
            open_transaction: context.open_transaction(),
            confirm_within: self.switches.confirm_within.map(trial::quantity),
        }
    }

    /// Does it, or shows what would be done.
    pub(crate) fn run(mut self, context: &Context) -> Result<u8, CliError> {
        if self.switches.confirm_within.is_some() {
            trial::possible(context)?;
        }
        if self.switches.dry_run {
            return self.dry_run(context);
        }
        if self.switches.yes {
            return self.carry_out(context, None);
        }
        if !context.can_ask() {
            return Err(CliError::usage("nobody is there to be asked")
                .hint("do it without asking: --yes")
                .hint("see first what would be done: --dry-run"));
        }
        trial::refuse_waiting(context)?;
        match self.ask(context)? {
            Some(shown) => self.carry_out(context, Some(&shown)),
            None => Ok(exit::FAILED),
        }
    }

    fn dry_run(&self, context: &Context) -> Result<u8, CliError> {
        let (claims, unseen) = context.claims_seen();
        let mut plan = self.plan(context, &claims, context.next_id_seen())?;
        plan.warnings.extend(unseen);
        let report = self.report(context, plan);
        context.show(&report);
        Ok(report.exit_status())
    }

    /// Shows the plan and asks, until the answer is yes or no; returns the steps that were agreed to.
    fn ask(&mut self, context: &Context) -> Result<Option<Vec<Step>>, CliError> {
        // The plan says what cannot be taken back, and the answer is about that plan.
        self.options.accept_irreversible = true;
        loop {
            let (claims, _) = context.claims_seen();
            let plan = self.plan(context, &claims, context.next_id_seen())?;
            let mut report = self.report(context, plan);
            if let Some(refusal) = report.refusal() {
                return Err(CliError(refusal));
            }
            let steps = report.plan.steps.clone();
            let subjects: BTreeSet<Subject> = steps.iter().flat_map(|step| step.serves.clone()).collect();
            let empty = report.plan.is_empty();
            report.next = None;
            output::say(&report.human(width()));
            if empty {
                return Ok(Some(steps));
            }
            let subjects: Vec<_> =
                if self.can_leave_out() { subjects.into_iter().collect() } else { Vec::new() };
            match prompt::ask("Change this host", &subjects)? {
                Answer::Apply => return Ok(Some(steps)),
                Answer::LeaveOut(left_out) => self.options.except.extend(left_out),
                Answer::Cancel => {
                    output::say("nothing was changed\n");
                    return Ok(None);
                }
            }
        }
    }

    const fn can_leave_out(&self) -> bool {
        matches!(self.intent, Intent::Apply(_))
    }

    fn carry_out(&self, context: &Context, agreed: Option<&[Step]>) -> Result<u8, CliError> {
        let store = context.open_store()?;
        let mut locked = store.lock(&command_line())?;
        recover(context, &mut locked)?;
        let plan = self.plan(context, &store.claims()?, store.next_id()?)?;
        let mut report = self.report(context, plan);
        report.open_transaction = None;
        if let Some(refusal) = report.refusal() {
            return Err(CliError(refusal));
        }
        if agreed.is_some_and(|steps| steps != report.plan.steps) {
            return Err(CliError::failed("the host changed while you were asked, and nothing was done")
                .hint("run the command again to see the new plan"));
        }
        writable(context, &report.plan)?;
        self.execute(context, &mut locked, report)
    }

    fn execute(&self, context: &Context, locked: &mut Locked<'_>, plan: PlanReport) -> Result<u8, CliError> {
        let interrupt = watch_signals()?;
        let boot_id = context.host().boot_id();
        let permit = Permit(context);
        let surroundings = Surroundings { machine: context.machine(), policy: &permit, boot_id: &boot_id };
        let mut shown = Shown::new(context, plan.plan.steps.len());
        let asked = || interrupt.asked();
        let until = self.switches.confirm_within.filter(|_| !plan.plan.is_empty());
        let until = until.map(|time| Deadline::after(time, context.host().uptime()));
        let (action, scope) = (self.action.clone(), context.scope());
        let outcome = match until.clone() {
            None => locked.execute(&surroundings, &plan.plan, action, scope, &mut shown, &asked)?,
            Some(until) => {
                let wanted = Trial { action, scope, until };
                trial::watched(context, locked, &wanted, &mut |locked| {
                    locked.try_out(&surroundings, &plan.plan, wanted.clone(), &mut shown, &asked)
                })?
            }
        };
        let waits = outcome.state == TransactionState::AwaitingConfirmation;
        let deadline = until.filter(|_| waits).map(|until| until.text);
        let to_do = self.to_do(context, &plan.plan, &outcome);
        let report = RunReport { plan, outcome, deadline, state_dir: context.state_dir_named(), to_do };
        context.show(&report);
        Ok(report.exit_status(self.switches.detailed))
    }
}

impl Wanted {
    /// Says what remains to be done by hand. At boot nothing has been started yet that would have to be restarted.
    fn to_do(&self, context: &Context, plan: &Plan, outcome: &Outcome) -> Vec<String> {
        if matches!(self.intent, Intent::Boot | Intent::Late) {
            return Vec::new();
        }
        let done = plan.steps.iter().zip(&outcome.steps).filter(|(_, result)| **result == StepResult::Done);
        let live: BTreeSet<&str> =
            done.filter_map(|(step, _)| step.effect.live()).map(|(tunable, ..)| tunable).collect();
        if live.is_empty() { Vec::new() } else { context.backend.aftermath(context.host(), &live) }
    }
}

pub(crate) fn watch_signals() -> Result<Interrupt, CliError> {
    Interrupt::watch().map_err(|error| CliError::failed(format!("cannot watch for signals: {error}")))
}

/// Finishes what a crash interrupted, and says so.
pub(crate) fn recover(
    context: &Context,
    locked: &mut Locked<'_>,
) -> Result<Option<tune_transaction::Recovered>, CliError> {
    let boot_id = context.host().boot_id();
    let permit = Permit(context);
    let surroundings = Surroundings { machine: context.machine(), policy: &permit, boot_id: &boot_id };
    foreign_scope(context)?;
    let recovered = locked.recover(&surroundings)?;
    if let Some(found) = &recovered
        && !context.quiet
    {
        output::say(&format!(
            "transaction {} was {}: it is now {}\n",
            found.transaction, found.cause, found.state
        ));
    }
    Ok(recovered)
}

/// A transaction of the host must not be taken up from a private network namespace or a jail, nor one of a jail from
/// elsewhere: it would reach other values.
fn foreign_scope(context: &Context) -> Result<(), CliError> {
    // What still waits is left alone anyway.
    let open = context.unfinished()?.filter(|entry| Awaiting::of(entry, context.host().uptime()).is_none());
    let here = context.engine().scope_name();
    let elsewhere = |entry: &Entry| match entry.scope.as_str() {
        "host" => here != "host",
        jail if jail.starts_with("jail:") => jail != here,
        _ => false,
    };
    match open {
        Some(entry) if elsewhere(&entry) => {
            let message = format!(
                "transaction {} was not finished in another place ({}), and this is {here}",
                entry.id, entry.scope
            );
            Err(CliError::failed(message).hint("run tune recover there first"))
        }
        _ => Ok(()),
    }
}

/// Returns the transaction store's view of who is at work.
pub(crate) fn command_line() -> String {
    crate::typed().collect::<Vec<_>>().join(" ")
}

/// Returns what to type to have a dry run done: what was typed, without what made it dry, and the transaction's number
/// where it was left to `tune`.
pub(crate) fn again(transaction: Option<u64>) -> String {
    let typed = crate::typed().skip(1);
    retyped(typed.chain(transaction.map(|id| id.to_string())))
}

fn retyped(typed: impl Iterator<Item = String>) -> String {
    const DRY: &[&str] = &["--dry-run", "--check", "--diff"];
    const VALUED: &[&str] = &["--format", "--state-dir", "--netns", "--root", "--ram"];
    let mut words: Vec<String> = typed.filter(|word| !DRY.contains(&word.as_str())).collect();
    let mut is_value = false;
    let verb = words
        .iter_mut()
        .find(|word| !std::mem::replace(&mut is_value, VALUED.contains(&word.as_str())) && *word == "plan");
    if let Some(verb) = verb {
        "apply".clone_into(verb);
    }
    let quoted = words.iter().map(|word| tune_report::verdict::quoted(word));
    format!("tune {}", quoted.collect::<Vec<_>>().join(" "))
}

/// Refuses before the first write what could not be written anyway.
fn writable(context: &Context, plan: &Plan) -> Result<(), CliError> {
    let names: Vec<&str> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.effect {
            Effect::SetTunable { tunable, .. } => Some(tunable.as_str()),
            _ => None,
        })
        .collect();
    let denied = context.host().writable_tunables(&names).into_iter().find_map(Result::err);
    denied.map_or(Ok(()), |error| Err(unwritable(&error)))?;
    let files: Vec<&Path> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.effect {
            Effect::ReplaceFile { path, .. } => Some(path.as_path()),
            _ => None,
        })
        .collect();
    context.host().replaceable_files(&files).map_err(|error| irreplaceable(&error))
}

fn irreplaceable(error: &FileError) -> CliError {
    match error {
        FileError::Denied(path) => {
            let message = format!("{} may not be replaced by this user; nothing was changed", path.display());
            CliError::new("not-permitted", exit::NOT_PERMITTED, message).hint("run tune as root")
        }
        _ => CliError::failed(format!("{error}; nothing was changed"))
            .hint("change the running kernel only: apply --runtime-only"),
    }
}

fn unwritable(error: &WriteError) -> CliError {
    let message = format!("{error}; nothing was changed");
    let forbidden = |message| CliError::new("not-permitted", exit::NOT_PERMITTED, message);
    match error {
        WriteError::Denied(_) => forbidden(message).hint("run tune as root"),
        WriteError::NotPermitted { .. } => {
            forbidden(message).hint("where the next boot may set it, apply to the boot files only: apply --boot-only")
        }
        WriteError::ReadOnly(_) => CliError::failed(message)
            .hint("in a container the host has to set it: tune --netns PID on the host, or the container's own settings")
            .hint("write the boot files only: --boot-only"),
        _ => CliError::failed(message),
    }
}

/// The allow-list of the system's backend.
pub(crate) struct Permit<'a>(pub(crate) &'a Context);

impl Policy for Permit<'_> {
    fn permits(&self, effect: &Effect) -> Result<(), String> {
        if self.0.backend.may_do(effect) {
            return Ok(());
        }
        Err(format!("no plan for {} can contain it", self.0.backend.system()))
    }
}

/// Shows steps as they go.
pub(crate) struct Shown {
    total: usize,
    quiet: bool,
}

impl Shown {
    pub(crate) fn new(context: &Context, total: usize) -> Self {
        Self { total, quiet: context.quiet || crate::is_json(context.format) }
    }
}

impl Observer for Shown {
    fn step(&mut self, index: usize, step: &Step, progress: Progress<'_>) {
        let result = match progress {
            Progress::Done => StepResult::Done,
            Progress::Failed(reason) => StepResult::Failed { reason: reason.to_owned() },
            Progress::Undone => StepResult::Undone,
            Progress::Stuck(reason) => StepResult::Stuck { reason: reason.to_owned() },
            _ => return,
        };
        if !self.quiet {
            output::say(&step_line(index + 1, self.total, &step.effect, &result));
        }
    }

    fn notice(&mut self, text: &str) {
        output::say(&format!("{text}\n"));
    }
}

#[cfg(test)]
mod tests {
    use tune_host::WriteError;

    use super::{retyped, unwritable};
    use crate::exit;

    fn of(line: &str) -> String {
        retyped(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn what_is_to_be_typed_after_a_dry_run_keeps_every_other_option() {
        assert_eq!(
            of("--netns blue plan web-server --only a.b"),
            "tune --netns blue apply web-server --only a.b"
        );
        assert_eq!(of("--netns plan plan plan --diff"), "tune --netns plan apply plan");
        assert_eq!(of("set a.b<=30s --check --state-dir /s"), "tune set 'a.b<=30s' --state-dir /s");
        assert_eq!(of("rollback --dry-run --overwrite-foreign 3"), "tune rollback --overwrite-foreign 3");
    }

    #[test]
    fn what_may_not_be_written_is_told_from_what_cannot() {
        let code = |error| unwritable(&error).0.exit_code;
        let name = "kern.ipc.maxmbufmem".to_owned();
        assert_eq!(code(WriteError::Denied(name.clone())), exit::NOT_PERMITTED);
        let reason = "it cannot be written at all".to_owned();
        assert_eq!(code(WriteError::NotPermitted { name: name.clone(), reason }), exit::NOT_PERMITTED);
        assert_eq!(code(WriteError::Missing(name)), exit::FAILED);
    }
}
