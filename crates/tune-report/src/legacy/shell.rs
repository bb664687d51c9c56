//! The commands of a script, for the oldest shells: no `$( )`, no `local`, no `!`, nothing beyond the Bourne shell's
//! functions and `awk`, `sed`, `expr`. Only what stands in the catalog, and numbers, get into them.

use tune_model::legacy::{Assignment, BootFile, Tool};

use super::script::{ScriptReport, shown};
use crate::render::script::Script;

/// A number that a script sets, and its place in it.
struct Numbered<'a> {
    at: usize,
    set: &'a Assignment,
}

impl Numbered<'_> {
    fn name(&self) -> &str {
        self.set.row.tunable.as_deref().unwrap_or_default()
    }

    fn filled(&self, template: &str, value: &str) -> String {
        Tool::filled(template, self.name(), value)
    }

    /// Returns the file for the next boot that the script itself adds to.
    fn file(&self) -> Option<&BootFile> {
        let file = self.set.tool.boot.as_ref()?;
        let trusted = file.mark.is_confirmed() || !self.set.verified;
        (file.by_script && trusted && !file.lines.is_empty()).then_some(file)
    }
}

impl ScriptReport {
    /// Writes the commands.
    pub(super) fn code(&self, script: &mut Script) {
        let (typed, made): (Vec<_>, Vec<_>) =
            self.translation.assignments.iter().partition(|set| set.tool.comment_only);
        by_hand(script, &typed);
        let made: Vec<_> = made.iter().enumerate().map(|(at, set)| Numbered { at: at + 1, set }).collect();
        if made.is_empty() {
            if typed.is_empty() {
                script.part("nothing has to be set");
            }
            return;
        }
        script.part("commands");
        preamble(script, &made);
        self.guards(script);
        made.iter().for_each(|set| look(script, set));
        script.blank();
        script.code("if [ \"$what\" = apply ]; then");
        made.iter().for_each(|set| apply(script, set));
        reload(script, &made);
        script.code("  echo 'everything reads as it was to be'");
        script.code("fi");
        advice(script, &made);
        script.code("undo");
    }

    fn guards(&self, script: &mut Script) {
        let system = self.translation.named.system;
        if let Some(uname) = &system.uname {
            script.blank();
            script.code(&format!("if [ \"`uname -s`\" != {uname} ]; then"));
            script.code(&format!("  stop 'this is not {}: nothing was changed'", system.title));
            script.code("fi");
        }
        if let Some(guard) = &self.translation.release.guard {
            let read = system.tools.first().map(|tool| Tool::filled(&tool.read, &guard.tunable, ""));
            let value = guard.value.map(|value| value.to_string()).unwrap_or_default();
            script.code(&format!("unit=`{} 2>/dev/null`", read.unwrap_or_default()));
            script.code(&format!("if [ \"$unit\" != \"{value}\" ]; then"));
            script.code(&format!("  echo '{}' >&2", guard.otherwise));
            script.code("  stop 'nothing was changed'");
            script.code("fi");
        }
    }
}

/// Writes what a person has to type: its form differs between releases.
fn by_hand(script: &mut Script, sets: &[&Assignment]) {
    if sets.is_empty() {
        return;
    }
    script.part("UNVERIFIED, to be typed by hand");
    for set in sets {
        let name = set.row.tunable.as_deref().unwrap_or_default();
        let command = Tool::filled(&set.tool.set, name, &set.value.to_string());
        script.hanging("  ", &command);
        let read = Tool::filled(&set.tool.read, name, "");
        script.hanging("      ", &format!("{}; note what {read} shows before", shown(set)));
    }
}

fn preamble(script: &mut Script, sets: &[Numbered<'_>]) {
    script.code("what=${1-}");
    script.code("begun=no");
    script.code("PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin");
    script.code("export PATH");
    script.blank();
    script.code("stop() {");
    script.code("  echo \"$1\" >&2");
    script.code("  if [ \"$begun\" = yes ]; then undo >&2; fi");
    script.code("  exit 1");
    script.code("}");
    script.code("last_word() { awk '{ word = $NF } END { print word }'; }");
    for set in sets {
        let read = set.filled(&set.set.tool.read, "");
        script.code(&format!("get_{}() {{ {read} | last_word; }}", set.at));
    }
    script.code("undo() {");
    let all: String = sets.iter().map(|set| format!("$do_{}", set.at)).collect();
    script.code(&format!("  case \"{all}\" in *yes*) echo 'to undo:' ;; esac"));
    sets.iter().for_each(|set| undo(script, set));
    script.code("}");
    script.blank();
    script.code("case \"$what\" in");
    script.code("'' | apply) ;;");
    script.code("*)");
    script.code("  echo \"use: sh $0 [apply]\" >&2");
    script.code("  exit 64");
    script.code("  ;;");
    script.code("esac");
}

fn undo(script: &mut Script, set: &Numbered<'_>) {
    let at = set.at;
    let old = format!("$old_{at}");
    script.code(&format!("  if [ \"$do_{at}\" = yes ]; then"));
    let tool = set.set.tool;
    if set.set.row.raise_only {
        script.code(&format!("    echo '  {} stays until the next boot:'", set.name()));
        script.code("    echo '  it cannot be lowered before'");
    } else if let Some(both) = &tool.set_both {
        script.code(&format!("    echo \"  {}\"", set.filled(both, &old)));
        script.code(&format!("    echo \"  or, without -p: {}\"", set.filled(&tool.set, &old)));
    } else {
        script.code(&format!("    echo \"  {}\"", set.filled(&tool.set, &old)));
    }
    if let Some(file) = set.file() {
        script.code("    echo '  and take its lines out of'");
        script.code(&format!("    echo '    {}'", file.path));
    }
    script.code("  fi");
}

/// Reads the value, says what it is and what it is to be.
fn look(script: &mut Script, set: &Numbered<'_>) {
    let (at, name) = (set.at, set.name());
    script.blank();
    if !set.set.verified {
        script.comment(&format!("UNVERIFIED: {}", set.set.row.id));
    }
    script.code(&format!("old_{at}=`get_{at}`"));
    script.code(&format!("case \"$old_{at}\" in"));
    script.code("'' | *[!0-9]*)");
    script.code(&format!("  echo '{name} does not show a number' >&2"));
    script.code("  stop 'nothing was changed'");
    script.code("  ;;");
    script.code("esac");
    script.code(&format!("do_{at}=yes"));
    script.code(&format!("if {}; then do_{at}=no; fi", left_alone(set)));
    script.code(&format!("if [ \"$do_{at}\" = yes ]; then"));
    script.code(&format!("  echo \"{name}: now $old_{at}\""));
    script.code(&format!("  echo '  to be {}'", shown(set.set)));
    script.code("else");
    script.code(&format!("  echo \"{name}: $old_{at}, left alone\""));
    script.code("fi");
}

fn left_alone(set: &Numbered<'_>) -> String {
    let test = |operator: &str, number: i128| format!("[ \"$old_{}\" {operator} {number} ]", set.at);
    match set.set.leave {
        Some((Some(low), Some(high))) => format!("{} && {}", test("-ge", low), test("-le", high)),
        Some((Some(low), None)) => test("-ge", low),
        Some((None, Some(high))) => test("-le", high),
        Some((None, None)) | None => test("-eq", set.set.value),
    }
}

fn apply(script: &mut Script, set: &Numbered<'_>) {
    let (at, name, value) = (set.at, set.name(), set.set.value.to_string());
    let tool = set.set.tool;
    let now = set.filled(&tool.set, &value);
    script.code(&format!("  if [ \"$do_{at}\" = yes ]; then"));
    script.code("    begun=yes");
    if let Some(both) = &tool.set_both {
        script.code(&format!("    {} ||", set.filled(both, &value)));
        script.code(&format!("      {now} ||"));
    } else {
        script.code(&format!("    {now} ||"));
    }
    script.code(&format!("      stop '{name} could not be set'"));
    script.code(&format!("    new=`get_{at}`"));
    script.code(&format!("    if [ \"$new\" != {value} ]; then"));
    script.code(&format!("      stop \"{name} is $new afterwards\""));
    script.code("    fi");
    if let Some(file) = set.file() {
        keep(script, set, file);
    }
    script.code("  fi");
}

/// Adds the lines for the next boot, unless some are there.
fn keep(script: &mut Script, set: &Numbered<'_>, file: &BootFile) {
    let (name, value) = (set.name(), set.set.value.to_string());
    let indexed = file.lines.iter().any(|line| line.contains("{index}"));
    if !file.mark.is_confirmed() {
        script.code("    # UNVERIFIED: that the boot reads this file so");
    }
    script.code(&format!("    file={}", file.path));
    let there =
        if indexed { format!("^[^#]*={name} *$") } else { format!("^ *{} *=", name.replace('.', "\\.")) };
    script.code(&format!("    if grep '{there}' $file >/dev/null 2>&1; then"));
    script.code(&format!("      echo \"$file sets {name} already:\""));
    script.code(&format!("      echo '  make it {value} there'"));
    script.code("    else");
    if let Some((before, _)) = file.lines.iter().find_map(|line| line.split_once("{index}")) {
        let before = before.replace('[', ".");
        script.code("      index=`cat $file 2>/dev/null |");
        script.code(&format!("        sed -n 's/^{before}\\([0-9][0-9]*\\).*/\\1/p' | sort -n | tail -1`"));
        script.code("      if [ \"$index\" = '' ]; then index=-1; fi");
        script.code("      index=`expr $index + 1`");
    }
    script.code("      {");
    script.code(&format!("        echo ''; echo '# {}'", set.set.row.setting));
    for line in &file.lines {
        script.code(&format!("        echo \"{}\"", set.filled(line, &value).replace("{index}", "$index")));
    }
    script.code("      } >>$file || stop \"$file could not be written\"");
    script.code("    fi");
}

fn reload(script: &mut Script, sets: &[Numbered<'_>]) {
    let mut all: Vec<_> =
        sets.iter().filter_map(|set| Some((set.file()?, set.file()?.reload.as_deref()?))).collect();
    all.dedup();
    for (file, reload) in all {
        script.code("  if [ \"$begun\" = yes ]; then");
        script.code(&format!("    {reload} || stop '{} was not taken: look at it'", file.path));
        script.code("  fi");
    }
}

/// Says how to keep it for the next boot where the script does not do so.
fn advice(script: &mut Script, sets: &[Numbered<'_>]) {
    let by_hand: Vec<_> = sets.iter().filter(|set| set.file().is_none()).collect();
    let Some(first) = by_hand.first() else { return };
    script.blank();
    let Some(file) = &first.set.tool.boot else {
        script.comment("All of it lasts until the next boot; how to keep it is not known.");
        return;
    };
    let unsure = if file.mark.is_confirmed() { "" } else { " This is general knowledge, not confirmed." };
    script.comment(&format!("For the next boot: {}. {}{unsure}", file.path, file.note));
    let when = if first.set.tool.set_both.is_some() { "where -p was refused" } else { "by hand" };
    script.code(&format!("echo 'for the next boot, {when}:'"));
    for set in by_hand {
        if file.lines.is_empty() {
            script.code(&format!("echo '  {} = {}'", set.name(), set.set.value));
        }
        for line in &file.lines {
            script.code(&format!("echo '  {}: {}'", file.path, set.filled(line, &set.set.value.to_string())));
        }
    }
}
