"""The commands. Each file parses the flags of one group and wires the rooms below; the work is done there."""

from __future__ import annotations

import importlib

import click

_COMMANDS = {
    "run": ("wstui.cli.run", "run", "Run a preset without a terminal UI: summary, files, exit status."),
    "demo": ("wstui.cli.demo", "demo", "Start NATS, the Odin server and its publisher, and load them."),
    "presets": ("wstui.cli.presets", "presets", "List, show, validate and copy presets."),
    "runs": ("wstui.cli.runs", "runs", "List, show, compare, export and delete stored runs."),
    "calibrate": ("wstui.cli.calibrate", "calibrate", "Measure how much load this box can make."),
    "check": ("wstui.cli.check", "check", "Check target, token and limits of this box before a run."),
    "server": ("wstui.cli.odin", "server", "Run the Odin WebSocket server."),
    "publisher": ("wstui.cli.odin", "publisher", "Publish the Odin data to NATS."),
    "token": ("wstui.cli.odin", "token", "Print a JWT for the Odin server."),
}
