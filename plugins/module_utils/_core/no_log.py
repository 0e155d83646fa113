# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the values of variables in module options out of Ansible's output and logs."""

from __future__ import annotations

import copy
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .redaction import SHORTEST, credentials, secret_values

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def mask_only(module: AnsibleModule, secrets: t.Iterable[str]) -> None:
    """Mask ``secrets``, and no other value of an option with ``no_log``, in the result of ``module``.

    Ansible logs a call before the module can do anything, so options that may contain a secret have ``no_log``. But
    then it masks every value in them everywhere in the result: a variable of "1" leaves no port readable.
    """
    module.no_log_values.clear()
    module.no_log_values.update(secrets)


def take_params(module: AnsibleModule, environments: t.Callable[[t.Any], t.Iterable[dict[str, t.Any]]]) -> t.Any:
    """Return the options of ``module`` for its own use, and hide the values of variables in what Ansible shows.

    ``environments`` returns the dictionaries of variables in the options, which have ``no_log``. Of their values those
    alone are masked in the result that are secret by name or form.
    """
    params = copy.deepcopy(module.params)
    secrets = set(credentials(params))
    for environment in environments(module.params):
        named = secret_values({str(name): str(value) for name, value in environment.items()})
        secrets.update(value for value in named if len(value) >= SHORTEST)
        environment.update(dict.fromkeys(environment, HIDDEN))
    mask_only(module, secrets)
    return params
