#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kernel_parameters
short_description: Set kernel parameters now and at each boot
version_added: 0.1.0
description:
  - Writes a file for C(sysctl.d) with each parameter and its reason, and sets the values that differ at once.
  - A parameter that this kernel does not have, or that cannot be set, as in a container with a read-only C(/proc/sys),
    is reported in RV(skipped_parameters) and by a warning. The module does not fail.
notes:
  - The file records the value that a parameter had before. A removal sets it again, unless the value was changed since.
    Without a record, as in a file of an earlier version, the value stays in force until the next boot.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
options:
  parameters:
    description:
      - Values by name, as C(sysctl) prints them. V(null) removes a parameter.
      - A parameter of an earlier run that is not among them stays, unless O(exclusive).
    type: dict
    default: {}
  exclusive:
    description: Whether the parameters of earlier runs that are not in O(parameters) are removed.
    type: bool
    default: false
  state:
    description: V(absent) removes the file with all its parameters.
    type: str
    choices: [present, absent]
    default: present
  path:
    description: Path of the file.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Let each user debug all own processes
  gopherops.devserver.kernel_parameters:
    path: /etc/sysctl.d/60-debugger.conf
    parameters:
      kernel.yama.ptrace_scope: 0
  become: true
"""

RETURN = r"""
skipped_parameters:
  description: The parameters that were not set at once, though they differ.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The parameter.
      type: str
    reason:
      description: The reason, such as a kernel that does not have the parameter.
      type: str
  sample:
    - {name: kernel.yama.ptrace_scope, reason: this kernel does not have it}
"""

from ..module_utils._core.result import run
from ..module_utils._host.kernel_parameters import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
