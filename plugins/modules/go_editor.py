#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: go_editor
short_description: Lets VS Code's Go extension use the pinned tools, and install none by itself
version_added: 0.1.0
description:
  - Writes the machine settings of each listed user's VS Code servers, together with what M(gopherops.devserver.go_env)
    and M(gopherops.devserver.gopls_service) have declared for them. Whichever of these modules runs, the file gets all
    of it.
  - The Go extension installs missing tools without confirmation, in their latest versions and with another Go, unless
    settings name where they are. These settings name the pinned builds, and for all others a path without a program.
  - The extension would also compile a helper for its telemetry. Installed extensions get a script in its place.
  - Other settings are defaults for linter, formatter, tests, coverage, vulnerability check and inlay hints. What a user
    has set in the same file stays.
notes:
  - An existing file keeps comments, formatting and all other settings. A setting that is no longer declared is removed,
    unless the user has changed it since.
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
  state:
    description: V(absent) removes what earlier runs have written, for all users. It needs no other option.
    type: str
    choices: [present, absent]
    default: present
  settings:
    description:
      - Settings for all users, by their full names. They replace the defaults of this module.
        O(users[].editor_settings) has those of single users.
      - Names, types and values of the Go extension's settings are validated, and those of C(gopls) and
        C(go.diagnostic.vulncheck) by the installed gopls. Settings that other options declare are rejected.
    type: dict
    default: {}
  go_extension:
    description: The version of the Go extension that settings must fit, such as V(0.42.1). Empty means any.
    type: str
    default: ''
  extensions:
    description:
      - Extensions of VS Code, which every listed user gets in these versions, with the program of the user's own server
        where there is one, otherwise in the directory where its first start finds them. No network is used for that.
      - Users who get extensions get the first of O(vscode_settings) too, also without O(vscode_create).
      - An extension that leaves the list stays until its user, or all, are removed.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Publisher and name, such as V(golang.go).
        type: str
        required: true
      version:
        description: The version in the file.
        type: str
        required: true
      sha256:
        description: The SHA-256 of the C(.vsix) file, in hex.
        type: str
        required: true
      url:
        description: Where the host fetches the file, if it is not there yet.
        type: str
        default: ''
      path:
        description:
          - The file on the controller. The role P(gopherops.devserver.editor#role) copies it to
            C(/usr/local/lib/gopherops/extensions/SHA256.vsix) on the host; this module expects it there.
        type: str
        default: ''
  servers:
    description:
      - Servers of VS Code, which every listed user gets where Remote-SSH looks for them, so that it downloads none. A
        client uses the server of its own commit alone.
    type: list
    elements: dict
    default: []
    suboptions:
      commit:
        description: The commit of the client and the server.
        type: str
        required: true
      sha256:
        description: The SHA-256 of the archive, in hex.
        type: str
        required: true
      url:
        description: Where the host fetches the archive, if it is not there yet.
        type: str
        default: ''
      path:
        description:
          - The archive on the controller. The role P(gopherops.devserver.editor#role) copies it to
            C(/usr/local/lib/gopherops/extensions/SHA256.tar.gz) on the host; this module expects it there.
        type: str
        default: ''
  timeout:
    description: Seconds that a server of O(extensions[].url) or O(servers[].url) may stay silent.
    type: int
    default: 60
  gopls:
    description: The gopls whose settings are validated. If it is missing, the settings of all known versions are.
    type: path
    default: /usr/local/bin/gopls
  pinned:
    description: The names of the tools that all users get, as M(gopherops.devserver.go_tool) links them.
    type: list
    elements: str
    default: []
  bin_dir:
    description: The directory with the links to the pinned tools.
    type: path
    default: /usr/local/bin
seealso:
  - module: gopherops.devserver.go_env
  - module: gopherops.devserver.gopls_service
author:
  - the gopherops.devserver authors (@gopherops)
"""

EXAMPLES = r"""
- name: Keep the Go extension to the pinned tools
  gopherops.devserver.go_editor:
    users:
      - name: alice
        editor_settings:
          gopls: {build.directoryFilters: ["-node_modules"]}
    settings:
      go.testFlags: [-count=1]
"""

RETURN = r"""
changed:
  description: Whether files changed, or would change in check mode.
  returned: always, unless an option is invalid
  type: bool
  sample: true
diff:
  description: The changed files.
  returned: always, unless an option is invalid
  type: list
  elements: dict
  sample: []
deprecated:
  description: The deprecated settings of gopls, with its message about each.
  returned: always, unless an option is invalid
  type: list
  elements: str
  sample: []
skipped_files:
  description:
    - The files of users that could not be read or parsed. They were left as they are, and all others are written. With
      an entry the module fails, after it has done everything else. Files of users who are not listed cause only
      warnings.
    - The format is that of RV(gopherops.devserver.go_env#module:skipped_files).
  returned: always, unless an option is invalid
  type: list
  elements: dict
  sample: []
"""

from ..module_utils._core.result import run
from ..module_utils._editor.go_editor import ARGUMENT_SPEC, converge


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
