# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every module that takes the declaration."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  variables:
    description:
      - Environment variables by name. A value may hold V({home}), V({user}), V({goroot}) and the V({NAME}) of another
        declared variable.
      - A list becomes a comma-separated list, for C(GOFLAGS) words with spaces between; V(null) takes a standard
        variable back.
      - Standard are C(GOPATH={home}/go), C(GOMODCACHE={GOPATH}/pkg/mod), C(GOBIN={GOPATH}/bin),
        C(GOCACHE={home}/.cache/go-build) and C(GOTOOLCHAIN=local); the values given here are added, or replace these.
    type: dict
    default: {}
  goroot:
    description: The Go that everybody uses. C(GOROOT) is checked against it, but only exported with O(export_goroot).
    type: path
    default: /usr/local/go
  export_goroot:
    description:
      - Whether C(GOROOT) is exported too. An exported C(GOROOT) that disagrees with the C(go) that runs breaks builds,
        so leave it unless a program needs it.
    type: bool
    default: false
  path:
    description:
      - Directories at the beginning of C(PATH), in this order, with the placeholders of O(variables).
      - An empty list means V({goroot}/bin), V(/usr/local/bin), V({GOBIN}).
    type: list
    elements: str
    default: []
  vscode_settings:
    description:
      - The machine settings of each VS Code server that users may have, with the placeholders of O(variables). The
        first is that of the main one.
      - An empty list means V({home}/.vscode-server/data/Machine/settings.json) and
        V({home}/.local/share/code-server/Machine/settings.json).
      - Settings that are there carry the declared variables, Go and tools for VS Code's Go extension.
    type: list
    elements: str
    default: []
  vscode_create:
    description: Whether the first of O(vscode_settings) is made for each user who has none yet.
    type: bool
    default: false
  vscode_tools:
    description:
      - Paths of tools for VS Code's Go extension, by name, such as V(gopls) and V(dlv). The Go itself is
        always that of O(goroot).
    type: dict
    default: {}
"""

    USERS = r"""
options:
  users:
    description:
      - The users whose processes get the declaration. Every one must exist on the host, unless C(create) is set, and
        have a home.
      - A user who leaves the list keeps what was rendered, unless O(exclusive).
      - A user that is not listed gets the part of C(path) that does not depend on the user, and nothing else.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the account.
        type: str
        required: true
      variables:
        description: Variables of this user that differ from C(variables), in the same form.
        type: dict
        default: {}
      workspaces:
        description:
          - Directories that this user works in. An entry is a path, with the placeholders of C(variables), or a
            dictionary with C(path), C(manage), C(settings) and what M(gopherops.devserver.go_workspace) reads.
          - Their C(.vscode/settings.json), C(.vscode/launch.json), C(devcontainer.json) and workflows of GitHub Actions
            are compared with the declaration by M(gopherops.devserver.go_env_drift).
          - C(manage) lists the files that M(gopherops.devserver.go_env) edits as well. They are V(settings), V(launch)
            and V(devcontainer). By default it edits none of them, because they are often under version control. It
            never makes one, and never edits a workflow.
          - C(settings) are settings that M(gopherops.devserver.go_editor) writes into the workspace's
            C(.vscode/settings.json), which it makes if it is missing; C(manage) must have V(settings).
        type: list
        elements: raw
        default: []
      editor_settings:
        description: Settings of this user's editors, which M(gopherops.devserver.go_editor) writes.
        type: dict
        default: {}
      state:
        description:
          - V(absent) removes what was rendered for this user. The account may be gone already.
          - Directories such as GOPATH, own lines and changed values of the user stay, and files of workspaces.
        type: str
        choices: [present, absent]
        default: present
      create:
        description:
          - Whether M(gopherops.devserver.ssh_access) creates a missing account, with a home and no password. Until then
            other modules leave the user out.
        type: bool
        default: false
      shell:
        description: The login shell of an account that is created. Existing accounts keep theirs.
        type: str
        default: /bin/bash
      authorized_keys:
        description:
          - Public keys that M(gopherops.devserver.ssh_access) adds to C(~/.ssh/authorized_keys), each with its options
            if it has some. A key that is taken from the list is removed, unless the user has added it.
        type: list
        elements: str
        default: []
  exclusive:
    description:
      - Whether what was rendered for users who are not in O(users) is removed. By default it stays as it is, so a play
        may list only some of the users.
    type: bool
    default: false
"""
