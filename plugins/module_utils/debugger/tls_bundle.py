# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client is given, on the controller: a folder to carry to an editor's machine, or into a job of CI."""

from __future__ import annotations

import glob
import json
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils.debugger.doors import Door
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils.files import Changes, read_text, write_text

_SECRET = "client.key"
_CERTIFICATES = ("ca.crt", "client.crt", _SECRET)
_OF_HOSTS = ("stunnel-*.conf", "launch-*.json")


class Server(t.NamedTuple):
    """A host as its clients see it: its inventory ``name``, the ``address`` they go to, its doors and oldest TLS."""

    name: str
    address: str
    doors: t.Sequence[Door]
    minimum: str


def deliver(
    server: Server, clients: t.Sequence[str], revoked: t.Sequence[str], *, source: str, folder: str, check: bool
) -> Changes:
    """Write the bundle of each client into ``folder``, a folder each, and remove those of who is revoked.

    ``source`` is the authority's folder: ``ca.crt``, and of each client ``clients/NAME.crt`` and ``clients/NAME.key``.
    """
    changes = Changes()
    for client in sorted({*clients} - {*revoked}):
        _fill(os.path.join(folder, client), _bundle(server, client, source, check), server, changes, check)
    for client in sorted({*revoked}):
        _empty(os.path.join(folder, client), changes, check)
    return changes


def _bundle(server: Server, client: str, source: str, check: bool) -> dict[str, str]:
    """Return the text of each file by its name."""
    doors = [door for door in server.doors if client in door.clients]
    files = {
        "ca.crt": _text(os.path.join(source, "ca.crt"), check),
        "client.crt": _text(os.path.join(source, "clients", client + ".crt"), check),
        _SECRET: _text(os.path.join(source, "clients", client + ".key"), check),
    }
    if doors:
        files[f"stunnel-{server.name}.conf"] = tunnel(server, doors)
        files[f"launch-{server.name}.json"] = launch(server, doors)
    return files


def tunnel(server: Server, doors: t.Sequence[Door]) -> str:
    """Return the configuration of a client's stunnel, which finds the certificates in the folder it is started in."""
    check = "checkIP" if Address(server.address).ip else "checkHost"
    head = f"""\
; Debug services of {server.name}. In this folder: stunnel stunnel-{server.name}.conf
; (Take out the next two lines on Windows.)
foreground = yes
pid =
client = yes
sslVersionMin = {server.minimum}
CAfile = ca.crt
cert = client.crt
key = client.key
verifyChain = yes
{check} = {server.address}
TIMEOUTclose = 0
"""
    return head + "".join(
        f"""
[{door.name}]
accept = 127.0.0.1:{door.local_port}
connect = {server.address}:{door.address.port}
"""
        for door in doors
    )


def launch(server: Server, doors: t.Sequence[Door]) -> str:
    """Return configurations for the ``launch.json`` of a workspace whose sources lie where the editor is."""
    return json.dumps({"configurations": [_attach(server, door) for door in doors]}, indent=2) + "\n"


def _attach(server: Server, door: Door) -> dict[str, t.Any]:
    entry: dict[str, t.Any] = {
        "name": f"{door.name} on {server.name}",
        "type": "go",
        "request": "attach",
        "mode": "remote",
        "debugAdapter": "dlv-dap",
        "host": "127.0.0.1",
        "port": door.local_port,
    }
    if door.workspace:
        entry["substitutePath"] = [{"from": "${workspaceFolder}", "to": door.workspace}]
    return entry


def _text(path: str, check: bool) -> str:
    text = read_text(path)
    if text is None and not check:
        raise DevserverError(
            f"{path} is missing",
            expected="what was made by the role debugger before",
            remedy="run the role as a whole",
            path=path,
        )
    return text or "still to be made\n"


def _fill(folder: str, files: t.Mapping[str, str], server: Server, changes: Changes, check: bool) -> None:
    stale = [name for name in (f"stunnel-{server.name}.conf", f"launch-{server.name}.json") if name not in files]
    for name in stale:
        _unlink(os.path.join(folder, name), changes, check)
    for name, text in files.items():
        path = os.path.join(folder, name)
        if read_text(path) != text:
            _note(changes, path, read_text(path), text)
            if not check:
                os.makedirs(folder, mode=0o700, exist_ok=True)
                mode = 0o600 if name == _SECRET else 0o644
                write_text(path, text, mode=mode, uid=os.geteuid(), gid=os.getegid(), keep=False)


def _empty(folder: str, changes: Changes, check: bool) -> None:
    """Remove a bundle, and its folder where nothing of somebody else's lies there."""
    patterns = [os.path.join(glob.escape(folder), name) for name in (*_CERTIFICATES, *_OF_HOSTS)]
    found = sorted(path for pattern in patterns for path in glob.glob(pattern))
    for path in found:
        _unlink(path, changes, check)
    if found and not check and not os.listdir(folder):
        os.rmdir(folder)


def _unlink(path: str, changes: Changes, check: bool) -> None:
    if os.path.lexists(path):
        _note(changes, path, "present\n", "")
        if not check:
            os.unlink(path)


def _note(changes: Changes, path: str, before: str | None, after: str) -> None:
    secret = path.endswith(_SECRET)
    earlier, now = ("an earlier private key\n", "a private key\n") if secret else (before or "", after)
    changes.add(path, earlier if before else "", now if after else "")
