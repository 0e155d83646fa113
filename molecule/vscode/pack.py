# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs a directory as an extension of VS Code: pack.py DIRECTORY FILE."""

import pathlib
import sys
import zipfile

directory, target = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(target, "w") as archive:
    for path in sorted(directory.iterdir()):
        archive.write(path, f"extension/{path.name}")
