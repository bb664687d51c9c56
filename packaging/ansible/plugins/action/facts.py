# SPDX-License-Identifier: MIT OR Apache-2.0
"""Gathers what tune knows of a host, without Python there."""

from __future__ import annotations

from ansible_collections.tune.tune.plugins.plugin_utils.command import TuneAction, result_of


class ActionModule(TuneAction):
    def outcome(self, options):
        facts, code = self.ask(options, ["facts"])
        if facts.get("failed"):
            return result_of(facts, code, self._task.check_mode)
        result = {"changed": False, "ansible_facts": {"tune": facts}}
        if facts.get("error"):
            result["warnings"] = ["tune facts: %s" % facts["error"]]
        return result
