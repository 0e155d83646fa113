# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debug services as a play declares them, judged as a whole before anything is written."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.sizes import MIB, shown, size
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.listen_address import listen_from
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account, find_account

MODES = ("exec", "attach", "test")
STATES = ("started", "stopped")
# What dlv's --log-output knows in all versions from 1.20 on.
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
# What is to be known of a service by who puts TLS in front of it: nothing that is secret.
DOOR_SPEC = {name: SERVICE_SPEC[name] for name in ("name", "user", "listen", "workspace", "tls")}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,47}", re.ASCII)
_UNIT = re.compile(r"[A-Za-z0-9:_.\\-][A-Za-z0-9:_.@\\-]*\.service", re.ASCII)
_FOLDER = re.compile(r"\.(?:/[^/]+)*/?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Of go build: what says where the result goes, which is not the play's to say, and what dlv reads the program by.
_OWN_FLAGS = re.compile(r"--?(o|C|gcflags|trimpath)(=.*)?", re.DOTALL)
_STRIPS = re.compile(r"(^|[\s='\"])-[sw]([\s'\"]|$)")


# Bytes: dlv itself needs as much. What is less mostly lacks its unit.
_LEAST_MEMORY = 64 * MIB


class Limits(t.NamedTuple):
    """What the unit's cgroup may take: bytes of memory, processes and threads, a share of the CPUs."""

    memory: int
    tasks: int
    cpu_weight: int


class Service(t.NamedTuple):
    """One debug service.

    ``folder`` is the package's, in ``workspace``; ``process_unit`` the unit whose main process is attached to. With
    ``runs`` the program goes on before anybody connects. ``launch`` asks for a configuration in the workspace's
    ``launch.json``.
    """

    name: str
    account: Account
    mode: str
    listen: Address
    workspace: str
    folder: str
    process_unit: str
    args: t.Sequence[str]
    environment: t.Mapping[str, str]
    build_flags: t.Sequence[str]
    runs: bool
    log: t.Sequence[str]
    limits: Limits
    started: bool
    launch: bool

    @property
    def unit(self) -> str:
        return unit_of(self.name)

    @property
    def builds(self) -> bool:
        return self.mode != "attach"


def unit_of(name: str) -> str:
    """Return the unit of the debug service ``name``."""
    return f"dlv-{name}.service"


def services_from(entries: t.Sequence[t.Mapping[str, t.Any]], *, limits: Limits, state: str) -> list[Service]:
    """Return the services of ``entries``, which are SERVICE_SPEC's; ``limits`` and ``state`` are for who has none.

    Raises DevserverError for the first entry that cannot be, and for two that cannot be together.
    """
    services = [_service(entry, limits, state) for entry in entries]
    _refuse_doubles("have the name", [(service.name, service.name) for service in services])
    _refuse_doubles("listen on", [(service.name, str(service.listen)) for service in services])
    return services


def _service(entry: t.Mapping[str, t.Any], limits: Limits, state: str) -> Service:
    name = _matching(_NAME, entry["name"], "name", repr(entry["name"]), "letters, digits and any of _.-, at most 48")
    workspace = _workspace(name, entry)
    return Service(
        name,
        _account(name, entry),
        entry["mode"],
        listen_from(entry["listen"], name),
        workspace,
        os.path.normpath(os.path.join(workspace, _package(name, entry["package"]))) if workspace else "",
        _process_unit(name, entry),
        [_line(name, "args", word) for word in entry["args"]],
        _environment(name, entry["environment"]),
        _build_flags(name, entry["build_flags"]),
        entry["continue"] and entry["mode"] != "test",
        entry["log"],
        _limits(name, entry, limits),
        (entry["state"] or state) == "started",
        _launch(name, entry),
    )


def _account(name: str, entry: t.Mapping[str, t.Any]) -> Account:
    account = find_account(entry["user"])
    if account.uid == 0 and not entry["allow_root"]:
        raise _bad(name, "user", "root", "a user without privileges", "name the developer, or say allow_root: true")
    return account


def _workspace(name: str, entry: t.Mapping[str, t.Any]) -> str:
    path = entry["workspace"] or ""
    if not path and entry["mode"] == "attach" and not entry["launch_configuration"]:
        return ""
    if not path.startswith("/") or _CONTROL.search(path) or ".." in path.split("/"):
        raise _bad(name, "workspace", path, "an absolute folder without ..", "write the path from / on")
    return os.path.normpath(path)


def _package(name: str, package: str) -> str:
    inside = _FOLDER.fullmatch(package) and not {"..", "..."} & set(package.split("/"))
    if not inside or _CONTROL.search(package):
        expected = "the folder of one package in the workspace, such as ./cmd/api"
        raise _bad(name, "package", package, expected, "write it from the workspace on, beginning with ./")
    return package


def _process_unit(name: str, entry: t.Mapping[str, t.Any]) -> str:
    unit, attach = entry["process_unit"] or "", entry["mode"] == "attach"
    if bool(unit) != attach:
        raise _bad(name, "process_unit", unit, "a unit in mode attach, and none in the others", "correct the entry")
    if attach and (not _UNIT.fullmatch(unit) or unit == unit_of(name)):
        raise _bad(name, "process_unit", unit, "another unit, such as api.service", "correct the name")
    return unit


def _environment(name: str, given: t.Mapping[str, t.Any]) -> dict[str, str]:
    for variable, value in given.items():
        _matching(_VARIABLE, variable, "environment", name, "names of letters, digits and underscores")
        # The value may be a secret: it is not repeated.
        if isinstance(value, bool) or not isinstance(value, (str, int)) or _CONTROL.search(str(value)):
            raise _bad(name, f"environment of {variable}", "no line of text", "text", "put it in quotes")
    return {variable: str(value) for variable, value in given.items()}


def _build_flags(name: str, flags: t.Sequence[str]) -> list[str]:
    for flag in flags:
        if not flag.startswith("-") or _OWN_FLAGS.fullmatch(flag):
            remedy = "leave it out: the program is built without optimisation into a folder of its own"
            raise _bad(name, "build_flags", flag, "flags of go build, less -o, -C, -gcflags and -trimpath", remedy)
        if "ldflags" in flag and _STRIPS.search(flag.partition("=")[2]):
            raise _bad(name, "build_flags", flag, "no -s and no -w", "leave them out: they take what dlv reads")
    return [_line(name, "build_flags", flag) for flag in flags]


def _limits(name: str, entry: t.Mapping[str, t.Any], limits: Limits) -> Limits:
    memory = size(entry["memory"], f"memory of debug service {name}") if entry["memory"] else limits.memory
    tasks, weight = entry["tasks"] or limits.tasks, entry["cpu_weight"] or limits.cpu_weight
    if memory < _LEAST_MEMORY:
        raise _bad(name, "memory", shown(memory), f"at least {shown(_LEAST_MEMORY)}", "give it more, such as 2G")
    if tasks < 16 or not 1 <= weight <= 10000:
        raise _bad(name, "tasks and cpu_weight", f"{tasks}, {weight}", "16 or more, and 1 to 10000", "correct them")
    return Limits(memory, tasks, weight)


def _launch(name: str, entry: t.Mapping[str, t.Any]) -> bool:
    if entry["launch_configuration"] and entry["listen"].startswith(("/", "unix:")):
        remedy = "let the service listen on the loopback, or leave launch_configuration out"
        raise _bad(name, "listen", entry["listen"], "a host and a port, which is all that VS Code can reach", remedy)
    return bool(entry["launch_configuration"])


def _line(name: str, option: str, text: str) -> str:
    if _CONTROL.search(text):
        raise _bad(name, option, text, "one line of text", "take the control character out")
    return text


def _matching(pattern: re.Pattern[str], text: str, option: str, name: str, expected: str) -> str:
    if not pattern.fullmatch(text):
        raise _bad(name, option, text, expected, f"correct {option}")
    return text


def _bad(name: str, option: str, given: str, expected: str, remedy: str) -> DevserverError:
    return DevserverError(
        f"debug service {name}: {option} is {given!r}", expected=expected, remedy=remedy, service=name
    )


def _refuse_doubles(what: str, claims: t.Sequence[tuple[str, str]]) -> None:
    for number, (name, claimed) in enumerate(claims):
        other = next((one for one, same in claims[:number] if same == claimed), None)
        if other is not None:
            raise DevserverError(
                f"debug services {other} and {name} both {what} {claimed}",
                expected="each its own",
                remedy="change one of them",
                service=name,
            )
