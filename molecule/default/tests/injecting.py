# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts that inject faults of the table and revert them, and the declaration of a host that has them."""

from __future__ import annotations

import pathlib
from shlex import quote

import yaml
from fault_injections import INJECTIONS, SETTINGS

TOOLS_DEFAULTS = pathlib.Path(__file__).parents[3] / "roles/common/defaults/main.yml"
SAVED = "/root/saved"
TOGETHER = [name for name, injection in INJECTIONS.items() if not injection.alone]
# As in molecule.yml.
DECLARED = {
    "variables": {"GOFLAGS": ["-mod=readonly"]},
    "go_version": "1.22.12",
    # However busy the machine is.
    "timeout": 30,
    "tools": yaml.safe_load(TOOLS_DEFAULTS.read_text())["devserver_tools"],
}
OF_BOB = {"GOPATH": "/srv/bob/go"}


def declared(users, names):
    """Return the users as molecule.yml declares them, with what injections add to that."""
    added = [item for name in names for item in INJECTIONS[name].declared.items()]
    listed = dict.fromkeys([*users, *(user for user, _more in added)])
    entries = {user: {"name": user, "variables": {}, "workspaces": []} for user in listed}
    for user, more in added:
        entries[user]["variables"].update(more.get("variables", {}))
        entries[user]["workspaces"] += more.get("workspaces", [])
    if "bob" in entries:
        entries["bob"]["variables"].update(OF_BOB)
    return list(entries.values())


def inject(*names):
    """Return the script that injects these faults; their files are saved first."""
    files = quoted_files(names)
    saved = [f"mkdir -p {SAVED}", *(f"[ ! -e {file} ] || cp -a --parents {file} {SAVED}" for file in files)]
    return "\n".join([*saved, *(INJECTIONS[name].do for name in names), *reload(names)])


def revert(*names):
    """Return the script that reverts these faults as far as possible, also where injecting them failed half-way."""
    files = quoted_files(names)
    undone = [f"( {INJECTIONS[name].undo} ) || bad=1" for name in reversed(names)]
    restored = [f"rm -f {file}; [ ! -e {SAVED}{file} ] || mv {SAVED}{file} {file}" for file in files]
    return "\n".join(["bad=0", *undone, *restored, *reload(names), "exit $bad"])


def quoted_files(names):
    return sorted({quote(INJECTIONS[name].file) for name in names if INJECTIONS[name].file})


def reload(names):
    """Restart the users' managers where their files changed; managers with old files are a fault of their own."""
    files = {INJECTIONS[name].file for name in names}
    if any(file == SETTINGS or "/environment.d/" in file for file in files):
        # They restart more often than systemd's start limit allows.
        yield "systemctl reset-failed 'user@*'; systemctl restart 'user@*'"
