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
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Judges a bundle of M(gopherops.devserver.go_bundle) on the controller and brings to the host what it lacks of it,
    in one transfer. That is the toolchains of the host's platform, the module proxy's files and the extension files.
  - They lie in C(<root>/toolchains), C(<root>/modules) and C(<root>/extensions), with the bundle's C(manifest.json)
    beside them. What a former bundle has put there, and this one has no more, is removed.
  - The tools of the bundle go into the controller's cache, from which M(gopherops.devserver.go_tool) copies them.
  - Every file is held against its SHA-256 in the manifest before it is used, on the controller and on the host. One
    that differs ends the task before anything has changed.
  - All files are complete on the host before the first is renamed into its place. What a kill interrupts is ended by
    the next run.
notes:
  - The task cannot run asynchronously.
  - A module is not installed by that. C(GOPROXY=file://<root>/modules) makes Go find it, and go.sum verifies it.
extends_documentation_fragment:
  - gopherops.devserver.attributes
  - gopherops.devserver.attributes.writer
options:
  file:
    description:
      - The bundle, an absolute path on the controller.
      - Empty means that there is no bundle. Then the host is neither contacted nor changed.
    type: str
    required: true
  root:
    description: The folder on the host that the files go into.
    type: path
    default: /usr/local/lib/go-bundle
  sha256:
    description: The SHA-256 that the bundle's manifest must have. A bundle with another is refused.
    type: str
    default: ""
  allowed_signers:
    description:
      - A file on the controller with the keys of those who may sign a bundle, in the form that C(ssh-keygen -Y verify)
        takes. With it a bundle without a signature, or with another's, is refused.
      - The signature must be for the namespace C(gopherops.devserver.bundle).
    type: str
    default: ""
  tools_cache_dir:
    description:
      - The controller's cache of tools, as the option C(cache_dir) of M(gopherops.devserver.go_tool).
      - By default C(gopherops-devserver/tools) in the user's cache folder, E(XDG_CACHE_HOME) or C(~/.cache).
    type: str
    default: ""
  verify:
    description:
      - Whether every file on the host is read and held against its SHA-256. Without it one that has the size and the
        time that it was placed with is taken for right.
    type: bool
    default: false
  _delivery:
    description: What the action plugin of this name says to the module. Leave it alone.
    type: dict
"""

EXAMPLES = r"""
- name: Provision from a bundle that is signed off by its digest
  gopherops.devserver.go_bundle_unpack:
    file: /srv/bundles/devservers.tar
    sha256: "{{ bundle_manifest_sha256 }}"
  become: true

- name: Take only what the build team has signed
  gopherops.devserver.go_bundle_unpack:
    file: /srv/bundles/devservers.tar
    allowed_signers: /etc/gopherops/allowed_signers
  become: true
"""

RETURN = r"""
root:
  description: The folder that the files lie in.
  returned: success, if O(file) is not empty
  type: str
  sample: /usr/local/lib/go-bundle
placed:
  description: How many files were placed, or would be in check mode.
  returned: success, if O(file) is not empty
  type: int
  sample: 7
manifest_sha256:
  description: The SHA-256 of the bundle's manifest.
  returned: success, if O(file) is not empty
  type: str
signer:
  description: Who signed the bundle, by the first column of O(allowed_signers). Empty where that is not given.
  returned: success, if O(file) is not empty
  type: str
  sample: builds@example.com
cached:
  description: The builds of tools that went into the controller's cache. Always empty in check mode.
  returned: success, if O(file) is not empty
  type: list
  elements: str
  sample: [gopls-v0.16.2-go1.22.12-linux-amd64-0a1b2c3d4e5f6071]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.go_bundle_unpack import (
    ARGUMENT_SPEC,
    converge,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._core.result import run


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True), converge)


if __name__ == "__main__":
    main()
