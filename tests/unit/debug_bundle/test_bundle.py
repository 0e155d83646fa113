# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle is bounded, says what is not in it, and holds no secret; a program that is asked for its stacks runs on."""

from __future__ import annotations

import base64
import getpass
import io
import json
import os
import sys
import tarfile

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils.accounts import find_account
from ansible_collections.gopherops.devserver.plugins.module_utils.debug_bundle.archive import Item, Sizes, encoded, pack
from ansible_collections.gopherops.devserver.plugins.module_utils.debug_bundle.collect import (
    Wanted,
    collect,
    folder_name,
    known_secrets,
)
from ansible_collections.gopherops.devserver.plugins.module_utils.debug_bundle.goroutines import Asked, goroutines
from ansible_collections.gopherops.devserver.plugins.module_utils.errors import DevserverError

WANTED = Wanted("/nowhere", "/nowhere/gopls", "/nowhere/dlv", units=[], binaries=[], logs=[], since="-1d")
ROOMY = Sizes(1000, 10000)


def opened(packed):
    with tarfile.open(fileobj=io.BytesIO(packed.content)) as archive:
        assert {member.mode for member in archive} == {0o600}
        return {member.name: archive.extractfile(member).read().decode() for member in archive}


def packed(*items, sizes=ROOMY, secrets=()):
    return pack(items, folder="b", about={"host": "dev1"}, secrets=secrets, sizes=sizes)


def test_the_manifest_says_what_is_there_and_what_not():
    made = packed(Item("a.txt", "text"), Item("b.txt", problem="nobody knows"))
    files = opened(made)
    assert files["b/a.txt"] == "text"
    assert set(files) == {"b/a.txt", "b/manifest.json"}
    assert json.loads(files["b/manifest.json"]) == made.manifest
    assert made.manifest["host"] == "dev1"
    first, second = made.manifest["files"]
    assert (first["bytes"], first["truncated"], first["problem"]) == (4, False, "")
    assert (second["bytes"], second["problem"]) == (0, "nobody knows")


@pytest.mark.parametrize(("tail", "kept"), [(True, "6789"), (False, "0123")])
def test_what_is_too_long_is_cut_at_the_right_end(tail, kept):
    made = packed(Item("a", "0123456789", tail=tail), sizes=Sizes(4, 100))
    assert opened(made)["b/a"] == kept
    assert made.manifest["files"][0]["truncated"]


def test_what_comes_last_is_left_out_of_a_full_bundle():
    made = packed(Item("a", "0123456789"), Item("b", "0123456789"), Item("c", "x"), sizes=Sizes(100, 15))
    assert opened(made)["b/b"] == "01234"
    assert made.manifest["files"][2]["problem"].startswith("left out")


def test_no_secret_stands_anywhere():
    secret = "hidden-value"
    made = packed(
        Item(f"{secret}.txt", f"a {secret}"),
        Item("b", problem=f"cannot say {secret}"),
        Item("c", f"X_TOKEN=other-{secret[:3]}"),
        secrets=[secret],
    )
    everything = json.dumps(opened(made))
    assert secret not in everything and "other-hid" not in everything


def test_secrets_of_the_drift_report_are_known_without_a_name_beside_them():
    cells = [{"variable": "SHOP_TOKEN", "expected": "declared-one", "actual": "another-one"}]
    cells += [{"variable": "GOPROXY", "expected": "https://ci:pass-word@p.example.com", "actual": "off"}]
    found = known_secrets(WANTED._replace(drift={"cells": cells, "findings": []}))
    assert {"declared-one", "another-one", "pass-word"} <= found
    assert "off" not in found


def test_what_is_missing_is_told_item_by_item():
    log = "/nowhere/gopls.log"
    wanted = WANTED._replace(binaries=["/nowhere/x"], logs=[log], running=["no-such.service"], drift_problem="it broke")
    items = {item.name: item for item in collect(wanted)}
    for name in ("versions/go.txt", "build-info/nowhere_x.txt", "logs/nowhere_gopls.log", "drift.json"):
        assert items[name].problem and not items[name].text
    assert items["drift.json"].problem == "it broke"
    # Where systemd runs it has no process, elsewhere nobody can be asked.
    assert "no-such.service" in items["goroutines/no-such.service.txt"].problem
    assert items["versions/kernel.txt"].text.startswith("Linux")


def test_a_log_begins_with_a_whole_line(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("SHOP_TOKEN=abcdefgh\nlast line\n")
    (item,) = [one for one in collect(WANTED._replace(logs=[str(log)], largest=15)) if one.name.startswith("logs/")]
    assert item.text == "last line\n"


@pytest.fixture
def tools(tmp_path):
    """A folder of commands that are found before the system's; ``bin/NAME`` is written by ``write``."""
    (tmp_path / "bin").mkdir()

    def write(name, script):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
        return WANTED._replace(goroot=str(tmp_path), units=["gopls@*"])

    return write


def test_a_host_without_systemctl_has_all_the_rest(tools, monkeypatch):
    monkeypatch.setattr(sys.modules[collect.__module__], "SYSTEM_PATH", "/nowhere")
    wanted = tools("uname", "echo Linux")._replace(running=["shop.service"])
    assert known_secrets(wanted) == set()
    items = {item.name: item for item in collect(wanted)}
    assert "systemctl" in items["units/list.txt"].problem
    assert "systemctl" in items["goroutines/shop.service.txt"].problem
    assert items["versions/kernel.txt"].text == "Linux\n"


def test_of_a_large_journal_the_latest_entries_are_read_in_their_order(tools):
    tools("systemctl", "[ $1 = list-units ] && echo gopls@alice.service")
    # More than is kept of what a command prints.
    tools(
        "journalctl",
        """
case "$*" in *--reverse*) order='30 -1 1';; *) order='1 30';; esac
for number in $(seq $order); do
  echo "2026-01-01 dev1 gopls[1]: entry $number"
  printf '    %1000000s\\n' more-$number
done""",
    )
    wanted = tools("uname", "")
    (item,) = [one for one in collect(wanted) if one.name == "journal/gopls@alice.service.txt"]
    lines = [line.split()[-1] for line in item.text.splitlines()]
    assert lines[-4:] == ["29", "more-29", "30", "more-30"]
    assert len(lines) % 2 == 0 and lines[0] == lines[1].replace("more-", "") != "1"


def test_what_ansible_masks_leaves_the_archive_whole():
    content = bytes(range(256)) * 40
    plain = base64.b64encode(content).decode()
    secrets = [plain[100:106], f"{plain[40:44]} {plain[44:48]}", 'x!"#$y-long']
    text = encoded(content, secrets)
    assert not [one for one in secrets if one in text]
    assert base64.b64decode(text) == content


def test_a_dlv_that_complains_at_length_is_heard_to_its_end(tools, tmp_path):
    tools("dlv", "echo cannot attach >&2; yes complaint | head -c 200000 >&2; exit 1")
    asked = Asked(f"{tmp_path}/bin/dlv", find_account(getpass.getuser()), {"PATH": "/usr/bin:/bin"}, str(tmp_path), 10)
    with pytest.raises(DevserverError, match="dlv did not attach: cannot attach"):
        goroutines(os.getpid(), asked)


@pytest.mark.parametrize(
    ("host", "plain"), [("dev1.example.com", "dev1.example.com"), ("../x y", ".._x_y"), ("", "host")]
)
def test_the_folder_is_named_plainly(host, plain):
    assert folder_name(host, 0) == f"debug-bundle-{plain}-19700101T000000Z"
