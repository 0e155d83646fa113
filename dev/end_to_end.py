# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a new user: clone, `make devserver` twice, connect as printed, `make clean`; nothing may be left.

Between them the playbooks run from the built package, and `make devserver HOST=...` runs on a second container.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

from dev import galaxy, host, python_env, skips
from dev.checkout import CACHE, ROOT, Failure
from dev.command import run
from dev.console import show
from dev.docker_engine import docker
from dev.skips import Skip

PASSWORD = "only for this test"
# The controller's cache of built tools, below the directory of caches.
TOOLS = Path("xdg", "gopherops-devserver", "tools")
# Ansible takes a host called 127.0.0.1 for the controller.
ADDRESS = "127.0.0.2"
# Something of each role that provisions by default.
REMOVE_MOST = """
rm -r /usr/local/go /usr/local/lib/go /usr/local/lib/go-tools /etc/gopherops /etc/systemd/system/gopls@.service
"""
# $1 is the user, $2 its password, $3 its public key: an account of a machine whose sudo needs the password.
ADD_ADMIN = """
useradd --create-home --shell /bin/bash --groups sudo "$1"
printf '%s:%s\\n' "$1" "$2" | chpasswd
printf '%s ALL=(ALL) ALL\\n' "$1" >"/etc/sudoers.d/$1"
install -d -o "$1" -g "$1" -m 0700 "/home/$1/.ssh"
printf '%s\\n' "$3" >"/home/$1/.ssh/authorized_keys"
chown "$1:" "/home/$1/.ssh/authorized_keys"
"""


def check(log: Path) -> None:
    """Take all steps in a fresh clone of HEAD."""
    with tempfile.TemporaryDirectory(prefix="devserver-") as directory:
        clone = Path(directory).resolve() / "clone"
        run(["git", "clone", "--quiet", ROOT, clone], log=log)
        _share_tools(clone)
        try:
            _use(clone, log)
        finally:
            _make(clone, "clean", log=log)
        _expect_nothing_left(clone)


def _share_tools(clone: Path) -> None:
    """Copy what the scenarios have built, of which `fleet` always builds its tools."""
    if (CACHE / TOOLS).is_dir():
        shutil.copytree(CACHE / TOOLS, clone / ".cache" / TOOLS, ignore=shutil.ignore_patterns(".*"))


def _use(clone: Path, log: Path) -> None:
    _make(clone, "devserver", log=log)
    second = _make(clone, "devserver", log=log)
    _expect_no_change("the second make devserver", second)
    if "no drift" not in second:
        raise Failure("the second make devserver does not report 'no drift'")
    command = re.search(r"^  (ssh -F .*)$", second, re.MULTILINE)
    if not command:
        raise Failure("make devserver does not print how to connect")
    version = run([*shlex.split(command[1]), "go version"], log=log, cwd=clone).output
    show(f"    over ssh: {version.strip()}")
    _provision_with_other_cores(clone, log)
    _provision_from_package(clone, log)
    _provision_real_machine(clone, log)


def _provision_with_other_cores(clone: Path, log: Path) -> None:
    """Let the oldest and the newest ansible-core restore what is missing, and change nothing in a second run."""
    env = python_env.tool_environment() | {
        "ANSIBLE_CONFIG": str(clone / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(clone / ".cache" / "collections"),
    }
    container = docker("ps", "--quiet", "--filter", f"label={_label(clone)}")
    play: list[str | Path] = ["-i", clone / ".devserver" / "inventory.yml", clone / "playbooks" / "site.yml"]
    for version, command in _other_cores(log).items():
        show(f"    ansible-core {version}")
        docker("exec", container, "sh", "-euc", REMOVE_MOST)
        restored = run([command, *play], log=log, cwd=clone, env=env).output
        if "[DEPRECATION" in restored or "[WARNING" in restored:
            raise Failure(f"ansible-core {version} warns, see {log}")
        _expect_no_change(f"ansible-core {version}", run([command, *play], log=log, cwd=clone, env=env).output)


def _other_cores(log: Path) -> dict[str, Path]:
    """Return the ansible-playbook of the oldest and of the newest ansible-core, as far as a Python here runs it."""
    cores = {python_env.OLDEST_CORE: python_env.ensure_core(python_env.OLDEST_CORE, log)}
    pythons = python_env.installed_pythons(("3.14", "3.13", python_env.NEWEST_CORE_PYTHON))
    for version, directory in list(pythons.items())[:1]:
        python = directory / f"python{version}"
        cores[python_env.NEWEST_CORE] = python_env.ensure_core(python_env.NEWEST_CORE, log, python)
    if not pythons:
        message = f"Python {python_env.NEWEST_CORE_PYTHON} is not installed"
        skips.write(skips.report_of(log), [Skip(f"ansible-core {python_env.NEWEST_CORE}", message)])
    return cores


def _provision_from_package(clone: Path, log: Path) -> None:
    """Install the built package into an empty directory, and run its playbooks by their full names."""
    show("    playbooks of the built package")
    collections = clone.parent / "collections"
    env = python_env.tool_environment() | {"ANSIBLE_COLLECTIONS_PATH": str(collections)}
    # A directory without an ansible.cfg and without playbooks, as in a project of a user.
    project = clone.parent / "project"
    project.mkdir()
    del env["ANSIBLE_CONFIG"]
    install: list[str | Path] = ["ansible-galaxy", "collection", "install", "--no-deps", "--offline", "-p", collections]
    run(["ansible-galaxy", "collection", "build", "--output-path", project, clone], log=log, cwd=project, env=env)
    run([*install, *project.glob("*.tar.gz")], log=log, cwd=project, env=env)
    # Its dependency, which is not downloaded here.
    crypto = Path("ansible_collections", "community", "crypto")
    (collections / crypto).parent.mkdir()
    (collections / crypto).symlink_to(galaxy.COLLECTIONS / crypto)
    play: list[str | Path] = ["ansible-playbook", "-i", clone / ".devserver" / "inventory.yml"]
    site = run([*play, "gopherops.devserver.site"], log=log, cwd=project, env=env)
    _expect_no_change("the site playbook of the package", site.output)
    fail_on = "drift_fail_on=warning"
    run([*play, "gopherops.devserver.drift", "-e", fail_on], log=log, cwd=project, env=env)


def _provision_real_machine(clone: Path, log: Path) -> None:
    """Provision a second machine, with an account whose sudo needs a password; it is a copy of the first, to save time.

    The copy has all files of the first, but for another user.
    """
    identity = _identity(clone)
    image, name = f"gopherops-devserver-real:{identity}", f"gopherops-devserver-{identity}-real"
    first = docker("ps", "--quiet", "--filter", f"label={_label(clone)}")
    docker("commit", first, image)
    try:
        docker(
            "run", "--detach", "--name", name, "--label", _label(clone), f"--publish={ADDRESS}::22", *host.FLAGS, image
        )
        host.await_boot(name)
        public_key = (clone / ".devserver" / "id_ed25519.pub").read_text().strip()
        docker("exec", name, "sh", "-euc", ADD_ADMIN, "sh", "ada", PASSWORD, public_key)
        _make_on(clone, docker("port", name, "22/tcp").rpartition(":")[2], log)
    finally:
        docker("rm", "--force", "--volumes", name)
        docker("rmi", image)


def _make_on(clone: Path, port: str, log: Path) -> None:
    # A user has this in ~/.ssh/config.
    options = f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={clone}/.devserver/real_known_hosts"
    environment = {
        "ANSIBLE_REMOTE_PORT": port,
        "ANSIBLE_PRIVATE_KEY_FILE": str(clone / ".devserver" / "id_ed25519"),
        "ANSIBLE_SSH_COMMON_ARGS": options,
    }
    arguments = ("devserver", f"HOST=ada@{ADDRESS}", "ASK_BECOME_PASS=1")
    output = _make(clone, *arguments, log=log, stdin=f"{PASSWORD}\n", environment=environment)
    if "no drift" not in output:
        raise Failure("make devserver HOST=... does not report 'no drift'")
    logs = [path for path in (clone / ".cache" / "logs").iterdir() if PASSWORD in path.read_text(errors="replace")]
    if logs or PASSWORD in output:
        raise Failure(f"the password of sudo is in the output or in {logs}")


def _expect_no_change(who: str, output: str) -> None:
    recaps = re.findall(r"\bok=.*", output)
    if not recaps or not all(re.search(r"\bchanged=0\b", recap) for recap in recaps):
        raise Failure(f"{who} changed something: {', '.join(recaps)}")


def _make(
    clone: Path, target: str, *variables: str, log: Path, stdin: str = "", environment: dict[str, str] | None = None
) -> str:
    show(f"    make {' '.join([target, *variables])}")
    # Downloads are shared with this checkout, and built tools; nothing else is.
    caches = {name: python_env.tool_environment()[name] for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR")}
    # A make above this one passes variables to those below; a user's make has none above.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    env = inherited | caches | (environment or {})
    return run(["make", "--no-print-directory", target, *variables], log=log, cwd=clone, env=env, stdin=stdin).output


def _identity(clone: Path) -> str:
    return hashlib.sha256(str(clone).encode()).hexdigest()[:8]


def _label(clone: Path) -> str:
    return f"gopherops.devserver.checkout={_identity(clone)}"


def _expect_nothing_left(clone: Path) -> None:
    containers = docker("ps", "--all", "--quiet", "--filter", f"label={_label(clone)}")
    directories = [str(path) for path in (clone / ".cache", clone / ".devserver") if path.exists()]
    if containers or directories:
        raise Failure(f"make clean left {containers} {' '.join(directories)}")
