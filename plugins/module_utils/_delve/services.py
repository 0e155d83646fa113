# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The debug services that a play declares, validated as a whole before anything is written."""

from __future__ import annotations

import os
import re
import typing as t

from .._core.addresses import Address
from .._core.errors import DevserverError
from .._core.sizes import MIB, format_size, parse_size
from .._host.accounts import Account, find_account, reject_number
from .listen_address import parse_listen_address

MODES = ("exec", "attach", "test")
STATES = ("started", "stopped", "absent")
# The values of dlv's --log-output in all versions from 1.20 on.
LOGS = ("debugger", "rpc", "dap", "fncall", "minidump", "debuglineerr")

TLS_SPEC: dict[str, t.Any] = {
    "listen": {"type": "str", "required": True},
    "clients": {"type": "list", "elements": "str"},
    "client_port": {"type": "int"},
}
SERVICE_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "user": {"type": "str", "required": True},
    "mode": {"type": "str", "choices": MODES, "default": "exec"},
    "listen": {"type": "str", "required": True},
    "workspace": {"type": "str"},
    "package": {"type": "str", "default": "."},
    "process_unit": {"type": "str"},
    "args": {"type": "list", "elements": "str", "default": []},
    "environment": {"type": "dict", "default": {}, "no_log": True},
    "build_flags": {"type": "list", "elements": "str", "default": []},
    "continue": {"type": "bool", "default": True},
    "log": {"type": "list", "elements": "str", "choices": LOGS, "default": []},
    "memory": {"type": "str"},
    "tasks": {"type": "int"},
    "cpu_weight": {"type": "int"},
    "state": {"type": "str", "choices": STATES},
    "launch_configuration": {"type": "bool", "default": False},
    "allow_root": {"type": "bool", "default": False},
    "allow_shared_workspace": {"type": "bool", "default": False},
    "tls": {"type": "dict", "options": TLS_SPEC},
}
# The options of a service that its TLS server needs. None of them is secret.
TLS_SERVICE_SPEC = {name: SERVICE_SPEC[name] for name in ("name", "user", "listen", "workspace", "tls", "state")}
# The common options of the modules dlv_tls and dlv_tls_client.
TLS_MODULE_SPEC: dict[str, t.Any] = {
    "services": {"type": "list", "elements": "dict", "default": [], "options": TLS_SERVICE_SPEC},
    "clients": {"type": "list", "elements": "str", "default": []},
    "revoked": {"type": "list", "elements": "str", "default": []},
    "minimum": {"type": "str", "choices": ["TLSv1.2", "TLSv1.3"], "default": "TLSv1.2"},
    "exclusive": {"type": "bool", "default": False},
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,47}", re.ASCII)
_UNIT = re.compile(r"[A-Za-z0-9:_.\\-][A-Za-z0-9:_.@\\-]*\.service", re.ASCII)
_PACKAGE_DIR = re.compile(r"\.(?:/[^/]+)*/?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Flags of go build that this module sets: the output, and what dlv needs to read the program.
_RESERVED_FLAGS = re.compile(r"--?(o|C|gcflags|trimpath)(=.*)?", re.DOTALL)
_STRIPPING_FLAGS = re.compile(r"(^|[\s='\"])-[sw]([\s'\"]|$)")
# Bytes: dlv itself needs as much. A smaller number usually lacks its unit.
_MINIMUM_MEMORY = 64 * MIB

# The variables of the default limits, as messages name them.
_DEFAULTS = {
    "memory": "debugger_services_memory (memory)",
    "tasks": "debugger_services_tasks (tasks)",
    "cpu_weight": "debugger_services_cpu_weight (cpu_weight)",
}


class ResourceLimits(t.NamedTuple):
    """The limits of a unit's cgroup: bytes of memory, the number of processes and threads, and the CPU weight."""

    memory: int
    tasks: int
    cpu_weight: int


class _Problem(t.NamedTuple):
    """An invalid ``option`` and its ``value``."""

    option: str
    value: str
    expected: str
    remedy: str


class DebugService(t.NamedTuple):
    """One debug service.

    ``package_dir`` is the directory of the package in ``workspace``. dlv attaches to the main process of
    ``process_unit``. With ``continues`` the program runs before a client attaches. With ``launch`` the workspace's
    ``launch.json`` gets a configuration. ``real_workspace`` has no symbolic links; it is empty before a plan.
    """

    name: str
    account: Account
    mode: str
    listen: Address
    workspace: str
    package_dir: str
    process_unit: str
    args: t.Sequence[str]
    environment: t.Mapping[str, str]
    build_flags: t.Sequence[str]
    continues: bool
    log: t.Sequence[str]
    limits: ResourceLimits
    started: bool
    launch: bool
    allow_shared_workspace: bool
    real_workspace: str = ""

    @property
    def unit(self) -> str:
        return unit_name(self.name)

    @property
    def builds(self) -> bool:
        return self.mode != "attach"


def unit_name(name: str) -> str:
    """Return the name of the unit of the debug service ``name``."""
    return f"dlv-{name}.service"


def parse_services(
    entries: t.Sequence[t.Mapping[str, t.Any]], *, limits: ResourceLimits, state: str
) -> list[DebugService]:
    """Return the services of ``entries``, which have the options of SERVICE_SPEC, without those that are absent.

    ``limits`` and ``state`` are the defaults of the entries. Raises DevserverError for the first invalid entry, and for
    two entries that conflict.
    """
    for problem in _find_limit_problems(limits):
        raise DevserverError(
            f"{_DEFAULTS[problem.option]} is {problem.value!r}",
            expected=problem.expected,
            remedy=problem.remedy,
        )
    present = [entry for entry in entries if (entry["state"] or state) != "absent"]
    services = [_parse_service(entry, limits, state) for entry in present]
    _reject_duplicates("name", [(service.name, service.name) for service in services])
    _reject_duplicates("listen address", [(service.name, str(service.listen)) for service in services])
    return services


def _parse_service(entry: t.Mapping[str, t.Any], limits: ResourceLimits, state: str) -> DebugService:
    name = entry["name"]
    if not _NAME.fullmatch(name):
        expected = "letters, digits, _, . and -, at most 48"
        raise _entry_error(repr(name), _Problem("name", name, expected, "use only these characters in name"))
    reject_number(entry["user"])
    account = find_account(entry["user"])
    limits = _parse_limits(entry, limits)
    for problem in _find_problems(entry, account, limits):
        raise _entry_error(name, problem)
    workspace = entry["workspace"] or ""
    return DebugService(
        name=name,
        account=account,
        mode=entry["mode"],
        listen=parse_listen_address(entry["listen"], name),
        workspace=os.path.normpath(workspace) if workspace else "",
        package_dir=os.path.normpath(os.path.join(workspace, entry["package"])) if workspace else "",
        process_unit=entry["process_unit"] or "",
        args=entry["args"],
        environment={variable: str(value) for variable, value in entry["environment"].items()},
        build_flags=entry["build_flags"],
        continues=entry["continue"] and entry["mode"] != "test",
        log=entry["log"],
        limits=limits,
        started=(entry["state"] or state) == "started",
        launch=entry["launch_configuration"],
        allow_shared_workspace=entry["allow_shared_workspace"],
    )


def _parse_limits(entry: t.Mapping[str, t.Any], limits: ResourceLimits) -> ResourceLimits:
    option = f"memory of debug service {entry['name']}"
    memory = parse_size(entry["memory"], option) if entry["memory"] else limits.memory
    return ResourceLimits(memory, entry["tasks"] or limits.tasks, entry["cpu_weight"] or limits.cpu_weight)


def _find_problems(entry: t.Mapping[str, t.Any], account: Account, limits: ResourceLimits) -> t.Iterator[_Problem]:
    if account.uid == 0 and not entry["allow_root"]:
        yield _Problem("user", "root", "an unprivileged user", "set user to the developer, or set allow_root: true")
    yield from _find_source_problems(entry)
    yield from _find_program_problems(entry)
    yield from _find_limit_problems(limits)
    if entry["launch_configuration"] and entry["listen"].startswith(("/", "unix:")):
        expected = "a host and a port, because VS Code supports no sockets"
        remedy = "use a loopback address and a port, or remove launch_configuration"
        yield _Problem("listen", entry["listen"], expected, remedy)


def _find_source_problems(entry: t.Mapping[str, t.Any]) -> t.Iterator[_Problem]:
    path, attach = entry["workspace"] or "", entry["mode"] == "attach"
    needs_workspace = path or not attach or entry["launch_configuration"]
    if needs_workspace and (not path.startswith("/") or ".." in path.split("/") or _CONTROL.search(path)):
        yield _Problem("workspace", path, "an absolute directory without ..", "write the absolute path")
    package = entry["package"]
    inside = _PACKAGE_DIR.fullmatch(package) and not {"..", "..."} & set(package.split("/"))
    if not inside or _CONTROL.search(package):
        expected = "the directory of one package in the workspace, such as ./cmd/api"
        yield _Problem("package", package, expected, "write the path relative to the workspace, beginning with ./")
    unit = entry["process_unit"] or ""
    if bool(unit) != attach:
        remedy = "set process_unit" if attach else "remove process_unit, or set mode: attach"
        yield _Problem("process_unit", unit, "a unit in mode attach, and no unit in other modes", remedy)
    if attach and (not _UNIT.fullmatch(unit) or unit == unit_name(entry["name"])):
        yield _Problem(
            "process_unit", unit, "another unit, such as api.service", "write the full name of the unit to debug"
        )


def _find_program_problems(entry: t.Mapping[str, t.Any]) -> t.Iterator[_Problem]:
    for variable, value in entry["environment"].items():
        if not _VARIABLE.fullmatch(variable):
            expected = "names of letters, digits and underscores"
            yield _Problem("environment", variable, expected, "use only these characters in environment")
        if isinstance(value, bool) or not isinstance(value, (str, int)) or _CONTROL.search(str(value)):
            # The value may be a secret: the message does not contain it.
            remedy = "put the value in quotes, on one line"
            yield _Problem(f"environment of {variable}", "***", "one line of text", remedy)
    for flag in entry["build_flags"]:
        if not flag.startswith("-") or _RESERVED_FLAGS.fullmatch(flag):
            expected = "flags of go build except -o, -C, -gcflags, -trimpath"
            remedy = "remove this flag: the program is built without optimisation into a separate directory"
            yield _Problem("build_flags", flag, expected, remedy)
        if "ldflags" in flag and _STRIPPING_FLAGS.search(flag.partition("=")[2]):
            remedy = "remove -s and -w: they strip the debug information"
            yield _Problem("build_flags", flag, "linker flags without -s and -w", remedy)
    for option in ("args", "build_flags"):
        for word in filter(_CONTROL.search, entry[option]):
            yield _Problem(option, word, "one line of text", "remove the control character")


def _find_limit_problems(limits: ResourceLimits) -> t.Iterator[_Problem]:
    if limits.memory < _MINIMUM_MEMORY:
        expected = f"at least {format_size(_MINIMUM_MEMORY)}"
        yield _Problem("memory", format_size(limits.memory), expected, "set a larger limit, such as 2G")
    if limits.tasks < 16:
        yield _Problem("tasks", str(limits.tasks), "16 or more", "set a larger limit, such as 512")
    if not 1 <= limits.cpu_weight <= 10000:
        remedy = "set a weight in this range, such as 50"
        yield _Problem("cpu_weight", str(limits.cpu_weight), "1 to 10000", remedy)


def _entry_error(name: str, problem: _Problem) -> DevserverError:
    return DevserverError(
        f"debug service {name}: {problem.option} is {problem.value!r}",
        expected=problem.expected,
        remedy=problem.remedy,
        service=name,
    )


def _reject_duplicates(option: str, values: t.Sequence[tuple[str, str]]) -> None:
    for number, (name, value) in enumerate(values):
        other = next((earlier for earlier, other_value in values[:number] if other_value == value), None)
        if other is not None:
            raise DevserverError(
                f"debug services {other} and {name} have the same {option} {value}",
                expected=f"a different {option} for each service",
                remedy=f"change the {option} of one of them",
                service=name,
            )
