# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the gopls daemons that are not units, as texts: variables, tmpfiles.d, log rotation, shell scripts."""

from __future__ import annotations

import typing as t

from .._core.sizes import MIB
from .._host.accounts import Account
from .._systemd.environment_files import environment_lines
from . import paths
from .memory_limits import Limits

# Bytes of a gopls's output that a crash log keeps.
_CRASH_LOG = MIB
# Bytes of a log that a rotation keeps. Daemons write logs of a few megabytes a day.
_KEPT_LOG = 64 * MIB
_LIVE = ".live"


def gopls_variables(user: str, limits: Limits, added: t.Mapping[str, str]) -> dict[str, str]:
    """Return the variables that only gopls gets."""
    return {"GOMEMLIMIT": f"{limits.heap // MIB}MiB", "GOPLSCACHE": paths.cache_directory(user), **added}


def render_variables(variables: t.Mapping[str, str]) -> str:
    """Return the text of an environment file that systemd and shells read alike."""
    return paths.HEADER + environment_lines(variables, dollar=r"\$")


def render_tmpfiles(accounts: t.Sequence[Account], log: bool) -> str:
    """Return the tmpfiles.d(5) lines for logs and for the directories of caches.

    The directory of the logs belongs to root: systemd opens a log as root, and must not follow a user's link. The
    users' own directories are not here: a line would give that of a previous user, with its content, to the next one.
    """
    logs = paths.LOG_DIR
    lines = [f"d {path} 0755 root root -" for path in (logs, f"{logs}/crashes", paths.CACHE_DIR)]
    for account in accounts if log else ():
        lines.append(f"f {logs}/{account.name}.log 0640 {account.uid} {account.gid} -")
    return paths.HEADER + "".join(f"{line}\n" for line in lines)


def render_log_rotation() -> str:
    """Return the configuration of logrotate(8).

    The daemon keeps the log open, and its user can make a sparse file of terabytes of it at any moment. logrotate
    would copy all of that as root. Therefore it gets another file under the name of the log, which it only renames:
    the compressed last part of the log, read within limits. The log itself is elsewhere meanwhile.

    That file stays root's, with a mode that does not come from the log: the user can give the log any mode, setuid
    included. The user can also take a lease on the log, which blocks root's open for 45 seconds (fs.lease-break-time).
    """
    return f"""\
{paths.HEADER}{paths.LOG_DIR}/*.log {{
    daily
    maxsize 20M
    rotate 5
    missingok
    notifempty
    nocreate
    nocompress
    addextension .gz
    prerotate
        # A rotation that was killed has left the log elsewhere.
        test ! -e "$1{_LIVE}" || mv -f "$1{_LIVE}" "$1"
        umask 027
        mv "$1" "$1{_LIVE}" &&
            timeout 60 tail -c {_KEPT_LOG} "$1{_LIVE}" | head -c {_KEPT_LOG} | gzip >"$1" &&
            chgrp "$(stat -c %g "$1{_LIVE}")" "$1"
    endscript
    postrotate
        # truncate(1) does not wait for the end of a lease.
        mv -f "$1{_LIVE}" "$1" && timeout 60 dd if=/dev/null of="$1" status=none
    endscript
}}
"""


def render_crash_script(log: bool) -> str:
    """Return the script that keeps the last output of a gopls that failed; ``$1`` is the user.

    It runs with the user's rights. Without ``log`` the output is in the journal, which the user may not read; a log
    file of an earlier configuration may still exist then. Lines can have any length: a sparse file is one line of
    terabytes.
    """
    output = f'tail -c {_CRASH_LOG} "{paths.LOG_DIR}/$1.log" | tail -n 500'
    if not log:
        output = 'echo "output: journalctl _SYSTEMD_UNIT=gopls@$1.service _SYSTEMD_INVOCATION_ID=$INVOCATION_ID"'
    return f"""\
#!/bin/sh
{paths.HEADER}# Keeps the last output of a gopls that failed; systemd.exec(5) documents the variables.
[ "$SERVICE_RESULT" = success ] && exit 0
umask 027
directory={paths.crash_directory("$1")}
file=$directory/$(date -u +%Y%m%dT%H%M%SZ).log
{{
  echo "result $SERVICE_RESULT, $EXIT_CODE $EXIT_STATUS"
  {output}
}} >"$file" 2>/dev/null
ls -1 "$directory" | sort -r | tail -n +11 | while read -r old; do rm -f "$directory/$old"; done
"""


def render_shared_gopls(gopls: str) -> str:
    """Return gopls-shared, for any editor and agent in the place of gopls.

    It is gopls through the user's daemon if there is one, else within the same heap limit. With ``mcp`` it is a server
    for agents, which cannot be shared; it runs within the limit of the user's sessions. On a TCP port it would be one
    for all users of the host, without authentication.
    """
    return f"""\
#!/bin/sh
{paths.HEADER}# An option has one or two dashes, and its value after "=" or in the next word.
verb= value=
for word; do
  shift
  before=$value value=
  [ "$before" = remote ] && continue
  option=${{word#-}}
  option=${{option#-}}
  name=${{option%%=*}}
  case $word in
    -?*)
      case $name in
        listen | mcp.listen | port | debug)
          echo "gopls-shared: $word would let all users of this host read your code. To fix this: omit it" >&2
          exit 2 ;;
        remote)
          [ "$option" = remote ] && value=remote
          continue ;;
        listen.timeout | logfile | mode | ocagent | profile.* | remote.*) [ "$option" = "$name" ] && value=kept ;;
      esac ;;
    *) [ -n "$before" ] || verb=${{verb:-$word}} ;;
  esac
  set -- "$@" "$word"
done
user=$(id -un)
socket={paths.SOCKET_DIR}/$user/gopls.sock
if [ "$verb" != mcp ] && [ -S "$socket" ]; then
  exec '{gopls}' "-remote=unix;$socket" "$@"
fi
file=/etc/gopherops/language_server/$user.env
if [ -r "$file" ]; then
  set -a
  . "$file"
  set +a
fi
if [ "$verb" = mcp ] && [ -d /run/systemd/system ] && ! grep -q "/user-$(id -u)[.]slice/" /proc/self/cgroup; then
  export XDG_RUNTIME_DIR="${{XDG_RUNTIME_DIR:-/run/user/$(id -u)}}"
  exec systemd-run --user --scope --quiet -- '{gopls}' "$@"
fi
exec '{gopls}' "$@"
"""
