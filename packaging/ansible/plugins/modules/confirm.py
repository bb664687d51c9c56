# SPDX-License-Identifier: MIT OR Apache-2.0
"""Documents the action of the same name, which does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: confirm
short_description: Keeps a tune change that awaits confirmation
version_added: 0.1.0
description:
  - Keeps what M(tune.tune.apply) tried out with O(tune.tune.apply#module:confirm_within), and writes it to the boot files.
  - Opens a new connection first. If the change has cut the host off, that fails, and the host undoes the change when its time is over.
  - Fails where nothing awaits confirmation, also because the time is over.
extends_documentation_fragment:
  - tune.tune.command
attributes:
  check_mode:
    description: Says whether something awaits confirmation.
    support: full
  diff_mode:
    description: M(tune.tune.apply) has shown the difference.
    support: none
options:
  reconnect:
    description: Closes the connection before, so that a new login has to come through.
    type: bool
    default: true
seealso:
  - module: tune.tune.apply
"""

EXAMPLES = r"""
- name: Try it out
  tune.tune.apply:
    profiles: [web-server]
    confirm_within: 2min
  register: applied

- name: See that the service still answers
  ansible.builtin.uri:
    url: "https://{{ inventory_hostname }}/"
  delegate_to: localhost
  when: applied.state == 'awaiting-confirmation'

- name: Keep it
  tune.tune.confirm:
  when: applied.state == 'awaiting-confirmation'
"""

RETURN = r"""
msg:
  description: What was done. On failure also the causes and what to do next, a line each.
  returned: always
  type: str
  sample: 4 values confirmed
changes:
  description: Each value that is changed now, in the running kernel and for the next boot.
  returned: when tune could work
  type: list
  elements: dict
transaction:
  description: The number by which M(tune.tune.rollback) knows the change.
  returned: always
  type: int
state:
  description: How the transaction stands.
  returned: always
  type: str
  sample: applied
exit_code:
  description: The exit code of tune.
  returned: on failure
  type: int
"""
