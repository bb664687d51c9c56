# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the documentation of all actions of this collection has in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  executable:
    description:
      - The program on the target, a name or a path.
      - A name is also looked for in C(/usr/local/sbin), C(/usr/sbin), C(/usr/local/bin) and C(/opt/local/sbin).
    type: str
    default: tune
  state_dir:
    description:
      - Where journals and claims are kept on the target.
      - C(/var/lib/tune) if not given; C(/var/db/tune) on FreeBSD.
    type: str
  netns:
    description:
      - Works in a network namespace of the target, given by its name or the id of a process in it. Linux only.
    type: str
attributes:
  async:
    description: Supports being used with the C(async) keyword.
    support: none
  platform:
    description: The systems that it works on.
    support: full
    platforms: posix
notes:
  - Runs the program C(tune) on the target, once, through the connection. The target needs no Python.
  - Changing needs root on the target, by C(become) or by the login. Check mode works without it, as far as values may be read.
author:
  - The tune project (@tune)
"""
