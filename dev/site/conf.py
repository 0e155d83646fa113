# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's configuration of the documentation site; dev/documentation.py copies the pages beside it."""

from __future__ import annotations

project = "gopherops.devserver"
title = html_title = html_short_title = "gopherops.devserver"
copyright = "the gopherops.devserver authors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_use_modindex = False
html_copy_source = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
# Headings get anchors as on GitHub, so that the same links work in both places.
myst_heading_anchors = 4
