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
# The common options of the modules dlv_tls and dlv_tls_client.
TLS_MODULE_SPEC: dict[str, t.Any] = {
    "services": {"type": "list", "elements": "dict", "default": [], "options": TLS_SERVICE_SPEC},
    "clients": {"type": "list", "elements": "str", "default": []},
    "revoked": {"type": "list", "elements": "str", "default": []},
    "minimum": {"type": "str", "choices": ["TLSv1.2", "TLSv1.3"], "default": "TLSv1.2"},
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,47}", re.ASCII)
_UNIT = re.compile(r"[A-Za-z0-9:_.\\-][A-Za-z0-9:_.@\\-]*\.service", re.ASCII)
_PACKAGE_DIR = re.compile(r"\.(?:/[^/]+)*/?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Flags of go build that this module sets: the output, and what dlv needs to read the program.
_RESERVED_FLAGS = re.compile(r"--?(o|C|gcflags|trimpath)(=.*)?", re.DOTALL)
_STRIPPING_FLAGS = re.compile(r"(^|[\s='\"])-[sw]([\s'\"]|$)")
# Whether an option is invalid, its name and value, the expected value, and the remedy.
_Validation = t.Tuple[t.Any, str, str, str, str]

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
    name, workspace = entry["name"], entry["workspace"] or ""
    if not _NAME.fullmatch(name):
        expected = "letters, digits, _, . and -, at most 48"
        raise _entry_error(repr(name), "name", name, expected, "use only these characters in name")
    account, limits = find_account(entry["user"]), _parse_limits(entry, limits)
    for invalid, *problem in _validations(entry, account, limits):
        if invalid:
            raise _entry_error(name, *problem)
    return DebugService(
        name,
        account,
        entry["mode"],
        parse_listen_address(entry["listen"], name),
        os.path.normpath(workspace) if workspace else "",
        os.path.normpath(os.path.join(workspace, entry["package"])) if workspace else "",
        entry["process_unit"] or "",
        entry["args"],
        {variable: str(value) for variable, value in entry["environment"].items()},
        entry["build_flags"],
        entry["continue"] and entry["mode"] != "test",
        entry["log"],
        limits,
        (entry["state"] or state) == "started",
        entry["launch_configuration"],
    )


def _parse_limits(entry: t.Mapping[str, t.Any], limits: ResourceLimits) -> ResourceLimits:
    option = f"memory of debug service {entry['name']}"
    memory = parse_size(entry["memory"], option) if entry["memory"] else limits.memory
    return ResourceLimits(memory, entry["tasks"] or limits.tasks, entry["cpu_weight"] or limits.cpu_weight)


def _validations(entry: t.Mapping[str, t.Any], account: Account, limits: ResourceLimits) -> t.Iterator[_Validation]:
    root = account.uid == 0 and not entry["allow_root"]
    yield root, "user", "root", "an unprivileged user", "set user to the developer, or set allow_root: true"
    yield from _source_validations(entry)
    yield from _program_validations(entry)
    least, size = f"at least {format_size(_MINIMUM_MEMORY)}", format_size(limits.memory)
    yield limits.memory < _MINIMUM_MEMORY, "memory", size, least, "set a larger limit, such as 2G"
    yield limits.tasks < 16, "tasks", str(limits.tasks), "16 or more", "set a larger limit, such as 512"
    weight = limits.cpu_weight
    yield not 1 <= weight <= 10000, "cpu_weight", str(weight), "1 to 10000", "set a weight in this range, such as 50"
    on_socket = entry["launch_configuration"] and entry["listen"].startswith(("/", "unix:"))
    remedy = "use a loopback address and a port, or remove launch_configuration"
    yield on_socket, "listen", entry["listen"], "a host and a port, because VS Code supports no sockets", remedy


def _source_validations(entry: t.Mapping[str, t.Any]) -> t.Iterator[_Validation]:
    path, package, unit = entry["workspace"] or "", entry["package"], entry["process_unit"] or ""
    attach = entry["mode"] == "attach"
    needed = path or not attach or entry["launch_configuration"]
    absolute = path.startswith("/") and ".." not in path.split("/") and not _CONTROL.search(path)
    yield needed and not absolute, "workspace", path, "an absolute directory without ..", "write the absolute path"
    inside = _PACKAGE_DIR.fullmatch(package) and not {"..", "..."} & set(package.split("/"))
    expected = "the directory of one package in the workspace, such as ./cmd/api"
    remedy = "write the path relative to the workspace, beginning with ./"
    yield not inside or _CONTROL.search(package), "package", package, expected, remedy
    remedy = "set process_unit" if attach else "remove process_unit, or set mode: attach"
    yield bool(unit) != attach, "process_unit", unit, "a unit in mode attach, and no unit in other modes", remedy
    other = _UNIT.fullmatch(unit) and unit != unit_name(entry["name"])
    remedy = "write the full name of the unit to debug"
    yield attach and not other, "process_unit", unit, "another unit, such as api.service", remedy


def _program_validations(entry: t.Mapping[str, t.Any]) -> t.Iterator[_Validation]:
    for variable, value in entry["environment"].items():
        expected, remedy = "names of letters, digits and underscores", "use only these characters in environment"
        yield not _VARIABLE.fullmatch(variable), "environment", variable, expected, remedy
        invalid = isinstance(value, bool) or not isinstance(value, (str, int)) or _CONTROL.search(str(value))
        # The value may be a secret: the message does not contain it.
        yield invalid, f"environment of {variable}", "***", "one line of text", "put the value in quotes, on one line"
    for flag in entry["build_flags"]:
        expected = "flags of go build except -o, -C, -gcflags, -trimpath"
        remedy = "remove this flag: the program is built without optimisation into a separate directory"
        yield not flag.startswith("-") or _RESERVED_FLAGS.fullmatch(flag), "build_flags", flag, expected, remedy
        strips = "ldflags" in flag and _STRIPPING_FLAGS.search(flag.partition("=")[2])
        remedy = "remove -s and -w: they strip the debug information"
        yield strips, "build_flags", flag, "linker flags without -s and -w", remedy
    for option in ("args", "build_flags"):
        for word in entry[option]:
            yield _CONTROL.search(word), option, word, "one line of text", "remove the control character"


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
