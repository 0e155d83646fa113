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
from .._host.accounts import Account, find_account
from .listen_address import parse_listen_address

MODES = ("exec", "attach", "test")
STATES = ("started", "stopped")
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
    "tls": {"type": "dict", "options": TLS_SPEC},
}
# The options of a service that its TLS server needs. None of them is secret.
TLS_SERVICE_SPEC = {name: SERVICE_SPEC[name] for name in ("name", "user", "listen", "workspace", "tls")}

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


class ResourceLimits(t.NamedTuple):
    """The limits of a unit's cgroup: bytes of memory, the number of processes and threads, and the CPU weight."""

    memory: int
    tasks: int
    cpu_weight: int


class DebugService(t.NamedTuple):
    """One debug service.

    ``package_dir`` is the directory of the package in ``workspace``. dlv attaches to the main process of
    ``process_unit``. With ``continues`` the program runs before a client attaches. With ``launch`` the workspace's
    ``launch.json`` gets a configuration.
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
    """Return the services of ``entries``, which have the options of SERVICE_SPEC.

    ``limits`` and ``state`` are the defaults of the entries. Raises DevserverError for the first invalid entry, and for
    two entries that conflict.
    """
    services = [_parse_service(entry, limits, state) for entry in entries]
    _reject_duplicates("name", [(service.name, service.name) for service in services])
    _reject_duplicates("listen address", [(service.name, str(service.listen)) for service in services])
    return services


def _parse_service(entry: t.Mapping[str, t.Any], limits: ResourceLimits, state: str) -> DebugService:
    name = _validate_pattern(
        _NAME, entry["name"], "name", repr(entry["name"]), "letters, digits, _, . and -, at most 48"
    )
    workspace = _validate_workspace(name, entry)
    return DebugService(
        name,
        _find_service_account(name, entry),
        entry["mode"],
        parse_listen_address(entry["listen"], name),
        workspace,
        os.path.normpath(os.path.join(workspace, _validate_package(name, entry["package"]))) if workspace else "",
        _validate_process_unit(name, entry),
        [_validate_line(name, "args", word) for word in entry["args"]],
        _validate_environment(name, entry["environment"]),
        _validate_build_flags(name, entry["build_flags"]),
        entry["continue"] and entry["mode"] != "test",
        entry["log"],
        _parse_limits(name, entry, limits),
        (entry["state"] or state) == "started",
        _validate_launch_configuration(name, entry),
    )


def _find_service_account(name: str, entry: t.Mapping[str, t.Any]) -> Account:
    account = find_account(entry["user"])
    if account.uid == 0 and not entry["allow_root"]:
        raise _entry_error(
            name, "user", "root", "an unprivileged user", "set user to the developer, or set allow_root: true"
        )
    return account


def _validate_workspace(name: str, entry: t.Mapping[str, t.Any]) -> str:
    path = entry["workspace"] or ""
    if not path and entry["mode"] == "attach" and not entry["launch_configuration"]:
        return ""
    if not path.startswith("/") or _CONTROL.search(path) or ".." in path.split("/"):
        raise _entry_error(name, "workspace", path, "an absolute directory without ..", "write the absolute path")
    return os.path.normpath(path)


def _validate_package(name: str, package: str) -> str:
    inside = _PACKAGE_DIR.fullmatch(package) and not {"..", "..."} & set(package.split("/"))
    if not inside or _CONTROL.search(package):
        expected = "the directory of one package in the workspace, such as ./cmd/api"
        raise _entry_error(
            name, "package", package, expected, "write the path relative to the workspace, beginning with ./"
        )
    return package


def _validate_process_unit(name: str, entry: t.Mapping[str, t.Any]) -> str:
    unit, attach = entry["process_unit"] or "", entry["mode"] == "attach"
    if bool(unit) != attach:
        remedy = "set process_unit" if attach else "remove process_unit, or set mode: attach"
        raise _entry_error(name, "process_unit", unit, "a unit in mode attach, and no unit in other modes", remedy)
    if attach and (not _UNIT.fullmatch(unit) or unit == unit_name(name)):
        raise _entry_error(
            name, "process_unit", unit, "another unit, such as api.service", "write the full name of the unit to debug"
        )
    return unit


def _validate_environment(name: str, variables: t.Mapping[str, t.Any]) -> dict[str, str]:
    for variable, value in variables.items():
        _validate_pattern(_VARIABLE, variable, "environment", name, "names of letters, digits and underscores")
        # The value may be a secret: the message does not contain it.
        if isinstance(value, bool) or not isinstance(value, (str, int)) or _CONTROL.search(str(value)):
            raise _entry_error(
                name,
                f"environment of {variable}",
                "***",
                "one line of text",
                "put the value in quotes, on one line",
            )
    return {variable: str(value) for variable, value in variables.items()}


def _validate_build_flags(name: str, flags: t.Sequence[str]) -> list[str]:
    for flag in flags:
        if not flag.startswith("-") or _RESERVED_FLAGS.fullmatch(flag):
            remedy = "remove this flag: the program is built without optimisation into a separate directory"
            raise _entry_error(
                name, "build_flags", flag, "flags of go build except -o, -C, -gcflags, -trimpath", remedy
            )
        if "ldflags" in flag and _STRIPPING_FLAGS.search(flag.partition("=")[2]):
            raise _entry_error(
                name,
                "build_flags",
                flag,
                "linker flags without -s and -w",
                "remove -s and -w: they strip the debug information",
            )
    return [_validate_line(name, "build_flags", flag) for flag in flags]


def _parse_limits(name: str, entry: t.Mapping[str, t.Any], limits: ResourceLimits) -> ResourceLimits:
    memory = parse_size(entry["memory"], f"memory of debug service {name}") if entry["memory"] else limits.memory
    tasks, weight = entry["tasks"] or limits.tasks, entry["cpu_weight"] or limits.cpu_weight
    if memory < _MINIMUM_MEMORY:
        minimum = f"at least {format_size(_MINIMUM_MEMORY)}"
        raise _entry_error(name, "memory", format_size(memory), minimum, "set a larger limit, such as 2G")
    if tasks < 16:
        raise _entry_error(name, "tasks", str(tasks), "16 or more", "set a larger limit, such as 512")
    if not 1 <= weight <= 10000:
        raise _entry_error(name, "cpu_weight", str(weight), "1 to 10000", "set a weight in this range, such as 50")
    return ResourceLimits(memory, tasks, weight)


def _validate_launch_configuration(name: str, entry: t.Mapping[str, t.Any]) -> bool:
    if entry["launch_configuration"] and entry["listen"].startswith(("/", "unix:")):
        remedy = "use a loopback address and a port, or remove launch_configuration"
        raise _entry_error(
            name, "listen", entry["listen"], "a host and a port, because VS Code supports no sockets", remedy
        )
    return bool(entry["launch_configuration"])


def _validate_line(name: str, option: str, text: str) -> str:
    if _CONTROL.search(text):
        raise _entry_error(name, option, text, "one line of text", "remove the control character")
    return text


def _validate_pattern(pattern: re.Pattern[str], text: str, option: str, name: str, expected: str) -> str:
    if not pattern.fullmatch(text):
        raise _entry_error(name, option, text, expected, f"use only these characters in {option}")
    return text


def _entry_error(name: str, option: str, value: str, expected: str, remedy: str) -> DevserverError:
    return DevserverError(
        f"debug service {name}: {option} is {value!r}", expected=expected, remedy=remedy, service=name
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
