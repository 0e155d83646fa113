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
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Keeps one tree for each Go version below O(root), with links by which C(go), C(gofmt) and C(go1.22.12) are found.
  - What is fetched must have the digest that the collection's manifest, or O(checksums), holds for it. The next source
    is asked only where the one before is out of reach; a wrong digest ends the task.
  - A toolchain is unpacked beside its place, run once, and renamed into it. Whatever interrupts the module leaves the
    old state or the new one, and the next run removes what was left over.
  - All versions are fetched and checked before anything is switched. Versions that are no longer listed stay,
    unless O(exclusive).
notes:
  - A Go tree in the place of O(link), such as one unpacked by hand to C(/usr/local/go), and a program that Go has built
    in the place of a link in O(bin_dir) are moved aside and reported, never deleted. Anything else there fails the task
    before anything is written, also in check mode.
  - Proxies are taken from the environment (C(HTTPS_PROXY), C(NO_PROXY)), trusted certificate authorities from the
    host's store. Certificates are always verified.
extends_documentation_fragment:
  - gopherops.devserver.attributes
  - gopherops.devserver.attributes.writer
options:
  versions:
    description:
      - The versions to install, such as V(1.22.12), without the prefix C(go); 1.21.0 is the oldest.
      - A minor version such as V("1.22") means its newest patch in the manifest.
    type: list
    elements: str
    required: true
  default:
    description: The version that O(link) leads to, one of O(versions). By default the first of them.
    type: str
  root:
    description:
      - The directory that holds one tree for each version.
      - It must be absent, empty, or filled by this module alone, and nobody's home directory.
    type: path
    default: /usr/local/lib/go
  link:
    description: The link to the default version's tree.
    type: path
    default: /usr/local/go
  bin_dir:
    description: Where the links C(go<version>), C(go) and C(gofmt) go; the latter two lead through O(link).
    type: path
    default: /usr/local/bin
  sources:
    description: Where to look, in this order. One without a location, or without a digest of its kind, is left out.
    type: list
    elements: str
    choices: [bundle, archive, mirror, official, goproxy]
    default: [bundle, archive, mirror, official, goproxy]
  bundle_dir:
    description: The folder on the managed host that M(gopherops.devserver.go_bundle_unpack) puts toolchains into.
    type: path
    default: ""
  archive_dir:
    description:
      - A folder on the managed host with C(go<version>.<platform>.tar.gz) or
        C(v0.0.1-go<version>.<platform>.zip) as a module proxy serves it.
    type: path
    default: ""
  mirror:
    description:
      - A base URL below which C(go<version>.<platform>.tar.gz) is served.
      - C(http) will do, because the digest is pinned; but not with a password in the URL.
    type: str
    default: ""
  official:
    description: The base URL of Go's own archives.
    type: str
    default: https://go.dev/dl
  goproxy:
    description: The base URL of a module proxy that serves C(golang.org/toolchain).
    type: str
    default: ""
  checksums:
    description:
      - Digests by version, and below that by platform, such as V(linux-amd64). They win over the manifest's.
      - C(sha256) in 64 hex digits holds for the archive (sources V(bundle), V(archive), V(mirror), V(official)), C(h1:)
        for the module (sources V(bundle), V(archive), V(goproxy)).
    type: dict
    default: {}
  timeout:
    description: Seconds that a server may stay silent before it counts as out of reach.
    type: int
    default: 60
  exclusive:
    description:
      - Removes the versions below O(root) that are not in O(versions), with their links C(go<version>).
      - A version whose programs still run some 10 seconds after the links are turned is kept, without its link, and
        named in RV(in_use); a later run removes it.
      - Only what this module has installed; a folder without its receipt stays.
    type: bool
    default: false
  verify:
    description:
      - Compares every file of the toolchains that are there with the list that was recorded when they were installed. A
        tree in which a file was changed, added or removed is replaced, and RV(toolchains[].altered) names the files.
      - A file or folder that belongs to another user than root and the owner of O(root), or that its group or others
        can write, counts as changed.
      - Reads all of every tree. Without it a toolchain is judged by its receipt, its version and what its C(go)
        answers.
    type: bool
    default: false
seealso:
  - module: gopherops.devserver.go_env
"""

EXAMPLES = r"""
- name: Two toolchains side by side
  gopherops.devserver.go_toolchain:
    versions: [1.22.12, 1.21.13]
  become: true

- name: From the company's module proxy alone
  gopherops.devserver.go_toolchain:
    versions: [1.22.12]
    sources: [goproxy]
    goproxy: https://goproxy.example.com
  become: true

- name: A release that the manifest does not know yet
  gopherops.devserver.go_toolchain:
    versions: [1.22.12, 1.28.1]
    default: 1.28.1
    checksums:
      1.28.1:
        linux-amd64: "{{ go_1_28_1_sha256 }}"
  become: true
"""

RETURN = r"""
toolchains:
  description: The versions that were asked for, in order.
  returned: success
  type: list
  elements: dict
  contains:
    version:
      description: The exact version.
      type: str
    requested:
      description: The version as it was asked for.
      type: str
    path:
      description: Its tree, which is its C(GOROOT).
      type: str
    status:
      description: V(present), V(installed), or in check mode V(would_install).
      type: str
    source:
      description: The source that served it; V(null) where it is not installed yet.
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
          no more than 20 of each, and how many there are; else V(null).
        - Folders are named only where somebody else could write them, the tree itself as C(.).
        - C(../<version>.files), the list itself, where that is not what was recorded.
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
  description: The version that C(go) is.
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
    - The versions that O(exclusive) did not remove, because programs in their trees run; a warning names the processes.
    - In check mode those that are in use at that moment.
  returned: success
  type: list
  elements: str
  sample: [1.22.11]
moved_aside:
  description: Real files and folders that stood in a link's place, and where they are now.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /usr/local/go
      to: /usr/local/go.replaced-20260102T030405Z
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import run
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.go_toolchain import ARGUMENT_SPEC, converge


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True), converge)


if __name__ == "__main__":
    main()
