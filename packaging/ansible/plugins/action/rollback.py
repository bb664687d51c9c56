# SPDX-License-Identifier: MIT OR Apache-2.0
"""Takes one transaction back."""

from __future__ import annotations

from ansible_collections.tune.tune.plugins.plugin_utils.command import TuneAction, flags

SWITCH = {"type": "bool", "default": False}


class ActionModule(TuneAction):
    OPTIONS = {
        "transaction": {"type": "int", "required": True},
        "overwrite_foreign": SWITCH,
        "all_or_nothing": SWITCH,
    }

    def command(self, options):
        how = flags(options, ["overwrite_foreign", "all_or_nothing"])
        return ["rollback"] + self.mode() + how + ["--", str(options["transaction"])]
