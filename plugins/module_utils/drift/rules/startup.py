# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How shells start up, and processes that started before the environment was rendered."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils.drift.finding import Finding, Remedy, Rule
from ansible_collections.gopherops.devserver.plugins.module_utils.drift.scene import Row, Scene

NOISY = Rule(
    "GD701",
    "warning",
    "A start-up prints something",
    "scp, rsync, sftp and editors that read a command's output may fail over it.",
    why="""\
What a start-up prints, on either channel, gets into the output of every command that is started in this way. The
finding has the first line. Start-up files should print only where `[ -t 1 ]` says that there is a terminal.""",
    mend="Delete what prints, or put it behind `[ -t 1 ] &&`.",
    example="the start-up of ssh prints 'Welcome to dev1'",
)
SLOW = Rule(
    "GD702",
    "warning",
    "A start-up is slow",
    "Each terminal and task waits for it, and an editor's server gives up after 10 seconds and goes on without it.",
    why="""\
The wall time of a real start-up was more than 3 seconds. Version managers, completions and anything that asks the
network are the usual reasons.""",
    mend="""\
See what takes so long: `PS4='+$EPOCHREALTIME ' bash -lixc exit 2>&1 | less`, and make it start when it is used.""",
    example="the start-up of login took 4.2 s",
)
UNKNOWN = Rule(
    "GD901",
    "warning",
    "A context could not be asked",
    "Nothing is known about what processes get there.",
    why="""\
The start-up leaves the shell, puts another program in its place, waits for input, takes longer than the limit, or a
file that it reads is broken. The cells of that context are `unknown`, which never counts as ok.""",
    mend="Mend what the cause names. Then ask again.",
    example="bash ended with 3 before the command ran: a start-up file may leave the shell",
)
RULES = (NOISY, SLOW, UNKNOWN)

_SLOW_SECONDS = 3.0


def findings(scene: Scene) -> t.Iterator[Finding]:
    for seen in scene.observations:
        if seen.environment is None:
            yield Row(seen, {}).finding(UNKNOWN, seen.problem, Remedy("mend what the cause names"))
    for row in scene.rows:
        yield from _start_up(row)


def _start_up(row: Row) -> t.Iterator[Finding]:
    name = row.seen.context.name
    if row.seen.noise:
        remedy = Remedy("delete what prints, or put it behind '[ -t 1 ] &&'")
        yield row.finding(NOISY, f"the start-up of {name} prints {row.seen.noise[:200]!r}", remedy)
    if row.seen.seconds > _SLOW_SECONDS:
        remedy = Remedy("see what takes so long by 'bash -lixc exit', and let it start when it is used")
        yield row.finding(SLOW, f"the start-up of {name} took {row.seen.seconds:.1f} s", remedy)
