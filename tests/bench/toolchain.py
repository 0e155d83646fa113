# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cold installation costs against curl, sha256sum and tar of the same archive from the same local server.

Called with the directory that keeps the archive, and the one to install in: in memory (below /dev/shm) the disk does
not blur the comparison. The module also runs what it unpacked, records the digest of each file and syncs the
filesystem; the commands are measured without a sync, and with one.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

VERSION = "1.22.12"
ROUNDS = 3
TARGET = 1.15
MODULE = "ansible_collections.gopherops.devserver.plugins.modules.go_toolchain"
COMMANDS = """set -e
mkdir {place}
cd {place}
curl --silent --show-error --fail --output archive {url}
echo '{sha256}  archive' | sha256sum --check --quiet
tar -xzf archive
rm archive
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: t.Any) -> None:
        pass


def packed(directory: Path) -> Path:
    """Return an archive of a real toolchain in the form of Go's own, made from the module cache."""
    env = {**os.environ, "GOTOOLCHAIN": f"go{VERSION}"}
    goroot, arch = subprocess.check_output(["go", "env", "GOROOT", "GOHOSTARCH"], env=env, text=True).split()
    path = directory / f"go{VERSION}.linux-{arch.replace('arm', 'armv6l') if arch == 'arm' else arch}.tar.gz"
    if not path.exists():
        new = path.with_suffix(".new")
        # Owner and modes as in Go's archives; the module cache's are read-only.
        options = ["--owner=0", "--group=0", "--mode=u+w", "--transform=s,^[.],go,"]
        subprocess.run(["tar", "-czf", new, *options, "-C", goroot, "."], check=True)
        new.rename(path)
    return path


def module(directory: Path, url: str, name: str, sha256: str) -> list[str | Path]:
    """Return the command that installs with the module, its arguments in a file as ansible gives them."""
    place = directory / "place"
    arguments = {
        "versions": [VERSION],
        "sources": ["mirror"],
        "record": False,
        "mirror": url,
        "root": str(place / "lib"),
        "link": str(place / "go"),
        "bin_dir": str(place / "bin"),
        "checksums": {VERSION: {name.split(".", 3)[3].partition(".")[0]: sha256}},
    }
    path = directory / "arguments.json"
    path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    return [sys.executable, "-m", MODULE, path]


def seconds(directory: Path, argv: t.Sequence[str | Path]) -> float:
    """Run a command on a host without a toolchain, with nothing left to be written of what was before."""
    shutil.rmtree(directory / "place", ignore_errors=True)
    os.sync()
    start = time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def main() -> None:
    kept, directory = map(Path, sys.argv[1:])
    kept.mkdir(parents=True, exist_ok=True)
    directory.mkdir(exist_ok=True)
    archive = packed(kept)
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=kept))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    script = COMMANDS.format(place=directory / "place", url=f"{url}/{archive.name}", sha256=sha256)
    ways = {
        "curl, sha256sum, tar": ["sh", "-c", script],
        "the same, then sync": ["sh", "-c", f"{script}sync --file-system .\n"],
        "go_toolchain": module(directory, url, archive.name, sha256),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _round in range(ROUNDS):
        for name, argv in ways.items():
            taken[name].append(seconds(directory, argv))
    shutil.rmtree(directory / "place")
    first, *_others = medians = {name: statistics.median(times) for name, times in taken.items()}
    for name, median in medians.items():
        print(f"{name:<24} {median:6.2f} s {median / medians[first]:6.2f}  {min(taken[name]):6.2f} s at best")
    print(f"target: at most {TARGET}")


if __name__ == "__main__":
    main()
