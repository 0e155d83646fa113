# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line at which the startup of a real fish fails."""

from __future__ import annotations

import concurrent.futures
import getpass
import pathlib
import shutil
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Source
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.fish import FishContext
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts.login import LoginContext
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._shells import blame
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.fish_lines import FishLines
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.startup import Startup

pytestmark = pytest.mark.skipif(not shutil.which("fish"), reason="this machine has no fish")

CONTEXTS = {"in a terminal": FishContext(), "of a login": LoginContext()}


Write = t.Callable[..., tuple[Startup, str]]


def writer(context: str, home: pathlib.Path) -> Write:
    account = find_account(getpass.getuser())._replace(home=str(home), shell="/usr/bin/fish")
    directory = home / ".config/fish"

    def write(text: str, **more: str) -> tuple[Startup, str]:
        for path, content in {"config": text, **more}.items():
            file = directory / f"{path}.fish"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return CONTEXTS[context].start_up(account, 5), str(directory / "config.fish")

    return write


@pytest.fixture(params=CONTEXTS)
def fish(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Write:
    """Write config.fish, and files beside it, and return how a context starts fish, and the path of config.fish."""
    return writer(request.param, tmp_path)


def test_what_is_printed_is_looked_for_in_the_files(fish: Write) -> None:
    shell, file = fish("set -g A 1\necho hello\n")
    assert blame.find_printing_line(shell, "hello", 5) == Source("file", file, 2)
    fish("set -g A hello\necho hello\n")
    assert blame.find_printing_line(shell, "hello", 5) == Source("file", file, 2)
    fish("set -g A 1\necho hello\n", **{"conf.d/more": "echo hello too\n"})
    assert blame.find_printing_line(shell, "hello", 5) is None
    assert blame.find_printing_line(shell, "[h]ello", 5) is None


# A command in several lines is found by the block that contains it, if that is in one line.
SLOW: dict[str, tuple[str, int | None]] = {
    "a command": ("set -g A 1\nsleep 0.3\n", 2),
    "one that is quoted": ("set -g A 1\nsleep '0.3'\n", 2),
    "one in a substitution": ("set -g A 1\nset -g B (sleep 0.3)\n", 2),
    "all turns of a loop": ("sleep 0.4\nfor a in 1 2 3 4\n    sleep 0.15\nend\n", 3),
    "a function": ("function slow\n    set -l A 1\n    sleep 0.3\nend\nslow\n", 3),
    "a function of two lines alike": ("function slow\n    sleep 0.2\n    sleep 0.2\nend\nslow\n", 5),
    "a loop of two lines alike": ("for a in 1 2\n    sleep 0.1\n    sleep 0.1\nend\n", 1),
    "a line that is like a comment and a longer one": ("# sleep 0.3\nsleep 0.3\nfunction f; sleep 0.31; end\n", 2),
    "two lines alike": ("sleep 0.2\nsleep 0.2\n", None),
}


@pytest.mark.parametrize("case", SLOW)
def test_the_line_that_takes_the_time(fish: Write, case: str) -> None:
    text, line = SLOW[case]
    shell, file = fish(text)
    assert blame.find_slowest_line(shell, 10) == (line and Source("file", file, line))


ELSEWHERE: dict[str, tuple[str, str, int]] = {
    "a function that is read when it is called": ("functions/own", "set -g A 1\nown\n", 2),
    "a file that is read": ("more", "set -g A 1\nsource ~/.config/fish/more.fish; own\n", 2),
    "a file that is read, and is another by then": ("more", "source (status dirname)/more.fish\nown\n", 2),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_what_other_files_take_the_time_for_is_the_line_that_reads_or_calls_it(fish: Write, case: str) -> None:
    other, text, line = ELSEWHERE[case]
    shell, file = fish(text, **{other: "function own\n    sleep 0.3\nend\n"})
    assert blame.find_slowest_line(shell, 10) == Source("file", file, line)


HANGING: dict[str, tuple[str, int | None]] = {
    "a command": ("set -g A 1\nsleep 60\nset -g B 2\n", 2),
    "one in a substitution": ("set -g A 1\nset -g B (sleep 60)\n", 2),
    "one in a substitution that is another by then": ("set -g T 60\nset -g A 1\nset -g B (sleep $T)\n", None),
    "one in a function that is another by then": ("function f\n    sleep $argv\nend\nset -g A 1\nf 60\n", 5),
    "a loop": ("set -g A 1\nwhile true\nend\n", 2),
    "another program": ("set -g A 1\nexec sleep 60\n", 2),
    "another program that ends": ("exec true\n", 1),
    "one of two others": ("set -g A 1\nif false\n    exec true\nend\nexec sleep 60\n", None),
    "it finishes": ("set -g A 1\n", None),
    "it is only slow": ("".join(f"sleep 0.{number:03}\n" for number in range(180, 220)), None),
    "it hides what it does": ("set -e fish_trace\nsleep 60\n", None),
}


@pytest.fixture(scope="module", params=CONTEXTS)
def last_lines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Mapping[str, t.Any]:
    """Return the line that is found for each case, and the expected one: all cases wait at the same time."""

    def search(case: str) -> tuple[Source | None, Source | None]:
        text, line = HANGING[case]
        shell, file = writer(request.param, tmp_path_factory.mktemp("home"))(text)
        return blame.find_last_line(shell, 2), Source("file", file, line) if line else None

    with concurrent.futures.ThreadPoolExecutor(max_workers=6) as pool:
        return dict(zip(HANGING, pool.map(search, HANGING), strict=True))


@pytest.mark.parametrize("case", HANGING)
def test_the_line_at_which_there_is_no_going_on(last_lines: t.Mapping[str, t.Any], case: str) -> None:
    found, expected = last_lines[case]
    assert found == expected


@pytest.mark.parametrize("line", ["sleep 71 &", "nohup sleep '72' >/dev/null &", "begin; sleep 73 &; end"])
def test_a_process_that_is_left_is_found(fish: Write, line: str) -> None:
    shell, file = fish(f"set A 1\n{line}\n")
    command, source = blame.find_process_left(shell, 10)
    assert (command.startswith("sleep 7"), source) == (True, Source("file", file, 2))
    shell, _file = fish("sleep 0\n")
    assert blame.find_process_left(shell, 10) == ("", None)


def test_many_lines_are_searched_in_linear_time() -> None:
    texts = [f"set -g NAME_{number} value # {number}" for number in range(5_000)]
    lines = FishLines([(Source("file", "/f", number), text) for number, text in enumerate(texts, 1)])
    began = time.process_time()
    found = [lines.with_command(f"set -g NAME_{number} value") for number in range(5_000)]
    assert time.process_time() - began < 3
    assert [[source.line for source in sources] for sources in found] == [[number] for number in range(1, 5_001)]


@pytest.mark.parametrize("fish", ["in a terminal"], indirect=True)
def test_what_the_prompt_waits_for_is_found(fish: Write) -> None:
    hook = "function own_hook --on-event fish_prompt\n    sleep {}\nend\n"
    shell, file = fish(hook.format(60))
    assert blame.find_last_line(shell, 2) == Source("file", file, 2)
    shell, file = fish(hook.format(0.3))
    assert blame.find_slowest_line(shell, 10) == Source("file", file, 2)
    shell, file = fish("set -g A 1\nread -P 'Go on? ' B\n")
    assert blame.find_last_line(shell, 2) == Source("file", file, 2)


def test_nothing_is_left_in_the_home(fish: Write, tmp_path: pathlib.Path) -> None:
    shell, _file = fish("sleep 0.1\n")
    before = sorted(map(str, tmp_path.rglob("*")))
    blame.find_slowest_line(shell, 5)
    blame.find_last_line(shell, 1)
    assert sorted(map(str, tmp_path.rglob("*"))) == before
