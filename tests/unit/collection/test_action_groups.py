# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action groups of meta/runtime.yml contain every module, and each module documents its groups."""

from __future__ import annotations

import importlib
import pathlib

import yaml

from tests.support.documentation import documented_groups

ROOT = pathlib.Path(__file__).parents[3]
GROUPS: dict[str, list[str]] = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))


def test_each_module_is_in_the_group_all() -> None:
    assert GROUPS["all"] == MODULES


def test_each_module_documents_its_groups() -> None:
    for name in MODULES:
        module = importlib.import_module(f"ansible_collections.gopherops.devserver.plugins.modules.{name}")
        expected = [f"gopherops.devserver.{group}" for group, members in GROUPS.items() if name in members]
        assert documented_groups(module) == expected, name
