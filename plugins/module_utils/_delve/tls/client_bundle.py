# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles for the clients, on the controller: a directory to copy to an editor's machine or a CI job."""

from __future__ import annotations

import functools
import glob
import json
import os
import typing as t

from ..._core.addresses import Address
from ..._core.errors import DevserverError
from ..._host.files import Changes, read_text
from ..._host.managed_files import FileEdit, ManagedFile, plan_edits, write_all
from ..._host.removal import remove_paths
from ..launch import attach_configuration
from .endpoints import TlsEndpoint
from .keys import add_redacted_change
from .server import join_sections, split_sections

_SECRET = "client.key"
_CERTIFICATES = ("ca.crt", "client.crt", _SECRET)
_HOST_FILES = ("stunnel-*.conf", "launch-*.json")


class DebugHost(t.NamedTuple):
    """A host for its clients: its inventory ``name``, ``address``, endpoints and minimum TLS version.

    Endpoints of earlier runs stay in the bundles unless their name ``is_removed``.
    """

    name: str
    address: str
    endpoints: t.Sequence[TlsEndpoint]
    minimum: str
    is_removed: t.Callable[[str], bool]


def write_bundles(
    host: DebugHost, clients: t.Sequence[str], revoked: t.Sequence[str], *, source: str, directory: str, check: bool
) -> Changes:
    """Write the bundle of each client to its directory in ``directory``, and remove those of revoked clients.

    ``source`` is the authority's directory: it contains ``ca.crt``, ``clients/NAME.crt`` and ``clients/NAME.key``.
    """
    admitted = {*clients} - {*revoked}
    files = [file for client in admitted for file in _certificate_files(client, source, directory, check)]
    # Also in the bundles of clients that are no longer listed, which removed endpoints leave.
    for client in admitted | {*_clients_of_host(host.name, directory)} - {*revoked}:
        files += _host_files(host, client, directory)
    revoked_directories = [os.path.join(directory, client) for client in {*revoked}]
    edits = plan_edits(
        [*files, *(_managed_file(path, None) for bundle in revoked_directories for path in _installed_files(bundle))]
    )
    changes = Changes()
    for edit in sorted(edits, key=lambda edit: edit.file.path):
        add_redacted_change(changes, edit)
    if not check:
        _apply_edits(edits, revoked_directories)
    return changes


def remove_host(host: str, *, source: str, directory: str, check: bool) -> Changes:
    """Remove the host's key and certificates, and what is about it in the bundles of all clients."""
    name = glob.escape(host)
    patterns = [os.path.join(glob.escape(source), "servers", f"{name}.{kind}*") for kind in ("key", "csr", "crt")]
    bundles = os.path.join(glob.escape(directory), "*")
    patterns += [os.path.join(bundles, pattern.replace("*", name)) for pattern in _HOST_FILES]
    changes = Changes()
    remove_paths(sorted(path for pattern in patterns for path in glob.glob(pattern)), changes, check=check)
    return changes


def _clients_of_host(host: str, directory: str) -> t.Iterator[str]:
    """Yield the clients whose bundles have files about the host."""
    for pattern in _HOST_FILES:
        name = pattern.replace("*", glob.escape(host))
        for path in glob.glob(os.path.join(glob.escape(directory), "*", name)):
            yield os.path.basename(os.path.dirname(path))


def _certificate_files(client: str, source: str, directory: str, check: bool) -> list[ManagedFile]:
    sources = zip(_CERTIFICATES, ("ca.crt", f"clients/{client}.crt", f"clients/{client}.key"))
    return [
        _managed_file(os.path.join(directory, client, name), _read_source(os.path.join(source, path), check))
        for name, path in sources
    ]


def _host_files(host: DebugHost, client: str, directory: str) -> list[ManagedFile]:
    endpoints = [endpoint for endpoint in host.endpoints if client in endpoint.clients]
    edits = (edit_stunnel_configuration, edit_launch_configurations)
    return [
        ManagedFile(
            os.path.join(directory, client, pattern.replace("*", host.name)), functools.partial(edit, host, endpoints)
        )
        for pattern, edit in zip(_HOST_FILES, edits)
    ]


def _managed_file(path: str, text: str | None) -> ManagedFile:
    return ManagedFile(path, lambda _now: text, mode=0o600 if path.endswith(_SECRET) else 0o644)


def _installed_files(directory: str) -> list[str]:
    """Return the files of a bundle that earlier runs have written, for any host."""
    patterns = (os.path.join(glob.escape(directory), name) for name in (*_CERTIFICATES, *_HOST_FILES))
    return [path for pattern in patterns for path in glob.glob(pattern)]


def _apply_edits(edits: t.Sequence[FileEdit], revoked_directories: t.Sequence[str]) -> None:
    """Write the edits, and remove the directories of revoked clients unless they contain other files."""
    for edit in edits:
        if edit.after is not None:
            os.makedirs(os.path.dirname(edit.file.path), mode=0o700, exist_ok=True)
    write_all(edits)
    for directory in revoked_directories:
        if any(os.path.dirname(edit.file.path) == directory for edit in edits) and not os.listdir(directory):
            os.rmdir(directory)


def edit_stunnel_configuration(host: DebugHost, endpoints: t.Sequence[TlsEndpoint], now: str | None) -> str | None:
    """Return the configuration of a client's stunnel, which reads the certificates from its working directory."""
    _head, installed = split_sections(now or "")
    kept = {name: section for name, section in installed.items() if not host.is_removed(name)}
    sections = {**kept, **{endpoint.name: _render_section(host, endpoint) for endpoint in endpoints}}
    return join_sections(_render_head(host), sections) if sections else None


def _render_head(host: DebugHost) -> str:
    check = "checkIP" if Address(host.address).ip else "checkHost"
    return f"""\
; Debug services of {host.name}. In this directory: stunnel stunnel-{host.name}.conf
; (Remove the next two lines on Windows.)
foreground = yes
pid =
client = yes
sslVersionMin = {host.minimum}
CAfile = ca.crt
cert = client.crt
key = client.key
verifyChain = yes
{check} = {host.address}
TIMEOUTclose = 0
"""


def _render_section(host: DebugHost, endpoint: TlsEndpoint) -> str:
    return f"""\
[{endpoint.name}]
accept = 127.0.0.1:{endpoint.local_port}
connect = {host.address}:{endpoint.address.port}
"""


def edit_launch_configurations(host: DebugHost, endpoints: t.Sequence[TlsEndpoint], now: str | None) -> str | None:
    """Return configurations for the ``launch.json`` of a workspace on the editor's machine."""
    suffix = f" on {host.name}"
    kept = [entry for entry in _read_configurations(now) if not host.is_removed(entry["name"][: -len(suffix)])]
    rendered = [
        attach_configuration(
            endpoint.name + suffix,
            "127.0.0.1",
            endpoint.local_port,
            ("${workspaceFolder}", endpoint.workspace) if endpoint.workspace else None,
        )
        for endpoint in endpoints
    ]
    configurations = sorted([*kept, *rendered], key=lambda entry: str(entry["name"]))
    return json.dumps({"configurations": configurations}, indent=2) + "\n" if configurations else None


def _read_configurations(text: str | None) -> list[dict[str, t.Any]]:
    """Return the configurations in a file of an earlier run; an empty list if another program has broken it."""
    try:
        configurations = json.loads(text or "{}").get("configurations", [])
        return [entry for entry in configurations if isinstance(entry["name"], str)]
    except (ValueError, AttributeError, KeyError, TypeError):
        return []


def _read_source(path: str, check: bool) -> str:
    text = read_text(path)
    if text is None and not check:
        raise DevserverError(
            f"{path} is missing",
            expected="a file that the role debugger creates",
            remedy="run the whole role debugger, without tags",
            path=path,
        )
    return text or "not created yet\n"
