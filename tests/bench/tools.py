# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ten hosts cost from one build against ten builds, in one run of a play each.

Called with the folder to work in. The hosts are folders of this machine, and the tool is small: with gopls the builds
cost more, and a copy over a network does too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

HOSTS = 10
FORKS = 2
MODULE, VERSION = "example.com/hello", "v1.0.0"


def proxy(folder: Path) -> str:
    """Return the URL of a module proxy in a folder, with the one module."""
    versions = folder / "proxy" / MODULE / "@v"
    versions.mkdir(parents=True)
    go_mod = f"module {MODULE}\n\ngo 1.21\n"
    (versions / "list").write_text(f"{VERSION}\n")
    (versions / f"{VERSION}.info").write_text(json.dumps({"Version": VERSION}))
    (versions / f"{VERSION}.mod").write_text(go_mod)
    with zipfile.ZipFile(versions / f"{VERSION}.zip", "w") as archive:
        archive.writestr(f"{MODULE}@{VERSION}/go.mod", go_mod)
        archive.writestr(f"{MODULE}@{VERSION}/main.go", 'package main\n\nfunc main() { println("hello") }\n')
    return (folder / "proxy").as_uri()


def seconds(folder: Path, delivery: str, goproxy: str) -> float:
    """Run the play on hosts without a tool, and without anything in the cache."""
    goroot = subprocess.check_output(["go", "env", "GOROOT"], cwd="/", text=True).strip()
    place = f"{folder}/{delivery}/{{{{ inventory_hostname }}}}"
    arguments = {
        "tools": [{"package": MODULE, "version": VERSION}],
        "root": f"{place}/tools",
        "bin_dir": f"{place}/bin",
        "goroot": goroot,
        "goproxy": goproxy,
        "cache_dir": str(folder / "cache"),
        "delivery": delivery,
    }
    play = {"hosts": "all", "gather_facts": False, "tasks": [{"gopherops.devserver.go_tool": arguments}]}
    (folder / "play.yml").write_text(json.dumps([play]))
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = ",".join(f"host{number}" for number in range(HOSTS)) + ","
    argv = ["ansible-playbook", "--forks", str(FORKS), "-i", hosts, "-e", json.dumps(variables), folder / "play.yml"]
    start = time.monotonic()
    subprocess.run(argv, env={**os.environ, "GONOSUMDB": "example.com"}, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    goproxy = proxy(folder)
    copy, build = (seconds(folder, delivery, goproxy) for delivery in ("copy", "build"))
    print(
        f"{HOSTS} hosts, {FORKS} forks: one build {copy:.1f} s, {HOSTS} builds {build:.1f} s, ratio {copy / build:.2f}"
    )


if __name__ == "__main__":
    main()
