# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module host_plan does: validate the options of all roles' tasks, and plan each with its own module."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean

from .._bundle import go_bundle_unpack
from .._core.errors import DevserverError
from .._core.result import Outcome
from .._core.result import secrets_of as options_secrets
from .._delve import dlv_service
from .._delve.tls import dlv_tls, dlv_tls_client
from .._editor import go_editor
from .._environment import go_env
from .._environment.declaration import pending_users
from .._gopls import gopls_service
from .._host import ca_trust, kernel_parameters
from .._host.accounts import find_known_account
from .._host.lock import find_holder, lock_file
from .._host.path_names import is_below
from .._remote_access import ssh_access
from .._toolchain import go_toolchain
from .._tools import go_tool
from .._workspace import go_workspace

# The modules that roles use to change a host, by name. Each has ARGUMENT_SPEC and converge.
MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        ca_trust,
        dlv_service,
        dlv_tls,
        dlv_tls_client,
        go_bundle_unpack,
        go_editor,
        go_env,
        go_tool,
        go_toolchain,
        go_workspace,
        gopls_service,
        kernel_parameters,
        ssh_access,
    )
}

# The directories that the collection fills and cleans, as option ``root`` of a module.
_ROOTS = {
    "go_toolchain": "devserver_toolchain_root (root)",
    "go_tool": "devserver_tools_root (root)",
    "go_bundle_unpack": "devserver_bundle_root (root)",
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


def without_pending(roles: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return ``roles`` without the services and tools of users whose account this run has yet to create.

    They are planned by the role itself, which runs after the one that creates the accounts.
    """
    entries = [user for role in roles for task in role["tasks"] for user in task["args"].get("users") or ()]
    users = [user for user in entries if isinstance(user, dict) and user.get("name")]
    pending = pending_users([dict(user, create=boolean(user.get("create", False), strict=False)) for user in users])
    return [
        dict(role, tasks=[dict(task, args=_args_without(task["args"], pending)) for task in role["tasks"]])
        for role in roles
    ]


def _args_without(args: t.Mapping[str, t.Any], users: t.Sequence[str]) -> dict[str, t.Any]:
    """Return options of a module without the entries of lists that are for ``users``."""

    def is_kept(entry: t.Any) -> bool:
        names = [entry.get("user"), *(entry.get("users") or ())] if isinstance(entry, dict) else []
        return not set(filter(None, names)) & set(users)

    return {
        name: list(filter(is_kept, value)) if isinstance(value, list) and users else value
        for name, value in args.items()
    }


def _describe_lock(root: str) -> list[str]:
    """Return that another run changes the directory of a module, for which the module would wait in silence."""
    holder = find_holder(lock_file(root)) if root else ""
    return [f"another run holds the lock of {root}: {holder}. This run waits for it to end."] if holder else []


def find_overlaps(roles: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return an error for each directory of the collection that contains another one, or a user's home, or is in it.

    ``roles`` have the tasks of plan_role, without errors.
    """
    present = [
        (role["role"], task["module"], task["args"])
        for role in roles
        for task in role["tasks"]
        if task["args"].get("state") != "absent"
    ]
    roots = {
        _ROOTS[name]: (role, name, args["root"]) for role, name, args in present if name in _ROOTS and args.get("root")
    }
    users = {user["name"] for _role, name, args in present if name == "go_env" for user in args.get("users") or ()}
    homes = {
        account.name: account.home
        for account in map(find_known_account, sorted(users))
        if account and account.home != "/"
    }
    errors = []
    for number, (option, (role, module, path)) in enumerate(roots.items()):
        others = {name: os.path.realpath(other[2]) for name, other in list(roots.items())[:number]}
        # By its name: a home may be on a file system that does not respond.
        others.update({f"the home directory of {user}": home for user, home in homes.items()})
        errors += [
            dict(_overlap_error(option, path, other, place).result(), role=role, module=module)
            for other, place in others.items()
            if _overlap(os.path.realpath(path), place)
        ]
    return errors


def _overlap_error(option: str, path: str, other: str, place: str) -> DevserverError:
    return DevserverError(
        f"{option} is {path}, and {other} is {place}: they overlap",
        expected="separate directories, because the collection removes from its own what it does not know",
        remedy=f"choose another path for {option}",
    )


def _overlap(path: str, other: str) -> bool:
    return path == other or is_below(path, other) or is_below(other, path)


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
