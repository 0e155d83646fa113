# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the code of Ansible's module archives: Python compiles it again in each process that imports an archive.

Python imports this file at its start where the directory is on PYTHONPATH.
"""

from __future__ import annotations

import _imp
import contextlib
import importlib.util
import marshal
import os
import types
import typing as t
import zipimport

_DIRECTORY = os.environ["DEVSERVER_TEST_CODE"]
_importer: t.Any = zipimport
_compile = _importer._compile_source


def _load_or_compile(path: str, source: bytes) -> types.CodeType:
    kept = f"{_DIRECTORY}/{importlib.util.source_hash(source).hex()}-{len(source)}"
    try:
        with open(kept, "rb") as file:
            code: types.CodeType = marshal.load(file)
    except FileNotFoundError:
        code = _compile(path, source)
        with contextlib.suppress(PermissionError):
            with open(f"{kept}.{os.getpid()}", "wb") as file:
                marshal.dump(code, file)
            # Not before it is closed: others would read a part of it.
            os.replace(file.name, kept)
    # The archive has another name in each run.
    _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]  # typeshed lacks it
    return code


_importer._compile_source = _load_or_compile
