# SPDX-License-Identifier: MIT OR Apache-2.0
"""Documents the action of the same name, which does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: Takes one tune transaction back
version_added: 0.1.0
description:
  - Puts back what one transaction changed, in the running kernel and in the boot files.
  - What somebody else has changed since is left alone and listed, and the task fails.
  - It is for the rescue section of a block. A host that is not to satisfy a profile any more is described by M(tune.tune.apply) with C(state=absent).
extends_documentation_fragment:
  - tune.tune.command
attributes:
  check_mode:
    description: Says what would be put back, and fails where something would be left.
    support: full
  diff_mode:
    description: Shows the values of the running kernel and each boot file before and after.
    support: full
options:
  transaction:
    description: The number that M(tune.tune.apply) returned.
    type: int
    required: true
  overwrite_foreign:
    description: Puts back also what somebody else has changed since.
    type: bool
    default: false
  all_or_nothing:
    description: Touches nothing when somebody else has changed something.
    type: bool
    default: false
seealso:
  - module: tune.tune.apply
"""

EXAMPLES = r"""
- name: Change it, and take it back if the service does not like it
  block:
    - name: Apply
      tune.tune.apply:
        profiles: [mobile-clients]
      register: applied

    - name: Test
      ansible.builtin.uri:
        url: "https://{{ inventory_hostname }}/health"
      delegate_to: localhost
  rescue:
    - name: Take it back
      tune.tune.rollback:
        transaction: "{{ applied.transaction }}"
      when: applied.transaction is not none
"""

RETURN = r"""
msg:
  description: What was done. On failure also the causes and what to do next, a line each.
  returned: always
  type: str
  sample: 4 values put back
changes:
  description: Each value that was put back, or in check mode would be.
  returned: when tune could work
  type: list
  elements: dict
conflicts:
  description: What somebody else has changed since, and was left alone.
  returned: when tune could work
  type: list
  elements: dict
transaction:
  description: The number of the rollback itself.
  returned: always
  type: int
state:
  description: How the rollback stands.
  returned: always
  type: str
exit_code:
  description: The exit code of tune; 3 where something was left alone.
  returned: on failure
  type: int
"""
