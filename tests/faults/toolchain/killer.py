# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process of its own for test_kills.py: runs a request in a child, and kills that child at its nth operation.

Reads one line of JSON for each child: the request, the number, and whether the child's whole group dies with it. Writes
one line: the number of operations of the child, and whether it was killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.install import install_toolchains
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import this_platform
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.request import ToolchainRequest

# Audit events that Python raises before system calls: these change something, or may block.
WATCHED = ("open", "os.", "shutil.", "subprocess.", "socket.", "ctypes.dlsym", "fcntl.")


def run(job: dict[str, t.Any], report: int) -> None:
    os.setpgid(0, 0)
    done = 0

    def watch(event: str, arguments: t.Any) -> None:
        nonlocal done
        # The number of look-ups there depends on other processes.
        if event.startswith(WATCHED) and not str(next(iter(arguments), "")).startswith("/proc"):
            done += 1
            if done == job["point"]:
                os.write(report, b"%d" % done)
                os.kill(0 if job["group"] else os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    install_toolchains(ToolchainRequest(**job["request"]), this_platform(), check=False)
    os.write(report, b"%d" % done)


def main() -> None:
    for line in sys.stdin:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            run(json.loads(line), writer)
            os._exit(0)
        os.close(writer)
        _pid, status = os.waitpid(child, 0)
        result = {"done": int(os.read(reader, 20) or 0), "killed": os.WIFSIGNALED(status), "status": status}
        os.close(reader)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
