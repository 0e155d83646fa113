# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The play in docs/how-to/remove.md that removes the hooks, run below a temporary directory in place of /."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import fish, login, pam, shell
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_block import with_block

PAGE = pathlib.Path(__file__).parents[3] / "docs/how-to/remove.md"
# Of both families of distributions.
HOOKED = ("bash.bashrc", "bashrc", "zsh/zshenv", "pam.d/sshd")
MANAGED = (login.HOOK, fish.HOOK, shell.SCRIPT, pam.SERVICE, pam.USERS_SERVICE, f"{pam.DIRECTORY}/everyone.conf")
# A comment in Latin-1: neither it nor a file like BINARY must end the search.
OTHERS_TEXT = b"# caf\xe9\numask 022\n"
BINARY = b"\x7fELF\x00\xff\xfe\n"


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a directory that contains the files of a provisioned host, and files of other formats."""
    root = tmp_path / "root"
    text = OTHERS_TEXT.decode(errors="surrogateescape")
    hooked = with_block(text, shell.SOURCE_SCRIPT, path="", first=True).encode(errors="surrogateescape")
    files = {**{f"etc/{name}": hooked for name in HOOKED}, **{path[1:]: b"" for path in MANAGED}}
    for path, content in {**files, "etc/aliases.db": BINARY, "etc/zsh/a.zwc": BINARY}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "etc/dangling").symlink_to("missing")
    return root


@pytest.fixture
def play(root: pathlib.Path) -> t.Callable[..., str]:
    """Run the page's play with its paths below ``root``, and return its output."""
    examples = re.findall(r"^```yaml\n(# remove_hooks\.yml\n.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    playbook = root.parent / "remove_hooks.yml"
    playbook.write_text(re.sub(r"(?<=[ \[])/(?=(?:etc|usr|var)\b)", f"{root}/", examples[0]))
    here = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    configuration = root.parent / "ansible.cfg"
    configuration.touch()
    home = str(root.parent / "ansible")
    own = {
        "ANSIBLE_CONFIG": str(configuration),
        "ANSIBLE_HOME": home,
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
    }

    def play(*options: str) -> str:
        program = pathlib.Path(sys.executable).parent / "ansible-playbook"
        argv = [program, "-i", "host,", "-e", json.dumps(here), *options, playbook]
        env = dict(os.environ, LC_ALL="C.UTF-8", **own)
        done = subprocess.run(argv, env=env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return play


def contents(root: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_all_hooks_and_their_files_are_removed_and_nothing_else(root: pathlib.Path, play: t.Callable[..., str]) -> None:
    others = {f"etc/{name}": OTHERS_TEXT for name in HOOKED}
    play()
    assert contents(root) == {**others, "etc/aliases.db": BINARY, "etc/zsh/a.zwc": BINARY}
    assert "changed=0" in play()


def test_check_mode_shows_each_file_and_removes_nothing(root: pathlib.Path, play: t.Callable[..., str]) -> None:
    before = contents(root)
    output = play("--check")
    assert contents(root) == before
    assert [name for name in HOOKED if f"{root}/etc/{name}" not in output] == []
