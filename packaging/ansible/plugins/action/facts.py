# SPDX-License-Identifier: MIT OR Apache-2.0
"""Gathers what tune knows of a host, without Python there."""

from __future__ import annotations

from ansible_collections.tune.tune.plugins.plugin_utils.command import TuneAction


class ActionModule(TuneAction):
    def outcome(self, options):
        facts, _code = self.ask(options, ["facts"])
        result = {"changed": False, "ansible_facts": {"tune": facts}}
        if facts.get("error"):
            result["warnings"] = ["tune facts: %s" % facts["error"]]
        return result
