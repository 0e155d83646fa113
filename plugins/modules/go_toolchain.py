#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: go_toolchain
short_description: Installs Go toolchains side by side, verified and switched by rename
version_added: 0.1.0
description:
  - Installs one tree for each Go version below O(root), and the links C(go), C(gofmt) and, for example, C(go1.22.12).
  - A file that is fetched must have the digest in the collection's manifest, or in O(checksums). The next source is
    tried only if one is unreachable; a wrong digest fails the task.
  - A toolchain is unpacked beside its final path, run once, and renamed. An interruption leaves the old state or the
    new one, and the next run removes the leftovers.
  - All versions are fetched and verified before anything is switched. Versions that are no longer listed stay,
    unless O(exclusive).
notes:
  - A Go tree in the place of O(link), such as one unpacked by hand to C(/usr/local/go), a program that Go has built
    in the place of a link in O(bin_dir), and links of somebody else in these places are moved aside with a warning,
    never deleted. Anything else in these places
    fails the task before anything is written, also in check mode.
  - Proxies are taken from the environment (C(HTTPS_PROXY), C(NO_PROXY)), and trusted certificate authorities from the
    host's store. Certificates are always verified.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.toolchains
  - gopherops.devserver.toolchains.paths
  - gopherops.devserver.recorded_paths
attributes:
  action_group:
    membership:
      - gopherops.devserver.all
      - gopherops.devserver.toolchain
options:
  sources:
    description: The sources, in order. One without a location, or without a digest of its kind, is skipped.
    type: list
    elements: str
    choices: [bundle, archive, mirror, official, goproxy]
    default: [bundle, archive, mirror, official, goproxy]
  bundle_dir:
    description: The directory on the managed host in which M(gopherops.devserver.go_bundle_unpack) places toolchains.
    type: path
    default: ""
  goproxy:
    description: The base URL of a module proxy that serves C(golang.org/toolchain).
    type: str
    default: ""
  checksum_database:
    description:
      - A checksum database of Go modules, such as V(sum.golang.org), that verifies modules of O(goproxy) whose
        hash is neither in the manifest nor in O(checksums). Another database needs its key too, in the format of Go's
        variable E(GOSUMDB). Empty means none.
      - The database is read through O(goproxy), and directly if the proxy does not carry it. C(go) verifies its
        signature and its proof that it contains the module, so the host needs an installed Go, or one with a known
        digest in O(versions).
      - Only exact versions such as V(1.28.1) can be verified without a known digest.
    type: str
    default: ""
  state:
    description:
      - V(absent) removes all versions that this module has installed and that are not in use, with their links. What
        was moved aside for a link comes back.
      - It finds the paths of earlier runs in a record on the host; O(root), O(link) and O(bin_dir) add others.
    type: str
    choices: [present, absent]
    default: present
  absent:
    description:
      - Full versions to remove, such as V(1.21.13), with their links, unless they are in O(versions) or in use. All
        others stay.
    type: list
    elements: str
    default: []
  exclusive:
    description:
      - Removes the versions below O(root) that are not in O(versions), with their links C(go<version>).
      - A version whose programs still run about 10 seconds after the links were switched is kept without its link, and
        listed in RV(in_use); a later run removes it.
      - Only toolchains with an install record of this module are removed.
    type: bool
    default: false
  verify:
    description:
      - Compares every file of the installed toolchains with the list that was recorded when they were installed. A
        tree in which a file was changed, added or removed is replaced, and RV(toolchains[].altered) lists the files.
      - A file or directory that belongs to a user other than root and the owner of O(root), or that its group or others
        can write to, counts as changed.
      - Reads all files. Without it, only the install record, the version and the output of C(go version) are compared.
    type: bool
    default: false
seealso:
  - module: gopherops.devserver.go_env
"""

EXAMPLES = r"""
- name: Install two toolchains side by side
  gopherops.devserver.go_toolchain:
    versions: [1.22.12, 1.21.13]
  become: true

- name: Install a toolchain from the company's module proxy only
  gopherops.devserver.go_toolchain:
    versions: [1.22.12]
    sources: [goproxy]
    goproxy: https://goproxy.example.com
  become: true

- name: Install a release that is not in the manifest yet
  gopherops.devserver.go_toolchain:
    versions: [1.22.12, 1.28.1]
    default: 1.28.1
    checksums:
      1.28.1:
        linux-amd64: "{{ go_1_28_1_sha256 }}"
  become: true

- name: Install such a release by the checksum database
  gopherops.devserver.go_toolchain:
    versions: [1.22.12, 1.28.1]
    default: 1.28.1
    goproxy: https://goproxy.example.com
    checksum_database: sum.golang.org
  become: true
"""

RETURN = r"""
toolchains:
  description: The requested versions, in order.
  returned: success
  type: list
  elements: dict
  contains:
    version:
      description: The exact version.
      type: str
    requested:
      description: The version as it was requested.
      type: str
    path:
      description: Its tree, which is its C(GOROOT).
      type: str
    status:
      description: V(present), V(installed), or in check mode V(would_install).
      type: str
    source:
      description: The source that served it; V(null) if it is not installed yet.
      type: str
    location:
      description: The URL or path that it came from, without credentials.
      type: str
    digest:
      description: What was verified, as C(sha256:<hex>) or C(h1:<base64>).
      type: str
    bytes:
      description: Size of the file that was fetched.
      type: int
    altered:
      description:
        - With O(verify), for a tree that was edited, the paths in it that were C(changed), C(added) or are C(missing),
          at most 20 of each, and their number; otherwise V(null).
        - Directories are listed only if other users can write to them, the tree itself as C(.).
        - C(../<version>.files) is the list of files, if it is not the recorded one.
      type: dict
  sample:
    - version: 1.22.12
      requested: "1.22"
      path: /usr/local/lib/go/1.22.12
      status: installed
      source: goproxy
      location: https://goproxy.example.com/golang.org/toolchain/@v/v0.0.1-go1.22.12.linux-amd64.zip
      digest: h1:Hdh4VJAlDWzMnhKpqDwqJJr+sE7NgsJ86dyR4wrv2oY=
      bytes: 69011435
      altered:
        count: 1
        changed: [src/fmt/print.go]
        added: []
        missing: []
default:
  description: The default version.
  returned: success
  type: dict
  sample: {version: 1.22.12, path: /usr/local/lib/go/1.22.12, link: /usr/local/go}
removed:
  description: The versions that O(exclusive) removed, or in check mode would remove.
  returned: success
  type: list
  elements: str
  sample: [1.21.13]
in_use:
  description:
    - The versions that O(exclusive) did not remove, because programs in their trees run; a warning lists the processes.
    - In check mode the versions that are in use at that moment.
  returned: success
  type: list
  elements: str
  sample: [1.22.11]
moved_aside:
  description: Files, directories and links of somebody else that were in the place of a link, and their new paths.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /usr/local/go
      to: /usr/local/go.replaced-20260102T030405Z
"""

from ..module_utils._core.result import run
from ..module_utils._toolchain.go_toolchain import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
