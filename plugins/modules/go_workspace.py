#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: go_workspace
short_description: Completes the workspaces of users, with their repositories, modules and files of editors
version_added: 0.2.0
description:
  - Completes each of O(users[].workspaces) that is a dictionary. All programs run as the user, with the declared
    variables, and within the limits of the user's sessions.
  - With C(repo), clones the repository, and later brings it to C(ref). A branch is only moved forward. A workspace with
    local changes, commits that were not pushed, another branch or a detached HEAD stays as it is, with a warning.
  - With C(repo), C(modules), C(go) or C(warm_up), makes C(go.work) for several modules, downloads the modules, and
    builds packages at low priority. It remembers the content of the module files, so a second run needs no network. A
    C(vendor) directory is only compared. What C(go) would fail at, such as a line C(replace) without a module, is
    reported with its line before anything is downloaded.
  - With C(manage), merges launch configurations, tasks, recommended extensions and directories into the files of VS
    Code, by C(name), C(label) or C(path). Comments and all other entries stay. Before a file that is under version
    control changes, a warning shows the difference.
  - A workspace that others than its user and root can change is skipped with a warning, unless it has
    C(allow_shared_workspace).
  - A workspace that fails is skipped. The module completes all others, fails at the end, and lists it in
    RV(skipped_files).
notes:
  - Git uses https, ssh or, if C(repo) begins with it, file. It does not prompt, and does not connect to a server of ssh
    whose key is unknown.
  - Each run queries the remote of a workspace whose C(ref) is a branch. If it does not respond, the workspace stays as
    it is, with a warning.
  - Workspaces belong to their users, so nothing removes them or what was merged into their files.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.declaration
  - gopherops.devserver.declaration.users
attributes:
  action_group:
    membership:
      - gopherops.devserver.all
      - gopherops.devserver.declaration
options:
  toolchain_root:
    description: The directory with one tree for each version of Go.
    type: path
    default: /usr/local/lib/go
  timeout:
    description: The limit in seconds for each program, such as one C(git clone) or C(go mod download).
    type: int
    default: 600
seealso:
  - module: gopherops.devserver.go_env
  - module: gopherops.devserver.go_toolchain
"""

EXAMPLES = r"""
- name: Clone a repository as a user, download its modules, and add tasks that git does not show
  gopherops.devserver.go_workspace:
    users:
      - name: alice
        workspaces:
          - path: "{home}/shop"
            repo: git@git.example.com:team/shop.git
            ref: main
            deploy_key: "{home}/.ssh/shop"
            modules: [api, worker]
            warm_up: [./api/...]
            manage: [launch, tasks, extensions]
            manage_commit: exclude
  become: true
"""

RETURN = r"""
skipped_files:
  description:
    - The workspaces that could not be completed. With an entry the module fails, after it has completed all others.
    - The format is that of RV(gopherops.devserver.go_env#module:skipped_files).
  returned: always, unless an option is invalid
  type: list
  elements: dict
  sample: []
"""

from ..module_utils._core.result import run
from ..module_utils._workspace.go_workspace import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
