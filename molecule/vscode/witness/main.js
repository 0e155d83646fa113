// Copyright (c) 2026, the gopherops.devserver authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// Writes down what an extension gets: its own environment, the settings of Go's extension, and go's output for both.
const { execFile } = require("node:child_process");
const fs = require("node:fs");
const vscode = require("vscode");

exports.activate = () => {
  const settings = vscode.workspace.getConfiguration("go").get("toolsEnvVars") ?? {};
  const cwd = vscode.workspace.workspaceFolders[0].uri.fsPath;
  const env = { ...process.env, ...settings };
  execFile("go", ["env", "-json"], { cwd, env }, (error, stdout) => {
    const go = error ? { error: String(error) } : JSON.parse(stdout);
    const seen = { pid: process.pid, environment: process.env, settings, go };
    const file = `${process.env.HOME}/seen.json`;
    fs.writeFileSync(`${file}.new`, JSON.stringify(seen));
    fs.renameSync(`${file}.new`, file);
  });
};
