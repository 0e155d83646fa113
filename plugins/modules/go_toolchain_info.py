#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: go_toolchain_info
short_description: Reports the installed Go toolchains, whether they are intact, and what workspaces require
version_added: 0.1.0
description:
  - Lists the toolchains that M(gopherops.devserver.go_toolchain) has installed, the links that lead to them, and other
    Go installations on the host and in home directories, which may come first on a user's PATH.
  - Compares C(.go-version) and the lines C(go) and C(toolchain) of C(go.mod) and C(go.work) with what is installed.
extends_documentation_fragment:
  - gopherops.devserver.attributes.read_only
  - gopherops.devserver.toolchains.paths
attributes:
  action_group:
    membership:
      - gopherops.devserver.all
      - gopherops.devserver.toolchain
options:
  verify:
    description: Whether every file is compared with the list that was recorded when its toolchain was installed.
    type: bool
    default: false
  users:
    description: The users whose home directories are searched. By default all accounts with a uid of 1000 or more.
    type: list
    elements: str
    default: []
  workspaces:
    description:
      - Directories whose C(.go-version), C(go.work) and C(go.mod) are compared with what is installed. The nearest
        C(go.work) and C(go.mod) above them count too, and the modules that these files name.
    type: list
    elements: path
    default: []
  minimum:
    description: The oldest version, such as V("1.22"), that the default and a C(.go-version) may be.
    type: str
  gotoolchain:
    description:
      - The declared E(GOTOOLCHAIN). With V(local) or the name of a version, lines C(toolchain) require nothing, and
        only the Go that runs meets a line C(go).
    type: str
    default: local
seealso:
  - module: gopherops.devserver.go_toolchain
"""

EXAMPLES = r"""
- name: Report the toolchains
  gopherops.devserver.go_toolchain_info:
    verify: true
    workspaces: [/home/alice/src/shop]
    minimum: "1.22"
  become: true
  register: go

- name: Fail if a workspace requires a Go that is not installed
  ansible.builtin.assert:
    that: go.mismatches | length == 0
"""

RETURN = r"""
toolchains:
  description: The toolchains below O(root), oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    version:
      description: The version.
      type: str
    path:
      description: Its tree.
      type: str
    default:
      description: Whether O(link) leads to it.
      type: bool
    links:
      description: O(link), and the links in O(bin_dir), that lead into the tree.
      type: list
      elements: str
    size:
      description: Bytes of its files.
      type: int
    source:
      description: The source that served it; V(null), as the next three, for a tree without an install record.
      type: str
    location:
      description: The URL or path that it came from, without credentials.
      type: str
    digest:
      description: What was verified when it was installed.
      type: str
    bytes:
      description: Size of the file that was fetched.
      type: int
    intact:
      description: With O(verify), whether every file is unchanged; otherwise, or without an install record, V(null).
      type: bool
    altered:
      description: As RV(gopherops.devserver.go_toolchain#module:toolchains[].altered).
      type: dict
  sample:
    - version: 1.22.12
      path: /usr/local/lib/go/1.22.12
      default: true
      links: [/usr/local/go, /usr/local/bin/go, /usr/local/bin/go1.22.12, /usr/local/bin/gofmt]
      size: 233471010
      source: mirror
      location: https://mirror.example.com/go1.22.12.linux-amd64.tar.gz
      digest: sha256:4fa4f869b0f7fc6bb1eb2660e74657fbf04cdd290b5aef905585c86051b34d43
      bytes: 68988925
      intact: false
      altered: {count: 1, changed: [src/fmt/print.go], added: [], missing: []}
default:
  description: The target of O(link), and its version; V(null) if there is no link.
  returned: success
  type: dict
  sample: {link: /usr/local/go, path: /usr/local/lib/go/1.22.12, version: 1.22.12}
strays:
  description: Other Go installations.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(distribution), V(snap), V(unpacked), V(homebrew), V(sdk), V(manager), V(command) or V(package).
      type: str
    path:
      description: Its tree or command, or the name of the package.
      type: str
    version:
      description: Its version, if that can be read without running it.
      type: str
    user:
      description: The user whose home directory contains it; V(null) for one of the host.
      type: str
  sample:
    - {kind: sdk, path: /home/alice/sdk/go1.20.1, version: 1.20.1, user: alice}
mismatches:
  description: The requirements of workspaces, or of O(minimum), that the host does not meet.
  returned: success
  type: list
  elements: dict
  contains:
    cause:
      description:
        - V(go), V(toolchain), V(version-file), V(minimum), V(no such directory), or V(unreadable) with a reason.
      type: str
    file:
      description: The file or directory, or V(null) if the default is older than O(minimum).
      type: str
    line:
      description: The line, if there is one.
      type: int
    required:
      description: The required version.
      type: str
    installed:
      description: The versions that are installed.
      type: list
      elements: str
    default:
      description: The default version.
      type: str
    remedy:
      description: The action that fixes it.
      type: str
  sample:
    - cause: go
      file: /home/alice/src/shop/go.mod
      line: 3
      required: 1.23.4
      installed: [1.22.12]
      default: 1.22.12
      remedy: add Go 1.23.4 to devserver_go_versions, or make it or a later version devserver_go_default
"""

import typing as t

from ..module_utils._core.errors import DevserverError
from ..module_utils._core.result import Outcome, run_reader
from ..module_utils._host.accounts import find_account
from ..module_utils._toolchain import inventory
from ..module_utils._toolchain.go_toolchain import PATHS_SPEC
from ..module_utils._toolchain.unmanaged import find_unmanaged, list_people
from ..module_utils._toolchain.workspaces import AvailableGo, Mismatch, mismatches, mismatches_as

ARGUMENT_SPEC: dict[str, t.Any] = {
    **PATHS_SPEC,
    "verify": {"type": "bool", "default": False},
    "users": {"type": "list", "elements": "str", "default": []},
    "workspaces": {"type": "list", "elements": "path", "default": []},
    "minimum": {"type": "str"},
    "gotoolchain": {"type": "str", "default": "local"},
}


def main() -> None:
    run_reader(ARGUMENT_SPEC, _read)


def _read(params: t.Mapping[str, t.Any]) -> Outcome:
    try:
        return _describe_host(params)
    except OSError as error:
        raise DevserverError(
            f"cannot read {error.filename}: {error.strerror}",
            remedy=f"run the play as root, or correct the owner or mode that 'namei -l {error.filename}' shows",
        ) from error


def _describe_host(params: t.Mapping[str, t.Any]) -> Outcome:
    paths = inventory.ToolchainPaths(params["root"], params["link"], params["bin_dir"])
    toolchains = inventory.list_toolchains(paths, verify=params["verify"])
    default = inventory.read_default(paths)
    versions = [item["version"] for item in toolchains]
    available = AvailableGo(versions, default["version"] if default else None, params["gotoolchain"])
    accounts = [find_account(name) for name in params["users"]] or list_people()
    unmanaged, problems = find_unmanaged(accounts, managed=paths.root)
    result = {
        "toolchains": toolchains,
        "default": default,
        "strays": [entry._asdict() for entry in unmanaged],
        "mismatches": [entry._asdict() for entry in _find_mismatches(params, available)],
    }
    return Outcome(result, [f"not searched for other Go installations: {problem}" for problem in problems])


def _find_mismatches(params: t.Mapping[str, t.Any], available: AvailableGo) -> list[Mismatch]:
    minimum = params["minimum"]
    unmet = mismatches([], available, minimum)
    for workspace in params["workspaces"]:
        # With its owner's rights: a link in it may lead to a file that only root can read.
        entries = mismatches_as(None, [workspace], available, minimum)
        # Several workspaces may have one go.work.
        unmet += [entry for entry in entries if entry not in unmet]
    return unmet


if __name__ == "__main__":
    main()
