# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault injections for the provisioned host, each with the findings that it causes and their places."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t
from shlex import quote
from types import MappingProxyType

from module_call import Finding, Place

ALICE, BOB = "/home/alice", "/home/bob"
GOENV = f"{ALICE}/.config/go/env"
GO_DEFAULTS = "/usr/local/lib/go/1.22.12/go.env"
SETTINGS = "/etc/environment"
LINK = "/usr/local/bin/dlv"
GOPLS = "/usr/local/lib/go-tools/gopls/v0.16.2-go1.22.12/gopls"
PROCESSES = ("goenv", "login", "bash", "zsh", "fish", "ssh", "ssh_terminal", "cron", "systemd_user", "systemd_system")
CONTEXTS = (*PROCESSES, "vscode_server")
OVER_SSH = ("ssh", "vscode_server")
OF_WORKSPACES = ("vscode_debug", "devcontainer", "ci")
# sshd and VS Code start the user's own shell as an interactive login shell, so it reads what either of these reads.
LOGIN, BASH, ZSH = ((shell, "ssh_terminal", "vscode_server") for shell in ("login", "bash", "zsh"))
# A user who cannot log in has no shell.
CONTEXTS_OF = {
    **dict.fromkeys(("alice", "bob", "zoe", "finn", "root"), CONTEXTS),
    "builder": ("goenv", "cron", "systemd_user", "systemd_system"),
}
EVERYONE = tuple(CONTEXTS_OF)
FINN = "/srv/föhn's place/finn"
FINNS_CONFIG = f"{FINN}/.config/fish/config.fish"
FINNS_GOENV = f"{FINN}/.config/go/env"
# "su -" gives no language, without which fish does not find a config.fish in this home; clients of ssh send one.
FISH = ("fish", "ssh", "ssh_terminal", "vscode_server")
# The contexts that read the script of a user whose own shell is bash.
SHELLS_OF_BASH = ("login", "bash", "zsh", "ssh", "ssh_terminal", "vscode_server")

# Where nobody else can be concerned.
HOMES = {
    "alice": (f"{ALICE}/",),
    "bob": (f"{BOB}/", "/srv/bob/"),
    "zoe": ("/home/zoe/",),
    "finn": ("place/finn/",),
    "builder": ("/var/lib/builder/",),
    "root": ("/root/",),
}

FISH_OF_FINN = f"install -d -o finn {quote(FINN)}/.config/fish"

Findings = set[Finding]
Places = t.Mapping[Finding, Place | None]


@dataclasses.dataclass(frozen=True)
class Injection:
    """``do`` is a script that root runs; ``file`` is saved before and restored after it, ``undo`` reverts the rest.

    ``findings`` has the place of every expected finding, or None where it names none (a comment has the reason).
    ``options`` changes the declaration for all users, ``declared`` adds to that of single users. Provisioning repairs
    what is ``managed``, and fails at what ``blocks``. ``alone``: it hides other findings, or others hide its own.
    ``remedy_rules`` are the rules whose remedy is to provision again; by default all of them where it is ``managed``.
    ``needs`` is a file that not every container has; such an injection runs alone.
    """

    do: str
    findings: Places
    file: str = ""
    undo: str = ":"
    options: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    declared: t.Mapping[str, t.Mapping[str, t.Any]] = dataclasses.field(default_factory=dict)
    managed: bool = False
    blocks: bool = False
    alone: bool = False
    remedy_rules: t.Collection[str] | None = None
    needs: str = ""

    @property
    def remedied(self) -> set[str]:
        """The rules whose remedy is to provision the host again."""
        every = {rule for rule, *_rest in self.findings} if self.managed else set()
        return every if self.remedy_rules is None else set(self.remedy_rules)

    @property
    def users(self) -> t.Sequence[str]:
        """The users that it may affect: owners of homes that it changes, and users that it names; else everybody."""
        place = self.file or self.do
        owners = {user for user, homes in HOMES.items() if any(home in place for home in homes)} | set(self.declared)
        return sorted(owners | {user for _rule, user, *_rest in self.findings}) if owners else EVERYONE


def at(file: str, line: str | None, *findings: Findings) -> Places:
    """Return these findings, all at one line, or at a file as a whole."""
    return dict.fromkeys(set().union(*findings), Place(file, line))


def from_process(*findings: Findings) -> Places:
    """Return these findings, whose source is the process that starts the context, not a file."""
    return dict.fromkeys(set().union(*findings), Place("process"))


def nowhere(*findings: Findings) -> Places:
    """Return these findings without a place."""
    return dict.fromkeys(set().union(*findings))


def line_in(
    file: str, line: str, findings: Findings, *, more: Places = MappingProxyType({}), before: str = ":", **rest: t.Any
) -> Injection:
    """Return the injection of ``line`` at the end of ``file``, with its ``findings`` there, and ``more`` elsewhere."""
    return Injection(
        f"{before}; printf '%s\\n' {quote(line)} >> {quote(file)}", {**at(file, line, findings), **more}, file, **rest
    )


def findings_per_user(
    rule: str, variable: str, *, users: t.Sequence[str] = EVERYONE, contexts: t.Sequence[str] = ("",)
) -> Findings:
    return {(rule, user, context, variable) for user in users for context in contexts}


def findings_of(rule: str, user: str, contexts: t.Sequence[str], variable: str) -> Findings:
    return findings_per_user(rule, variable, users=[user], contexts=contexts)


def persisted(setting: str, findings: Findings, *, user: str = "alice", **rest: t.Any) -> Injection:
    """Return the injection that a user makes by ``go env -w``, which sorts the lines of the file."""
    do = f"runuser -u {user} -- env HOME=/home/{user} /usr/local/go/bin/go env -w '{setting}'"
    file = f"/home/{user}/.config/go/env"
    return Injection(do, at(file, setting, findings), file, **rest)


SSHD_DROP_IN = "/etc/ssh/sshd_config.d/own.conf"
PERMIT_USER_ENVIRONMENT = f"echo 'PermitUserEnvironment yes' > {SSHD_DROP_IN}"
TOOLCHAIN = f"{ALICE}/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.99.0.linux-amd64"
# A go that is not the declared one, and works as that does.
GO = "printf '#!/bin/sh\\nexec /usr/local/go/bin/go \"$@\"\\n' | install -m 755 -D /dev/stdin"

GO_SETTINGS = {
    "go env -w by hand": persisted(f"GOPATH={ALICE}/other", {("GD101", "alice", "goenv", "GOPATH")}, managed=True),
    "a toolchain that may switch": persisted(
        "GOTOOLCHAIN=auto", {("GD101", "alice", "goenv", "GOTOOLCHAIN")}, managed=True
    ),
    "no checksum database, persisted": persisted("GOSUMDB=off", {("GD504", "alice", "", "GOSUMDB")}),
    "everything private, persisted": persisted("GOPRIVATE=*", {("GD504", "alice", "", "GOPRIVATE")}),
    "insecure paths, persisted": persisted("GOINSECURE=git.example.com", {("GD505", "alice", "", "GOINSECURE")}),
    "another target, persisted": persisted("GOOS=windows", {("GD604", "alice", "", "GOOS")}),
    "another processor, persisted": persisted("GOARCH=s390x", {("GD604", "bob", "", "GOARCH")}, user="bob"),
    # Cgo is off for another processor.
    "a compiler that does not exist, persisted": persisted(
        "CC=/opt/gcc-9/bin/gcc", {("GD606", "bob", "", "CC")}, user="bob", alone=True
    ),
    "modules off, persisted": persisted("GO111MODULE=off", {("GD603", "alice", "", "GO111MODULE")}),
    "GOROOT, persisted": line_in(GOENV, "GOROOT=/opt/old", {("GD209", "alice", "", "GOROOT")}, alone=True),
    "a setting that go passes over": line_in(GOENV, "export GOFLAGS=-v", {("GD902", "alice", "", "")}),
    "a setting that is not UTF-8": Injection(
        f"printf 'GOVCS=caf\\351.example:git\\n' >> {GOENV}",
        at(GOENV, "GOVCS=caf\N{REPLACEMENT CHARACTER}.example:git", {("GD903", "alice", "", "")}),
        GOENV,
    ),
    "settings with line ends of Windows": Injection(
        "sed -i 's/$/\\r/' /root/.config/go/env",
        at("/root/.config/go/env", "GOPATH=/root/go\r", {("GD106", "root", "", "")}),
        "/root/.config/go/env",
        managed=True,
    ),
    "settings that are a link to nothing": Injection(
        f"ln -sf /opt/gone/env {GOENV}",
        {
            **at(GOENV, None, {("GD904", "alice", "", "")}),
            **at(GOENV, None, {("GD101", "alice", "goenv", name) for name in ("GOTOOLCHAIN", "GOBIN", "GOFLAGS")}),
        },
        GOENV,
        alone=True,
        remedy_rules=["GD904"],
    ),
    "settings that are root's for all to read, as by sudo go env -w": Injection(
        f"chown root: {GOENV} && chmod 0644 {GOENV}", at(GOENV, None, {("GD109", "alice", "", "")}), GOENV, alone=True
    ),
    "settings that only root can read": Injection(
        f"chown root: {quote(FINNS_GOENV)}",
        at(
            FINNS_GOENV,
            None,
            {("GD904", "finn", "", "")},
            {("GD101", "finn", "goenv", name) for name in ("GOTOOLCHAIN", "GOBIN", "GOFLAGS")},
        ),
        FINNS_GOENV,
        blocks=True,
        remedy_rules=["GD904"],
    ),
}

STARTUP_FILES = {
    "an own go before the declared one": line_in(
        "/home/zoe/.zshrc",
        "PATH=/opt/own/bin:$PATH",
        findings_of("GD202", "zoe", ZSH, "go"),
        before=f"{GO} /opt/own/bin/go",
        undo="rm -r /opt/own",
    ),
    "a distribution's go before the declared one": line_in(
        "/root/.profile",
        "PATH=/usr/bin:$PATH",
        findings_of("GD207", "root", LOGIN, "go"),
        more=at("/usr/bin/go", None, findings_per_user("GD208", "go")),
        before=f"{GO} /usr/bin/go",
        undo="rm /usr/bin/go",
        alone=True,
    ),
    "no PATH": line_in(
        "/home/zoe/.bashrc",
        "unset PATH",
        {("GD103", "zoe", "bash", "PATH"), ("GD201", "zoe", "bash", "go")},
        alone=True,
    ),
    "no go": line_in(
        f"{BOB}/.profile",
        "PATH=/usr/bin:/bin",
        findings_of("GD103", "bob", LOGIN, "PATH") | findings_of("GD201", "bob", LOGIN, "go"),
        alone=True,
    ),
    "a go that is none": line_in(
        FINNS_CONFIG,
        "set -gx PATH /opt/none/bin $PATH",
        findings_of("GD202", "finn", FISH, "go"),
        more=at("/opt/none/bin/go", None, findings_of("GD205", "finn", FISH, "go")),
        before=f"install -D /bin/true /opt/none/bin/go; {FISH_OF_FINN}",
        undo="rm -r /opt/none",
        alone=True,
    ),
    "a variable in an own startup file": line_in(
        f"{BOB}/.profile", "export GOBIN=/tmp/b", findings_of("GD101", "bob", LOGIN, "GOBIN")
    ),
    "a variable for zsh": line_in(f"{ALICE}/.zshrc", "export GOBIN=/tmp/z", {("GD101", "alice", "zsh", "GOBIN")}),
    "a variable for fish": line_in(
        f"{ALICE}/.config/fish/config.fish",
        "set -gx GOBIN /tmp/f",
        {("GD101", "alice", "fish", "GOBIN")},
        before=f"install -d -o alice {ALICE}/.config/fish",
    ),
    "a variable at each prompt of bash": line_in(
        f"{ALICE}/.bashrc", "PROMPT_COMMAND='export GOBIN=/tmp/p'", findings_of("GD101", "alice", BASH[:2], "GOBIN")
    ),
    "a variable at each prompt of zsh": line_in(
        f"{ALICE}/.zshrc", "precmd() { export GOMODCACHE=/tmp/p }", {("GD101", "alice", "zsh", "GOMODCACHE")}
    ),
    "a variable at each prompt of fish": line_in(
        f"{ALICE}/.config/fish/config.fish",
        "function own_hook --on-event fish_prompt; set -gx GOMODCACHE /tmp/p; end",
        {("GD101", "alice", "fish", "GOMODCACHE")},
        before=f"install -d -o alice {ALICE}/.config/fish",
    ),
    "a variable that is read, in a file without a directory": Injection(
        f"echo '. ./.more' >> {ALICE}/.bashrc; echo 'read -r GOMODCACHE <<< /tmp/m' > {ALICE}/.more",
        at(f"{ALICE}/.more", "read -r GOMODCACHE <<< /tmp/m", findings_of("GD101", "alice", BASH, "GOMODCACHE")),
        f"{ALICE}/.bashrc",
        undo=f"rm {ALICE}/.more",
    ),
    "a variable for user services": line_in(
        f"{ALICE}/.config/environment.d/zzz.conf", "GOBIN=/tmp/u", {("GD101", "alice", "systemd_user", "GOBIN")}
    ),
    "flags in an own startup file": line_in(
        f"{ALICE}/.bashrc", "export GOFLAGS=-mod=mod", findings_of("GD101", "alice", BASH, "GOFLAGS")
    ),
    "a startup with line ends of Windows": line_in(
        f"{BOB}/.profile", "export GOMODCACHE=/srv/bob/go/pkg/mod\r", {("GD106", "bob", "", "")}
    ),
    "a relative cache": line_in(
        f"{BOB}/.profile", "export GOCACHE=cache", findings_of("GD304", "bob", LOGIN, "GOCACHE")
    ),
    "a stale GOROOT": line_in(
        f"{BOB}/.profile", "export GOROOT=/opt/old", findings_of("GD204", "bob", LOGIN, "GOROOT"), alone=True
    ),
    "a GOROOT that is right today": line_in(
        f"{ALICE}/.profile", "export GOROOT=/usr/local/go", {("GD210", "alice", "", "GOROOT")}
    ),
    "no settings file": line_in("/home/zoe/.zshrc", "export GOENV=off", {("GD211", "zoe", "", "GOENV")}),
    "another directory of settings": line_in(
        f"{ALICE}/.profile",
        "export XDG_CONFIG_HOME=/tmp/config",
        {("GD211", "alice", "", "XDG_CONFIG_HOME")},
        alone=True,
    ),
    "an alias": line_in(f"{ALICE}/.bashrc", "alias go=/bin/true", findings_of("GD206", "alice", BASH[:2], "go")),
    "a function": line_in(
        "/root/.bashrc",
        'go() { command go1.22.12 "$@"; }',
        findings_of("GD206", "root", ("login", "bash", "ssh", "ssh_terminal"), "go"),
    ),
    "a misspelt variable": line_in(f"{BOB}/.profile", "export GOPAHT=/tmp/p", {("GD105", "bob", "", "GOPAHT")}),
    "direct first": line_in(
        f"{ALICE}/.profile",
        "export GOPROXY=direct",
        {("GD502", "alice", "", "GOPROXY"), ("GD102", "alice", "", "GOPROXY")},
    ),
    "a proxy over http": line_in(
        f"{BOB}/.profile",
        "export GOPROXY=http://proxy.example.com,direct",
        {("GD503", "bob", "", "GOPROXY"), ("GD102", "bob", "", "GOPROXY")},
    ),
    "a single proxy": line_in(
        SETTINGS,
        "GOPROXY=https://proxy.example.com",
        findings_per_user("GD501", "GOPROXY") | findings_per_user("GD102", "GOPROXY"),
        # Some have other values where all is injected.
        alone=True,
    ),
    "a password for everybody": line_in(
        SETTINGS,
        "GOPROXY=https://user:secret@proxy.example.com,direct",
        findings_per_user("GD506", "GOPROXY") | findings_per_user("GD102", "GOPROXY"),
        alone=True,
    ),
    "a PATH of the host that PAM does not expand": line_in(
        SETTINGS,
        'PATH="$PATH:/usr/local/go/bin"',
        {("GD110", "", "", "PATH")},
        # Every user's PATH is made from this one, so that findings of other PATHs change with it.
        alone=True,
    ),
    "a sudo that does not find go": line_in(
        "/etc/sudoers",
        'Defaults secure_path="/usr/sbin:/usr/bin:/sbin:/bin"',
        {("GD112", "", "", "PATH")},
    ),
    "contexts that disagree": line_in(SETTINGS, "GODEBUG=netdns=go", findings_per_user("GD102", "GODEBUG")),
    "a declared proxy with direct first": persisted(
        "GOPROXY=direct",
        {("GD507", "zoe", "", "GOPROXY")},
        user="zoe",
        declared={"zoe": {"variables": {"GOPROXY": "direct"}}},
        alone=True,
    ),
    "flags that nobody declared": Injection(
        ":",
        at("/home/zoe/.config/go/env", "GOFLAGS=-mod=readonly", {("GD602", "zoe", "", "GOFLAGS")}),
        declared={"zoe": {"variables": {"GOFLAGS": None}}},
    ),
    "a toolchain that may switch, where none is declared": line_in(
        f"{BOB}/.profile",
        "export GOTOOLCHAIN=auto",
        {("GD601", "bob", "", "GOTOOLCHAIN"), ("GD102", "bob", "", "GOTOOLCHAIN")},
        declared={"bob": {"variables": {"GOTOOLCHAIN": None}}},
    ),
    "a declared path without GOBIN": line_in(
        f"{BOB}/.profile",
        "PATH=/usr/local/go/bin:/usr/bin:/bin",
        {("GD302", "bob", "", "GOBIN")},
        options={"path": ["{goroot}/bin"]},
        alone=True,
    ),
    "a PATH with the current directory in it": line_in(
        f"{BOB}/.profile", "PATH=$PATH:.", {("GD107", "bob", "", "PATH")}
    ),
    # No file should have created the home. Nobody else lists that user.
    # The files for all users lack this one's lines, which is no fault where another's values differ.
    "a user without a home": Injection(":", nowhere({("GD905", "ghost", "", "")}), declared={"ghost": {}}),
    # What is printed beside its own marks is nothing to VS Code's server, and in a terminal it is for people.
    "a startup that prints": line_in(f"{BOB}/.profile", "echo hello", {("GD701", "bob", "login", "")}),
    "a startup that complains": line_in(f"{ALICE}/.zshrc", "echo oh >&2", {("GD701", "alice", "zsh", "")}),
    "a slow startup": line_in(f"{BOB}/.profile", "sleep 3.3", findings_of("GD702", "bob", LOGIN, ""), alone=True),
    "a slow startup of fish": line_in(
        FINNS_CONFIG, "sleep 3.3", findings_of("GD702", "finn", FISH, ""), before=FISH_OF_FINN, alone=True
    ),
    "a startup that keeps the session open": Injection(
        "echo '( sleep 6022 & )' >> /home/zoe/.zshenv",
        at("/home/zoe/.zshenv", "( sleep 6022 & )", {("GD705", "zoe", "ssh", "")}),
        "/home/zoe/.zshenv",
        undo="! pgrep -xf 'sleep 6022'",
        options={"timeout": 5},
        alone=True,
    ),
    "a startup that leaves": line_in("/home/zoe/.bashrc", "exit 3", {("GD901", "zoe", "bash", "")}),
    "a startup that does not end": line_in(
        f"{BOB}/.profile",
        # What has left session and environment is ended too.
        "setsid env -i sleep 6021 & (nohup sleep 6021 &) >/dev/null; sleep 60",
        findings_of("GD901", "bob", LOGIN, ""),
        options={"timeout": 5},
        undo="! pgrep -xf 'sleep 6021'",
        alone=True,
    ),
    "a startup of fish that does not end": line_in(
        FINNS_CONFIG,
        "sleep 60",
        findings_of("GD901", "finn", FISH, ""),
        before=FISH_OF_FINN,
        options={"timeout": 5},
        alone=True,
    ),
    "a limit for every program": line_in(
        f"{ALICE}/.bashrc",
        "ulimit -v 400000",
        findings_of("GD205", "alice", BASH[:2], "go"),
        alone=True,
    ),
    "a limit that is too low for Go": line_in(f"{ALICE}/.bashrc", "ulimit -t 3000", {("GD706", "alice", "", "cpu")}),
    "an experiment that go does not know": line_in(
        f"{BOB}/.profile", "export GOEXPERIMENT=rangfunc", findings_of("GD205", "bob", LOGIN, "go"), alone=True
    ),
    "a function of a library": Injection(
        f"""echo "own_library() {{ eval 'export GODEBUG=netdns=go'; }}" > /opt/own.sh
        printf '%s\\n' '. /opt/own.sh' own_library >> {BOB}/.profile""",
        at(f"{BOB}/.profile", "own_library", {("GD102", "bob", "", "GODEBUG")}),
        f"{BOB}/.profile",
        undo="rm /opt/own.sh",
        alone=True,
    ),
    "eval in fish": line_in(
        f"{ALICE}/.config/fish/config.fish",
        'eval "set -gx GOMODCACHE /tmp/evaled"',
        {("GD101", "alice", "fish", "GOMODCACHE")},
        before=f"install -d -o alice {ALICE}/.config/fish; printf 'set A 1\\n\\n' > {ALICE}/.config/fish/config.fish",
        alone=True,
    ),
    "a startup that becomes another program": line_in(f"{BOB}/.zshrc", "exec true", {("GD901", "bob", "zsh", "")}),
}

MANAGED_FILES = {
    "a changed script": Injection(
        "sed -i 's,GOBIN=.*,GOBIN=/opt/bin,' /etc/gopherops/users/root.sh",
        at(
            "/etc/gopherops/users/root.sh",
            "export GOBIN=/opt/bin",
            findings_of("GD101", "root", SHELLS_OF_BASH, "GOBIN"),
        ),
        "/etc/gopherops/users/root.sh",
        managed=True,
    ),
    "a changed environment of units": Injection(
        "sed -i 's,^GOBIN=.*,GOBIN=/opt/bin,' /etc/gopherops/units/alice.env",
        at("/etc/gopherops/units/alice.env", "GOBIN=/opt/bin", {("GD101", "alice", "systemd_system", "GOBIN")}),
        "/etc/gopherops/units/alice.env",
        managed=True,
    ),
    "sshd without its hook": Injection(
        "sed -i '/session include gopherops-go/d' /etc/pam.d/sshd",
        at("/etc/pam.d/sshd", None, {("GD103", "bob", "ssh", "PATH")}),
        "/etc/pam.d/sshd",
        managed=True,
    ),
    "a startup that cannot be parsed": line_in(
        f"{ALICE}/.zshrc", "if [ )", {("GD701", "alice", "zsh", "")}, alone=True
    ),
    "a configuration that sshd rejects": line_in(
        "/etc/ssh/sshd_config",
        "NoSuchOption yes",
        findings_per_user("GD901", "", users=["alice", "bob", "zoe", "finn", "root"], contexts=OVER_SSH),
        alone=True,
    ),
    "nobody may log in": Injection(
        "echo later > /etc/nologin",
        at(
            "/etc/nologin",
            None,
            findings_per_user("GD901", "", users=["alice", "bob", "zoe", "finn"], contexts=OVER_SSH),
        ),
        "/etc/nologin",
        alone=True,
    ),
    "a user without keys": line_in(
        "/etc/ssh/sshd_config",
        "PubkeyAuthentication no",
        findings_of("GD901", "bob", OVER_SSH, ""),
        before="echo 'Match User bob' >> /etc/ssh/sshd_config",
        alone=True,
    ),
    "a command in the place of all others": line_in(
        SSHD_DROP_IN,
        "ForceCommand /bin/false",
        findings_of("GD901", "bob", OVER_SSH, ""),
        before=f"echo 'Match User bob' > {SSHD_DROP_IN}",
        alone=True,
    ),
    "a variable from sshd for everybody": line_in(
        SSHD_DROP_IN,
        "SetEnv GOA=1 GODEBUG=netdns=go",
        findings_per_user("GD102", "GODEBUG", users=["alice", "bob", "zoe", "finn", "root"]),
        alone=True,
    ),
    "a variable from sshd for some": line_in(
        SSHD_DROP_IN,
        'SetEnv "GOPROXY=direct" # written',
        findings_per_user("GD502", "GOPROXY", users=["bob", "finn"])
        | findings_per_user("GD102", "GOPROXY", users=["bob", "finn"]),
        # The first line is not for them.
        before="printf '%s\\n' 'Match User nobody' 'SetEnv GOPROXY=direct' 'Match User bob,finn'"
        " > /etc/ssh/sshd_config.d/own.conf",
        alone=True,
    ),
    "a variable that PAM reads from the user": line_in(
        f"{BOB}/.pam_environment",
        "GODEBUG DEFAULT=netdns=go",
        {("GD102", "bob", "", "GODEBUG")},
        alone=True,
    ),
    "a variable that sshd reads from the user": line_in(
        f"{BOB}/.ssh/environment",
        "GODEBUG=netdns=go",
        {("GD102", "bob", "", "GODEBUG")},
        before=PERMIT_USER_ENVIRONMENT,
        undo=f"rm {SSHD_DROP_IN}",
        alone=True,
    ),
    "a variable of a key": line_in(
        f"{BOB}/.ssh/authorized_keys",
        'environment="GODEBUG=netdns=go" ssh-ed25519 AAAA bob',
        {("GD102", "bob", "", "GODEBUG")},
        before=PERMIT_USER_ENVIRONMENT,
        undo=f"rm {SSHD_DROP_IN}",
        alone=True,
    ),
    "a key with a command": line_in(
        f"{BOB}/.ssh/authorized_keys",
        'command="/usr/bin/true" ssh-ed25519 AAAA bob',
        {("GD707", "bob", "ssh", "")},
        alone=True,
    ),
    "a slow rc of sshd": line_in(
        f"{BOB}/.ssh/rc",
        "sleep 3.3",
        {("GD702", "bob", "ssh", "")},
        alone=True,
    ),
    "an rc of sshd that prints": line_in(
        f"{ALICE}/.ssh/rc",
        "echo welcome",
        {("GD701", "alice", "ssh", "")},
        alone=True,
    ),
    "a crontab with another PATH": Injection(
        "sed -i 's,^PATH=.*,PATH=/usr/bin:/bin,' /var/spool/cron/crontabs/alice",
        at(
            "/var/spool/cron/crontabs/alice",
            "PATH=/usr/bin:/bin",
            {("GD103", "alice", "cron", "PATH"), ("GD201", "alice", "cron", "go")},
        ),
        "/var/spool/cron/crontabs/alice",
        managed=True,
        # GD201 follows from it.
        remedy_rules=["GD103"],
    ),
    "profile without its hook": Injection(
        "echo : > /etc/profile.d/zz-gopherops-go.sh",
        at(
            "/etc/profile.d/zz-gopherops-go.sh",
            None,
            findings_per_user("GD103", "PATH", users=["alice", "bob", "root"], contexts=LOGIN[:1]),
            {("GD103", "bob", context, "PATH") for context in ("ssh_terminal", "vscode_server")},
        ),
        "/etc/profile.d/zz-gopherops-go.sh",
        managed=True,
        alone=True,
    ),
}

RIGHTS = {
    "a script that its user cannot read": Injection(
        "chown bob: /etc/gopherops/users/alice.sh",
        {
            **at("/etc/gopherops/users/alice.sh", None, {("GD108", "alice", "", "")}),
            # What is for every user lacks what is the user's own.
            **at(
                "/etc/gopherops/go-environment.sh",
                "  (__go_path /usr/local/go/bin /usr/local/bin) && __go_path /usr/local/go/bin /usr/local/bin",
                findings_of("GD103", "alice", ("login", "bash", "zsh", "ssh_terminal", "vscode_server"), "PATH"),
            ),
        },
        "/etc/gopherops/users/alice.sh",
        managed=True,
        alone=True,
    ),
    "a script that everybody can change": Injection(
        "chmod 0666 /etc/gopherops/go-environment.sh",
        at("/etc/gopherops/go-environment.sh", None, {("GD108", "", "", "")}),
        "/etc/gopherops/go-environment.sh",
        managed=True,
    ),
    "a directory of scripts that others can change": Injection(
        "chmod 0777 /etc/gopherops/users",
        at("/etc/gopherops/users", None, {("GD108", "", "", "")}),
        undo="chmod 0755 /etc/gopherops/users",
        managed=True,
    ),
    "a file with passwords that everybody can read": Injection(
        "chmod 0644 /etc/security/gopherops-go/user-bob.conf",
        at("/etc/security/gopherops-go/user-bob.conf", None, {("GD108", "", "", "")}),
        undo="chmod 0600 /etc/security/gopherops-go/user-bob.conf",
        managed=True,
    ),
}

NEWBIE = "/var/lib/newbie"
PAM_OF_NEWBIE = "/etc/security/gopherops-go/user-newbie.conf"
UNITS_OF_NEWBIE = "/etc/gopherops/units/newbie.env"
MANAGER_OF_NEWBIE = f"{NEWBIE}/.config/environment.d/zz-gopherops-go.conf"
PATH_OF_MANAGERS = (
    'PATH="/usr/local/go/bin:/usr/local/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"'
)
SETTINGS_OF_NEWBIE = {
    context: {("GD101", "newbie", context, name) for name in ("GOBIN", "GOFLAGS", "GOTOOLCHAIN")}
    for context in ("goenv", "systemd_system", "systemd_user")
}

USERS = {
    "a user who was added after provisioning": Injection(
        f"useradd --system --create-home --home-dir {NEWBIE} --shell /usr/sbin/nologin newbie",
        {
            **at("/etc/gopherops/users/newbie.sh", None, {("GD113", "newbie", "", "")}),
            # All others follow from it.
            **at(f"{NEWBIE}/.config/go/env", None, SETTINGS_OF_NEWBIE["goenv"]),
            **at(MANAGER_OF_NEWBIE, None, SETTINGS_OF_NEWBIE["systemd_user"]),
            **at(UNITS_OF_NEWBIE, None, SETTINGS_OF_NEWBIE["systemd_system"]),
            **at(UNITS_OF_NEWBIE, None, {("GD103", "newbie", "systemd_system", "PATH")}),
            **at(
                "/etc/environment.d/zz-gopherops-go.conf",
                PATH_OF_MANAGERS,
                {("GD103", "newbie", "systemd_user", "PATH")},
            ),
            **at(PAM_OF_NEWBIE, None, {("GD103", "newbie", "cron", "PATH"), ("GD201", "newbie", "cron", "go")}),
            **at(f"{NEWBIE}/go", None, {("GD301", "newbie", "", "GOPATH")}),
            **at(f"{NEWBIE}/go/bin", None, {("GD301", "newbie", "", "GOBIN")}),
            **at(f"{NEWBIE}/go/pkg/mod", None, {("GD301", "newbie", "", "GOMODCACHE")}),
            **at(f"{NEWBIE}/.cache/go-build", None, {("GD301", "newbie", "", "GOCACHE")}),
        },
        undo="userdel --force --remove newbie",
        declared={"newbie": {}},
        remedy_rules=["GD113"],
        alone=True,
        # What concerns everybody would also concern this user.
        needs="/etc/gopherops",
    ),
}

FINN_AND_ZOE = {
    "a block taken out of zshenv": Injection(
        "sed -i '/BEGIN gopherops/,/END gopherops/d' /etc/zsh/zshenv",
        at(
            "/etc/zsh/zshenv",
            None,
            findings_per_user("GD103", "PATH", users=["alice", "bob", "zoe", "finn", "root"], contexts=["zsh"]),
            {("GD103", "zoe", "login", "PATH")},
        ),
        "/etc/zsh/zshenv",
        managed=True,
        alone=True,
    ),
    "a changed script of fish": Injection(
        "sed -i 's,GOPATH .*,GOPATH /opt/go,' /etc/gopherops/users/finn.fish",
        at(
            "/etc/gopherops/users/finn.fish",
            "set -gx GOPATH /opt/go",
            findings_of("GD101", "finn", ("login", *FISH), "GOPATH"),
        ),
        "/etc/gopherops/users/finn.fish",
        managed=True,
    ),
    "a crontab put in the place of the user's": Injection(
        "echo '* * * * * true' | crontab -u builder -",
        at(
            "/var/spool/cron/crontabs/builder",
            None,
            {("GD103", "builder", "cron", "PATH"), ("GD201", "builder", "cron", "go")},
        ),
        "/var/spool/cron/crontabs/builder",
        managed=True,
        remedy_rules=["GD103"],
    ),
    "a changed file of the user manager's": Injection(
        "sed -i 's,^GOPATH=.*,GOPATH=/opt/go,' /home/zoe/.config/environment.d/zz-gopherops-go.conf",
        at(
            "/home/zoe/.config/environment.d/zz-gopherops-go.conf",
            "GOPATH=/opt/go",
            {("GD101", "zoe", "systemd_user", "GOPATH")},
        ),
        "/home/zoe/.config/environment.d/zz-gopherops-go.conf",
        managed=True,
    ),
    "an alias in a zsh": line_in(
        "/home/zoe/.zshrc", "alias go=/usr/local/go/bin/go", findings_of("GD206", "zoe", ZSH[:2], "go")
    ),
    "a variable in a fish": line_in(
        FINNS_CONFIG,
        "set -gx GOBIN /tmp/b",
        findings_of("GD101", "finn", FISH, "GOBIN"),
        before=FISH_OF_FINN,
        # Where finn's server has settings, provisioning fixes it there.
        alone=True,
    ),
    # VS Code's server gives it nothing to wait for.
    "a startup that waits for input": line_in(
        f"{ALICE}/.bashrc",
        "read -r result",
        findings_of("GD901", "alice", BASH[:2], ""),
        options={"timeout": 5},
        alone=True,
    ),
    "a startup that becomes another shell": line_in(
        f"{ALICE}/.bashrc", "exec fish", findings_of("GD901", "alice", BASH, ""), options={"timeout": 5}, alone=True
    ),
}

# Mounts a file system of sshfs whose server has exited, so that every access to it hangs.
SSHFS = """
import ctypes, os, sys
options = f"fd={os.open('/dev/fuse', os.O_RDWR)},rootmode=40755,user_id=0,group_id=0"
if ctypes.CDLL(None).mount(b"server:/", os.fsencode(sys.argv[1]), b"fuse.sshfs", 0, options.encode()):
    sys.exit("it was not mounted")
"""

DIRECTORIES = {
    "a cache on a network file system": Injection(
        f"python3 -c {quote(SSHFS)} {ALICE}/.cache/go-build",
        at(f"{ALICE}/.cache/go-build", None, {("GD305", "alice", "", "GOCACHE")}),
        undo=f"umount {ALICE}/.cache/go-build",
        needs="/dev/fuse",
        alone=True,
    ),
    "a cache left by root": Injection(
        f"chown root: {ALICE}/go/pkg/mod",
        at(f"{ALICE}/go/pkg/mod", None, {("GD301", "alice", "", "GOMODCACHE")}),
        undo=f"chown alice: {ALICE}/go/pkg/mod",
        managed=True,
    ),
    "a cache that is gone": Injection(
        "mv /home/zoe/.cache/go-build /home/zoe/gone",
        at("/home/zoe/.cache/go-build", None, {("GD301", "zoe", "", "GOCACHE")}),
        undo="rm -rf /home/zoe/.cache/go-build && mv /home/zoe/gone /home/zoe/.cache/go-build",
        managed=True,
    ),
    "a directory that its user cannot write to": Injection(
        "chmod 0555 /srv/bob/go/bin",
        at("/srv/bob/go/bin", None, {("GD303", "bob", "", "GOBIN")}),
        undo="chmod 0755 /srv/bob/go/bin",
        blocks=True,
    ),
    "a directory that everybody can write to": Injection(
        f"chmod 0777 {ALICE}/go/bin",
        at(f"{ALICE}/go/bin", None, {("GD307", "alice", "", "GOBIN")}),
        undo=f"chmod 0755 {ALICE}/go/bin",
    ),
    "a small disk": Injection(
        f"mount -t tmpfs -o size=16m,mode=0755,uid=$(id -u alice) tmpfs {ALICE}/.cache/go-build",
        at(f"{ALICE}/.cache/go-build", None, {("GD306", "alice", "", "GOCACHE")}),
        undo=f"umount {ALICE}/.cache/go-build",
    ),
    "a directory where programs may not run": Injection(
        "mount -o remount,noexec /tmp",
        at("/tmp", None, findings_per_user("GD308", "GOTMPDIR")),
        undo="mount -o remount,exec /tmp",
    ),
}

TOOLS = {
    "a link to something else": Injection(
        f"ln -sfn /bin/true {LINK}", at(LINK, None, {("GD401", "", "", "dlv")}), LINK, managed=True
    ),
    "a tool of another version": Injection(
        ":",
        at(
            "/usr/local/lib/go-tools/dlv/v1.26.2-go1.22.12/dlv",
            None,
            {("GD401", "", "", "dlv"), ("GD405", "", "", "dlv")},
        ),
        options={"tools": [{"package": "github.com/go-delve/delve/cmd/dlv", "version": "v1.26.2"}]},
        alone=True,
        remedy_rules=["GD401"],
    ),
    "a tool that another Go built": Injection(
        f"sed -i 's/go1[.]22[.]12/go1.21.13/g' {GOPLS}",
        at(GOPLS, None, {("GD404", "", "", "gopls")}),
        GOPLS,
        managed=True,
    ),
    "a copy of a tool that comes first": line_in(
        f"{ALICE}/.bashrc",
        f"PATH={ALICE}/go/bin:$PATH",
        findings_of("GD103", "alice", BASH, "PATH") | findings_of("GD402", "alice", BASH, "gopls"),
        more=at(f"{ALICE}/go/bin/gopls", None, {("GD403", "alice", "", "gopls")}),
        before=f"install -o alice /bin/true {ALICE}/go/bin/gopls",
        undo=f"rm {ALICE}/go/bin/gopls",
        alone=True,
    ),
    "a copy of a tool for the editor": Injection(
        f"install -o alice /bin/true {ALICE}/go/bin/dlv",
        at(f"{ALICE}/go/bin/dlv", None, {("GD403", "alice", "", "dlv")}),
        undo=f"rm {ALICE}/go/bin/dlv",
        alone=True,
    ),
    "a tool that nobody declared": Injection(
        f"install -o alice /bin/true {ALICE}/go/bin/staticcheck",
        at(f"{ALICE}/go/bin/staticcheck", None, {("GD406", "alice", "", "staticcheck")}),
        undo=f"rm {ALICE}/go/bin/staticcheck",
    ),
    "a toolchain that go downloaded": Injection(
        f"install -d -o alice {ALICE}/go/pkg/mod/golang.org {TOOLCHAIN}",
        at(TOOLCHAIN, None, {("GD407", "alice", "", "GOTOOLCHAIN")}),
        undo=f"rm -r {ALICE}/go/pkg/mod/golang.org",
        # Others move the cache.
        alone=True,
    ),
    "another version of Go": Injection(
        ":",
        at(
            "built-in",
            None,
            {("GD203", user, context, "GOVERSION") for user, contexts in CONTEXTS_OF.items() for context in contexts},
        ),
        options={"go_version": "1.22.11"},
        remedy_rules=["GD203"],
        alone=True,
    ),
    "a setting in the go.env of the toolchain": Injection(
        f"echo 'GOPRIVATE=*.evil' >> {GO_DEFAULTS}",
        at(GO_DEFAULTS, None, {("GD212", "", "", "")}),
        GO_DEFAULTS,
        remedy_rules=["GD212"],
        # Everybody has the value.
        alone=True,
    ),
    "a copy of go behind the declared one": Injection(
        "cp /bin/true /usr/sbin/go",
        at("/usr/sbin/go", None, findings_per_user("GD208", "go")),
        undo="rm /usr/sbin/go",
    ),
}

RUNNING = {
    "a variable of the manager of all units": Injection(
        "systemctl set-environment GOTMPDIR=/var/tmp",
        dict.fromkeys(findings_per_user("GD102", "GOTMPDIR"), Place("set-environment")),
        undo="systemctl unset-environment GOTMPDIR",
        alone=True,
    ),
    "a VS Code server from before": Injection(
        "systemd-run --quiet --unit=injected-editor -p User=alice -p Environment=GOBIN=/old"
        " sh -c 'sleep 600' /x/out/bootstrap-fork --type=extensionHost",
        from_process({("GD704", "alice", "vscode_server", "")}),
        undo="systemctl stop injected-editor",
    ),
    "a user manager from before": Injection(
        "runuser -u bob -- env XDG_RUNTIME_DIR=/run/user/$(id -u bob) systemctl --user set-environment GOBIN=/tmp/b",
        # Somebody set it in the manager by hand.
        nowhere({("GD703", "bob", "systemd_user", "")}),
        undo="runuser -u bob -- env XDG_RUNTIME_DIR=/run/user/$(id -u bob) systemctl --user unset-environment GOBIN",
        alone=True,
    ),
}

MACHINE = f"{FINN}/.vscode-server/data/Machine/settings.json"
MAKE_ROOM = f"install -d -o finn {quote(FINN)}/.vscode-server/data/Machine"
# The editor's setting for the language server: without it, any file is a finding.
SERVER_FLAGS = '  "go.languageServerFlags": ["-remote=unix;/run/gopls/finn/gopls.sock"]'
ROOTS_MACHINE = "/root/.vscode-server/data/Machine/settings.json"
LAUNCH = f"{ALICE}/hello/.vscode/launch.json"
NEWER = f"{ALICE}/newer"


def setting(member: str, findings: Findings, **rest: t.Any) -> Injection:
    """Return the injection that is one more setting of finn's VS Code server."""
    line = f"  {member}, // mine"
    insert = f"1a\\{line}"
    do = f"{MAKE_ROOM}; [ -s {quote(MACHINE)} ] || printf '{{\\n%s\\n}}\\n' {quote(SERVER_FLAGS)} > {quote(MACHINE)}"
    do += f"; sed -i {quote(insert)} {quote(MACHINE)}; chown finn: {quote(MACHINE)}"
    return Injection(do, at(MACHINE, line, findings), MACHINE, **rest)


_NUMBERS = itertools.count(1)


def in_workspace(
    name: str, lines: t.Sequence[str], line: str, findings: Findings, *, manage: t.Sequence[str] = (), **rest: t.Any
) -> Injection:
    """Return the injection of one file in a new workspace of alice's, whose ``manage`` list is given."""
    workspace = f"{ALICE}/workspace{next(_NUMBERS)}"
    file = f"{workspace}/{name}"
    text = " ".join(map(quote, lines))
    do = f"install -D /dev/null {file}; printf '%s\\n' {text} > {file}; chown -R alice: {workspace}"
    declared = {"alice": {"workspaces": [{"path": workspace, "manage": list(manage)} if manage else workspace]}}
    return Injection(do, at(file, line, findings), undo=f"rm -r {workspace}", declared=declared, **rest)


# Where there is a file of settings, provisioning renders the declaration into it, which overrides the startup files.
EDITORS = {
    "a setting that nobody knows": setting(
        '"go.delvePath": "/x"', {("GD801", "finn", "vscode_server", "go.delvePath")}
    ),
    "a deprecated setting": setting(
        '"go.logging.level": "off"', {("GD802", "finn", "vscode_server", "go.logging.level")}
    ),
    "another Go for the editor": setting(
        '"go.goroot": "/opt/go"', {("GD803", "finn", "vscode_server", "go.goroot")}, managed=True
    ),
    "tools that update themselves": setting(
        '"go.toolsManagement.autoUpdate": true',
        {("GD805", "finn", "vscode_server", "go.toolsManagement.autoUpdate")},
        managed=True,
    ),
    "settings that are no JSON": Injection(
        f"install -D /dev/null {ROOTS_MACHINE}; echo '{{,}}' > {ROOTS_MACHINE}",
        at(ROOTS_MACHINE, "{,}", {("GD901", "root", "vscode_server", "")}),
        ROOTS_MACHINE,
        alone=True,
    ),
    "a debug session with another proxy": Injection(
        f"""install -d -o alice $(dirname {LAUNCH})
        printf '%s\\n' '{{"configurations": [{{"type": "go", "name": "x", "request": "launch", "env": {{' \\
        '"GOPROXY": "off"' '}}, "dlvToolPath": "/x"}}]}}' > {LAUNCH}; chown alice: {LAUNCH}""",
        {
            **at(LAUNCH, '"GOPROXY": "off"', {("GD104", "alice", "vscode_debug", "GOPROXY")}),
            **at(LAUNCH, '}, "dlvToolPath": "/x"}]}', {("GD806", "alice", "vscode_debug", "dlvToolPath")}),
        },
        LAUNCH,
        declared={"alice": {"workspaces": [f"{ALICE}/hello"]}},
        alone=True,
    ),
    "a setting of another type": setting(
        '"go.toolsManagement.checkForUpdates": false',
        {("GD807", "finn", "vscode_server", "go.toolsManagement.checkForUpdates")},
        managed=True,
    ),
    "a workspace with settings of its own": in_workspace(
        ".vscode/settings.json",
        ["{", '  "go.toolsEnvVars": {"GOBIN": "/x"}', "}"],
        '  "go.toolsEnvVars": {"GOBIN": "/x"}',
        {("GD101", "alice", "vscode_server", "GOBIN"), ("GD803", "alice", "vscode_server", "go.toolsEnvVars.GOBIN")},
        # What other injections do to alice's server is found there too, and this file is named for some of it.
        alone=True,
    ),
    "a workspace with settings that are no JSON": in_workspace(
        ".vscode/settings.json", ["{ broken"], "{ broken", {("GD901", "alice", "vscode_server", "")}
    ),
    "a workspace with settings that are a list": in_workspace(
        ".vscode/settings.json", ["// mine", "[]"], "[]", {("GD901", "alice", "vscode_server", "")}
    ),
    "debug sessions that are no list": in_workspace(
        ".vscode/launch.json",
        ["{", '  "configurations": {"type": "go", "request": "launch"}', "}"],
        '  "configurations": {"type": "go", "request": "launch"}',
        {("GD901", "alice", "vscode_debug", "")},
    ),
    "a debug session that is a text": in_workspace(
        ".vscode/launch.json",
        ["{", '  "configurations": [', '    "go"', "  ]", "}"],
        '    "go"',
        {("GD901", "alice", "vscode_debug", "")},
    ),
    "a dev container with other flags": in_workspace(
        ".devcontainer/devcontainer.json",
        ["{", '  "containerEnv": {', '    "GOTOOLCHAIN": "local",', '    "GOFLAGS": "-mod=mod"', "  }", "}"],
        '    "GOFLAGS": "-mod=mod"',
        {("GD101", "alice", "devcontainer", "GOFLAGS")},
        manage=["devcontainer"],
        remedy_rules=["GD101"],
    ),
    "a dev container that refers to its own flags": in_workspace(
        ".devcontainer/devcontainer.json",
        [
            "{",
            '  "containerEnv": {',
            '    "GOFLAGS": "-mod=mod"',
            "  },",
            '  "remoteEnv": {"GOFLAGS": "${containerEnv:GOFLAGS}", "GOTOOLCHAIN": "${localEnv:GOTOOLCHAIN}"}',
            "}",
        ],
        '    "GOFLAGS": "-mod=mod"',
        {("GD101", "alice", "devcontainer", "GOFLAGS")},
    ),
    "a workflow with another toolchain": in_workspace(
        ".github/workflows/test.yml",
        ["env:", "  GOFLAGS: -mod=readonly", "  GOTOOLCHAIN: auto", "jobs: {}"],
        "  GOTOOLCHAIN: auto",
        {("GD101", "alice", "ci", "GOTOOLCHAIN")},
    ),
    "a workflow whose jobs have their variables in braces": in_workspace(
        ".github/workflows/test.yaml",
        [
            "env: {GOTOOLCHAIN: local, 'GOFLAGS': -mod=readonly}",
            "jobs:",
            "  build:",
            '    env: {GOPRIVATE: "${{ vars.P }}", GOFLAGS: "-mod=mod"} # once',
        ],
        '    env: {GOPRIVATE: "${{ vars.P }}", GOFLAGS: "-mod=mod"} # once',
        {("GD101", "alice", "ci", "GOFLAGS")},
    ),
    "a workflow that is not understood": in_workspace(
        ".github/workflows/test.yml",
        ["env: {GOTOOLCHAIN: local,", "  GOFLAGS: -mod=readonly}", "jobs: {}"],
        "env: {GOTOOLCHAIN: local,",
        {("GD901", "alice", "ci", "")},
    ),
    "a dev container that disagrees with the editor's tools": in_workspace(
        ".devcontainer.json",
        [
            "{",
            '  "containerEnv": {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"},',
            '  "remoteEnv": {"GOBIN": "/go/bin"},',
            f'  "customizations": {{"vscode": {{"settings": {{"go.toolsEnvVars": {{"GOBIN": "{ALICE}/go/bin"}}}}}}}}',
            "}",
        ],
        f'  "customizations": {{"vscode": {{"settings": {{"go.toolsEnvVars": {{"GOBIN": "{ALICE}/go/bin"}}}}}}}}',
        {("GD804", "alice", "devcontainer", "GOBIN")},
    ),
    "a workspace with the version file of a newer Go": in_workspace(
        ".go-version", ["# as in production", "1.99"], "1.99", {("GD605", "alice", "", "")}, alone=True
    ),
    "a workspace for a newer Go": Injection(
        f"install -d -o alice {NEWER}; printf 'module x\\n\\ngo 1.99\\n' > {NEWER}/go.mod",
        at(f"{NEWER}/go.mod", "go 1.99", {("GD605", "alice", "", "")}),
        undo=f"rm -r {NEWER}",
        declared={"alice": {"workspaces": [NEWER]}},
    ),
}

INJECTIONS = {
    **GO_SETTINGS,
    **STARTUP_FILES,
    **MANAGED_FILES,
    **RIGHTS,
    **USERS,
    **FINN_AND_ZOE,
    **DIRECTORIES,
    **TOOLS,
    **RUNNING,
    **EDITORS,
}


def batches() -> list[list[str]]:
    """Return all names in as few lists as a first fit gives; what is in one list coexists on one host."""
    lists: list[list[str]] = []
    for name in INJECTIONS:
        fitting = (batch for batch in lists if all(coexist(INJECTIONS[name], INJECTIONS[other]) for other in batch))
        batch = next(fitting, None)
        if batch is None:
            lists.append([name])
        else:
            batch.append(name)
    return lists


def coexist(injection: Injection, other: Injection) -> bool:
    """Return whether two can be found at once, each with its own findings, places and remedies."""
    rules = {rule for rule, *_rest in injection.findings} & {rule for rule, *_rest in other.findings}
    return not (
        injection.needs
        or other.needs
        or injection.options != other.options
        or injection.findings.keys() & other.findings.keys()
        or (injection.file and injection.file == other.file)
        # Remedies are compared by rule.
        or any((rule in injection.remedied) != (rule in other.remedied) for rule in rules)
        or ((injection.alone or other.alone) and set(injection.users) & set(other.users))
    )
