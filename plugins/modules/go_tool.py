#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: go_tool
short_description: Installs Go tools such as gopls and dlv, pinned and validated by their build info
version_added: 0.1.0
description:
  - Builds main packages of Go modules at exact versions with a given Go, and links them into a directory on PATH.
  - A tool is compared by the build info in its binary, without running it. It is rebuilt if its package, version, Go
    or build settings differ from the declaration, or if it is damaged.
  - The path of a tool is C(<root>/<name>/<version>-<Go version>/<name>). With flags, tags or cgo, a digest of them
    follows the version of Go. The tools of earlier declarations stay there.
  - All tools of a call are built before the first is placed. If a build fails, nothing has changed.
  - The module knows which versions of gopls, dlv, staticcheck, govulncheck, gofumpt and goimports support which Go. It
    chooses the version of a tool that is declared without one, and rejects a version that does not support the Go that
    builds it.
  - An unprivileged account builds the tools, with its own caches that are removed afterwards. Settings made with
    C(go env -w) have no effect on builds.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.tools
  - gopherops.devserver.recorded_paths
options:
  state:
    description:
      - V(absent) removes all tools that this module has installed, with their links, also those of users. What was
        moved aside for a link comes back.
      - It finds the paths of earlier runs in a record on the host; the options of paths add others.
    type: str
    choices: [present, absent]
    default: present
  exclusive:
    description:
      - Whether tools of earlier runs that are not in O(tools) are removed, in all versions and with their links. By
        default they stay.
    type: bool
    default: false
  root:
    description: The directory of the tools.
    type: path
    default: /usr/local/lib/go-tools
  bin_dir:
    description:
      - The directory of the links to the tools.
      - A link that leads elsewhere, or a program that Go has built, is moved aside to
        C(<name>.replaced-<date and time>) with a warning. Anything else in the place of a link fails the task
        before anything is written.
    type: path
    default: /usr/local/bin
  user_bin_dir:
    description:
      - The directory, below each home directory, of the links to tools that only some users get. The directory and
        the links are made with that user's rights.
      - The default is Go's default for GOBIN. Set it if your users have another GOBIN.
    type: str
    default: go/bin
  goroot:
    description:
      - The tree of the Go that builds the tools; links are followed.
      - It must exist, except in check mode.
    type: path
    default: /usr/local/go
  go_version:
    description:
      - The version of the Go that an earlier task installs at O(goroot). In check mode that task has changed nothing.
      - Only used in check mode. Empty means the installed version.
    type: str
    default: ""
  build_user:
    description:
      - The account that builds. It must be able to read O(goroot) and to enter O(root).
      - Without root's rights, the user that runs the module also builds.
    type: str
    default: nobody
  delivery:
    description:
      - With V(copy) the first host of each platform builds, the controller stores its builds in O(cache_dir), and all
        other hosts get copies, whose SHA-256 and build info are verified before they are placed.
      - With V(build) every host builds its own tools.
      - Tools with O(tools[].cgo) are always built on their host.
    type: str
    choices: [copy, build]
    default: copy
  cache_dir:
    description:
      - The directory of the builds on the controller. Only its user may be able to write to it.
      - By default C(gopherops-devserver/tools) in the user's cache directory, E(XDG_CACHE_HOME) or C(~/.cache).
    type: str
    default: ""
  timeout:
    description:
      - The time limit in seconds for the build of one tool, and for waiting for another run.
      - With O(delivery=copy) also the limit for waiting for another host's build, for each missing tool.
    type: int
    default: 900
  verify:
    description:
      - Whether every byte of the tools is compared with the SHA-256 that was recorded when they were installed.
      - A tool that differs is built or copied again.
    type: bool
    default: false
  _delivery:
    description: Reserved for the action plugin of this name. Do not set it.
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

- name: Install the known-good versions for the Go of this host
  gopherops.devserver.go_tool:
    tools:
      - name: gopls
      - name: dlv
      - name: staticcheck
  become: true

- name: Install a tool from the company's proxy, built with another Go
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
      description: The path of its module. Empty in check mode if the tool would be built.
      type: str
      sample: golang.org/x/tools/gopls
    version:
      description: The version of its module. Empty in check mode if no version is declared and no Go is installed.
      type: str
      sample: v0.16.2
    pin:
      description: V(declared), or V(known-good) if the version comes from the table of known-good versions.
      type: str
      sample: declared
    go:
      description: The version of the Go that builds it. Empty if there is none yet, in check mode.
      type: str
      sample: go1.22.12
    path:
      description: The binary. Empty if there is no Go yet, in check mode.
      type: str
      sample: /usr/local/lib/go-tools/gopls/v0.16.2-go1.22.12/gopls
    links:
      description: The link to it, or the links of its users.
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
        - V(not linked) means that only links were set. Empty if nothing had to change.
      type: str
      sample: built by another Go
    source:
      description: V(built) on this host, or V(copied) from another host's build. Empty if neither was necessary.
      type: str
      sample: built
    replaced:
      description: The new paths of programs that were in the place of a link.
      type: list
      elements: str
      sample: []
skipped_files:
  description:
    - The links of users that could not be set. With an entry the module fails, after it has installed everything else.
    - Links of users who are in no entry of O(tools) cause only warnings, except with O(state=absent).
  returned: success, and failure by such a link
  type: list
  elements: dict
  contains:
    user:
      description: Name of the account.
      type: str
    file:
      description: Path of the link.
      type: str
    line:
      description: Always None.
      type: int
    column:
      description: Always None.
      type: int
    reason:
      description: The error, the expected state, and how to fix it.
      type: str
  sample: []
"""

from ..module_utils._core.result import run
from ..module_utils._tools.go_tool import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
