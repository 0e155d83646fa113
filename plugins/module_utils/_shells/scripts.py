# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell scripts of the collection, and the substitution of values in them.

Words in capital letters, such as NAMES, are marks that ``fill`` replaces. Variables and functions of a script that runs
in a user's shell have names that begin with ``__go_``.
"""

from __future__ import annotations

import re
import shlex
import typing as t

# What POSIX shells source to get the declaration.
SH_ENVIRONMENT = """\
# __go_path puts the declared directories first in PATH, once each. Every user has a file that only that user can read.
# After "su" root's PATH may be another user's: nothing is looked for in it.
__go_path() {
  __go_first=
  __go_rest=":$PATH:"
  for __go_dir in "$@"; do
    __go_first="$__go_first:$__go_dir"
    while :; do
      case "$__go_rest" in
        *":$__go_dir:"*) __go_rest="${__go_rest%%":$__go_dir:"*}:${__go_rest#*":$__go_dir:"}" ;;
        *) break ;;
      esac
    done
  done
  __go_rest="${__go_rest#:}"
  __go_rest="${__go_rest%:}"
  export PATH="${__go_first#:}${__go_rest:+:$__go_rest}"
  unset __go_first __go_rest __go_dir
}
__go_user=USERS/$(/usr/bin/id -un).sh
# An assignment to a readonly variable ends dash, zsh and sh: a subshell tries it before. The other variables are set.
if [ ! -r "$__go_user" ]; then
  (EVERYONE) && EVERYONE
elif (. "$__go_user") 2>/dev/null; then
  . "$__go_user"
else
  while read -r __go_line; do
    (eval "$__go_line") && eval "$__go_line"
  done <"$__go_user"
fi
unset -f __go_path
unset __go_user __go_line
"""
# The block of /etc/zshenv that sources it. A script's zsh inside a session keeps what it was given there: GOFLAGS=-x
# before a command must reach it.
ZSH_SOURCE_ENVIRONMENT = """\
if [[ -o interactive || -o login || ${SHLVL:-1} -le 1 ]]; then
  SOURCE
fi
"""
# What fish sources. A fish that finds SHLVL set and is neither for a login nor a terminal runs a script in a session;
# before 3.2, it counts itself.
FISH_ENVIRONMENT = """\
# Puts the declared directories first in PATH, once each. Every user has a file that only that user can read.
function __go_path
    set -l rest
    for entry in $PATH
        contains -- $entry $argv; or set -a rest $entry
    end
    set -gx PATH $argv $rest
end
# A script inside a session keeps what it was given there.
if status is-interactive; or status is-login; or not set -q SHLVL
    or string match -qr '^1 3\\.[01]\\.' -- "$SHLVL $version"
    set -l file USERS/(/usr/bin/id -un).fish
    if test -r $file
        source $file
    else
        EVERYONE
    end
end
functions -e __go_path
"""

# The hooks that an interactive bash runs before its first prompt; before 5.1 it runs only the first entry of an array.
# As at a real prompt, the standard error of hooks goes to the terminal.
BASH_PROMPT = """\
[ -z "${PROMPT_COMMAND+x}" ] || \
for __go_hook in "${PROMPT_COMMAND[@]:0:BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 501 ? 1 : 99}"; do \
eval "$__go_hook" 2>&1 || :; \
done; unset __go_hook"""

# The hooks that an interactive zsh runs before its first prompt. They work with all options that startup files can set:
# an unset name is no error, and a hook that fails does not end the shell.
ZSH_PROMPT = """\
for __go_hook in precmd ${precmd_functions+"${precmd_functions[@]}"}; do \
if typeset -f "$__go_hook" >/dev/null; then "$__go_hook" 2>&1 || :; fi; \
done; unset __go_hook"""

# The event of fish's first prompt. fish's own handler is removed, because it writes settings into the home directory.
FISH_PROMPT = "functions -e __fish_on_interactive; begin; emit fish_prompt; end 2>&1"
# Calls the handlers one by one, because fish's own trace has no calls by events.
FISH_HOOKS = """\
functions -e __fish_on_interactive
for __go_hook in (functions --handlers-type generic | string replace -rf '^fish_prompt ' '')
    $__go_hook
end"""

# The hooks of the first prompt, by shell.
PROMPTS = {"bash": BASH_PROMPT, "zsh": ZSH_PROMPT, "fish": FISH_PROMPT}

# Sources all FILES, and the first readable one of FIRST_OF.
_SOURCE = """\
for __startup in FILES; do [ ! -r "$__startup" ] || . "$__startup"; done
for __startup in FIRST_OF; do if [ -r "$__startup" ]; then . "$__startup"; break; fi; done"""

# Reports values to a descriptor of its own, because a startup may redirect its standard error. A file is named relative
# to the directory in which it was first seen, and a pipe by the command that reads it. Lines inside of eval are counted
# from the line of eval: if the command is not in that line, the line of eval is reported. A command of a function is at
# the line of a file that is being read: the one that calls the function, if the file of the function was read before.
# Of __go_path, whose commands would take half of the time, that is the line that calls it.
BASH_TRACE = r"""
set -T
exec {__go_out}>&2
declare -A __go_old __go_whole
__go_names=(NAMES)
__go_known=" NAMES "
__go_file= __go_line=0 __go_by= __go_depth=0 __go_eval_line=0 __go_eval= __go_calls= __go_values=
__go_note() {
  printf '\1%s\0%s\0%s\0%s\0%s\0%s\0%s\0' "$1" "$2" "$__go_file" "$__go_line" "$__go_depth" "$3" "$__go_by" >&$__go_out
}
__go_settle() {
  local -a __go_text
  local __go_ends=${__go_command//[!$'\n']/} __go_else=$__go_line __go_behind=$((__go_line - __go_eval_line))
  if [[ $__go_eval == "$__go_depth:$__go_file" ]] && ((0 < __go_behind && __go_behind < 99)); then
    __go_else=$__go_eval_line
  elif [[ -z $__go_ends ]]; then
    return 0
  fi
  ((__go_line -= ${#__go_ends})) || :
  mapfile -t -s $((__go_line - 1)) -n 1 __go_text <"$__go_file" || :
  [[ ${__go_text[0]-} == *"${__go_command%%$'\n'*}"* ]] || __go_line=$__go_else
} 2>/dev/null
__go_blame() {
  __go_settle
  [[ -n ${__go_calls-} ]] || return 0
  local __go_read=/
  local -i __go_frame
  for __go_frame in "${!__go_calls[@]}"; do
    [[ ${__go_calls[__go_frame]} != source ]] || __go_read+=/${__go_files[__go_frame]}//
  done
  for __go_frame in "${!__go_calls[@]}"; do
    [[ ${__go_files[__go_frame]} != @(/dev/*|/proc/*) && $__go_read == *"//${__go_files[__go_frame]}//"* ]] || continue
    if ((__go_frame > 0)); then
      __go_by=$__go_file:$__go_line __go_line=${__go_lines[__go_frame]}
      __go_file=${__go_whole[${__go_files[__go_frame]}]-${__go_files[__go_frame]}}
    fi
    break
  done
  __go_calls=
}
__go_changed() {
  local __go_name __go_now
  [[ -z $1 ]] || __go_blame
  for __go_name in "${__go_names[@]}" "${!GO@}"; do
    case $__go_name in
      PROMPT_COMMAND) __go_now=${PROMPT_COMMAND[*]-} ;;
      'alias go') __go_now=${BASH_ALIASES[go]-} ;;
      *) __go_now=${!__go_name-} ;;
    esac
    [[ $__go_now != "${__go_old[$__go_name]-}" ]] || continue
    __go_old[$__go_name]=$__go_now
    [[ -z $1 ]] || __go_note "$__go_name" "$__go_now" "$1"
  done
  __go_values="VALUES"
} 2>/dev/null
__go_place() {
  local -i __go_frame=2
  while [[ ${BASH_SOURCE[__go_frame]-} == @(/dev/*|/proc/*|environment|main) ]]; do __go_frame+=1; done
  __go_file=${BASH_SOURCE[__go_frame]-} __go_line=${BASH_LINENO[__go_frame - 1]-0}
  [[ $__go_file == /* || -z $__go_file ]] || __go_file=${__go_whole[$__go_file]:=$PWD/$__go_file}
}
# An assignment to a readonly variable fails.
__go_fixed() {
  local __go_name=${1##*[[:space:]]}
  __go_name=${__go_name%+}
  [[ $__go_name == [A-Za-z_]*([A-Za-z0-9_]) && -n ${!__go_name+x} && ${!__go_name@a} == *r* ]]
}
__go_look() {
  [[ "VALUES" == "$__go_values" ]] || __go_changed $((${#BASH_SOURCE[@]} - 1))
  __go_file=${BASH_SOURCE[1]-} __go_line=${BASH_LINENO[0]} __go_depth=$((${#BASH_SOURCE[@]} - 1)) __go_by=
  __go_command=$BASH_COMMAND __go_calls=
  [[ $__go_file == /* && $__go_file != /dev/* && $__go_file != /proc/* ]] || __go_place
  if [[ ${FUNCNAME[1]-source} != source ]]; then
    __go_calls=("${FUNCNAME[@]:1}") __go_files=("${BASH_SOURCE[@]:1}") __go_lines=("${BASH_LINENO[@]}")
  fi
  case $BASH_COMMAND in
    [A-Z]*=* | export\ *=* | declare\ *=* | typeset\ *=* | readonly\ *=*)
      local __go_set=${BASH_COMMAND%%=*}
      [[ $BASH_COMMAND != *GO* && $BASH_COMMAND != [a-z]*[\$\`]* ]] ||
        [[ $__go_known == *" ${__go_set##* } "* && ${BASH_COMMAND#*=} != *@(GO|\$|\`)* ]] || __go_values=
      __go_blame
      __go_fixed "$__go_set" || __go_note '' "$BASH_COMMAND" "$__go_depth" ;;
    ulimit\ * | builtin\ ulimit\ *) __go_blame; __go_note '' "$BASH_COMMAND" "$__go_depth" ;;
    eval\ *) __go_eval=$__go_depth:$__go_file __go_eval_line=$__go_line ;;
  esac
}
__go_changed ''
# In one line, because bash counts the lines of a trap too.
builtin trap '__go_last=$_; [[ ${FUNCNAME-} == __go_path || $BASH_SUBSHELL != 0 ]] || __go_look; : "$__go_last"' DEBUG
trap() { [[ ${*: -1} == DEBUG ]] || builtin trap "$@"; }
START_UP
__go_values=
builtin trap - DEBUG
shopt -s extdebug
declare -F go
"""
# Outside of files, an interactive bash counts the lines of a function from the function's first line.
BASH_TRACED_STARTUP = """\
SOURCE
. /dev/fd/9 9<<'END'
THEN
END
"""

# zsh always reads the first file, /etc/zshenv, by itself: its assignments are undone. All files follow in zsh's order.
# One trap serves all commands: a startup cannot set its own. A trap that sets errexit makes zsh skip the command, and
# zsh resets the option.
ZSH_TRACE = r"""
unset -m GIVEN_NAMES 'GO*'
eval "$__go_given"
unset __go_given
setopt rcs
zmodload zsh/parameter
exec {__go_out}>&2
typeset -A __go_old __go_whole
__go_names=(NAMES)
__go_file= __go_line=0 __go_by= __go_depth=0 __go_at= __go_values= __go_replaced= __go_stack=() __go_callers=()
__go_note() { print -rN -u $__go_out -- $'\1'"$1" "$2" "$__go_file" $__go_line $__go_depth $3 "$__go_by" }
__go_place() {
  __go_file=${1%:*} __go_line=${1##*:}
  [[ $__go_file == /* ]] || __go_file=${__go_whole[$__go_file]:=$PWD/$__go_file}
}
__go_blame() {
  local __go_caller
  [[ -z $__go_at ]] || __go_place $__go_at
  __go_at=
  for __go_caller in $__go_callers; do
    ((${__go_stack[(Ie)${__go_caller%:*}]})) || continue
    __go_by=$__go_file:$__go_line
    __go_place $__go_caller
    break
  done
  __go_callers=()
}
__go_changed() {
  local __go_name __go_now
  __go_blame
  for __go_name in $__go_names ${(k)parameters[(I)GO*]} 'alias go'; do
    [[ $__go_name == 'alias go' ]] && __go_now=${aliases[go]-} || __go_now=${(P)__go_name-}
    [[ $__go_now != "${__go_old[$__go_name]-}" ]] || continue
    __go_old[$__go_name]=$__go_now
    [[ -z $__go_file ]] || __go_note "$__go_name" "$__go_now" $1
  done
  __go_values="VALUES"
}
__go_look() {
  emulate -L zsh
  [[ $ZSH_SUBSHELL == 0 && ${funcstack[2]-} != __go_path ]] || return 0
  [[ "VALUES" == "$__go_values" ]] || __go_changed $(($#funcstack - 1))
  # Without debugbeforecmd, as sh is emulated, the trap runs after the command.
  [[ -n ${ZSH_DEBUG_CMD+x} ]] || return 0
  __go_replaced=
  if [[ $ZSH_DEBUG_CMD == (|*\ )emulate\ (|-R\ )(sh|ksh|csh)\ -c\ * ]]; then
    [[ $ZSH_DEBUG_CMD == (|*\ )builtin\ emulate\ * ]] && __go_replaced=builtin || __go_replaced=emulate
    functions[$__go_replaced]='[[ $1 != emulate ]] || shift; '$__go_emulate
  fi
  integer __go_frame=1
  while [[ ${funcstack[__go_frame + 1]-} == '(eval)' || ${funcfiletrace[__go_frame]-} == (:|/proc/|/dev/)* ]]; do
    __go_frame+=1
  done
  __go_by= __go_depth=$(($#funcstack - 1)) __go_stack=() __go_callers=()
  __go_at=${funcfiletrace[__go_frame]-}
  [[ $__go_at == /* ]] || __go_place "$__go_at"
  ((${funcstack[(Ie)${__go_at%:*}]})) ||
    __go_stack=($funcstack) __go_callers=(${funcfiletrace[__go_frame + 1,-1]})
  if [[ $ZSH_DEBUG_CMD == ([A-Z]*|export *|typeset *|declare *|readonly *)=* ]]; then
    [[ $ZSH_DEBUG_CMD != (*GO*|[a-z]*[\$\`]*) ]] || __go_values=
    __go_blame
    local __go_name=${${ZSH_DEBUG_CMD%%(+|)=*}##* }
    [[ $__go_name == *[^A-Za-z0-9_]* || ${(Pt)__go_name} == *readonly* ]] ||
      __go_note '' "$ZSH_DEBUG_CMD" $__go_depth
  elif [[ $ZSH_DEBUG_CMD == (|builtin\ )(limit|ulimit)\ * ]]; then
    __go_blame
    __go_note '' "$ZSH_DEBUG_CMD" $__go_depth
  fi
  [[ $ZSH_DEBUG_CMD != (|function\ |functions\[|autoload\ *)TRAPDEBUG* ]]
}
# globalexport, because declare -x would set a local variable in a function.
__go_emulate='builtin emulate "${@:1:# - 2}" -o debugbeforecmd -o evallineno -o globalexport "${@: -2}"'
__go_changed 0
# __go_look comes last: it may replace builtin itself for one command.
trap '[[ -z $__go_replaced ]] || unfunction $__go_replaced
builtin setopt debugbeforecmd evallineno; __go_look || builtin setopt errexit' DEBUG
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

# fish's own config.fish reads the conf.d directories, so that the order is fish's. Every name in them that may be a
# variable is traced, and the NAMES that go reads. fish's own trace has the commands that lead to a change. One function
# for all names starts faster than one for each.
FISH_TRACE = r"""
set __files $__fish_sysconf_dir/{conf.d/*,config}.fish $__fish_config_dir/{conf.d/*,config}.fish
function __trace_change --on-variable=(begin
        cat $__files 2>/dev/null
        string split ' ' 'NAMES'
    end | string match -ar '[A-Z][A-Z0-9_]+' | sort -u)
    printf '\1%s\1%s\1%s\1\n' $argv[3] "$$argv[3]" (status stack-trace | string collect) >&2
end
for __line in (grep -Hn '^SETUVAR --export ' $__fish_config_dir/fish_variables 2>/dev/null)
    printf '\1%s\1%s\1%s\1' '' '' $__line >&2
end
for __file in $__fish_data_dir/config.fish $__fish_sysconf_dir/config.fish $__fish_config_dir/config.fish
    set -g fish_trace 1
    test -r $__file; and source $__file
end
THEN
set -e fish_trace
functions --query go; and printf '\1%s\1%s\1%s\1' 'function go' '' (functions -D -v go | string collect) >&2
printf '\1%s\1%s\1%s\1' 'alias go' '' (grep -HnE '^ *alias +(-s +|--save +)?go[= ]' $__files 2>/dev/null)[-1] >&2
"""

# Everything goes to one descriptor, so that the output of a command follows its trace.
BASH_XTRACE = """\
exec 2>&1
OPTIONS
PS4=TRACE_PROMPT
set -x
SOURCE
THEN
FINISH
"""
# Printed at the end of a startup; in two parts, so that the trace of this command does not contain the text.
FINISHED = "gopherops-startup-finished"
FINISH = "printf '%s%s\\n' gopherops- startup-finished"
# Prints the command lines of all processes with the name of a startup in their environment. Before that, a process that
# was started just now gets the time to become its program.
SH_PRINT_LEFT = """\
/bin/sleep 0.3
/bin/grep -lsF -- "GOPHEROPS_STARTUP=$GOPHEROPS_STARTUP" /proc/[0-9]*/environ | while read -r file; do
  /bin/cat "${file%environ}cmdline"; printf "\\1"
done
"""
# Runs a command with its output in one descriptor.
SH_MERGE_OUTPUT = 'exec "$@" 2>&1'

# Prints all lines of the user's startup files of fish, whose names are relative, and of the host's.
SH_PRINT_FISH_FILES = """\
cd -- "$1" 2>/dev/null && grep -nHs '' config.fish conf.d/*.fish
grep -nHs '' /etc/fish/config.fish /etc/fish/conf.d/*.fish
"""
# Runs a fish with a profile, and prints the profile.
SH_PRINT_FISH_PROFILE = '"$@"; cat -- "$0" >&2'
# Writes a mark into the trace of fish after half of the time limit, with the name of the program that runs by then.
FISH_HALF_TIME = "\x01"
SH_TRACE_FISH = f'(sleep "$0"; printf "\\n{FISH_HALF_TIME}%s\\n" "$(cat /proc/$$/comm)" >&2) & exec "$@"'

# Prints the programs with these names in PATH. Only builtins of the shell, so that any PATH can be searched, with the
# rights of the user who would run the programs.
SH_FIND_PROGRAMS = """
IFS=:; set -f
for name; do for entry in $PATH; do
  [ -n "$entry" ] && [ -f "$entry/$name" ] && [ -x "$entry/$name" ] && printf '%s/%s\\0' "$entry" "$name"
done; done; :
"""
# Gives each file a hidden name in its directory: a directory of others can be renamed, but not moved. Neither go nor
# the report looks at hidden names. Files that got the same name earlier stay under a number.
SH_HIDE = 'for p; do mv --no-target-directory --backup=numbered -- "$p" "${p%/*}/.${p##*/}.foreign" || exit; done'
# Runs a command in the directory "$0".
SH_IN_DIRECTORY = 'cd -- "$0" && exec "$@"'
# Serves one login on standard input. The process leads the session, so its number is recorded. Its messages must not
# mix with those of the startup.
SH_SERVE_LOGIN = """\
exec 2>>DIRECTORY/log
echo $$ >DIRECTORY/pid
exec SSHD -i -e -f DIRECTORY/sshd_config
"""
# Runs the command "$2" with its arguments. Its whole process group is killed when the pipe "$1" has no writer any more,
# because the module was killed. The watcher opens the pipe for writing too, for a moment: otherwise it could block.
SH_WATCHED = """
(exec 0<>"$1" 0<"$1"; read -r line; kill -KILL 0) >/dev/null 2>&1 &
watcher=$!
shift
"$@"
status=$?
{ kill -KILL "$watcher"; wait "$watcher"; } 2>/dev/null
exit "$status"
"""
# Executes the command in $2 and the following arguments, with the main process of unit $1 as its last argument.
SH_ATTACH = (
    'pid=$(systemctl show --property=MainPID --value -- "$1") || exit; '
    '[ "${pid:-0}" -gt 0 ] || { echo "$1 has no main process" >&2; exit 1; }; '
    '[ -O "/proc/$pid" ] || { echo "the main process of $1 is not of user $(id -un)" >&2; exit 1; }; '
    'shift; exec "$@" "$pid"'
)


def fill(script: str, marks: t.Mapping[str, str]) -> str:
    """Return ``script`` with a text in the place of each mark, a word of its own; marks in those texts stay."""
    return re.sub(rf"\b(?:{'|'.join(marks)})\b", lambda match: marks[match.group()], script)


def quoted(words: t.Iterable[str]) -> str:
    """Return ``words`` quoted for POSIX shells."""
    return " ".join(map(shlex.quote, words))


def source_files(files: t.Sequence[str], first_of: t.Sequence[str]) -> str:
    """Return the lines that source all ``files``, and the first of ``first_of`` that can be read."""
    return fill(_SOURCE, {"FILES": quoted(files), "FIRST_OF": quoted(first_of)})
