# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the actions of this collection share: one call of tune on the target, and what its answer means.

The command goes through the connection as raw does, so the target needs no Python. The answer is the one JSON
object that tune prints, also when it fails; its form is in docs/schemas of the project.
"""

from __future__ import annotations

import json
import re
import shlex

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# Options that every action takes.
COMMON = {
    "executable": {"type": "str", "default": "tune"},
    "state_dir": {"type": "str"},
    "netns": {"type": "str"},
}

# What a task returns of the answer. The findings and steps are left out: they can be long, and audit and plan show them.
KEPT = (
    "changed", "msg", "changes", "diff", "reboot_required", "transaction", "state", "deadline", "keep", "undo",
    "to_do", "warnings", "conflicts", "kind", "causes", "hints", "exit_code",
)

# The directories are those in which packages put programs of root's; a login without root may lack them.
LINE = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/usr/local/bin:/opt/local/sbin; export PATH; %s %s"

# What it means that a command ended like this and printed no answer.
SILENT = {
    126: "may not be executed on the target, or is made for another system",
    127: "was not found on the target",
}
SILENT_HINTS = {
    126: "see there what it is, or name another one with the option executable",
    127: "install tune there, or name its path with the option executable",
}

# What ssh adds of its own where it gives the command a terminal, on which all else is one stream.
SSH_GOODBYE = re.compile("(Shared c|C)onnection to .* closed")

CHANGED_SINCE = "%(target)s is %(found)s, not %(expected)s as tune left it; somebody else changed it, and it stays"
UNREADABLE = "%(target)s cannot be read (%(found)s); it stays"


def flags(options, names):
    """Spells options as the command line does: a switch by its name, a list as one flag for each."""
    words = []
    for name in names:
        flag = "--" + name.replace("_", "-")
        value = options[name]
        if value is True:
            words.append(flag)
        elif value:
            values = value if isinstance(value, list) else [value]
            words.extend("%s=%s" % (flag, each) for each in values)
    return words


def answer_in(text):
    """Returns the JSON object in what was printed, whatever a terminal or a login put around it."""
    for start in re.finditer(r"^\s*(?={)", text, re.MULTILINE):
        try:
            found = json.JSONDecoder().raw_decode(text, start.end())[0]
        except ValueError:
            continue
        if "schema" in found:
            return found
    return None


def explained(msg, causes, hints):
    """Puts a message, its causes and what to do next into one text, as tune itself would."""
    lines = ["because: %s" % cause for cause in causes] + ["hint: %s" % hint for hint in hints]
    return "\n".join([msg] + lines)


def unanswered(command, run):
    """Describes a command that printed no answer."""
    code = run["rc"]
    what = SILENT.get(code, "ended with %d on the target, and printed no JSON object" % code)
    lines = (run["stdout"] + "\n" + run["stderr"]).splitlines()
    said = [line.strip() for line in lines if line.strip() and not SSH_GOODBYE.match(line)][-1:]
    hint = SILENT_HINTS.get(code, "run it there: %s" % shlex.join(command))
    return explained("%s %s" % (command[0], what), said, [hint])


def reasons(document):
    """Returns the causes and hints in an answer: of an error, of a plan that is refused, of what was left alone."""
    refusals = document.get("refusals", [])
    causes = list(document.get("causes", [])) + [refusal["message"] for refusal in refusals]
    if document.get("failure"):
        causes.append(document["failure"])
    for left in document.get("conflicts", []):
        causes.append((UNREADABLE if left.get("unreadable") else CHANGED_SINCE) % left)
    hints = list(document.get("hints", []))
    for refusal in refusals:
        hints.extend(hint for hint in refusal["hints"] if hint not in hints)
    return causes, hints


def stopped(document, code, check_mode):
    """Tells whether a command could not do all of its work, or a dry run says that it could not."""
    if check_mode:
        # Its exit code is 2 where the host differs, and 1 where something cannot be read.
        return bool(document.get("refusals") or document.get("conflicts"))
    return code != 0


def result_of(document, code, check_mode):
    """Makes the result of a task from an answer and the exit code."""
    result = {key: document[key] for key in KEPT if key in document}
    result.setdefault("changed", False)
    for key in ("transaction", "state"):
        result.setdefault(key, None)
    if document.get("failed") or stopped(document, code, check_mode):
        msg = "this would be refused" if document.get("refusals") else document.get("msg", "tune failed")
        result.update(failed=True, msg=explained(msg, *reasons(document)), exit_code=code)
    if document.get("open_transaction"):
        result["warnings"] = result.get("warnings", []) + [document["open_transaction"]]
    return result


class TuneAction(ActionBase):
    """An action that runs tune once; what it runs is in `command`."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    # The options of the action, besides COMMON.
    OPTIONS = {}

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _valid, options = self.validate_argument_spec(argument_spec=dict(COMMON, **self.OPTIONS))
        result.update(self.outcome(options))
        return result

    def outcome(self, options):
        """Runs the command of the action and returns the result."""
        document, code = self.ask(options, self.command(options))
        return result_of(document, code, self._task.check_mode)

    def command(self, options):
        """Returns the words after `tune` and the options that all commands share."""
        raise NotImplementedError

    def mode(self):
        """Returns how the command is to be run: dry or not, with texts before and after or not."""
        return ["--check" if self._task.check_mode else "--yes"] + (["--diff"] if self._task.diff else [])

    def ask(self, options, words):
        """Runs tune on the target and returns its answer and its exit code."""
        shared = flags(options, ["state_dir", "netns"])
        command = [options["executable"], "--format=json", "--quiet"] + shared + words
        run = self._low_level_execute_command(LINE % (self._compute_environment_string(), shlex.join(command)))
        document = answer_in(run["stdout"])
        if document is None:
            said = {"exit_code": run["rc"], "stdout": run["stdout"], "stderr": run["stderr"]}
            raise AnsibleActionFail(unanswered(command, run), result=said)
        return document, run["rc"]
