# SPDX-License-Identifier: MIT OR Apache-2.0
"""Keeps what the apply action tried out with confirm_within."""

from __future__ import annotations

from ansible_collections.tune.tune.plugins.plugin_utils.command import TuneAction, result_of

AWAITS = "awaiting-confirmation"


class ActionModule(TuneAction):
    OPTIONS = {"reconnect": {"type": "bool", "default": True}}

    def outcome(self, options):
        if options["reconnect"]:
            # What is to be shown is that the host still lets somebody in; a connection that is open does not show it.
            self._connection.reset()
        if self._task.check_mode:
            return self.predicted(options)
        return super().outcome(options)

    def command(self, options):
        return ["confirm"]

    def predicted(self, options):
        """Says what would be confirmed. In check mode nothing was tried out, so that nothing awaits is no failure."""
        document, code = self.ask(options, ["status"])
        if document.get("failed"):
            return result_of(document, code, True)
        waiting = [entry for entry in document["transactions"] if entry["state"] == AWAITS]
        return {
            "changed": bool(waiting),
            "msg": "transaction %d would be confirmed" % waiting[0]["id"] if waiting else "nothing awaits confirmation",
            "changes": [],
            "transaction": waiting[0]["id"] if waiting else None,
            "state": AWAITS if waiting else None,
            "reboot_required": False,
        }
