# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What limits cost gopls, and what a prewarm saves, on the source of delve: some 50 packages.

Called with a directory for the binary, the source and caches; needs a Go module proxy. Each row is a new gopls:

- a heap limit against none: the most memory it had (its process alone), and processor seconds, for one file of every
  package from an empty cache;
- seconds until the first diagnostics of one file with nothing cached, with Go's build cache alone, and after a prewarm.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.gopherops.devserver.plugins.module_utils._gopls import prewarm
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.known_good import PACKAGES, SETS

GO = "go1.22.12"
MODULE = "github.com/go-delve/delve@v1.23.1"
OPENED = "service/debugger/debugger.go"
ROUNDS = 3
TARGET = 3.0
HEAPS = ("off", "800MiB", "400MiB")


def environment(directory: Path) -> dict[str, str]:
    goroot = subprocess.check_output(["go", "env", "GOROOT"], env={**os.environ, "GOTOOLCHAIN": GO}, text=True).strip()
    own = {"GOTOOLCHAIN": "local", "GOCACHE": str(directory / "build"), "GOPLSCACHE": str(directory / "gopls-cache")}
    return {**os.environ, **own, "PATH": f"{goroot}/bin:{os.environ['PATH']}", "GOFLAGS": "-mod=mod"}


def made(directory: Path) -> tuple[str, Path]:
    """Return gopls and the source, both made where they are not there yet."""
    gopls, source = directory / "gopls", directory / "delve"
    if not gopls.exists():
        package = f"{PACKAGES['gopls']}@{SETS['1.22']['gopls']}"
        subprocess.run(["go", "install", package], env={**os.environ, "GOBIN": str(directory)}, check=True)
    if not source.exists():
        downloaded = subprocess.check_output(["go", "mod", "download", "-json", MODULE], cwd="/", text=True)
        shutil.copytree(json.loads(downloaded)["Dir"], source)
        subprocess.run(["chmod", "-R", "u+w", source], check=True)
        shutil.rmtree(source / "vendor", ignore_errors=True)
    subprocess.run(["go", "mod", "download"], cwd=source, check=True)
    return str(gopls), source


def emptied(*names: str) -> None:
    for name in names:
        shutil.rmtree(os.environ[name], ignore_errors=True)


def whole(gopls: str, source: Path) -> tuple[float, float, float]:
    """Return the peak in MiB, the processor seconds and the wall seconds of an analysis of every package."""
    files = list(filter(None, prewarm.list_packages(str(source)).values()))
    start = time.monotonic()
    server = prewarm.Server(gopls, str(source), {})
    server.initialize(str(source))
    server.diagnose(files)
    seconds = time.monotonic() - start
    status = Path(f"/proc/{server.pid}/status").read_text()
    stat = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    server.close()
    peak = int(t.cast("re.Match[str]", re.search(r"VmHWM:\s*(\d+)", status)).group(1)) / 1024
    return peak, (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"), seconds


def first(gopls: str, source: Path) -> float:
    """Return the seconds from the start of gopls to the first diagnostics of one file."""
    start = time.monotonic()
    server = prewarm.Server(gopls, str(source), {})
    server.initialize(str(source))
    server.diagnose([str(source / OPENED)])
    seconds = time.monotonic() - start
    server.close()
    return seconds


def limits(gopls: str, source: Path) -> None:
    print(f"{'GOMEMLIMIT':<12} {'peak':>9} {'CPU':>8} {'wall':>8}")
    for heap in HEAPS:
        emptied("GOPLSCACHE")
        os.environ["GOMEMLIMIT"] = heap
        peak, processor, wall = whole(gopls, source)
        print(f"{heap:<12} {peak:5.0f} MiB {processor:6.1f} s {wall:6.1f} s", flush=True)
    del os.environ["GOMEMLIMIT"]


def starts(gopls: str, source: Path) -> None:
    times: dict[str, list[float]] = {"cold": [], "built": [], "warm": []}
    for _round in range(ROUNDS):
        emptied("GOPLSCACHE", "GOCACHE")
        times["cold"].append(first(gopls, source))
        emptied("GOPLSCACHE")
        times["built"].append(first(gopls, source))
        emptied("GOPLSCACHE")
        prewarm.prewarm(gopls, {}, str(source), os.environ["GOPLSCACHE"])
        times["warm"].append(first(gopls, source))
    medians = {name: statistics.median(found) for name, found in times.items()}
    words = {"cold": "nothing cached", "built": "Go's build cache alone", "warm": "prewarmed"}
    print(f"\n{'first diagnostics':<24} {'median':>8} {'ratio':>6}")
    for name, seconds in medians.items():
        print(f"{words[name]:<24} {seconds:6.2f} s {seconds / medians['warm']:6.1f}")
    print(f"target: {TARGET:.1f} or more")


def main() -> None:
    directory = Path(sys.argv[1]).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    os.environ.update(environment(directory))
    gopls, source = made(directory)
    limits(gopls, source)
    starts(gopls, source)


if __name__ == "__main__":
    main()
