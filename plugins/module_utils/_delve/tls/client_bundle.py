# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client is given, on the controller: a folder to carry to an editor's machine, or into a job of CI."""

from __future__ import annotations

import glob
import json
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.addresses import Address
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.endpoints import Door
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.keys import add_to
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes, read_text
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_files import (
    FileEdit,
    ManagedFile,
    edits_of,
    write_all,
)

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
    files = [file for client in {*clients} - {*revoked} for file in _bundle(server, client, source, folder, check)]
    emptied = [os.path.join(folder, client) for client in {*revoked}]
    edits = edits_of([*files, *(_file(path, None) for bundle in emptied for path in _left_in(bundle))])
    changes = Changes()
    for edit in sorted(edits, key=lambda edit: edit.file.path):
        add_to(changes, edit)
    if not check:
        _carry_out(edits, emptied)
    return changes


def _bundle(server: Server, client: str, source: str, folder: str, check: bool) -> list[ManagedFile]:
    doors = [door for door in server.doors if client in door.clients]
    texts = {
        "ca.crt": _text(os.path.join(source, "ca.crt"), check),
        "client.crt": _text(os.path.join(source, "clients", client + ".crt"), check),
        _SECRET: _text(os.path.join(source, "clients", client + ".key"), check),
        f"stunnel-{server.name}.conf": tunnel(server, doors) if doors else None,
        f"launch-{server.name}.json": launch(server, doors) if doors else None,
    }
    return [_file(os.path.join(folder, client, name), text) for name, text in texts.items()]


def _file(path: str, text: str | None) -> ManagedFile:
    return ManagedFile(path, lambda _now: text, mode=0o600 if path.endswith(_SECRET) else 0o644)


def _left_in(folder: str) -> list[str]:
    """Return what earlier runs have put into a bundle, for whatever host."""
    patterns = (os.path.join(glob.escape(folder), name) for name in (*_CERTIFICATES, *_OF_HOSTS))
    return [path for pattern in patterns for path in glob.glob(pattern)]


def _carry_out(edits: t.Sequence[FileEdit], emptied: t.Sequence[str]) -> None:
    """Write what is to be written; a folder goes where nothing of somebody else's lies there."""
    for edit in edits:
        if edit.after is not None:
            os.makedirs(os.path.dirname(edit.file.path), mode=0o700, exist_ok=True)
    write_all(edits)
    for folder in emptied:
        if any(os.path.dirname(edit.file.path) == folder for edit in edits) and not os.listdir(folder):
            os.rmdir(folder)


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
