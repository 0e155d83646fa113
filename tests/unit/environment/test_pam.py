# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PAM's environment files: what is written is what is read back, line by line."""

from __future__ import annotations

import ctypes
import getpass
import grp
import itertools
import pathlib
import re
import typing as t

import hypothesis
import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import cron as cron_context
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import pam as pam_context
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import ssh as ssh_context
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import environment_files
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd.unit_state import lines_of
from hypothesis import strategies as st

ACCOUNT = find_account(getpass.getuser())


@pytest.fixture
def pam(tmp_path, monkeypatch):
    """A directory in the place of /etc: writes the files of a declaration and reads a user's assignments back."""
    monkeypatch.setattr(pam_context, "DIRECTORY", str(tmp_path))
    monkeypatch.setattr(pam_context, "SERVICE", str(tmp_path / "gopherops-go"))
    monkeypatch.setattr(pam_context, "USERS_SERVICE", str(tmp_path / "gopherops-go-users"))
    monkeypatch.setattr(pam_context, "ENVIRONMENT", str(tmp_path / "environment"))

    def write(declaration):
        for file in pam_context.managed_files(declaration):
            text = file.content(None)
            with open(file.path, "w", encoding="utf-8") as stream:
                stream.write(text or "")
        return {item.name: item for item in pam_context.assignments(pam_context.SERVICE, ACCOUNT)}

    write.directory = tmp_path
    return write


def declaration(**variables):
    return Declaration([UserEnvironment(ACCOUNT, variables, ["/g/bin"])], "/g", ["/g/bin"])


@pytest.mark.parametrize("value", ["/home/a", "/home/a b", "/home/$x@y", "/home/éz", "a,b|c"])
def test_values_come_back(pam, value):
    assert pam(declaration(GOPATH=value))["GOPATH"].value == value


def test_the_line_is_named(pam):
    source = pam(declaration(GOPATH="/a", GOBIN="/b"))["GOBIN"].source
    assert (source.file, source.line) == (str(pam.directory / f"user-{ACCOUNT.name}.conf"), 3)


def test_another_users_lines_are_skipped(pam):
    other = UserEnvironment(ACCOUNT._replace(name="somebody-else"), {"GOPATH": "/x"}, ["/x"])
    found = pam(Declaration([other], "/g", ["/g/bin"]))
    assert "GOPATH" not in found
    assert found["PATH"].value.startswith("/g/bin:/usr/local/sbin:")


def test_the_hosts_own_path_follows_the_declared_one(pam):
    (pam.directory / "environment").write_text('PATH="/usr/bin:/g/bin:/bin:/snap/bin"\n')
    assert pam(declaration())["PATH"].value == "/g/bin:/usr/bin:/bin:/snap/bin"


STANDARD = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Lines of /etc/environment, and what is rendered after the declared directories.
HOST_PATHS = {
    'PATH="$PATH:/opt/x/bin"': f"/opt/x/bin:{STANDARD}",
    "PATH=${PATH}:/opt/x/bin": f"/opt/x/bin:{STANDARD}",
    "PATH=~/bin:/opt/x/bin": f"/opt/x/bin:{STANDARD}",
    "PATH=/opt/x/bin": f"/opt/x/bin:{STANDARD}",
    "PATH=": STANDARD,
    'PATH=""': STANDARD,
    "PATH=:": STANDARD,
    "PATH=bin:.:./x": STANDARD,
    "PATH=/opt/$USER/bin:/opt/`id`/bin:/bin:/usr/bin": "/bin:/usr/bin",
    "PATH=/usr/bin:/bin::/usr/bin": "/usr/bin:/bin",
    "PATH=/usr/bin:/opt/x/bin": "/usr/bin:/opt/x/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin",
    'PATH="/usr/bin:/bin"\r': f"/usr/bin:{STANDARD.replace('/usr/bin:', '')}",
    'PATH=/opt/a"b:/usr/bin:/bin': "/usr/bin:/bin",
    "PATH=/srv/a b/c'd:/usr/bin:/bin": "/srv/a b/c'd:/usr/bin:/bin",
    "GOFLAGS=-x": STANDARD,
}


@pytest.mark.parametrize("line", HOST_PATHS)
def test_only_usable_entries_of_the_hosts_path_are_rendered(pam, line):
    (pam.directory / "environment").write_text(f"{line}\n", newline="")
    assert pam(declaration())["PATH"].value == f"/g/bin:{HOST_PATHS[line]}"


def test_a_removed_user_leaves_no_file_and_no_line(pam):
    pam(declaration(GOPATH="/a"))
    for removal in ({"exclusive": True}, {"absent": [ACCOUNT.name]}):
        files = pam_context.managed_files(Declaration([], "/g", [], **removal))
        gone = [file.path for file in files if file.content(None) is None]
        assert gone == [str(pam.directory / f"user-{ACCOUNT.name}.conf")]
        # The directory of this test may contain the name, too.
        contents = [(file.content(None) or "").replace(str(pam.directory), "") for file in files]
        assert not [text for text in contents if ACCOUNT.name in text]


def test_a_user_who_is_no_longer_listed_keeps_file_and_line(pam):
    before = pam(declaration(GOPATH="/a"))
    other = UserEnvironment(ACCOUNT._replace(name="aaa"), {"GOPATH": "/x"}, ["/x"])
    assert pam(Declaration([other], "/g", ["/g/bin"])) == before


@pytest.mark.parametrize(
    ("value", "words"), [('a"b', "double quotes"), ("a#b", "and #"), (r"a\b", "backslashes"), ("x" * 8192, "too long")]
)
def test_values_that_pam_cannot_contain_are_rejected(pam, value, words):
    with pytest.raises(DevserverError, match=words):
        pam(declaration(GOFLAGS=value))


LONG = ":".join(["/usr/bin", "/bin", *(f"/opt/package-{number}/bin" for number in range(60))])


def test_a_long_path_of_the_host_is_rendered_as_far_as_pam_reads_it(pam):
    """Debian 11 to 13 read 8191 bytes, and the host's own PATH is not the users' fault."""
    (pam.directory / "environment").write_text(f"PATH={LONG}\n")
    assert len(LONG) > 1200 and pam(declaration())["PATH"].value == f"/g/bin:{LONG}"
    (pam.directory / "environment").write_text(f"# theirs\nPATH={LONG}{'x' * 8000}\n")
    with pytest.raises(DevserverError, match=f"PATH is too long .* shorten {pam.directory}/environment:2"):
        pam(declaration())
    (pam.directory / "environment").write_text("PATH=/usr/bin:/bin\n")
    with pytest.raises(DevserverError, match="declare a shorter GOFLAGS"):
        pam(declaration(GOFLAGS="x" * 8192))


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="libpam of Linux")
def test_the_longest_line_reaches_a_real_session(tmp_path: pathlib.Path) -> None:
    value = "x" * (8191 - len('GOFLAGS DEFAULT=""\n'))
    (tmp_path / "test").write_text(f"session required pam_env.so readenv=0 conffile={tmp_path}/env.conf\n")
    (tmp_path / "env.conf").write_text(pam_context._line("GOFLAGS", value))
    assert (real_session(tmp_path) or {}).get("GOFLAGS") == value
    with pytest.raises(DevserverError, match="too long"):
        pam_context._line("GOFLAGS", f"{value}x")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("GOFLAGS=-a -b", "-a -b"),
        ("GOFLAGS='-a -b' # why", "-a -b"),
        ("GOFLAGS=\"-ldflags='-s -w'\"", "-ldflags='-s -w'"),
        ('GOFLAGS=-tags="a b"', '-tags="a b"'),
        ("GOFLAGS=-x#y", "-x"),
        ("GOFLAGS=\\$x", "\\$x"),
        ("GOFLAGS='", ""),
        ("GOFLAGS=", ""),
        ("GOFLAGS=-x\r", "-x\r"),
        ("GOFLAGS=-x \t", "-x"),
    ],
)
def test_the_environment_file_is_read_as_pam_does(pam, line, value):
    (pam.directory / "environment").write_text(line + "\n", newline="")
    (pam.directory / "sshd").write_text(f"session required pam_env.so envfile={pam.directory}/environment\n")
    (found,) = pam_context.assignments(str(pam.directory / "sshd"), ACCOUNT)
    assert found.value == value


@pytest.mark.parametrize("mark", ["\f", "\x85", "\u2028", "\x1e"])
def test_lines_are_counted_as_editors_do(pam, mark):
    (pam.directory / "environment").write_text(f"# a{mark}b\nGOFLAGS=-x{mark}y\n", encoding="utf-8")
    (pam.directory / "sshd").write_text(
        f"session required pam_env.so envfile={pam.directory}/environment conffile={pam.directory}/conf\n"
    )
    (pam.directory / "conf").write_text(f"# a{mark}b\nGOBIN DEFAULT=/b\n", encoding="utf-8")
    found = {item.name: item for item in pam_context.assignments(str(pam.directory / "sshd"), ACCOUNT)}
    assert (found["GOFLAGS"].value, found["GOFLAGS"].source.line) == (f"-x{mark}y", 2)
    assert found["GOBIN"].source.line == 2
    (read,) = environment_files.assignments_in(str(pam.directory / "environment"))
    assert read.source.line == 2
    assert len(lines_of(str(pam.directory / "environment"))) == 2


def test_includes_and_the_environment_file_are_followed(pam):
    (pam.directory / "environment").write_text("# c\nexport GOPROXY='off' # note\n")
    (pam.directory / "common").write_text(f"session required pam_env.so envfile={pam.directory}/environment\n")
    (pam.directory / "sshd").write_text("auth include x\n@include common\nsession [default=ok] pam_limits.so\n")
    (found,) = pam_context.assignments(str(pam.directory / "sshd"), ACCOUNT)
    assert (found.name, found.value, found.source.line) == ("GOPROXY", "off", 2)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("GOFLAGS DEFAULT=-mod=vendor", "-mod=vendor"),
        ("  GOFLAGS\tOVERRIDE=-mod=vendor", "-mod=vendor"),
        ('GOFLAGS DEFAULT="-a -b" OVERRIDE="-c -d"', "-c -d"),
        ("GOFLAGS DEFAULT=-v OVERRIDE=${GIVEN}", "${GIVEN}"),
    ],
)
@pytest.mark.parametrize("option", ["user_readenv=1", "user_readenv=1 user_envfile=.own", ""])
def test_the_file_of_a_user_is_named_if_pam_reads_it(pam, option, line, value):
    name = ".own" if "user_envfile" in option else ".pam_environment"
    (pam.directory / name).write_text(f"# mine\n{line}\n")
    options = f"conffile={pam.directory}/none readenv=0 {option}"
    (pam.directory / "sshd").write_text(f"session required pam_env.so {options}\n")
    found = pam_context.assignments(str(pam.directory / "sshd"), ACCOUNT._replace(home=str(pam.directory)))
    expected = [("GOFLAGS", value, f"{pam.directory}/{name}:2")] if option else []
    assert [(item.name, item.value, str(item.source)) for item in found] == expected


@pytest.mark.parametrize(
    ("line", "found"),
    [("* hard nproc 3", True), ("gopher - nproc 49", True), ("gopher hard nproc 50", False), ("bob - nproc 3", False)],
)
def test_a_low_limit_is_described_with_its_line(tmp_path, monkeypatch, line, found):
    (tmp_path / "limits.d").mkdir()
    (tmp_path / "limits.d/low.conf").write_text(f"# few\n{line}\n")
    monkeypatch.setattr(pam_context, "_LIMITS", str(tmp_path / "limits"))
    text = pam_context.describe_low_limit(ACCOUNT._replace(name="gopher", uid=4711))
    assert text.startswith(f": {tmp_path}/limits.d/low.conf:2 limits its processes to ") is found
    assert found or text == ""


def test_limits_of_a_user_are_stronger_than_those_for_all(tmp_path, monkeypatch):
    (tmp_path / "limits.d").mkdir()
    (tmp_path / "limits.conf").write_text("gopher hard nofile 100\n# a comment\n* - nofile 50\nbob - nofile 7\n")
    monkeypatch.setattr(pam_context, "_LIMITS", str(tmp_path / "limits"))
    found = [(item.value, item.source.line) for item in pam_context.limits(ACCOUNT._replace(name="gopher", uid=4711))]
    assert found == [("50", 3), ("100", 1)]


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("@{group}", True),
        ("@root", False),
        ("@no-such-group", False),
        ("{uid}:", True),
        (":{uid}", True),
        ("1:{uid}", True),
        ("1:2", False),
        ("@{gid}:", True),
        ("@:{gid}", True),
        ("@1:{gid}", True),
        ("@1:2", False),
        ("%{group}", False),
        ("@", False),
        (":", False),
    ],
)
def test_limits_of_groups_and_ranges_have_a_line(tmp_path, monkeypatch, domain, found):
    """What the real pam_limits of Debian 12 applies."""
    nobody = find_account("nobody")
    domain = domain.format(group=grp.getgrgid(nobody.gid).gr_name, uid=nobody.uid, gid=nobody.gid)
    (tmp_path / "limits.conf").write_text(f"* - nofile 50\n{domain} hard nofile 60\n* - nofile 70\n")
    monkeypatch.setattr(pam_context, "_LIMITS", str(tmp_path / "limits"))
    strongest = [(item.value, item.source.line) for item in pam_context.limits(nobody)][-1]
    assert strongest == (("60", 2) if found else ("70", 3))


@pytest.mark.parametrize(
    ("domain", "found"), [("*", False), ("@root", False), ("0:", True), ("@:0", True), ("root", True)]
)
def test_limits_of_root_are_those_by_its_name_and_ids(tmp_path, monkeypatch, domain, found):
    (tmp_path / "limits.conf").write_text(f"{domain} - nofile 50\n")
    monkeypatch.setattr(pam_context, "_LIMITS", str(tmp_path / "limits"))
    assert [item.value for item in pam_context.limits(find_account("root"))] == (["50"] if found else [])


Talk = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class Conversation(ctypes.Structure):
    """PAM's struct pam_conv."""

    _fields_: t.ClassVar = [("talk", Talk), ("data", ctypes.c_void_p)]


def real_session(directory: pathlib.Path) -> dict[str, str] | None:
    """Return the variables that the host's own libpam gives a session of the service ``test``; None if it is denied."""
    libpam = ctypes.CDLL("libpam.so.0")
    libpam.pam_getenvlist.restype = ctypes.POINTER(ctypes.c_char_p)
    handle, conversation = ctypes.c_void_p(), Conversation(Talk(lambda *_arguments: 19), None)
    start = (b"test", ACCOUNT.name.encode(), ctypes.byref(conversation), str(directory).encode(), ctypes.byref(handle))
    assert libpam.pam_start_confdir(*start) == 0
    if libpam.pam_open_session(handle, 0) != 0:
        return None
    entries = itertools.takewhile(bool, libpam.pam_getenvlist(handle))
    return dict(entry.decode().split("=", 1) for entry in entries)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="libpam of Linux")
def test_any_value_is_rejected_or_what_the_real_pam_gives_a_session(tmp_path: pathlib.Path) -> None:
    @hypothesis.settings(max_examples=200)
    @hypothesis.given(st.text(st.sampled_from("ab/ $@{}\\\"'#`%~!*;:é=,"), max_size=12))
    def holds(value: str) -> None:
        try:
            line = pam_context._line("GOFLAGS", value)
        except DevserverError:
            return
        (tmp_path / "env.conf").write_text(line, encoding="utf-8")
        session = real_session(tmp_path)
        assert session is not None and session.get("GOFLAGS", "") == value

    (tmp_path / "test").write_text(f"session required pam_env.so readenv=0 conffile={tmp_path}/env.conf\n")
    holds()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", {"FROM": "other"}),
        ("auth required pam_permit.so\n@include more\n", {"FROM": "other"}),
        ("session required pam_permit.so\n", {}),
        ("@include some\n", {}),
    ],
)
def test_a_service_without_session_lines_keeps_those_of_other(
    pam: t.Any, tmp_path: pathlib.Path, lines: str, expected: dict[str, str]
) -> None:
    """For a user who is not declared: PAM would deny the session, because no line decides about it."""
    (tmp_path / "more").write_text("account required pam_permit.so\n")
    (tmp_path / "some").write_text("session required pam_permit.so\n")
    (tmp_path / "env.conf").write_text("FROM DEFAULT=other\n")
    (tmp_path / "other").write_text(f"session required pam_env.so readenv=0 conffile={tmp_path}/env.conf\n")
    declared = UserEnvironment(ACCOUNT._replace(name="gopher", uid=4711), {"GOFLAGS": "-v"}, ["/g/bin"])
    pam(Declaration([declared], "/g", ["/g/bin"]))
    service = pam_context.hooked(str(tmp_path / "test"), pam_context.USERS_HOOK)
    once = service.content(lines) or ""
    assert service.content(once) == once
    # libpam looks for other names than absolute ones in /etc/pam.d, even with another directory.
    (tmp_path / "test").write_text(re.sub("include ", f"include {tmp_path}/", once))
    assert real_session(tmp_path) == expected


@pytest.fixture
def vendor(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The directory of the distribution's services, which has all those of the host."""
    directory = tmp_path / "vendor"
    directory.mkdir()
    monkeypatch.setattr(pam_context, "_VENDOR", str(directory))
    (directory / "sshd").write_text("auth required pam_unix.so\nsession include common-session")
    (directory / "common-session").write_text(f"session required pam_env.so readenv=0 conffile={tmp_path}/env.conf\n")
    (directory / "other").write_text("session required pam_deny.so\n")
    (tmp_path / "env.conf").write_text("FROM DEFAULT=common\n")
    return directory


def test_a_service_of_the_distribution_is_copied_and_followed(
    tmp_path: pathlib.Path, vendor: pathlib.Path, pam: t.Any
) -> None:
    path = str(tmp_path / "sshd")
    assert [item.value for item in pam_context.assignments(path, ACCOUNT)] == ["common"]
    service = pam_context.hooked(path, pam_context.HOOK)
    once = service.content(None) or ""
    assert once.startswith("auth required pam_unix.so\nsession include common-session\n# BEGIN")
    assert pam_context.HOOK in once
    assert "session include other" not in once
    assert service.content(once) == once
    (vendor / "sshd").write_text("auth required pam_new.so\n")
    followed = service.content(once) or ""
    assert followed.startswith("auth required pam_new.so\n# BEGIN")
    assert "session include other" in followed
    assert pam_context.unhooked(path).content(followed) is None
    (vendor / "sshd").unlink()
    assert "copy of" not in (service.content(followed) or "")
    assert pam_context.unhooked(path).content(followed) == "auth required pam_new.so\n"


def test_a_copied_service_that_somebody_edits_is_theirs(tmp_path: pathlib.Path, vendor: pathlib.Path) -> None:
    path = str(tmp_path / "sshd")
    service = pam_context.hooked(path, pam_context.HOOK)
    edited = "auth required pam_theirs.so\n" + (service.content(None) or "")
    (vendor / "sshd").write_text("auth required pam_new.so\n")
    kept = service.content(edited) or ""
    assert kept.startswith("auth required pam_theirs.so\nauth required pam_unix.so\n")
    assert pam_context.HOOK in kept
    assert "copy of" not in kept
    own = "auth required pam_theirs.so\nauth required pam_unix.so\nsession include common-session\n"
    assert pam_context.unhooked(path).content(edited) == pam_context.unhooked(path).content(kept) == own


def test_contexts_are_served_by_the_services_of_the_distribution(
    tmp_path: pathlib.Path, vendor: pathlib.Path, pam: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (vendor / "cron").write_text("session required pam_permit.so\n")
    monkeypatch.setattr(cron_context, "_PAM", str(tmp_path))
    monkeypatch.setattr(cron_context, "CRONTABS", ())
    monkeypatch.setattr(cron_context, "_CRONS", (__file__,))
    monkeypatch.setattr(cron_context.systemctl, "manager_runs", lambda: True)
    monkeypatch.setattr(ssh_context, "_SERVICE", str(tmp_path / "sshd"))
    for context, name in ((cron_context.CronContext(), "cron"), (ssh_context.SshContext(), "sshd")):
        files = {file.path: file.content(None) or "" for file in context.managed_files(declaration())}
        assert "session include gopherops-go" in files[str(tmp_path / name)]
    assert cron_context.CronContext().applies_to(ACCOUNT)
