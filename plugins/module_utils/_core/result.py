# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module runs and exits."""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .ending import end_with_connection
from .errors import DevserverError
from .redaction import credentials, printable

Params = t.Mapping[str, t.Any]

# Users read what the modules write for all of them, also where root has a stricter mask.
_UMASK = 0o022


class Outcome(t.NamedTuple):
    """The keys of a module's result; a writer's has ``changed`` and ``diff``, what it changed or would change.

    ``warnings`` are for people. With a ``failure`` the module did all it could, and fails at its end: the failed result
    has all keys of ``result`` and, where ``result`` does not have them, the details of the failure.
    """

    result: dict[str, t.Any]
    warnings: t.Sequence[str] = ()
    failure: DevserverError | None = None


class Converge(t.Protocol):
    """Plans what a module changes and, without ``check``, applies it. Raises DevserverError for invalid input."""

    def __call__(self, params: Params, *, check: bool) -> Outcome: ...


def run(module: AnsibleModule, converge: Converge, params: Params | None = None) -> None:
    """Do the module's work with its options, or ``params`` in their place, and exit with the result."""
    os.umask(_UMASK)
    run_reader(module, lambda options: converge(options, check=module.check_mode), params)


def run_reader(module: AnsibleModule, read: t.Callable[[Params], Outcome], params: Params | None = None) -> None:
    """Do the same for a module that changes nothing, in any mode."""
    end_with_connection()
    module.no_log_values.update(credentials(module.params))
    try:
        outcome = read(module.params if params is None else params)
    except DevserverError as error:
        module.fail_json(**printable(error.result()))
    for warning in outcome.warnings:
        module.warn(warning)
    result = printable({"changed": False, **outcome.result})
    if not module._diff:
        # It holds whole files of users, which must not stay in registered results and logs.
        result.pop("diff", None)
    if outcome.failure:
        module.fail_json(**{**printable(outcome.failure.result()), **result})
    module.exit_json(**result)
