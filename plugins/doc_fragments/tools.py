# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that build tools."""

from __future__ import annotations

# Ansible merges options by name, but not their suboptions. This text contains those of both lists.
_TOOL = """
      package:
        description:
          - The import path of the main package.
          - Not needed where O(tools[].name) is V(gopls), V(dlv), V(staticcheck), V(govulncheck), V(gofumpt) or
            V(goimports).
        type: str
      version:
        description:
          - The exact version of its module, such as V(v0.16.2), or a pseudo-version.
          - V(latest), branches and short versions such as V(v0.16) are rejected, because they can change.
          - By default, for the tools that are known by name, the known-good version for the Go that builds it.
        type: str
      force:
        description:
          - Whether a version that is known not to support the Go that builds it is built nevertheless, with a warning.
        type: bool
        default: false
      name:
        description:
          - The name of the executable.
          - By default the last element of O(tools[].package), or the one before it if the last one is a major version
            such as C(v2).
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
          - The users that get this tool, with a link in their
            O(gopherops.devserver.go_tool#module:user_bin_dir). By default all users get it, with a link in
            O(gopherops.devserver.go_tool#module:bin_dir).
          - Several tools may have the same name if each of them has users, and no user has two of them.
        type: list
        elements: str
        default: []
      state:
        description:
          - V(absent) removes the tool in all versions, with its links. With O(tools[].users) only the links of these
            are removed.
        type: str
        choices: [present, absent]
        default: present
"""
_GOPROXY = """
  goproxy:
    description:
      - The source of modules, as in Go's variable E(GOPROXY). Empty means Go's own default.
      - Results and logs do not contain its credentials.
      - E(SSL_CERT_FILE), E(SSL_CERT_DIR), E(HTTP_PROXY), E(HTTPS_PROXY), E(NO_PROXY), E(GOSUMDB), E(GONOSUMDB) and
        E(GOPRIVATE) are taken from the environment of the task.
    type: str
    default: ""
"""


class ModuleDocFragment:
    # Annotated: ansible-test's yamllint fails at an unannotated assignment of a value that is not constant.
    DOCUMENTATION: str = rf"""
options:
  tools:
    description: The tools.
    type: list
    elements: dict
    required: true
    suboptions:
{_TOOL}
{_GOPROXY}
"""

    BUNDLE: str = rf"""
options:
  tools:
    description:
      - The tools, as in M(gopherops.devserver.go_tool). The Go of each must be O(link), or a version of O(versions)
        below O(root).
      - A tool with cgo is rejected, because it depends on the C libraries of the host that builds it.
    type: list
    elements: dict
    default: []
    suboptions:
{_TOOL}
{_GOPROXY}
"""
