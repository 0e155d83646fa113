# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts and keys of users, and the drop-in of sshd: real accounts and files, and a program in place of sshd.

The real sshd is reloaded and restored in molecule/fleet.
"""

from __future__ import annotations

import os
import pathlib
import pwd
import subprocess
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import access, sshd_config
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.access import AccessGuard
from ansible_collections.gopherops.devserver.plugins.module_utils._host import records
from ansible_collections.gopherops.devserver.plugins.module_utils._remote_access import (
    authorized_keys,
    ssh_access,
    sshd,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has accounts to give")

BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
OTHER_BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"
KEY = f"ssh-ed25519 {BLOB} alice@laptop"
OTHER_KEY = f"ssh-ed25519 {OTHER_BLOB} alice@tablet"
NAME, NEW, WITHOUT_HOME = "ds-keys", "ds-created", "ds-none"
# It accepts a configuration without the word "bad", and has nothing to reload.
SSHD = """#!/bin/sh
for file; do :; done
case $1 in -t) grep -rhi bad "$file" $(sed -n 's/^Include //p' "$file") >&2 2>/dev/null && exit 255 ;; esac
cat {directory}/effective 2>/dev/null
exit 0
"""


class Access:
    """A host with one account, and an sshd that includes the drop-in."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.drop_in = directory / "sshd_config.d/10-gopherops-devserver.conf"
        self.configuration = directory / "sshd_config"
        self.configuration.write_text(f"Include {directory}/sshd_config.d/*.conf\nUsePAM yes\n")
        self.home = pathlib.Path(pwd.getpwnam(NAME).pw_dir)
        self.file = self.home / ".ssh/authorized_keys"

    def run(self, *users: dict[str, t.Any], check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        params = ArgumentSpecValidator(ssh_access.ARGUMENT_SPEC).validate(dict(options, users=list(users)))
        assert params.error_messages == []
        outcome = ssh_access.converge(params.validated_parameters, check=check)
        return {**outcome.result, "warnings": list(outcome.warnings)}

    def write_keys(self, text: str) -> None:
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(text)
        for path in (self.file.parent, self.file):
            os.chown(path, *pwd.getpwnam(NAME)[2:4])


@pytest.fixture(scope="module")
def account() -> t.Iterator[None]:
    for arguments in (["--create-home", NAME], ["--no-create-home", WITHOUT_HOME]):
        subprocess.run(["useradd", *arguments], check=True, capture_output=True)
    yield
    for name in (NAME, NEW, WITHOUT_HOME):
        subprocess.run(["userdel", "--remove", name], check=False, capture_output=True)


@pytest.fixture
def host(account: None, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Access]:
    fake = Access(tmp_path)
    program = tmp_path / "sshd"
    program.write_text(SSHD.format(directory=tmp_path))
    program.chmod(0o755)
    for module in (sshd_config, sshd):
        monkeypatch.setattr(module, "SSHD", str(program))
        monkeypatch.setattr(module, "CONFIGURATION", str(fake.configuration))
    monkeypatch.setattr(sshd, "DROP_IN", str(fake.drop_in))
    monkeypatch.setattr(sshd, "_PID_FILE", str(tmp_path / "sshd.pid"))
    monkeypatch.setattr(sshd, "_PRIVILEGE_SEPARATION", str(tmp_path / "empty"))
    monkeypatch.setattr(records, "DIRECTORY", str(tmp_path / "records"))
    yield fake
    subprocess.run(["rm", "-rf", str(fake.home / ".ssh")], check=True)


def user(*keys: str, **options: t.Any) -> dict[str, t.Any]:
    return dict(options, name=NAME, authorized_keys=list(keys))


def test_keys_are_added_and_only_those_are_removed(host: Access) -> None:
    own = f'# mine\nfrom="10.0.0.1",command="echo \\"hi\\" x" ssh-ed25519 {OTHER_BLOB} own'
    host.write_keys(own)
    planned = host.run(user(KEY, OTHER_KEY), check=True)
    assert planned["changed"]
    assert host.file.read_text() == own
    result = host.run(user(KEY, OTHER_KEY))
    assert [part["after_header"] for part in result["diff"]] == [part["after_header"] for part in planned["diff"]]
    text = host.file.read_text()
    # The user's own entry of a declared key stays, with its options.
    assert text.startswith(own)
    assert (text.count(BLOB), text.count(OTHER_BLOB)) == (1, 1)
    assert not host.run(user(KEY, OTHER_KEY))["changed"]
    host.run(user())
    assert host.file.read_text() == f"{own}\n"


def test_a_new_file_is_the_users_alone(host: Access) -> None:
    host.run(user(KEY))
    status, directory = host.file.stat(), host.file.parent.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (pwd.getpwnam(NAME).pw_uid, 0o600)
    assert (directory.st_uid, directory.st_mode & 0o777) == (status.st_uid, 0o700)
    host.run(user(state="absent"))
    assert not host.file.exists()


@pytest.mark.parametrize("options", [{"state": "absent"}, {"exclusive": True}], ids=lambda value: next(iter(value)))
def test_keys_of_users_who_left_the_list_are_removed_on_request(host: Access, options: dict[str, t.Any]) -> None:
    host.run(user(KEY))
    host.run()
    assert BLOB in host.file.read_text()
    assert host.run(check=True, **options)["changed"]
    host.run(**options)
    assert not host.file.exists()
    assert not host.run(**options)["changed"]


def test_a_link_of_a_user_does_not_mislead_root(host: Access, tmp_path: pathlib.Path) -> None:
    target = tmp_path / "roots"
    target.write_text("root's\n")
    target.chmod(0o644)
    tmp_path.chmod(0o711)
    host.write_keys("")
    host.file.unlink()
    host.file.symlink_to(target)
    other = {"name": "root", "authorized_keys": []}
    result = host.run(user(KEY), other)
    assert target.read_text() == "root's\n"
    assert [entry["user"] for entry in result["skipped_files"]] == [NAME]
    # All the rest is written.
    assert host.drop_in.exists()


@pytest.mark.parametrize("kind", ["broken block", "pipe", "directory", "file in place of the directory", "closed"])
def test_what_a_user_has_there_is_only_that_users_trouble(host: Access, kind: str) -> None:
    host.write_keys("# BEGIN gopherops.devserver: managed block, changes inside are lost\n" * 2)
    if kind != "broken block":
        host.file.unlink()
    if kind == "pipe":
        os.mkfifo(host.file)
    if kind == "directory":
        host.file.mkdir()
    if kind == "file in place of the directory":
        host.file.parent.rmdir()
        host.file.parent.touch()
    if kind == "closed":
        host.file.parent.chmod(0)
    result = host.run(user(KEY), {"name": NEW, "create": True, "authorized_keys": [KEY]})
    assert [entry["user"] for entry in result["skipped_files"]] == [NAME]
    assert host.drop_in.exists()
    created = pathlib.Path(pwd.getpwnam(NEW).pw_dir, ".ssh/authorized_keys")
    assert BLOB in created.read_text()
    host.run({"name": NEW, "state": "absent"})
    assert not created.exists()


def test_a_user_without_a_home_is_a_warning(host: Access) -> None:
    result = host.run({"name": WITHOUT_HOME, "authorized_keys": [KEY]}, user(KEY))
    assert result["skipped_files"] == []
    assert [text for text in result["warnings"] if f"the home directory of user {WITHOUT_HOME} is missing" in text]
    assert BLOB in host.file.read_text()


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        f"ssh-rsa {BLOB}",
        "ssh-ed25519 AAAA",
        "ssh-ed25519",
        f"# ssh-ed25519 {BLOB}",
        f"ssh-ed25519 {BLOB} a\nssh-ed25519 {OTHER_BLOB}",
        f'command="x ssh-ed25519 {BLOB}',
        *(f"restrict ssh-ed25519 {BLOB} a{end}ssh-ed25519 {OTHER_BLOB}" for end in "\x0b\x1c\x85\x9f\u2028\u2029"),
    ],
)
def test_what_is_no_public_key_is_rejected_and_not_shown(host: Access, key: str) -> None:
    with pytest.raises(DevserverError, match="entry 2 of authorized_keys of user ds-keys is not") as error:
        host.run(user(KEY, key))
    assert BLOB not in str(error.value)
    assert "PRIVATE" not in str(error.value)
    assert not host.file.exists()
    assert not host.drop_in.exists()


def test_keys_in_another_place_are_an_error_with_its_line(host: Access) -> None:
    with host.configuration.open("a") as file:
        file.write("AuthorizedKeysFile /etc/ssh/keys/%u\n")
    (host.directory / "effective").write_text("authorizedkeysfile /etc/ssh/keys/%u\n")
    with pytest.raises(DevserverError, match=rf"from /etc/ssh/keys/{NAME}, because of .*sshd_config:3"):
        host.run(user(KEY))
    (host.directory / "effective").write_text("authorizedkeysfile /etc/ssh/keys/%u .ssh/authorized_keys\n")
    assert host.run(user(KEY))["changed"]


def test_an_account_is_created_on_request(host: Access) -> None:
    subprocess.run(["userdel", "--remove", NEW], check=False, capture_output=True)
    entry = {"name": NEW, "authorized_keys": [KEY]}
    with pytest.raises(DevserverError, match=f"user '{NEW}' does not exist"):
        host.run(entry)
    entry.update(create=True, shell="/bin/sh")
    with pytest.raises(DevserverError, match="which is no program of this host"):
        host.run(dict(entry, shell="/bin/none"))
    planned = host.run(entry, check=True)
    assert f"account {NEW}" in [part["after_header"] for part in planned["diff"]]
    assert host.run(entry)["changed"]
    created = pwd.getpwnam(NEW)
    assert created.pw_shell == "/bin/sh"
    assert BLOB in pathlib.Path(created.pw_dir, ".ssh/authorized_keys").read_text()
    assert not host.run(entry)["changed"]


@pytest.mark.parametrize("name", ["-o", "a b", "a:b", "0x1", "../x"])
def test_names_that_are_no_accounts_are_rejected(host: Access, name: str) -> None:
    with pytest.raises(DevserverError, match="user name"):
        host.run({"name": name, "create": True})


def test_the_drop_in_is_validated_with_the_whole_configuration(host: Access) -> None:
    assert host.run(tcp_forwarding="local")["changed"]
    text = host.drop_in.read_text()
    assert "AllowTcpForwarding local\nClientAliveInterval 30\n" in text
    assert "SetEnv" not in text
    with host.configuration.open("a") as file:
        file.write("bad keyword\n")
    for check in (True, False):
        with pytest.raises(DevserverError, match="sshd rejects its present configuration: bad keyword"):
            host.run(check=check)
    assert host.drop_in.read_text() == text
    assert host.run(state="absent", check=True)["changed"]


def test_a_configuration_that_becomes_invalid_is_restored(host: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd, "validate", lambda _text: None)
    with host.configuration.open("a") as file:
        file.write("bad keyword\n")
    guard = AccessGuard(60, proven=True)
    records_of_access = host.directory / "access"
    records_of_access.mkdir()
    for name, file_name in {"DIRECTORY": "", "RECORD": "access.json", "PROGRAM": "roll_back.py"}.items():
        monkeypatch.setattr(access, name, str(records_of_access / file_name))
    options = sshd.SshdOptions("all", 30, 10, 50)
    edits = ssh_access.plan_edits([sshd.drop_in(options)])
    with pytest.raises(DevserverError, match="bad keyword"), ssh_access._changing_sshd(edits, options, guard):
        raise AssertionError("the body runs only if sshd is reloaded")
    assert not host.drop_in.exists()


def test_a_host_without_host_keys_is_validated_with_a_temporary_one(host: Access) -> None:
    program = host.directory / "sshd"
    missing = (
        'case "$*" in *" -h /tmp/"*) [ -s "$5" ] ;; *) echo "sshd: no hostkeys available" >&2; false ;; esac || exit 1'
    )
    program.write_text(f"#!/bin/sh\n[ $1 != -t ] || {{ {missing}; }}\n")
    assert host.run()["changed"]
    assert list(pathlib.Path("/tmp").glob("gopherops-sshd-key-*")) == []


def test_a_configuration_without_include_is_one_error(host: Access) -> None:
    host.configuration.write_text("UsePAM yes\nMatch User bob\nInclude sshd_config.d/*.conf\n")
    with pytest.raises(DevserverError, match="does not include") as error:
        host.run(user(KEY), check=True)
    assert "add this line as the first one" in str(error.value)
    assert host.run(user(KEY), sshd=False)["changed"]


def test_an_earlier_line_that_takes_precedence_is_an_error(host: Access) -> None:
    text = host.configuration.read_text()
    host.run()
    host.configuration.write_text(f"MaxSessions 2\n{text}")
    with pytest.raises(DevserverError, match=r"sshd_config:1 sets MaxSessions 2 before"):
        host.run()
    host.configuration.write_text(f"{text}MaxSessions 2\nMatch User bob\nMaxSessions 3\n")
    assert not host.run()["changed"]


def test_a_host_without_sshd_gets_a_warning(host: Access) -> None:
    (host.directory / "sshd").unlink()
    result = host.run(user(KEY))
    assert any("this host has no sshd" in text for text in result["warnings"])
    assert BLOB in host.file.read_text()
    assert not host.drop_in.exists()


def test_a_long_line_is_parsed_in_linear_time() -> None:
    for part in ('"', "a ", 'a="\\" ', "ssh-rsa "):
        assert authorized_keys._parse(part * 200_000) is None
