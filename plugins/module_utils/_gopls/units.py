# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that make gopls a shared daemon of each user, as texts; systemd.unit(5) and its like say what they mean.

An editor connects to the socket that systemd holds. Its first connection starts a proxy, and that the daemon, for gopls
takes no socket from systemd. The proxy is bound to the daemon: where that is ended, so is the proxy, and the next
connection waits at the socket until the daemon has been started again.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.sizes import MIB
from ansible_collections.gopherops.devserver.plugins.module_utils._gopls.memory_limits import Limits
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import Account
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import systemctl
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.environment_files import environment_lines
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.hardening import SANDBOX
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.quoting import command_line, command_word

HEAD = "# Managed by gopherops.devserver (gopls_service); changes made here are lost.\n"

SETTINGS = "/etc/gopherops/language_server/settings.json"
PREWARM = "/usr/local/lib/gopherops/gopls-prewarm"
CRASH = "/usr/local/lib/gopherops/gopls-crash"
TMPFILES = "/etc/tmpfiles.d/gopherops-gopls.conf"
LOGROTATE = "/etc/logrotate.d/gopherops-gopls"
CACHES = "/var/cache/gopls"
LOGS = "/var/log/gopls"
SOCKETS = "/run/gopls"

# The proxy ends without clients from this version on, and the daemon with it.
_IDLE_SINCE = 246
# Bytes. A peak of 32 KiB above MemoryMax was seen while the kernel ended a process; the declared cap is to be kept.
SLACK = MIB
# A pause that grows from one restart to the next.
_STEPS_SINCE = 254

# Homes and workspaces, which may lie anywhere, /tmp included, must be what they are in the editor; go downloads
# modules; compilers and the programs of go:generate run. All else is taken away.
_HARDENING = f"""\
{SANDBOX}ProtectSystem=full
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
UMask=0022
"""


class Daemon(t.NamedTuple):
    """What is the same for all users: ``systemd`` is its version, ``idle`` seconds without clients (0: for ever)."""

    gopls: str
    goroot: str
    limits: Limits
    systemd: int
    cpu_weight: int = 50
    oom_score: int = 500
    idle: int = 3600
    log: bool = True
    prewarm_days: int = 3
    prewarm_minutes: int = 30


def socket_of(user: str) -> str:
    """Return the socket that the editors of ``user`` connect to."""
    return f"{SOCKETS}/{user}/gopls.sock"


def environment_file(user: str) -> str:
    """Return the file of variables that gopls gets from here, besides those that the user's units get."""
    return f"/etc/gopherops/language_server/{user}.env"


def variables_of(user: str, limits: Limits, added: t.Mapping[str, str], pprof_port: int) -> dict[str, str]:
    """Return the variables of gopls; with a ``pprof_port`` it serves its debug pages on the loopback address."""
    debug = {"GOPLS_FLAGS": f"-debug=127.0.0.1:{pprof_port}"} if pprof_port else {}
    return {"GOMEMLIMIT": f"{limits.heap // MIB}MiB", "GOPLSCACHE": f"{CACHES}/{user}", **added, **debug}


def environment_text(variables: t.Mapping[str, str]) -> str:
    """Return the text of such a file, which a shell can read as well."""
    return HEAD + environment_lines(variables, dollar=r"\$")


def template_units(daemon: Daemon) -> dict[str, str]:
    """Return the units that serve every user, by path."""
    texts = {
        "gopls@.service": _daemon(daemon),
        "gopls-proxy@.service": _proxy(daemon),
        "gopls-proxy@.socket": _SOCKET,
        "gopls-prewarm@.service": _prewarm(daemon),
        "gopls-prewarm@.timer": _timer(daemon),
    }
    return {f"{systemctl.UNITS}/{name}": HEAD + text for name, text in texts.items()}


def _daemon(daemon: Daemon) -> str:
    back_off = "RestartSec=2\n"
    if daemon.systemd >= _STEPS_SINCE:
        back_off = "RestartSec=1\nRestartSteps=6\nRestartMaxDelaySec=60\n"
    log = f"StandardOutput=append:{LOGS}/%i.log\nStandardError=append:{LOGS}/%i.log\n" if daemon.log else ""
    return f"""\
[Unit]
Description=Go language server of %i
# Each restart waits; a limit of starts would leave the editor without a server until somebody comes.
StartLimitIntervalSec=0
StopWhenUnneeded=yes

[Service]
User=%i
WorkingDirectory=/
{_environment(daemon)}ExecStartPre=-/bin/rm -f {SOCKETS}/%i/daemon.sock
ExecStart={command_word(daemon.gopls)} serve "-listen=unix;{SOCKETS}/%i/daemon.sock" $GOPLS_FLAGS
# It is there when it listens, not before.
ExecStartPost=/bin/sh -c 'until test -S {SOCKETS}/%i/daemon.sock; do sleep 0.05; done'
ExecStopPost=+{CRASH} %i
TimeoutStartSec=30
TimeoutStopSec=10
Restart=on-failure
{back_off}{log}{_memory(daemon.limits)}CPUWeight={daemon.cpu_weight}
TasksMax=1024
# Where a command of go takes too much, that command is ended and gopls goes on.
OOMPolicy=continue
OOMScoreAdjust={daemon.oom_score}
{_HARDENING}"""


def _environment(daemon: Daemon) -> str:
    return f"""\
Environment=PATH={daemon.goroot}/bin:/usr/local/bin:/usr/bin:/bin
EnvironmentFile=-/etc/gopherops/units/%i.env
EnvironmentFile=/etc/gopherops/language_server/%i.env
CacheDirectory=gopls/%i
CacheDirectoryMode=0700
"""


def _memory(limits: Limits) -> str:
    # Without the last one the cap would only move the rest into swap.
    return f"MemoryHigh={limits.high}\nMemoryMax={limits.cap - SLACK}\nMemorySwapMax=0\n"


def _proxy(daemon: Daemon) -> str:
    idle = f" --exit-idle-time={daemon.idle}s" if daemon.idle and daemon.systemd >= _IDLE_SINCE else ""
    return f"""\
[Unit]
Description=Way to the Go language server of %i
BindsTo=gopls@%i.service
After=gopls@%i.service
StartLimitIntervalSec=0

[Service]
User=%i
ExecStart=/lib/systemd/systemd-socket-proxyd{idle} {SOCKETS}/%i/daemon.sock
MemoryMax=64M
{_HARDENING.replace(" AF_INET AF_INET6", "")}PrivateNetwork=yes
ProtectHome=yes
PrivateTmp=yes
"""


_SOCKET = f"""\
[Unit]
Description=Where the editors of %i meet the Go language server

[Socket]
ListenStream={SOCKETS}/%i/gopls.sock
SocketUser=%i
SocketMode=0600
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""


def _prewarm(daemon: Daemon) -> str:
    return f"""\
[Unit]
Description=Analysis ahead of time of the Go workspaces of %i

[Service]
Type=oneshot
User=%i
WorkingDirectory=/
{_environment(daemon)}# What is more than others need; it must not take part in anybody's waiting.
Nice=19
IOSchedulingClass=idle
CPUWeight=5
{_memory(daemon.limits)}TasksMax=1024
OOMScoreAdjust=1000
TimeoutStartSec={daemon.prewarm_minutes}min
{_HARDENING}"""


def _timer(daemon: Daemon) -> str:
    return f"""\
[Unit]
Description=Analysis ahead of time of the Go workspaces of %i, before gopls forgets what nobody used

[Timer]
OnBootSec=10min
OnUnitActiveSec={daemon.prewarm_days}d
AccuracySec=10min
RandomizedDelaySec=20min

[Install]
WantedBy=timers.target
"""


def prewarm_drop_in(python: str, gopls: str, workspaces: t.Sequence[str], behind: str) -> str:
    """Return what one user's prewarm is told; it waits for that of the user ``behind`` whom it stands in the queue.

    ``gopls`` is the binary itself, not a link to it, so that another one is another text.
    """
    words = [python, PREWARM, gopls, SETTINGS, *workspaces]
    command = command_line(words)
    after = f"[Unit]\nAfter=gopls-prewarm@{behind}.service\n\n" if behind else ""
    return f"{HEAD}{after}[Service]\nExecStart={command}\n"


def session_drop_in(limits: Limits) -> str:
    """Return the limits on all that one user's sessions run: editor server, builds, debuggers."""
    return f"{HEAD}[Slice]\nMemoryHigh={limits.session * 95 // 100}\nMemoryMax={limits.session - SLACK}\n"


def temporary_files(accounts: t.Sequence[Account], log: bool) -> str:
    """Return the tmpfiles.d(5) lines for sockets, which only their user may reach, and for logs.

    A log lies in a folder of root's: systemd opens it as root, who must not be led astray by a link.
    """
    lines = [f"d {SOCKETS} 0755 root root -", f"d {LOGS} 0755 root root -", f"d {LOGS}/crashes 0755 root root -"]
    for account in accounts:
        own = f"{account.uid} {account.gid} -"
        lines += [f"d {SOCKETS}/{account.name} 0700 {own}"]
        lines += [f"f {LOGS}/{account.name}.log 0640 {own}"] if log else []
    return HEAD + "".join(f"{line}\n" for line in lines)


LOG_ROTATION = f"""\
{HEAD}{LOGS}/*.log {{
    daily
    maxsize 20M
    rotate 5
    missingok
    notifempty
    compress
    copytruncate
}}
"""


def crash_script(log: bool) -> str:
    """Return what keeps the last words of a language server that failed; ``$1`` is the user.

    Without a ``log`` they are in the journal: a file may be there still, of the time when there was one.
    """
    words = f'tail -n 500 "{LOGS}/$1.log"'
    if not log:
        words = 'journalctl --no-pager --lines=500 --output=cat --unit="gopls@$1.service"'
    return f"""\
#!/bin/sh
{HEAD}# Keeps what a language server said before it failed; systemd.exec(5) says what the variables are.
[ "$SERVICE_RESULT" = success ] && exit 0
umask 027
folder={LOGS}/crashes/$1
mkdir -p -m 0755 "$folder"
file=$folder/$(date -u +%Y%m%dT%H%M%SZ).log
{{
  echo "result $SERVICE_RESULT, $EXIT_CODE $EXIT_STATUS"
  {words}
}} >"$file" 2>/dev/null
chown "$1" "$file"
ls -1 "$folder" | sort -r | tail -n +11 | while read -r old; do rm -f "$folder/$old"; done
"""


def shared_script(gopls: str) -> str:
    """Return gopls for the command line: by the user's daemon where there is one, else within the same heap limit."""
    return f"""\
#!/bin/sh
{HEAD}user=$(id -un)
socket={SOCKETS}/$user/gopls.sock
if [ -S "$socket" ]; then
  exec '{gopls}' "-remote=unix;$socket" "$@"
fi
file=/etc/gopherops/language_server/$user.env
if [ -r "$file" ]; then
  set -a
  . "$file"
  set +a
fi
exec '{gopls}' $GOPLS_FLAGS "$@"
"""
