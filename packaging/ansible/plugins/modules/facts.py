# SPDX-License-Identifier: MIT OR Apache-2.0
"""Documents the action of the same name, which does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: facts
short_description: Gathers what tune knows of a host
version_added: 0.1.0
description:
  - Returns what C(tune facts) prints as RV(ansible_facts.tune). It changes nothing and needs no privilege.
  - Fails where tune is not installed. What tune itself could not find out is told in RV(ansible_facts.tune.error), with a warning.
extends_documentation_fragment:
  - tune.tune.command
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: There is no difference to show.
    support: none
seealso:
  - module: ansible.builtin.setup
"""

EXAMPLES = r"""
- name: Look
  tune.tune.facts:

- name: Show it
  ansible.builtin.debug:
    var: ansible_facts.tune
"""

RETURN = r"""
ansible_facts:
  description: What tune knows of the host.
  returned: when tune could work
  type: dict
  contains:
    tune:
      description: The object that C(tune facts) prints.
      type: dict
      returned: when tune could work
      contains:
        error:
          description: What could not be found out.
          type: str
          returned: on failure
"""
