# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module host_plan does: validate the options of all roles' tasks, and plan each with its own module."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._bundle import go_bundle_unpack
from .._core.errors import DevserverError
from .._core.result import Outcome
from .._core.result import secrets_of as options_secrets
from .._delve import dlv_service
from .._delve.tls import dlv_tls, dlv_tls_client
from .._environment import go_env
from .._gopls import gopls_service
from .._host import ca_trust, kernel_parameters
from .._host.lock import find_holder, lock_file
from .._toolchain import go_toolchain
from .._tools import go_tool

# The modules that roles use to change a host, by name. Each has ARGUMENT_SPEC and converge.
MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        ca_trust,
        dlv_service,
        dlv_tls,
        dlv_tls_client,
        go_bundle_unpack,
        go_env,
        go_tool,
        go_toolchain,
        gopls_service,
        kernel_parameters,
    )
}


@dataclasses.dataclass
class RolePlan:
    """What one role would change: ``reasons`` are paths and other names of what differs, without any content."""

    role: str
    reasons: list[str] = dataclasses.field(default_factory=list)
    errors: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def plan_role(role: str, tasks: t.Sequence[t.Mapping[str, t.Any]]) -> RolePlan:
    """Plan the ``tasks`` of a role, each with the name of its ``module`` and its ``args``."""
    plan = RolePlan(role)
    for task in tasks:
        name = task["module"]
        try:
            outcome = plan_task(name, task["args"])
        except DevserverError as error:
            plan.errors.append(dict(error.result(), role=role, module=name))
            continue
        plan.warnings += [*outcome.warnings, *_describe_lock(task["args"].get("root", ""))]
        plan.reasons += _reasons(name, outcome)
    return plan


def _describe_lock(root: str) -> list[str]:
    """Return that another run changes the directory of a module, for which the module would wait in silence."""
    holder = find_holder(lock_file(root)) if root else ""
    return [f"another run holds the lock of {root}: {holder}. This run waits for it to end."] if holder else []


def plan_task(name: str, args: t.Mapping[str, t.Any]) -> Outcome:
    """Return what a module would change on this host. Raises DevserverError for invalid options."""
    module = MODULES[name]
    validated = ArgumentSpecValidator(module.ARGUMENT_SPEC).validate(dict(args))
    if validated.error_messages:
        raise DevserverError(
            f"invalid options of {name}: {'; '.join(validated.error_messages)}",
            expected=f"options as 'ansible-doc gopherops.devserver.{name}' shows them",
            remedy="correct the variables of the role, or module_defaults, that set them",
        )
    outcome: Outcome = module.converge(validated.validated_parameters, check=True)
    return outcome


def join_messages(errors: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """Return the messages of errors, each on a line of its own; several roles may have the same one."""
    return "\n".join(dict.fromkeys(error["msg"] for error in errors))


def secrets_of(tasks: t.Sequence[t.Mapping[str, t.Any]]) -> set[str]:
    """Return the secrets in the tasks' options."""
    return set().union(*(options_secrets(MODULES[task["module"]].ARGUMENT_SPEC, task["args"]) for task in tasks))


def _reasons(module: str, outcome: Outcome) -> list[str]:
    # The role reports the failure itself, after it has done the rest.
    failure = [outcome.failure.problem] if outcome.failure else []
    if not outcome.result.get("changed"):
        return failure
    headers = [part["after_header"] for part in outcome.result.get("diff", [])]
    return [*(dict.fromkeys(headers) or [module]), *failure]
