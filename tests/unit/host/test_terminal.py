# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in a terminal that nobody sits at."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import run_in_terminal

ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}


def run_script(script, shell="sh", timeout=20.0, *options):
    return run_in_terminal([shell, *options, "-c", script], env=ENV, timeout=timeout)


def test_there_is_a_terminal_for_input_and_output():
    done = run_script('[ -t 0 ] && [ -t 1 ] && [ ! -t 2 ] && [ -n "$TERM" ] && tty < /dev/tty')
    assert done.ok
    assert done.stdout.startswith("/dev/")


def test_an_interactive_bash_has_nothing_to_complain_of():
    done = run_script("jobs; echo ok", "bash", 20.0, "--norc", "-i")
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_what_is_printed_arrives_as_it_is():
    done = run_script(r"printf 'a\nb\0c\td\r\n'; echo complaint >&2")
    assert (done.stdout, done.stderr) == ("a\nb\0c\td\r\n", "complaint\n")


def test_the_last_words_are_heard_however_fast_the_end_comes():
    assert {run_script("echo a; sleep 0.05; echo b").stdout for _again in range(10)} == {"a\nb\n"}


def test_more_than_a_terminal_holds_at_a_time_arrives():
    assert len(run_script("head -c 300000 /dev/zero").stdout) == 300000


def test_who_waits_for_input_is_ended():
    done = run_script("printf 'Sure? '; read reply; echo no", timeout=0.5)
    assert (done.returncode, done.stdout) == (None, "Sure? ")


def session(leader):
    """Return the processes of a session that still run."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                state, _parent, _group, session = file.read().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        found += [name] if session == leader and state not in "ZX" else []
    return found


@pytest.mark.parametrize("script", ["sleep 300 & sleep 300 & :", "while :; do :; done", "sleep 300"])
def test_nothing_of_the_session_is_left(script):
    done = run_script(f"trap '' HUP; echo $$; {script}", "bash", 0.5, "--norc", "-i")
    # What was killed may take a moment to be gone.
    deadline = time.monotonic() + 20
    while session(done.stdout.split()[0]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
