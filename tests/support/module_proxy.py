# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Go module proxy in a directory, which a file URL names."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t
import zipfile


def publish_module(
    directory: pathlib.Path, module: str, version: str, *, go_mod: str, files: t.Mapping[str, str]
) -> pathlib.Path:
    """Add a version of a module to the proxy in ``directory``; return the path of its zip file."""
    # A proxy has an exclamation mark and the small letter in place of each capital one.
    versions = directory / re.sub("[A-Z]", lambda match: f"!{match[0].lower()}", module) / "@v"
    versions.mkdir(parents=True, exist_ok=True)
    (versions / f"{version}.info").write_text(json.dumps({"Version": version, "Time": "2026-01-01T00:00:00Z"}))
    (versions / f"{version}.mod").write_text(go_mod)
    with (versions / "list").open("a") as listed:
        listed.write(f"{version}\n")
    path = versions / f"{version}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {"go.mod": go_mod, **files}.items():
            # Without a time, so that the file is the same in each run.
            archive.writestr(zipfile.ZipInfo(f"{module}@{version}/{name}"), text)
    return path
