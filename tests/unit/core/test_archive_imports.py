# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host compiles each file of a module's archive once."""

from __future__ import annotations

import collections
import pathlib
import subprocess
import sys
import zipfile

from ansible_collections.gopherops.devserver.plugins.module_utils._core import archive_imports

# Imports ``package`` as a module does: after the file under test, from an archive.
IMPORTER = """
import sys
compiled = []
sys.addaudithook(lambda event, args: compiled.append(args[1]) if event == "compile" else None)
sys.path.insert(0, sys.argv[1])
import core.archive_imports
import package.part
print(package.__file__, package.part.__file__, package.part.__loader__.get_source("package.part"))
print(*filter(None, compiled), sep="\\n")
"""


def test_python_compiles_each_file_of_an_archive_once(tmp_path: pathlib.Path) -> None:
    archive = tmp_path / "module.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("core/__init__.py", "")
        packed.write(archive_imports.__file__, "core/archive_imports.py")
        packed.writestr("package/__init__.py", "")
        packed.writestr("package/part.py", "ONE = 1")
    command = [sys.executable, "-I", "-c", IMPORTER, str(archive)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    files, *compiled = output.splitlines()
    assert files == f"{archive}/package/__init__.py {archive}/package/part.py ONE = 1"
    counts = collections.Counter(compiled)
    assert [counts[f"{archive}/package/{name}.py"] for name in ("__init__", "part")] == [1, 1]


def test_the_importers_of_a_controller_stay_as_they_are() -> None:
    assert archive_imports._Importer not in sys.path_hooks
