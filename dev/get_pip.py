# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces the get-pip script that ansible-test downloads: runs the pip wheel beside this file."""

from __future__ import annotations

import os
import runpy
import sys

# ansible-test runs this file by compiling it into a process of its own and has its path in GET_PIP.
DIRECTORY = os.path.dirname(os.path.abspath(os.environ.get("GET_PIP", __file__)))
WHEEL = os.path.join(DIRECTORY, "pip-24.2-py3-none-any.whl")
# Options of the original script that pip does not know.
FOREIGN = ("--no-setuptools", "--no-wheel")


def main() -> None:
    sys.path.insert(0, WHEEL)
    sys.argv = ["pip", "install", *(argument for argument in sys.argv[1:] if argument not in FOREIGN)]
    # Another pip that is imported already would run instead.
    for name in [name for name in sys.modules if name.split(".")[0] == "pip"]:
        del sys.modules[name]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


main()
