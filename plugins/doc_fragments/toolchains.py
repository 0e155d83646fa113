# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that fetch toolchains, and of those that know where they are installed."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  versions:
    description:
      - The versions to install, such as V(1.22.12), without the prefix C(go); 1.21.0 is the oldest.
      - A minor version such as V("1.22") means its newest patch in the manifest.
    type: list
    elements: str
    required: true
  default:
    description: The version that O(link) leads to, one of O(versions). By default the first of them.
    type: str
  archive_dir:
    description:
      - A directory, on the host that runs the module, with C(go<version>.<platform>.tar.gz) or
        C(v0.0.1-go<version>.<platform>.zip) as a module proxy serves it.
    type: path
    default: ""
  mirror:
    description:
      - A base URL below which C(go<version>.<platform>.tar.gz) is served.
      - C(http) is accepted, because the digest is pinned, but not with a password in the URL.
    type: str
    default: ""
  official:
    description: The base URL of Go's own archives.
    type: str
    default: https://go.dev/dl
  checksums:
    description:
      - Digests by version and platform, such as V(linux-amd64). They override those of the manifest.
      - 64 hex digits are the SHA-256 of the archive, C(h1:) is the hash of the module, which only a module proxy and
        the directories among O(sources) serve.
    type: dict
    default: {}
  timeout:
    description:
      - Seconds that a server of toolchains may stay silent before it counts as unreachable.
      - A source also counts as unreachable if a file takes more than an hour in total, or has more than 1 GiB, several
        times the size of the largest release.
    type: int
    default: 60
"""

    PATHS = r"""
options:
  root:
    description:
      - The directory with one tree for each version.
      - It must be absent, empty, or filled only by M(gopherops.devserver.go_toolchain), and not a home directory.
    type: path
    default: /usr/local/lib/go
  link:
    description: The link to the default version's tree.
    type: path
    default: /usr/local/go
  bin_dir:
    description: The directory of the links C(go<version>), C(go) and C(gofmt); the latter two lead through O(link).
    type: path
    default: /usr/local/bin
"""
