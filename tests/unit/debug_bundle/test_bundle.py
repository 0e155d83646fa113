# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle is bounded, says what is not in it, and holds no secret; a program that is asked for its stacks runs on."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils.debug_bundle.archive import Item, Sizes, pack
from ansible_collections.gopherops.devserver.plugins.module_utils.debug_bundle.collect import (
    Wanted,
    collect,
    folder_name,
    known_secrets,
)

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
    assert "has no process" in items["goroutines/no-such.service.txt"].problem
    assert items["versions/kernel.txt"].text.startswith("Linux")


def test_a_log_begins_with_a_whole_line(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("SHOP_TOKEN=abcdefgh\nlast line\n")
    (item,) = [one for one in collect(WANTED._replace(logs=[str(log)], largest=15)) if one.name.startswith("logs/")]
    assert item.text == "last line\n"


@pytest.mark.parametrize(
    ("host", "plain"), [("dev1.example.com", "dev1.example.com"), ("../x y", ".._x_y"), ("", "host")]
)
def test_the_folder_is_named_plainly(host, plain):
    assert folder_name(host, 0) == f"debug-bundle-{plain}-19700101T000000Z"
