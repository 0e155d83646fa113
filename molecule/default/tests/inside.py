# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the managed host, in one call: injects a fault, runs the module, reads the lines of the findings, reverts.

The order is JSON on standard input: ``inject`` and ``revert`` are scripts of sh, ``arguments`` are those of the module,
or null to run none. The result is JSON: the module's result, and the ``[file, number, text]`` of each line that a
finding names; null where no module ran.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

MODULE = "ansible_collections.gopherops.devserver.plugins.modules.go_env_drift"
# As Ansible's own wrapper starts a module.
START = f"""
import runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.stdin.buffer.read(), "legacy"
runpy.run_module("{MODULE}", run_name="__main__", alter_sys=True)
"""


def main():
    order = json.load(sys.stdin)
    result = None
    try:
        script(order["inject"])
        if order["arguments"] is not None:
            result = run_module(order["arguments"])
    finally:
        script(order["revert"])
    json.dump(result, sys.stdout)


def script(text):
    completed = subprocess.run(["sh", "-euc", text], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if completed.returncode:
        raise RuntimeError(f"code {completed.returncode} of: {text}\n{completed.stderr.decode(errors='replace')}")


def run_module(arguments):
    here = os.path.dirname(os.path.abspath(__file__))
    order = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    environment = {"PATH": os.environ["PATH"], "HOME": "/root", "LC_ALL": "C.UTF-8", "PYTHONPATH": here}
    completed = subprocess.run(
        [sys.executable, "-c", START], input=order, env=environment, capture_output=True, check=False
    )
    returned = json.loads(completed.stdout or "{}")
    if completed.returncode or "report" not in returned or completed.stderr:
        raise RuntimeError((completed.stdout + completed.stderr).decode(errors="replace"))
    return returned, lines(returned["report"])


def lines(report):
    sources = [finding["source"] for one in report["findings"] for finding in [one, *one["follows"]]]
    places = sorted({(source["file"], source["line"]) for source in sources if source and source["line"]})
    return [[file, number, line(file, number)] for file, number in places]


def line(file, number):
    """Return the text of a line, with any bytes; None where the file has no such line."""
    texts = pathlib.Path(file).read_bytes().split(b"\n")
    return texts[number - 1].decode("utf-8", "replace") if number <= len(texts) else None


if __name__ == "__main__":
    main()
