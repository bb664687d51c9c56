"""
Calls tune and returns the one JSON object that it prints.

Nothing runs through a shell. What tune refuses is returned as it says it, with ``failed: true``; only a program that is
missing, or is not tune, is an error of Salt's (``CommandExecutionError``).
"""

import json
import os

import salt.utils.args
import salt.utils.path
from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "tune"

# Looked at after PATH.
PLACES = ("/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin", "/opt/local/sbin")

# What tune is told with an option of the same name, - for _, by the command that knows it.
SWITCHES = {
    "apply": (
        "runtime_only",
        "boot_only",
        "take_over",
        "accept_override",
        "overwrite_foreign",
        "skip_unsupported",
        "accept_irreversible",
    ),
    "off": ("overwrite_foreign", "all_or_nothing"),
}
LISTS = {"apply": ("only", "except", "allow_unsafe", "replace"), "off": ()}


def __virtual__():
    return __virtualname__


def installed(executable="tune"):
    """
    Returns the path of tune, or None where it is not installed.

    CLI Example:

    .. code-block:: bash

        salt '*' tune.installed
    """
    places = () if "/" in executable else PLACES
    names = [executable] + [os.path.join(place, executable) for place in places]
    return next(filter(None, map(salt.utils.path.which, names)), None)


def apply(profile, test=False, executable="tune", state_dir=None, **options):
    """
    Applies a profile; with ``test`` tells what that would change.

    The options are ``runtime_only``, ``boot_only``, ``take_over``, ``accept_override``, ``overwrite_foreign``,
    ``skip_unsupported`` and ``accept_irreversible`` (true or false), and ``only``, ``except``, ``allow_unsafe`` and
    ``replace`` (a list, or one).

    CLI Example:

    .. code-block:: bash

        salt '*' tune.apply web-server test=True
    """
    words = ["apply", profile, "--check" if test else "--yes", *_options("apply", options)]
    return _call(words, executable, state_dir)


def off(profile, test=False, executable="tune", state_dir=None, **options):
    """
    Gives up what a profile holds; with ``test`` tells what that would change.

    The options are ``overwrite_foreign`` and ``all_or_nothing`` (true or false).

    CLI Example:

    .. code-block:: bash

        salt '*' tune.off web-server
    """
    words = ["off", profile, "--check" if test else "--yes", *_options("off", options)]
    return _call(words, executable, state_dir)


def active(executable="tune", state_dir=None):
    """
    Returns the profiles that hold values, and the values.

    CLI Example:

    .. code-block:: bash

        salt '*' tune.active
    """
    return _call(["active"], executable, state_dir)


def audit(profile, executable="tune", state_dir=None):
    """
    Holds the host against a profile and changes nothing.

    CLI Example:

    .. code-block:: bash

        salt '*' tune.audit web-server
    """
    return _call(["audit", profile], executable, state_dir)


def facts(executable="tune", state_dir=None):
    """
    Returns what the grain ``tune`` holds, as it is now.

    CLI Example:

    .. code-block:: bash

        salt '*' tune.facts
    """
    return _call(["facts"], executable, state_dir)


def _options(command, options):
    given = salt.utils.args.clean_kwargs(**options)
    unknown = sorted(set(given) - set(SWITCHES[command] + LISTS[command]))
    if unknown:
        known = ", ".join(SWITCHES[command] + LISTS[command])
        raise SaltInvocationError(f"tune {command} has no option {', '.join(unknown)}; it has {known}")
    words = [_option(name) for name in SWITCHES[command] if given.get(name)]
    for name in LISTS[command]:
        values = given.get(name) or []
        for value in [values] if isinstance(values, str) else values:
            words += [_option(name), value]
    return words


def _option(name):
    return "--" + name.replace("_", "-")


def _call(words, executable, state_dir):
    path = installed(executable)
    if path is None:
        place = executable if "/" in executable else f"{executable} in PATH, {', '.join(PLACES)}"
        raise CommandExecutionError(
            f"tune is not installed: there is no executable {place}; install it first, or give its path as executable"
        )
    words = words + (["--state-dir", state_dir] if state_dir else [])
    ended = __salt__["cmd.run_all"](
        [path, *words, "--format", "json"], python_shell=False, ignore_retcode=True, output_loglevel="debug"
    )
    try:
        return json.loads(ended["stdout"])
    except ValueError as error:
        raise CommandExecutionError(
            f"{path} {' '.join(words)}: exit code {ended['retcode']}, and not the JSON object that tune prints; "
            "run it by hand, and see whether it is tune"
        ) from error
