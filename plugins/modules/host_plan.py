#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_plan
short_description: Validates everything that the roles of a play declare, and reports which roles would change the host
version_added: 0.2.0
description:
  - Takes the roles of the play, evaluates the options of their tasks that use modules of this collection, and plans all
    of them in one call on the host, with the functions that the modules themselves use. Changes nothing.
  - A play runs it in C(pre_tasks), and then only the roles in RV(roles). Where nothing differs, one call is all that a
    run costs.
  - Runs with the privileges of its own task, which must be those of the roles.
  - Respects tags and C(module_defaults). Conditions of tasks are not evaluated, so a role of this collection must have
    arguments that are valid without them. Tasks that C(include_tasks) or C(include_role) adds at run time are not part
    of the plan.
  - Warns of variables that no role of the collection knows, and whose names are similar to those of known ones. With
    C(devserver_strict=true) every warning is an error.
  - A role's variables C(<role>_plan_reasons) and C(<role>_plan_errors), lists of texts, add what differs or is invalid
    on the controller.
extends_documentation_fragment:
  - gopherops.devserver.attributes.read_only
options:
  roles:
    description: The roles of the play, which the action plugin finds itself. Not for use in a playbook.
    type: list
    elements: dict
    default: []
seealso:
  - module: gopherops.devserver.go_env_drift
"""

EXAMPLES = r"""
- name: Provision Go development servers
  hosts: all
  become: true
  gather_facts: false
  pre_tasks:
    - name: Plan all roles
      gopherops.devserver.host_plan:
      register: devserver_plan
      tags: [always]
  roles:
    - role: gopherops.devserver.toolchain
      tags: [toolchain]
      when: "'toolchain' in devserver_plan.roles | default(['toolchain'])"
    - role: gopherops.devserver.environment
      tags: [environment]
      when: "'environment' in devserver_plan.roles | default(['environment'])"
"""

RETURN = r"""
roles:
  description:
    - The roles to run, which are the first one that would change the host and all that come after it.
    - A role without any task of a module that can be planned is always among them.
  returned: success
  type: list
  elements: str
  sample: [environment, language_server]
reasons:
  description: The files and other parts of the host that would change, by role. Roles without any are left out.
  returned: success
  type: dict
  sample:
    environment: [/etc/gopherops/go-env.sh, /home/alice/.config/go/env]
errors:
  description: One entry for each module that rejects its options, with the C(role), the C(module), the C(msg) and
    further facts.
  returned: failure
  type: list
  elements: dict
"""

from ..module_utils._core.result import DevserverModule
from ..module_utils._plan.host_plan import find_overlaps, join_messages, plan_role, secrets_of, without_pending


def main() -> None:
    # The options of all modules are in here.
    spec = {"roles": {"type": "list", "elements": "dict", "default": [], "no_log": True}}
    module = DevserverModule(argument_spec=spec, supports_check_mode=True)
    roles = module.take_params()["roles"]
    module.add_secrets(secrets_of([task for role in roles for task in role["tasks"]]))
    roles = without_pending(roles)
    plans = [plan_role(role["role"], role["tasks"]) for role in roles]
    # The action plugin reports them, because a play can request that they are errors.
    warnings = list(dict.fromkeys(warning for plan in plans for warning in plan.warnings))
    # Of options that the modules accept.
    errors = [error for plan in plans for error in plan.errors] or find_overlaps(roles)
    if errors:
        # The facts of the first one are those of the module's own failure.
        msg = join_messages(errors)
        module.exit(dict(errors[0], errors=errors, msg=msg, plan_warnings=warnings), failed=True)
    reasons = {plan.role: plan.reasons for plan in plans if plan.reasons}
    module.exit({"changed": False, "reasons": reasons, "plan_warnings": warnings})


if __name__ == "__main__":
    main()
