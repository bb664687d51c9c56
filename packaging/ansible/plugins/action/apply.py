# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes a host satisfy profiles, or gives up what they hold."""

from __future__ import annotations

import posixpath

from ansible.errors import AnsibleActionFail
from ansible_collections.tune.tune.plugins.plugin_utils.command import TuneAction, flags

SWITCH = {"type": "bool", "default": False}
NAMES = {"type": "list", "elements": "str", "default": []}

# Options that only one of the two states has; overwrite_foreign means the same in both.
PRESENT = {
    "only": NAMES,
    "except": NAMES,
    "runtime_only": SWITCH,
    "boot_only": SWITCH,
    "take_over": SWITCH,
    "accept_override": SWITCH,
    "confirm_within": {"type": "str"},
    "skip_unsupported": SWITCH,
    "accept_irreversible": SWITCH,
    "allow_unsafe": NAMES,
    "replace": NAMES,
}
ABSENT = {"all_or_nothing": SWITCH}
BOTH = {"overwrite_foreign": SWITCH}

# For each state: the command, the options that it takes, those that it does not.
STATES = {
    "present": (["apply"], {**PRESENT, **BOTH}, ABSENT),
    "absent": (["off", "--if-held"], {**ABSENT, **BOTH}, PRESENT),
}


def named(profile):
    """Returns the name of a profile: that of its file, where it is given by a path. What is held is held by names."""
    return posixpath.splitext(posixpath.basename(profile))[0] if "/" in profile else profile


class ActionModule(TuneAction):
    OPTIONS = {
        "profiles": {"type": "list", "elements": "str", "required": True},
        "state": {"type": "str", "choices": list(STATES), "default": "present"},
        **PRESENT,
        **ABSENT,
        **BOTH,
    }

    def command(self, options):
        state = options["state"]
        words, takes, refuses = STATES[state]
        if not options["profiles"]:
            # For tune off, no name means all of them.
            raise AnsibleActionFail("profiles is an empty list: name at least one profile")
        wrong = sorted(name for name in refuses if options[name])
        if wrong:
            raise AnsibleActionFail("state=%s does not go with: %s" % (state, ", ".join(wrong)))
        profiles = options["profiles"]
        if state == "absent":
            profiles = [named(profile) for profile in profiles]
        return words + self.mode() + flags(options, takes) + ["--"] + profiles
