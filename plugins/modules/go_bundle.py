#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: go_bundle
short_description: Makes one archive of toolchains, tools, modules and extensions for hosts without a network
version_added: 0.1.0
description:
  - Fetches Go toolchains, builds tools for every requested platform, downloads the modules of workspaces, and writes
    them with extension files into one plain tar, from which M(gopherops.devserver.go_bundle_unpack) provisions hosts.
  - The first file in it is C(manifest.json), which lists the inputs of the bundle, and the size and SHA-256 of every
    file. RV(manifest_sha256) therefore identifies the whole bundle. With O(signing_key) the manifest is signed.
  - If the bundle exists, complete, with the same inputs and the declared signature, nothing is done and no source is
    contacted. The bundle is replaced in one step. A failure or a kill leaves the previous bundle.
  - Workspaces are only read. Their modules are downloaded with a copy of go.work, go.mod and their sums, with which go
    verifies the modules.
notes:
  - Needs about 1 GB of free space in O(work_dir), more with several platforms.
  - Proxies are taken from the environment (C(HTTPS_PROXY), C(NO_PROXY)). Certificates are always verified.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.toolchains
  - gopherops.devserver.tools.bundle
options:
  file:
    description: The bundle, an absolute path in an existing directory.
    type: path
    required: true
  root:
    description: The directory on the hosts with one tree for each version. It maps a tool's goroot to a version.
    type: path
    default: /usr/local/lib/go
  link:
    description: The link on the hosts to the default version's tree.
    type: path
    default: /usr/local/go
  platforms:
    description:
      - The platforms of the hosts, such as V(linux-amd64) and V(linux-arm64), as Go's archives are named.
      - By default the platform of the host that makes the bundle, which also builds for other platforms.
    type: list
    elements: str
    default: []
  sources:
    description: The sources of toolchains, in order, as in M(gopherops.devserver.go_toolchain).
    type: list
    elements: str
    choices: [archive, mirror, official, goproxy]
    default: [archive, mirror, official, goproxy]
  toolchain_goproxy:
    description: The base URL of a module proxy that serves C(golang.org/toolchain).
    type: str
    default: ""
  goroot:
    description: The tree on the hosts of the Go that builds the tools.
    type: path
    default: /usr/local/go
  workspaces:
    description: Directories with a go.work or go.mod, whose modules go into the bundle.
    type: list
    elements: path
    default: []
  extensions:
    description: Files of VS Code extensions, with names that end in C(.vsix).
    type: list
    elements: path
    default: []
  signing_key:
    description:
      - A file with the ssh key that signs the manifest. A private key without a passphrase, or a public one whose
        private key is in the ssh-agent of E(SSH_AUTH_SOCK).
      - An existing bundle that is not signed by it is made again, because its origin is unknown.
      - Without it, a new bundle is not signed, and an existing signature stays.
    type: path
    default: ""
  build_user:
    description: The unprivileged account that runs go, if the module runs as root.
    type: str
    default: nobody
  work_dir:
    description: A directory to work in. By default the one for temporary files.
    type: path
    default: ""
  build_timeout:
    description: The time limit in seconds for the build of one tool, and for the download of a workspace's modules.
    type: int
    default: 900
seealso:
  - module: gopherops.devserver.go_bundle_unpack
"""

EXAMPLES = r"""
- name: Make a bundle for a site without a network
  gopherops.devserver.go_bundle:
    file: /srv/bundles/devservers.tar
    versions: [1.22.12]
    platforms: [linux-amd64, linux-arm64]
    tools:
      - name: gopls
      - name: dlv
    workspaces: [/home/alice/src/shop]
    extensions: [/srv/vsix/golang.go-0.42.1.vsix]
    signing_key: /home/alice/.ssh/id_ed25519
"""

RETURN = r"""
file:
  description: The bundle.
  returned: success
  type: str
  sample: /srv/bundles/devservers.tar
manifest_sha256:
  description:
    - The SHA-256 of its manifest, which identifies the whole bundle. Transfer it by another channel than the bundle.
    - V(null) in check mode if the bundle would be made.
  returned: success
  type: str
contents:
  description: The number of files and bytes of each kind in it. Empty in check mode if it would be made.
  returned: success
  type: dict
  sample:
    toolchain: {files: 2, bytes: 134217728}
    tool: {files: 4, bytes: 104857600}
    module: {files: 4, bytes: 24576}
    extension: {files: 1, bytes: 4194304}
"""

import typing as t

from ..module_utils._bundle.contents import BundleSources
from ..module_utils._bundle.make import BundleTarget, make_bundle
from ..module_utils._bundle.request import BundleRequest, resolve_request
from ..module_utils._core.result import Outcome, run
from ..module_utils._toolchain.go_toolchain import FETCH_SPEC, PATHS_SPEC
from ..module_utils._toolchain.sources import KINDS
from ..module_utils._tools.pins import TOOL_OPTIONS, parse_tools

# A bundle is not made from another bundle.
_KINDS = [kind for kind in KINDS if kind != "bundle"]
ARGUMENT_SPEC: dict[str, t.Any] = {
    **FETCH_SPEC,
    "file": {"type": "path", "required": True},
    "root": PATHS_SPEC["root"],
    "link": PATHS_SPEC["link"],
    "platforms": {"type": "list", "elements": "str", "default": []},
    "sources": {"type": "list", "elements": "str", "choices": _KINDS, "default": _KINDS},
    "toolchain_goproxy": {"type": "str", "default": ""},
    "tools": {"type": "list", "elements": "dict", "default": [], "options": TOOL_OPTIONS},
    "goroot": {"type": "path", "default": "/usr/local/go"},
    "goproxy": {"type": "str", "default": ""},
    "workspaces": {"type": "list", "elements": "path", "default": []},
    "extensions": {"type": "list", "elements": "path", "default": []},
    "signing_key": {"type": "path", "default": ""},
    "build_user": {"type": "str", "default": "nobody"},
    "work_dir": {"type": "path", "default": ""},
    "build_timeout": {"type": "int", "default": 900},
}
# The options that BundleRequest has by the same name.
_SAME = ("versions", "default", "root", "link", "checksums", "platforms", "workspaces", "extensions")


def main() -> None:
    run(ARGUMENT_SPEC, _converge)


def _converge(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    tools = parse_tools(params["tools"], params["goroot"])
    expected = resolve_request(BundleRequest(tools=tools, **{name: params[name] for name in _SAME}))
    target = BundleTarget(params["file"], params["signing_key"], params["work_dir"], params["build_user"])
    return Outcome(make_bundle(expected, target, _sources(params), check=check))


def _sources(params: t.Mapping[str, t.Any]) -> BundleSources:
    locations = {"archive": "archive_dir", "goproxy": "toolchain_goproxy"}
    return BundleSources(
        order=params["sources"],
        bases={kind: params[locations.get(kind, kind)] for kind in _KINDS},
        goproxy=params["goproxy"],
        timeout=params["timeout"],
        build_timeout=params["build_timeout"],
    )


if __name__ == "__main__":
    main()
