#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: support_bundle
short_description: Collects what says why Go tools, gopls and dlv do not work, without secrets, into one archive
version_added: 0.1.0
author:
  - the gopherops.devserver authors (@gopherops)
description:
  - Makes one C(tar.gz) on the controller with versions, build info, the drift report, states and logs of units, stacks
    of goroutines and backtraces of core dumps.
  - What looks like a secret is replaced by asterisks on the host, before anything leaves it.
    C(docs/reference/support_bundle.md) of the collection describes that.
  - What cannot be got is no failure. The archive's C(manifest.json) says for each file what it has, or why it is
    missing.
  - Leaves nothing on the host. A process whose goroutines are dumped stands still while that lasts, and runs on.
extends_documentation_fragment:
  - gopherops.devserver.attributes
  - gopherops.devserver.attributes.read_only
options:
  dest:
    description: The file on the controller, C(*.tar.gz). Its folder is made where it is missing, with mode 0700.
    type: path
    required: true
  host:
    description: Name of the host in the archive. The play gives its C(inventory_hostname).
    type: str
    default: ''
  goroot:
    description: The Go whose version is told and that reads build info.
    type: path
    default: /usr/local/go
  gopls:
    description: The gopls whose version is told.
    type: path
    default: /usr/local/bin/gopls
  dlv:
    description: The dlv that looks at processes and core dumps.
    type: path
    default: /usr/local/bin/dlv
  binaries:
    description: Binaries whose build info is told, as paths or patterns. Kept core dumps of these are looked at.
    type: list
    elements: str
    default: [/usr/local/bin/gopls, /usr/local/bin/dlv, /var/lib/dlv/*/debuggee]
  units:
    description: Units whose state, file and journal are told, as names or patterns.
    type: list
    elements: str
    default: ['gopls@*', 'gopls-*', 'dlv-*']
  logs:
    description: Files whose end is told, as paths or patterns.
    type: list
    elements: str
    default: [/var/log/gopls/*, /var/log/gopls/crashes/*]
  since:
    description: From when on the journal is read, as C(journalctl --since) takes it.
    type: str
    default: -1d
  goroutines:
    description: Units, or numbers of processes, whose goroutines are dumped.
    type: list
    elements: str
    default: []
  hold:
    description:
      - Seconds that such a process may be asked. What was not got by then is left out.
      - It stands still that long at most, and until dlv lets go of it, which is waited for ten seconds more.
    type: float
    default: 10
  cores:
    description: Core dumps whose backtraces are told.
    type: list
    elements: dict
    default: []
    suboptions:
      core:
        description: The file of the core dump.
        type: path
        required: true
      program:
        description: The binary that it is of.
        type: path
        required: true
  coredumps:
    description: Whether the latest three core dumps of O(binaries) that systemd-coredump keeps are looked at as well.
    type: bool
    default: true
  drift:
    description: The C(report) of M(gopherops.devserver.go_env_drift).
    type: dict
  drift_problem:
    description: What kept that module from a report.
    type: str
    default: ''
  secrets:
    description: Values of six characters or more that must not stand anywhere, besides those that are found.
    type: list
    elements: str
    default: []
  max_file:
    description:
      - How large each file may be. Of logs the end is kept, of others the beginning.
      - A size is a number with K, M, G or T for powers of 1024, such as V(16M), V(1.5GiB) or V(800KB); bytes without.
    type: str
    default: 1M
  max_size:
    description:
      - How large all files may be together, in the form of O(max_file). What comes last is left out, and the manifest
        says so.
    type: str
    default: 16M
  timeout:
    description: Seconds that one command may take.
    type: float
    default: 60
  temporary_folder:
    description: Where folders for dlv are made, and removed.
    type: path
    default: /tmp
seealso:
  - module: gopherops.devserver.go_env_drift
"""

EXAMPLES = r"""
- name: Take home what says why the service hangs
  gopherops.devserver.support_bundle:
    dest: "bundles/{{ inventory_hostname }}.tar.gz"
    host: "{{ inventory_hostname }}"
    goroutines: [shop.service]
    cores:
      - core: /var/crash/shop.core
        program: /srv/shop/api
  become: true
  register: bundle
"""

RETURN = r"""
dest:
  description: The archive on the controller.
  returned: success
  type: str
size:
  description: Its bytes.
  returned: success
  type: int
manifest:
  description:
    - What the archive's C(manifest.json) says. Each of its C(files) has C(name), C(bytes), C(sha256), C(truncated) and
      C(problem), why it is not there.
  returned: success
  type: dict
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import refuse_short
from ansible_collections.gopherops.devserver.plugins.module_utils._core.sizes import size
from ansible_collections.gopherops.devserver.plugins.module_utils._drift.report import COLLECTION_VERSION
from ansible_collections.gopherops.devserver.plugins.module_utils._support_bundle.archive import Sizes, encoded, pack
from ansible_collections.gopherops.devserver.plugins.module_utils._support_bundle.collect import (
    Core,
    Wanted,
    collect,
    folder_name,
    known_secrets,
)

_CORE: dict[str, t.Any] = {"core": {"type": "path", "required": True}, "program": {"type": "path", "required": True}}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "dest": {"type": "path", "required": True},
    "host": {"type": "str", "default": ""},
    "goroot": {"type": "path", "default": "/usr/local/go"},
    "gopls": {"type": "path", "default": "/usr/local/bin/gopls"},
    "dlv": {"type": "path", "default": "/usr/local/bin/dlv"},
    "binaries": {
        "type": "list",
        "elements": "str",
        "default": ["/usr/local/bin/gopls", "/usr/local/bin/dlv", "/var/lib/dlv/*/debuggee"],
    },
    "units": {"type": "list", "elements": "str", "default": ["gopls@*", "gopls-*", "dlv-*"]},
    "logs": {"type": "list", "elements": "str", "default": ["/var/log/gopls/*", "/var/log/gopls/crashes/*"]},
    "since": {"type": "str", "default": "-1d"},
    "goroutines": {"type": "list", "elements": "str", "default": []},
    "hold": {"type": "float", "default": 10},
    "cores": {"type": "list", "elements": "dict", "default": [], "options": _CORE},
    "coredumps": {"type": "bool", "default": True},
    "drift": {"type": "dict"},
    "drift_problem": {"type": "str", "default": ""},
    "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "max_file": {"type": "str", "default": "1M"},
    "max_size": {"type": "str", "default": "16M"},
    "timeout": {"type": "float", "default": 60},
    "temporary_folder": {"type": "path", "default": "/tmp"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    params = module.params
    now = time.time()
    about = {"host": params["host"], "collection_version": COLLECTION_VERSION, "generated_at": _utc(now)}
    try:
        refuse_short(params["secrets"])
        wanted = _wanted(params)
        items = collect(wanted)
        packed = pack(
            items,
            folder=folder_name(params["host"], now),
            about=about,
            secrets={*params["secrets"], *known_secrets(wanted)},
            sizes=Sizes(wanted.largest, size(params["max_size"], "max_size")),
        )
    except DevserverError as error:
        module.fail_json(**error.result())
    # The action takes the archive out of the result and writes it; nothing lies on the host in between.
    module.exit_json(changed=False, manifest=packed.manifest, archive=encoded(packed.content, params["secrets"]))


def _utc(now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))


def _wanted(params: t.Mapping[str, t.Any]) -> Wanted:
    return Wanted(
        goroot=params["goroot"],
        gopls=params["gopls"],
        dlv=params["dlv"],
        units=params["units"],
        binaries=params["binaries"],
        logs=params["logs"],
        since=params["since"],
        running=params["goroutines"],
        cores=[Core(one["core"], one["program"]) for one in params["cores"]],
        coredumps=params["coredumps"],
        drift=params["drift"],
        drift_problem=params["drift_problem"],
        timeout=params["timeout"],
        hold=params["hold"],
        largest=size(params["max_file"], "max_file"),
        scratch=params["temporary_folder"],
    )


if __name__ == "__main__":
    main()
