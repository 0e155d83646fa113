# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters: written to a file that systemd applies at each boot, and set at once if the kernel allows it."""

from __future__ import annotations

import os
import re
import typing as t

from .._core.errors import DevserverError
from .._core.managed_header import managed_header
from .._core.result import Outcome
from .files import Changes, read_text
from .managed_files import ManagedFile, plan_edits, write_all

_HEADER = managed_header("kernel_parameters")
_ROOT = "/proc/sys"
ARGUMENT_SPEC: dict[str, t.Any] = {
    "parameters": {"type": "dict", "default": {}},
    "path": {"type": "path", "required": True},
    "exclusive": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}

# The kernel allocates as many bytes as a reader requests.
_LARGEST = 4096
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-zA-Z0-9_-]+)+", re.ASCII)
_VALUE = re.compile(r"[!-~]+( [!-~]+)*")
# The lines of a parameter in the file; the first one is the value before the first run, which a removal restores.
_ENTRY = re.compile(r"^(?:# Before: (?P<before>.*)\n)?#.*\n-(?P<name>\S+) = (?P<value>.*)$", re.MULTILINE)
# Why debugging needs a parameter; the managed file contains these texts as comments.
REASONS = {
    "kernel.yama.ptrace_scope": (
        "With 1 only its ancestors can debug a process, so that dlv cannot attach to a running process; with 0"
        " each user can debug all own processes."
    ),
    "net.ipv4.tcp_syn_retries": (
        "A connection to a host that does not respond, such as a debug port behind a firewall, fails after about 127"
        " seconds with 6, the default, and after 15 with 3. This applies to all connections that this host opens."
    ),
    "kernel.core_pattern": "Where the kernel writes core files, which dlv can open after a crash.",
}


class Skipped(t.NamedTuple):
    """A parameter that could not be set at once, and the reason."""

    name: str
    reason: str


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Set parameters of the kernel now and at each boot; with ``check`` only plan it."""
    listed = params["parameters"]
    exclusive = params["exclusive"] or params["state"] == "absent"
    present = {name: value for name, value in listed.items() if value is not None and params["state"] == "present"}
    changes, skipped = apply(
        parameters_from(present), params["path"], lambda name: exclusive or name in listed, check=check
    )
    warnings = [f"kernel parameter {parameter.name} is not set: {parameter.reason}" for parameter in skipped]
    return Outcome({"skipped_parameters": [parameter._asdict() for parameter in skipped], **changes.result()}, warnings)


def parameters_from(options: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return parameters by name; raise DevserverError for an invalid name, or a value that is not one line."""
    parameters = {name: str(int(value)) if isinstance(value, bool) else str(value) for name, value in options.items()}
    for name, value in parameters.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise DevserverError(
                f"kernel parameter {name!r} is {value!r}",
                expected="a name such as net.ipv4.tcp_syn_retries, and a number or words",
                remedy="correct it as `sysctl --all` writes it",
            )
    return parameters


class _Entry(t.NamedTuple):
    """A parameter in the file: its value, and the value that it had before, if that is known."""

    value: str
    before: str | None


def apply(
    parameters: t.Mapping[str, str], path: str, is_removed: t.Callable[[str], bool], *, check: bool
) -> tuple[Changes, list[Skipped]]:
    """Write the file, or remove it without parameters, set the values that differ; return the changes and skips.

    Others in the file stay, unless their name ``is_removed``: then their previous value is restored, if nobody else has
    changed it. In the file each name has a dash, so that systemd ignores a parameter that the kernel does not have.
    """
    recorded = _read_entries(read_text(path) or "")
    removed = {name: entry for name, entry in recorded.items() if name not in parameters and is_removed(name)}
    entries = {name: entry for name, entry in recorded.items() if name not in removed}
    for name, value in parameters.items():
        entries[name] = _Entry(value, entries[name].before if name in entries else _present(name))
    edits = plan_edits([ManagedFile(path, lambda now: _content(entries, now), mode=0o644)])
    changes, skipped = Changes(), []
    for edit in edits:
        edit.add_to(changes)
    # A killed run restores the values again, because the file still has them.
    for name, entry in removed.items():
        _restore(name, entry, changes, check=check)
    if not check:
        write_all(edits)
    for name, value in parameters.items():
        before = _present(name)
        if before == _words(value):
            continue
        reason = _find_obstacle(name) or ("" if check else _set(name, value))
        if reason:
            skipped.append(Skipped(name, reason))
        else:
            changes.add(name, f"{before}\n", f"{value}\n")
    return changes, skipped


def _read_entries(text: str) -> dict[str, _Entry]:
    if not text.startswith(_HEADER):
        return {}
    return {match["name"]: _Entry(match["value"], match["before"]) for match in _ENTRY.finditer(text)}


def _restore(name: str, entry: _Entry, changes: Changes, *, check: bool) -> None:
    present = _present(name)
    if entry.before is None or present == entry.before or present != _words(entry.value) or _find_obstacle(name):
        return
    changes.add(name, f"{present}\n", f"{entry.before}\n")
    if not check:
        _set(name, entry.before)


def _content(entries: t.Mapping[str, _Entry], now: str | None) -> str | None:
    if not entries:
        # Only a file of this module is removed.
        return now if now is not None and not now.startswith(_HEADER) else None
    return _HEADER + "".join(f"\n{_lines(name, entry)}\n" for name, entry in entries.items())


def _lines(name: str, entry: _Entry) -> str:
    before = "" if entry.before is None else f"# Before: {entry.before}\n"
    return f"{before}# {REASONS.get(name, 'Declared by the play.')}\n-{name} = {entry.value}"


def _file(name: str) -> str:
    return os.path.join(_ROOT, *name.split("."))


def _present(name: str) -> str | None:
    text = read_text(_file(name), largest=_LARGEST)
    return None if text is None else _words(text)


def _words(text: str) -> str:
    return " ".join(text.split())


def _find_obstacle(name: str) -> str:
    """Return why a parameter cannot be set on this host; empty if it probably can."""
    path = _file(name)
    if not os.path.exists(path):
        return "this kernel does not have it"
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "/proc/sys is read-only here, as in a container: set it on the container's host"
    return ""


def _set(name: str, value: str) -> str:
    """Set a parameter and return the error of the kernel; empty for none."""
    try:
        with open(_file(name), "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        return f"the kernel rejected the value: {error.strerror}"
    return ""
