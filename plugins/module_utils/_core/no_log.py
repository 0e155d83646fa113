# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the values of variables in module options out of Ansible's output and logs."""

from __future__ import annotations

import copy
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .redaction import SHORTEST, credentials, secret_values

_HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def params_of(module: AnsibleModule, environments: t.Callable[[t.Any], t.Iterable[dict[str, t.Any]]]) -> t.Any:
    """Return the options of ``module`` for its own use; the module's own messages contain no value of a variable.

    ``environments`` returns those dictionaries of the options whose values are meant, which have ``no_log``: ansible
    logs a call before the module can do anything. But it also masks each such value everywhere in a result, so
    that a variable of "1" leaves no port readable: from here on those alone that are secret by name or form.
    """
    params = copy.deepcopy(module.params)
    module.no_log_values.clear()
    module.no_log_values.update(credentials(params))
    for environment in environments(module.params):
        named = secret_values({str(name): str(value) for name, value in environment.items()})
        module.no_log_values.update(value for value in named if len(value) >= SHORTEST)
        environment.update(dict.fromkeys(environment, _HIDDEN))
    return params
