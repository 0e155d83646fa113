# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ssh_client_config does: the ssh configuration of one developer for all hosts, on the controller.

A directory has the configuration, the host keys, settings of VS Code, and the sockets of shared connections.
"""

from __future__ import annotations

import functools
import json
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._core.managed_header import managed_header
from .._core.result import Outcome
from .._host.files import Changes, split_lines
from .._host.managed_block import lines_of_block, with_block, without_block
from .._host.managed_files import ManagedFile, plan_edits, write_all
from .._host.removal import remove_empty_directories
from .authorized_keys import bare_key

ARGUMENT_SPEC: dict[str, t.Any] = {
    "directory": {"type": "path", "required": True},
    "user": {"type": "str", "default": ""},
    "hosts": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "default": ""},
            "port": {"type": "int", "default": 22},
            "jump": {"type": "str", "default": ""},
            "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "forwards": {"type": "list", "elements": "int", "default": []},
        },
    },
    "identity": {"type": "str", "default": "~/.ssh/id_ed25519"},
    "include": {"type": "bool", "default": False},
    "user_config": {"type": "path", "default": "~/.ssh/config"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}

# ssh would read blanks, quotes, wildcards and tokens otherwise.
_WORD = re.compile(r"[A-Za-z0-9_.:/~][A-Za-z0-9_.:@/~+-]*")
_FILES = ("config", "known_hosts", "settings.json")
_SOCKETS = "s"
# The name of a socket has 108 bytes: "%C" takes 40, what ssh adds meanwhile 17, and the end 1.
_LONGEST_DIRECTORY = 108 - len(f"/{_SOCKETS}/") - 40 - 17 - 1
_FIRST_PORT, _LAST_PORT = 1, 65535
_SHARED = """\
Host {names}
  User {user}
  IdentityFile {identity}
  IdentitiesOnly yes
  StrictHostKeyChecking yes
  UserKnownHostsFile {directory}/known_hosts
  UpdateHostKeys no
  ServerAliveInterval 15
  ServerAliveCountMax 4
  ControlMaster auto
  ControlPath {directory}/{sockets}/%C
  ControlPersist 10m
"""


def converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Write the files for all hosts, or remove them; with ``check`` only plan it."""
    directory, absent = params["directory"], params["state"] == "absent"
    if not absent:
        _validate(params)
    texts = dict.fromkeys(_FILES) if absent else {"config": _render_config(params), "settings.json": _settings(params)}
    files = [_file(os.path.join(directory, name), text) for name, text in texts.items()]
    if not absent:
        content = functools.partial(_render_known_hosts, params["hosts"])
        files.append(ManagedFile(os.path.join(directory, "known_hosts"), content, mode=0o600))
    files.append(_including_file(params["user_config"], directory, includes=params["include"] and not absent))
    changes = Changes()
    try:
        edits = plan_edits(files)
        for edit in edits:
            edit.add_to(changes)
        if not check:
            sockets = os.path.join(directory, _SOCKETS)
            for path in () if absent else (directory, sockets):
                os.makedirs(path, mode=0o700, exist_ok=True)
            write_all(edits)
            if absent:
                # A socket of a connection that is open keeps them.
                remove_empty_directories([sockets, directory])
    except OSError as error:
        raise DevserverError(
            f"cannot write the ssh configuration: {error}", remedy="make this path of the controller writable"
        ) from error
    warnings = [] if absent else list(filter(None, map(_describe_left_out, params["hosts"])))
    return Outcome({"config": os.path.join(directory, "config"), **changes.result()}, warnings)


def _validate(params: t.Mapping[str, t.Any]) -> None:
    words = {"directory": params["directory"], "user": params["user"], "identity": params["identity"]}
    for host in params["hosts"]:
        words.update({f"{key} of host {host['name']!r}": host[key] for key in ("name", "address") if host[key]})
        words.update({f"jump of host {host['name']!r}": word for word in filter(None, host["jump"].split(","))})
        for port in (host["port"], *host["forwards"]):
            if not _FIRST_PORT <= port <= _LAST_PORT:
                raise DevserverError(
                    f"a port of host {host['name']!r} is {port}",
                    expected=f"{_FIRST_PORT} to {_LAST_PORT}",
                    remedy="correct ansible_port, or the ports of forwards and debug services",
                )
    invalid = [f"{name} is {word!r}" for name, word in words.items() if not _WORD.fullmatch(word)]
    if invalid:
        raise DevserverError(
            f"ssh would misread these values: {'; '.join(invalid)}",
            expected="letters, digits, and . _ : @ / ~ + -, of which @ + - are not the first",
            remedy="correct them in the inventory",
        )
    if len(params["directory"]) > _LONGEST_DIRECTORY:
        raise DevserverError(
            f"the directory {params['directory']} is too long for the sockets of ssh in it",
            expected=f"at most {_LONGEST_DIRECTORY} characters",
            remedy="set remote_access_client_dir to a shorter path",
        )


def _file(path: str, text: str | None) -> ManagedFile:
    return ManagedFile(path, lambda _now: text, mode=0o600)


def _render_config(params: t.Mapping[str, t.Any]) -> str:
    names = [host["name"] for host in params["hosts"]]
    addresses = {host["address"]: host["name"] for host in params["hosts"]}
    taken: set[int] = set()
    parts = [managed_header("ssh_client_config")]
    for host in params["hosts"]:
        lines = [f"Host {host['name']}", f"  HostName {host['address'] or host['name']}", f"  Port {host['port']}"]
        # The keys are known by this name, and not by one of its addresses.
        lines.append(f"  HostKeyAlias {host['name']}")
        jumps = [_jump(word, names, addresses) for word in filter(None, host["jump"].split(","))]
        lines += [f"  ProxyJump {','.join(jumps)}"] if jumps else []
        for port in dict.fromkeys(host["forwards"]):
            local = next(number for number in range(port, _LAST_PORT + port) if number not in taken)
            taken.add(local)
            lines.append(f"  LocalForward 127.0.0.1:{local} 127.0.0.1:{port}")
        parts.append("\n".join(lines) + "\n")
    shared = {"user": params["user"], "identity": params["identity"], "directory": params["directory"]}
    parts += [_SHARED.format(names=" ".join(names), sockets=_SOCKETS, **shared)] if names else []
    return "\n".join(parts)


def _jump(word: str, names: t.Collection[str], addresses: t.Mapping[str, str]) -> str:
    """Return the name of a host of the inventory for a jump to it: its own entry has its user, key and known key."""
    host = re.sub(r":\d+$", "", word.rpartition("@")[2])
    return host if host in names else addresses.get(host, word)


def _render_known_hosts(hosts: t.Sequence[t.Mapping[str, t.Any]], now: str | None) -> str:
    """Return the keys of all hosts; a host whose keys were not read keeps those of earlier runs."""
    earlier = [line for line in split_lines(now or "") if not line.startswith("#")]
    lines = []
    for host in hosts:
        keys = sorted(set(filter(None, map(bare_key, host["keys"]))))
        lines += [f"{host['name']} {key}" for key in keys]
        lines += [] if keys else [line for line in earlier if line.split(" ")[0] == host["name"]]
    return managed_header("ssh_client_config") + "".join(f"{line}\n" for line in lines)


def _describe_left_out(host: t.Mapping[str, t.Any]) -> str:
    left_out = [line for line in host["keys"] if line.strip() and not bare_key(line)]
    return (
        f"{len(left_out)} of the keys of host {host['name']} are left out, because they are no public keys without"
        " options. To fix this: correct /etc/ssh/ssh_host_*_key.pub on the host"
        if left_out
        else ""
    )


def _settings(params: t.Mapping[str, t.Any]) -> str:
    """Return settings of VS Code's Remote-SSH to copy into the user's own ones."""
    included = {} if params["include"] else {"remote.SSH.configFile": os.path.join(params["directory"], "config")}
    settings = {
        **included,
        "remote.SSH.connectTimeout": 60,
        "remote.SSH.maxReconnectionAttempts": 8,
        "remote.SSH.remotePlatform": {host["name"]: "linux" for host in params["hosts"]},
    }
    return json.dumps(settings, indent=2) + "\n"


def _including_file(path: str, directory: str, *, includes: bool) -> ManagedFile:
    """Return the user's own file, with or without the line that includes the configuration in ``directory``."""
    line = f"Include {os.path.join(directory, 'config')}"

    def content(now: str | None) -> str | None:
        present = lines_of_block(now or "", path=path)
        expected = [other for other in present if other != line] + ([line] if includes else [])
        if sorted(expected) == sorted(present):
            return now
        if expected:
            # First: in the block of a host it would apply to that host alone.
            return with_block(now or "", "\n".join(expected), path=path, first=True)
        return without_block(now or "", path=path) or None

    return ManagedFile(path, content, whole=False, mode=0o600)
