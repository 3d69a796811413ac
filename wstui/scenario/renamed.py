"""Names that were replaced before they were frozen. An old one is an error that names the new one."""

from __future__ import annotations

KEYS = {"fleet.shards": "fleet.workers"}
"""Keys of a scenario file, dotted."""
FLAGS = {"--box-python": "--host-python", "--every-line": "--progress-every", "--shards": "--workers"}
"""Options of the command line."""
