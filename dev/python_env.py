# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual environments: pip installs uv, uv installs the rest, both by hash."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import sys
import threading
import typing as t
from pathlib import Path

from dev import apt
from dev.checkout import CACHE, REQUIREMENTS, ROOT
from dev.command import query, run

VENV = CACHE / "venv"
BIN = VENV / "bin"
DOCS_VENV = CACHE / "venv-docs"
WHEELS = CACHE / "wheels"
# The oldest ansible-core that the collection supports, the newest one, and the oldest Python of that.
OLDEST_CORE, NEWEST_CORE = "2.16", "2.21"
NEWEST_CORE_PYTHON = "3.12"
# Checks that run side by side need the same environment.
_one_builder = threading.Lock()


def ensure(log: Path) -> None:
    """Build the environment that everything runs in; nothing to do where its requirements have not changed."""
    inputs = [REQUIREMENTS / "uv.txt", REQUIREMENTS / "dev.txt"]
    if _is_built(VENV, inputs):
        return
    apt.require({"git": "git", "ssh": "openssh-client"}, log)
    if not importlib.util.find_spec("ensurepip"):
        apt.install([f"python{sys.version_info.major}.{sys.version_info.minor}-venv"], log)
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", VENV], log=log)
    run([BIN / "pip", "install", "--require-hashes", "-r", inputs[0]], log=log, env=_environment())
    _uv_install(VENV, inputs[1], log)
    _mark_built(VENV, inputs)


def ensure_core(version: str, log: Path, python: Path | str = sys.executable) -> Path:
    """Build a small environment with another ansible-core; return its ansible-playbook."""
    venv = CACHE / f"venv-core-{version}"
    _ensure_further(venv, REQUIREMENTS / f"core-{version}.txt", log, python)
    return venv / "bin" / "ansible-playbook"


def ensure_docs(log: Path) -> None:
    """Build the environment of the documentation's tools; some of them need older libraries than the others do."""
    _ensure_further(DOCS_VENV, REQUIREMENTS / "docs.txt", log, sys.executable)


def installed_pythons(versions: t.Iterable[str]) -> dict[str, Path]:
    """Return the directory of each of these Pythons that is on this machine."""
    directories = [Path(entry) for entry in os.environ.get("PATH", "").split(":") if entry]
    found = {}
    for version in versions:
        own = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin"))
        # A shim on PATH has every version's name, and fails to run most of them.
        usable = (f for f in [*own, *directories] if query([f / f"python{version}", "-c", ""]).ok)
        directory = next(usable, None)
        if directory:
            found[version] = directory
    return found


def _ensure_further(venv: Path, requirements: Path, log: Path, python: Path | str) -> None:
    """Build an environment beside the first one, by the uv of that one."""
    with _one_builder:
        if _is_built(venv, [requirements]):
            return
        shutil.rmtree(venv, ignore_errors=True)
        run([BIN / "uv", "venv", "--python", python, venv], log=log, env=_environment())
        _uv_install(venv, requirements, log)
        _mark_built(venv, [requirements])


def wheel(project: str, log: Path) -> Path:
    """Return the wheel of a project in requirements/wheels.txt, downloaded once."""
    pins = REQUIREMENTS / "wheels.txt"
    version = re.search(rf"^{project}==(\S+)", pins.read_text(), re.MULTILINE)
    assert version is not None
    file = WHEELS / f"{project}-{version[1]}-py3-none-any.whl"
    if not file.exists():
        arguments: list[str | Path] = [
            "--require-hashes",
            "--no-deps",
            "--only-binary",
            ":all:",
            "-r",
            pins,
            "-d",
            WHEELS,
        ]
        run([BIN / "pip", "download", *arguments], log=log, env=_environment())
    return file


def compile_requirements(log: Path) -> None:
    """Pin every requirements/*.in, with the hashes of all of its files, in the .txt beside it."""
    options = ["--universal", "--generate-hashes", "--no-emit-index-url"]
    for source in sorted(REQUIREMENTS.glob("*.in")):
        python = ["--python-version", NEWEST_CORE_PYTHON if source.stem == f"core-{NEWEST_CORE}" else "3.11"]
        # What is only downloaded brings nothing along.
        extra = ["--no-deps"] if source.stem == "wheels" else []
        # They are in the file's header, and relative, so that they name no directory of this machine.
        paths: list[str | Path] = [source.relative_to(ROOT), "-o", source.with_suffix(".txt").relative_to(ROOT)]
        argv: list[str | Path] = [BIN / "uv", "pip", "compile", "-q", "--upgrade", *options, *python, *extra, *paths]
        run([*argv, "--custom-compile-command", "make requirements"], log=log, env=_environment())


def tool_environment() -> dict[str, str]:
    """Return the environment in which the installed tools run."""
    return _environment() | {
        "PATH": f"{BIN}:{os.environ.get('PATH', apt.SYSTEM_PATH)}",
        "VIRTUAL_ENV": str(VENV),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(CACHE / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(CACHE / "collections"),
        # What roles cache on the controller belongs to the checkout too, so that `make clean` finds it.
        "XDG_CACHE_HOME": str(CACHE / "xdg"),
        # Tools start hundreds of times. `make` keeps compiled files away from the sources, without which each start
        # would compile them again.
        "PYTHONPYCACHEPREFIX": str(CACHE / "pycache"),
        "PYTHONDONTWRITEBYTECODE": "",
        "NO_COLOR": "1",
        # ansible does not run where the locale has another encoding.
        "LC_ALL": "C.UTF-8",
    }


def _environment() -> dict[str, str]:
    """Return the environment of pip and uv: caches in the checkout, unless somebody has set them elsewhere."""
    caches = {"UV_CACHE_DIR": str(CACHE / "uv"), "PIP_CACHE_DIR": str(CACHE / "pip"), "UV_NO_CONFIG": "1"}
    return caches | dict(os.environ) | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _uv_install(venv: Path, requirements: Path, log: Path) -> None:
    env = _environment()
    # uv does not read pip's configuration; a machine with an index of its own has it there.
    index = query([BIN / "pip", "config", "get", "global.index-url"], env=env)
    index_url = os.environ.get("PIP_INDEX_URL") or (index.output.strip() if index.ok else "")
    if index_url:
        env.setdefault("UV_DEFAULT_INDEX", index_url)
    argv: list[str | Path] = [BIN / "uv", "pip", "install", "--require-hashes", "--python", venv / "bin" / "python"]
    run([*argv, "-r", requirements], log=log, env=env)


def _is_built(venv: Path, inputs: list[Path]) -> bool:
    stamp = venv / ".complete"
    return stamp.is_file() and stamp.read_text() == _key(inputs)


def _mark_built(venv: Path, inputs: list[Path]) -> None:
    (venv / ".complete").write_text(_key(inputs))


def _key(inputs: list[Path]) -> str:
    # A virtual environment is bound to its Python and to its place.
    bound_to = f"{sys.version} {CACHE}".encode()
    return hashlib.sha256(bound_to + b"".join(path.read_bytes() for path in inputs)).hexdigest()
