# SPDX-License-Identifier: MIT OR Apache-2.0
"""Documents the action of the same name, which does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
short_description: Makes a host satisfy tune profiles, or gives up what they hold
version_added: 0.1.0
description:
  - Changes the running kernel and what the next boot sets, with all profiles in one call, and reads everything back.
  - What already satisfies the profiles is left alone. Applying twice changes nothing the second time.
  - Nothing is changed where one thing is refused; if something fails on the way, all of it is undone.
extends_documentation_fragment:
  - tune.tune.command
attributes:
  check_mode:
    description: Says what would be changed, and fails where the change would be refused.
    support: full
  diff_mode:
    description: Shows the values of the running kernel and each boot file before and after.
    support: full
options:
  profiles:
    description:
      - The profiles, one or more. A word is a profile of the site or one that is built in; what has a C(/) is the path of a file on the target.
      - With O(state=absent) the file is not read, and need not be there any more.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(present) makes the host satisfy the profiles.
      - V(absent) gives up what they hold. Each value goes to what the remaining profiles need, or back to what it was.
    type: str
    choices:
      - present
      - absent
    default: present
  only:
    description: Looks at these settings or tunables and at no others.
    type: list
    elements: str
    default: []
  except:
    description: Leaves these settings or tunables out.
    type: list
    elements: str
    default: []
  runtime_only:
    description: Changes the running kernel and leaves the boot files alone.
    type: bool
    default: false
  boot_only:
    description: Changes the boot files and leaves the running kernel alone.
    type: bool
    default: false
  take_over:
    description: Comments out lines of other files that would win at the next boot. O(state=absent) puts them back.
    type: bool
    default: false
  accept_override:
    description: Goes on although a line of another file wins at the next boot.
    type: bool
    default: false
  overwrite_foreign:
    description: Replaces, or with O(state=absent) puts back, also what somebody else has changed since tune wrote it.
    type: bool
    default: false
  all_or_nothing:
    description: With O(state=absent), touches nothing when somebody else has changed something.
    type: bool
    default: false
  confirm_within:
    description:
      - Changes the running kernel only, and has the host undo that by itself unless M(tune.tune.confirm) follows within this time, such as V(2min).
      - Where nothing has to be changed nothing awaits confirmation.
    type: str
  skip_unsupported:
    description: Leaves out what the system has nothing of, instead of refusing.
    type: bool
    default: false
  accept_irreversible:
    description: Accepts what cannot be undone before a reboot, such as limits that can only be raised on FreeBSD.
    type: bool
    default: false
  allow_unsafe:
    description: Accepts dangerous values for these settings or tunables.
    type: list
    elements: str
    default: []
  replace:
    description: Lets the claims of these profiles give way where they contradict.
    type: list
    elements: str
    default: []
seealso:
  - module: tune.tune.confirm
  - module: tune.tune.rollback
  - module: ansible.posix.sysctl
"""

EXAMPLES = r"""
- name: Short FIN_WAIT_2 and early keepalive
  tune.tune.apply:
    profiles:
      - web-server
  become: true

- name: Undone by the host itself unless a new login comes through within two minutes
  tune.tune.apply:
    profiles: [web-server]
    confirm_within: 2min
  register: applied

- name: Keep it
  tune.tune.confirm:
  when: applied.state == 'awaiting-confirmation'

- name: Reboot where something takes hold only then
  ansible.builtin.reboot:
  when: applied.reboot_required

- name: Report drift and change nothing, in every run
  tune.tune.apply:
    profiles: [web-server]
  check_mode: true
  diff: true

- name: The incident is over
  tune.tune.apply:
    profiles: [fin-wait-2-relief]
    state: absent
"""

RETURN = r"""
msg:
  description: What was done. On failure also the causes and what to do next, a line each.
  returned: always
  type: str
  sample: 4 values changed
changes:
  description:
    - Each value that was changed, or in check mode would be.
  returned: when tune could work
  type: list
  elements: dict
  contains:
    key:
      description: The tunable, as the system calls it.
      type: str
      returned: always
    before:
      description: Its value before; null where there was none.
      type: str
      returned: always
    after:
      description: Its value after; null where there is none.
      type: str
      returned: always
    scope:
      description: V(runtime) for the running kernel, or V(boot:) and the path of a file.
      type: str
      returned: always
  sample:
    - key: net.ipv4.tcp_fin_timeout
      before: "60"
      after: "30"
      scope: runtime
reboot_required:
  description: Something takes hold at the next boot only.
  returned: when tune could work
  type: bool
transaction:
  description: The number by which M(tune.tune.rollback) knows the change; null where nothing was changed.
  returned: always
  type: int
state:
  description: How the transaction stands; null in check mode.
  returned: always
  type: str
  sample: awaiting-confirmation
deadline:
  description: When the change is undone unless it is confirmed, in UTC.
  returned: when it awaits confirmation
  type: str
  sample: "2026-11-22T14:05:09Z"
undo:
  description: The command that takes the change back.
  returned: when something was changed
  type: str
  sample: tune rollback 1
to_do:
  description: What remains to be done by hand, such as services to restart before a change reaches them.
  returned: when something remains
  type: list
  elements: str
conflicts:
  description: What somebody else has changed since tune wrote it, and what was left alone therefore.
  returned: when tune could work
  type: list
  elements: dict
kind:
  description: The kind of failure, such as C(bad-profile), C(not-permitted) or C(awaiting-confirmation).
  returned: on failure
  type: str
exit_code:
  description: The exit code of tune, such as 75 where another tune is at work or a change awaits confirmation.
  returned: on failure
  type: int
"""
