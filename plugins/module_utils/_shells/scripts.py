# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell texts that this collection runs, and how values get into them."""

from __future__ import annotations

import re
import shlex
import typing as t

# What an interactive bash runs before it prompts; one before 5.1 takes an array's first entry alone. What is printed
# is for people to read.
BASH_PROMPT = """\
[ -z "${PROMPT_COMMAND+x}" ] || \
for __go_hook in "${PROMPT_COMMAND[@]:0:BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 501 ? 1 : 99}"; do \
eval "$__go_hook" 2>&1 || :; \
done; unset __go_hook"""

# What an interactive zsh runs before it prompts. What is printed is for people to read. Whatever options start-up files
# have set: a name that is not set is no error here, and a hook that fails does not end the shell.
ZSH_PROMPT = """\
for __go_hook in precmd ${precmd_functions+"${precmd_functions[@]}"}; do \
if typeset -f "$__go_hook" >/dev/null; then "$__go_hook" 2>&1 || :; fi; \
done; unset __go_hook"""

# What fish tells its functions before it prompts, less its own, which writes settings into the home. What is printed is
# for people to read.
FISH_PROMPT = "functions -e __fish_on_interactive; begin; emit fish_prompt; end 2>&1"
# The same by hand, for fish's own trace: it leaves out what an event calls.
FISH_HOOKS = """\
functions -e __fish_on_interactive
for __go_hook in (functions --handlers-type generic | string replace -rf '^fish_prompt ' '')
    $__go_hook
end"""

# What each shell runs before it prompts.
PROMPTS = {"bash": BASH_PROMPT, "zsh": ZSH_PROMPT, "fish": FISH_PROMPT}

_SOURCE = """\
for __startup in FILES; do [ ! -r "$__startup" ] || . "$__startup"; done
for __startup in FIRST_OF; do if [ -r "$__startup" ]; then . "$__startup"; break; fi; done"""


def fill(script: str, marks: t.Mapping[str, str]) -> str:
    """Return ``script`` with a text in the place of each mark, a word of its own; marks in those texts stay."""
    return re.sub(rf"\b(?:{'|'.join(marks)})\b", lambda match: marks[match.group()], script)


def quoted(words: t.Iterable[str]) -> str:
    return " ".join(map(shlex.quote, words))


def source_files(files: t.Sequence[str], first_of: t.Sequence[str]) -> str:
    """Return the lines that source all ``files``, and the first of ``first_of`` that can be read."""
    return fill(_SOURCE, {"FILES": quoted(files), "FIRST_OF": quoted(first_of)})
