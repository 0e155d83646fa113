#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: go_tool
short_description: Installs Go tools such as gopls and dlv, pinned and judged by what is inside them
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Builds main packages of Go modules at exact versions by a given Go and links them into a directory on PATH.
  - Whether a tool is right is read from the build info in its binary, which is not run for that. It is built again
    where its package, version, Go or build settings differ from what is declared, and where it is damaged.
  - A tool lies in C(<root>/<name>/<version>-<Go version>/<name>), where a digest of flags, tags and cgo follows the
    version of Go if there are any. Those of earlier declarations stay there.
  - All tools of a call are built before the first is placed. Where a build fails, nothing has changed.
  - Knows for gopls, dlv, staticcheck, govulncheck, gofumpt and goimports which versions go with which Go. Gives the
    right one to a tool that is declared without a version, and refuses one that is not for the Go which builds it.
  - Building is done by an unprivileged account with caches of its own that are removed afterwards. Settings that users
    made by C(go env -w) have no effect on it.
extends_documentation_fragment:
  - gopherops.devserver.attributes
  - gopherops.devserver.attributes.writer
options:
  tools:
    description: The tools.
    type: list
    elements: dict
    required: true
    suboptions:
      package:
        description:
          - The import path of the main package.
          - Not needed where O(tools[].name) is V(gopls), V(dlv), V(staticcheck), V(govulncheck), V(gofumpt) or
            V(goimports).
        type: str
      version:
        description:
          - The exact version of its module, such as V(v0.16.2), or a pseudo-version.
          - V(latest), branches and short versions such as V(v0.16) are refused, as they mean another version tomorrow.
          - By default, for the tools that are known by name, the version that is known to be good with the Go which
            builds it.
        type: str
      force:
        description:
          - Whether a version that is known not to go with the Go which builds it is built nevertheless, with a warning.
        type: bool
        default: false
      name:
        description:
          - The name of the executable.
          - By default the last element of O(tools[].package), or the one before it where the last one is a major
            version such as C(v2).
        type: str
      goroot:
        description: The tree of the Go that builds this tool. By default O(goroot).
        type: path
      tags:
        description: Build tags.
        type: list
        elements: str
        default: []
      cgo:
        description: Whether it is built with cgo, which needs a C compiler on the host.
        type: bool
        default: false
      flags:
        description: Flags for compiler, assembler and linker, such as C(-gcflags=all=-N), C(-asmflags) or C(-ldflags).
        type: list
        elements: str
        default: []
      users:
        description:
          - The users that get this tool, by a link of their own in O(user_bin_dir). By default everybody gets it, by a
            link in O(bin_dir).
          - Several tools may have the same name where each of them has users, and no user has two.
        type: list
        elements: str
        default: []
  root:
    description: The directory that the tools lie in.
    type: path
    default: /usr/local/lib/go-tools
  bin_dir:
    description:
      - The directory of the links to the tools.
      - A link that leads elsewhere is pointed anew. A program that Go has built is moved aside to
        C(<name>.replaced-<date and time>) with a warning. Anything else in the place of a link fails the task
        before anything is written.
    type: path
    default: /usr/local/bin
  user_bin_dir:
    description:
      - The directory of the links of tools that only some users get, below their homes. It is made, and the links are,
        with that user's rights.
      - By default what is GOBIN for Go by default. Name another where your users have another GOBIN.
    type: str
    default: go/bin
  goroot:
    description:
      - The tree of the Go that builds the tools; links are followed.
      - It must be there, except in check mode.
    type: path
    default: /usr/local/go
  go_version:
    description:
      - The version of the Go at O(goroot) when its own task has run, which in check mode has installed nothing.
      - Of use in check mode only. Empty means the version that is there.
    type: str
    default: ""
  goproxy:
    description:
      - Where modules come from, as in Go's variable E(GOPROXY). Empty means Go's own default.
      - Credentials in it are kept out of results and logs.
      - E(SSL_CERT_FILE), E(SSL_CERT_DIR), E(HTTP_PROXY), E(HTTPS_PROXY), E(NO_PROXY), E(GOSUMDB), E(GONOSUMDB) and
        E(GOPRIVATE) are taken from the environment of the task.
    type: str
    default: ""
  build_user:
    description:
      - The account that builds. It must be able to read O(goroot) and to enter O(root).
      - Without root's rights the module builds as the user that it runs as.
    type: str
    default: nobody
  delivery:
    description:
      - With V(copy) the first host of each platform builds, the controller keeps what it built in O(cache_dir), and all
        others get a copy, which is checked by its SHA-256 and its build info before it is placed.
      - With V(build) every host builds for itself.
      - Tools with O(tools[].cgo) are always built where they are to run.
    type: str
    choices: [copy, build]
    default: copy
  cache_dir:
    description:
      - Where the controller keeps what was built. Only its user may be able to write there.
      - By default C(gopherops-devserver/tools) in the user's cache folder, E(XDG_CACHE_HOME) or C(~/.cache).
    type: str
    default: ""
  timeout:
    description:
      - How many seconds the build of one tool may take, and how many to wait for another run to end.
      - With O(delivery=copy) a host waits so long for each tool that it lacks while another host builds it.
    type: int
    default: 900
  verify:
    description:
      - Whether every byte of the tools is held against the SHA-256 that was recorded when they were installed.
      - A tool that is another is built again, or copied.
    type: bool
    default: false
  _delivery:
    description: What the action plugin of this name says to the module. Leave it alone.
    type: dict
"""

EXAMPLES = r"""
- name: Install the language server and the debugger
  gopherops.devserver.go_tool:
    tools:
      - package: golang.org/x/tools/gopls
        version: v0.16.2
      - package: github.com/go-delve/delve/cmd/dlv
        version: v1.23.1
  become: true

- name: Install the versions that are known to go with the Go of this host
  gopherops.devserver.go_tool:
    tools:
      - name: gopls
      - name: dlv
      - name: staticcheck
  become: true

- name: Install a tool from the company's proxy, with another Go than the rest
  gopherops.devserver.go_tool:
    tools:
      - package: github.com/golangci/golangci-lint/v2/cmd/golangci-lint
        version: v2.1.6
        goroot: /usr/local/lib/go/1.24.4
    goproxy: https://goproxy.example.com
  become: true
"""

RETURN = r"""
tools:
  description: The tools in the order of O(tools).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the executable.
      type: str
      sample: gopls
    package:
      description: The import path of the main package.
      type: str
      sample: golang.org/x/tools/gopls
    module:
      description: The path of its module. Empty in check mode where the tool would be built.
      type: str
      sample: golang.org/x/tools/gopls
    version:
      description: The version of its module. Empty in check mode where neither a version is declared nor a Go present.
      type: str
      sample: v0.16.2
    pin:
      description: V(declared), or V(known-good) where the version comes from the table of those that go with this Go.
      type: str
      sample: declared
    go:
      description: The version of the Go that builds it. Empty where there is none yet, in check mode.
      type: str
      sample: go1.22.12
    path:
      description: The binary. Empty where there is no Go yet, in check mode.
      type: str
      sample: /usr/local/lib/go-tools/gopls/v0.16.2-go1.22.12/gopls
    links:
      description: The link to it, or those of its users.
      type: list
      elements: str
      sample: [/usr/local/bin/gopls]
    status:
      description: V(present), V(installed), or V(would_install) in check mode.
      type: str
      sample: installed
    reason:
      description:
        - Why it was built, or would be. V(absent), V(other version), V(built by another Go), V(other build settings),
          V(unreadable), V(other owner or mode), or with O(verify) V(not the recorded bytes).
        - V(not linked) means that the binary was right and only links were set. Empty where all was right.
      type: str
      sample: built by another Go
    source:
      description: V(built) on this host, or V(copied) from another's build. Empty where neither was needed.
      type: str
      sample: built
    replaced:
      description: Where files and folders that stood in the place of a link were moved to.
      type: list
      elements: str
      sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import run
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.go_tool import ARGUMENT_SPEC, converge


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True), converge)


if __name__ == "__main__":
    main()
