#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: go_bundle_unpack
short_description: Provisions a host without a network from a bundle that the controller has
version_added: 0.1.0
description:
  - Verifies a bundle of M(gopherops.devserver.go_bundle) on the controller, and copies the files that the host lacks in
    one transfer. These are the toolchains of the host's platform, the module proxy's files and the extension files.
  - They are placed in C(<root>/toolchains), C(<root>/modules) and C(<root>/extensions), and the bundle's
    C(manifest.json) beside them. Files of a previous bundle that are not in this one are removed.
  - The tools of the bundle go into the controller's cache, from which M(gopherops.devserver.go_tool) copies them.
  - The SHA-256 of every file is compared with the manifest before the file is used, on the controller and on the host.
    A difference fails the task before anything has changed.
  - All files are complete on the host before the first is renamed to its final path. The next run completes what a kill
    interrupts.
notes:
  - The task cannot run asynchronously.
  - Modules are not installed. C(GOPROXY=file://<root>/modules) makes Go find it, and go.sum verifies it.
extends_documentation_fragment:
  - gopherops.devserver.attributes.writer
  - gopherops.devserver.recorded_paths
options:
  file:
    description:
      - The bundle, an absolute path on the controller.
      - Empty means that there is no bundle. Then the host is neither contacted nor changed.
    type: str
    default: ""
  state:
    description:
      - V(absent) removes the directories that this module has filled, and needs no bundle.
      - It finds those of earlier runs in a record on the host; O(root) adds another.
    type: str
    choices: [present, absent]
    default: present
  root:
    description: The directory on the host for the files.
    type: path
    default: /usr/local/lib/go-bundle
  sha256:
    description: The expected SHA-256 of the bundle's manifest. A bundle with another one is rejected.
    type: str
    default: ""
  allowed_signers:
    description:
      - A file on the controller with the keys of the allowed signers, in the format of C(ssh-keygen -Y verify). With it
        a bundle without a signature by one of them is rejected.
      - The signature must be for the namespace C(gopherops.devserver.bundle).
    type: str
    default: ""
  tools_cache_dir:
    description:
      - The controller's cache of tools, as the option C(cache_dir) of M(gopherops.devserver.go_tool).
      - By default C(gopherops-devserver/tools) in the user's cache directory, E(XDG_CACHE_HOME) or C(~/.cache).
    type: str
    default: ""
  verify:
    description:
      - Whether every file on the host is read and compared with its SHA-256. Without it, a file with the size and time
        that it was placed with counts as unchanged.
    type: bool
    default: false
  _delivery:
    description: Reserved for the action plugin of this name. Do not set it.
    type: dict
"""

EXAMPLES = r"""
- name: Provision from a bundle with a known digest
  gopherops.devserver.go_bundle_unpack:
    file: /srv/bundles/devservers.tar
    sha256: "{{ bundle_sha256 }}"
  become: true

- name: Accept only bundles signed by the build team
  gopherops.devserver.go_bundle_unpack:
    file: /srv/bundles/devservers.tar
    allowed_signers: /etc/gopherops/allowed_signers
  become: true
"""

RETURN = r"""
root:
  description: The directory with the files.
  returned: success, if O(file) is not empty
  type: str
  sample: /usr/local/lib/go-bundle
placed:
  description: The number of files that were placed, or would be in check mode.
  returned: success, if O(file) is not empty
  type: int
  sample: 7
manifest_sha256:
  description: The SHA-256 of the bundle's manifest.
  returned: success, if O(file) is not empty
  type: str
signer:
  description: The signer of the bundle, from the first column of O(allowed_signers). Empty without that option.
  returned: success, if O(file) is not empty
  type: str
  sample: builds@example.com
cached:
  description: The builds that were added to the controller's cache. Always empty in check mode.
  returned: success, if O(file) is not empty
  type: list
  elements: str
  sample: [gopls-v0.16.2-go1.22.12-linux-amd64-0a1b2c3d4e5f6071]
"""

from ..module_utils._bundle.go_bundle_unpack import ARGUMENT_SPEC, converge
from ..module_utils._core.result import run


def main() -> None:
    run(ARGUMENT_SPEC, converge)


if __name__ == "__main__":
    main()
