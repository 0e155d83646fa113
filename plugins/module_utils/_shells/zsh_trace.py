# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows the start-up of zsh and notes which file and line set which variable, by watching values as for bash."""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.provenance import Assignment, Source
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import run_at_home, run_in_terminal
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.bash_trace import assignments, watched_names
from ansible_collections.gopherops.devserver.plugins.module_utils._shells.scripts import ZSH_PROMPT, fill, quoted

# The first file, /etc/zshenv, zsh reads whatever it is told: what that sets is taken back. They come in zsh's order.
# There is one trap for all commands: a start-up gets none of its own. zsh leaves out the command before which the trap
# asks for errexit, and takes that back.
_SCRIPT = r"""
unset -m GIVEN_NAMES 'GO*'
eval "$__go_given"
unset __go_given
setopt rcs
zmodload zsh/parameter
exec {__go_out}>&2
typeset -A __go_old __go_whole
__go_names=(NAMES)
__go_file= __go_line=0 __go_depth=0 __go_values=
__go_note() { print -rN -u $__go_out -- $'\1'"$1" "${@:2}" }
__go_changed() {
  local __go_name __go_now
  for __go_name in $__go_names ${(k)parameters[(I)GO*]} 'alias go'; do
    [[ $__go_name == 'alias go' ]] && __go_now=${aliases[go]-} || __go_now=${(P)__go_name-}
    [[ $__go_now != "${__go_old[$__go_name]-}" ]] || continue
    __go_old[$__go_name]=$__go_now
    [[ -z $__go_file ]] || __go_note "$__go_name" "$__go_now" "$__go_file" $__go_line $__go_depth $1
  done
  __go_values="VALUES"
}
__go_look() {
  emulate -L zsh
  [[ $ZSH_SUBSHELL == 0 ]] || return 0
  [[ "VALUES" == "$__go_values" ]] || __go_changed $(($#funcstack - 1))
  integer __go_frame=1
  while [[ ${funcstack[__go_frame + 1]-} == '(eval)' || ${funcfiletrace[__go_frame]-} == (/proc/|/dev/)* ]]; do
    __go_frame+=1
  done
  __go_file=${funcfiletrace[__go_frame]%:*} __go_line=${funcfiletrace[__go_frame]##*:} __go_depth=$(($#funcstack - 1))
  [[ $__go_file == /* ]] || __go_file=${__go_whole[$__go_file]:=$PWD/$__go_file}
  if [[ $ZSH_DEBUG_CMD == ([A-Z]*|export *|typeset *|declare *|readonly *)=* ]]; then
    __go_values=
    __go_note '' "$ZSH_DEBUG_CMD" "$__go_file" $__go_line $__go_depth $__go_depth
  fi
  [[ $ZSH_DEBUG_CMD != (|function\ |functions\[|autoload\ *)TRAPDEBUG* ]]
}
__go_changed 0
trap '__go_look || builtin setopt errexit' DEBUG
trap() { [[ ${@[-1]} == DEBUG ]] || builtin trap "$@" }
__go_etc=/etc
[[ ! -d /etc/zsh ]] || __go_etc=/etc/zsh
for __go_start in zshenv ${${options[login]:#off}:+zprofile} zshrc ${${options[login]:#off}:+zlogin}; do
  [[ $__go_start != zshrc || -o interactive ]] || continue
  [[ $__go_start == zshenv || ( -o rcs && -o globalrcs ) ]] && [[ -r $__go_etc/$__go_start ]] &&
    source $__go_etc/$__go_start
  [[ -o rcs && -r ${ZDOTDIR:-$HOME}/.$__go_start ]] && source ${ZDOTDIR:-$HOME}/.$__go_start
done
THEN
__go_values=
builtin trap - DEBUG
print -r -- "${functions_source[go]}"
"""


def trace_zsh(
    *,
    options: t.Sequence[str],
    env: t.Mapping[str, str],
    account: Account,
    timeout: float,
    prompt: bool = False,
    declared: t.Collection[str] = (),
) -> list[Assignment]:
    """Start zsh with ``options``, with ``prompt`` as far as its first one in a terminal; return who set what.

    Names in ``declared`` are watched beside those that matter to Go.
    """
    names = watched_names(declared)
    given = [f"export {name}={quoted([value])}" for name, value in env.items() if name in names or name[:2] == "GO"]
    marks = {
        "VALUES": "\1".join([*(f"${{{name}-}}" for name in names), "${aliases[go]-}"]),
        "GIVEN_NAMES": quoted(names),
        "NAMES": quoted(names),
        "THEN": ZSH_PROMPT if prompt else "",
    }
    script = fill(_SCRIPT, marks)
    start = run_in_terminal if prompt else run_at_home
    # In the environment, which only the user can read: everybody can read a command line, and values may be secrets.
    env_with_given = dict(env, __go_given="\n".join(given))
    done = start(["zsh", "-f", *options, "-c", script], env=env_with_given, account=account, timeout=timeout)
    found = assignments(done.stderr, env)
    source = (done.stdout.splitlines() or [""])[-1]
    return found + ([Assignment("function go", "", Source("file", source))] if source.startswith("/") else [])
