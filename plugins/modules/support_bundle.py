#!/usr/bin/python
# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: support_bundle
short_description: Collect diagnostic data of Go tools, gopls and dlv, without secrets, into one archive
version_added: 0.1.0
description:
  - Writes one C(tar.gz) on the controller with versions, build info, the drift report, states and logs of units, stacks
    of goroutines and backtraces of core dumps.
  - Replaces secrets by asterisks on the host, before the data leaves it. C(docs/reference/redaction.md) of the
    collection lists what is recognised as a secret.
  - Missing data is not an error. The archive's C(manifest.json) lists each file with its size, or the reason why it is
    missing.
  - Leaves nothing on the host. A process is stopped while its goroutines are dumped, and continues afterwards.
extends_documentation_fragment:
  - gopherops.devserver.attributes.read_only
options:
  dest:
    description: The archive on the controller, C(*.tar.gz). A missing directory is created with mode 0700.
    type: path
    required: true
  host:
    description: The name of the host in the archive, usually C(inventory_hostname).
    type: str
    default: ''
  goroot:
    description: The Go installation whose version is collected, and which reads build info.
    type: path
    default: /usr/local/go
  gopls:
    description: The gopls whose version is collected.
    type: path
    default: /usr/local/bin/gopls
  dlv:
    description: The dlv that inspects processes and core dumps.
    type: path
    default: /usr/local/bin/dlv
  binaries:
    description: Binaries whose build info is collected, as paths or patterns. Their core dumps are analysed.
    type: list
    elements: str
    default: [/usr/local/bin/gopls, /usr/local/bin/dlv, /var/lib/dlv/*/debuggee]
  units:
    description: Units whose state, file and journal are collected, as names or patterns.
    type: list
    elements: str
    default: ['gopls@*', 'gopls-*', 'dlv-*']
  logs:
    description:
      - Files whose last lines are collected, as paths or patterns. If a pattern matches directories, the last three
        files of each are collected, by name.
    type: list
    elements: str
    default: [/var/log/gopls/*.log, /var/log/gopls/crashes/*/*.log]
  since:
    description: The start of the journal's part, in the format of C(journalctl --since).
    type: str
    default: -1d
  goroutines:
    description: Units, or process ids, whose goroutines are dumped.
    type: list
    elements: str
    default: []
  hold:
    description:
      - The time limit in seconds of the dump of one process. Stacks that are not read by then are omitted.
      - The process is stopped for this time at most, and until dlv has detached, which may take ten more seconds.
    type: float
    default: 10
  cores:
    description: Core dumps whose backtraces are collected.
    type: list
    elements: dict
    default: []
    suboptions:
      core:
        description: The file of the core dump.
        type: path
        required: true
      program:
        description: The binary that dumped core.
        type: path
        required: true
  coredumps:
    description: Whether to analyse the latest three core dumps of O(binaries) that systemd-coredump keeps.
    type: bool
    default: true
  drift:
    description: The C(report) of M(gopherops.devserver.go_env_drift).
    type: dict
  drift_problem:
    description: The error of that module, if there is no report.
    type: str
    default: ''
  secrets:
    description: Values of six characters or more to remove everywhere, in addition to the recognised secrets.
    type: list
    elements: str
    default: []
  max_file:
    description:
      - The maximum size of each file. Logs are truncated to their end, other files to their beginning.
      - A size is a number with K, M, G or T for powers of 1024, such as V(16M), V(1.5GiB) or V(800KB). A
        number without a unit is in bytes.
    type: str
    default: 1M
  max_size:
    description:
      - The maximum size of all files, in the format of O(max_file). Further files are omitted, and the manifest lists
        them.
    type: str
    default: 16M
  timeout:
    description: The time limit of one command in seconds.
    type: float
    default: 60
  temporary_directory:
    description: The directory for temporary directories of dlv.
    type: path
    default: /tmp
seealso:
  - module: gopherops.devserver.go_env_drift
"""

EXAMPLES = r"""
- name: Collect the data of a service that hangs
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
  description: The size in bytes.
  returned: success
  type: int
manifest:
  description:
    - The content of the archive's C(manifest.json). Each of its C(files) has C(name), C(bytes), C(sha256), C(truncated)
      and C(problem), the reason why it is missing.
  returned: success
  type: dict
"""

import time
import typing as t

from ..module_utils._core.redaction import reject_short_secrets
from ..module_utils._core.result import Outcome, run_reader
from ..module_utils._core.sizes import parse_size
from ..module_utils._drift.report import COLLECTION_VERSION
from ..module_utils._support_bundle.archive import SizeLimits, create_archive, encode_archive
from ..module_utils._support_bundle.collect import BundlePlan, Core, archive_directory, collect, known_secrets

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
    "logs": {"type": "list", "elements": "str", "default": ["/var/log/gopls/*.log", "/var/log/gopls/crashes/*/*.log"]},
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
    "temporary_directory": {"type": "path", "default": "/tmp"},
}


def main() -> None:
    run_reader(ARGUMENT_SPEC, _read)


def _read(params: t.Mapping[str, t.Any]) -> Outcome:
    reject_short_secrets(params["secrets"])
    now = time.time()
    about = {"host": params["host"], "collection_version": COLLECTION_VERSION, "generated_at": _utc(now)}
    plan = _create_plan(params)
    secrets = known_secrets(plan)
    secrets = secrets._replace(everywhere={*params["secrets"], *secrets.everywhere})
    packed = create_archive(
        collect(plan, secrets),
        directory=archive_directory(params["host"], now),
        about=about,
        secrets=secrets,
        sizes=SizeLimits(plan.max_file, parse_size(params["max_size"], "max_size")),
    )
    # The action plugin writes the archive to a file on the controller. The host stores nothing.
    return Outcome({"manifest": packed.manifest, "archive": encode_archive(packed.content, params["secrets"])})


def _utc(now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))


def _create_plan(params: t.Mapping[str, t.Any]) -> BundlePlan:
    options = {name: params[name] for name in BundlePlan._fields}
    options["cores"] = [Core(entry["core"], entry["program"]) for entry in params["cores"]]
    options["max_file"] = parse_size(params["max_file"], "max_file")
    return BundlePlan(**options)


if __name__ == "__main__":
    main()
