"""Names that were replaced before they were frozen. An old one is an error that says what to write instead."""

from __future__ import annotations

KEYS = {"fleet.shards": "fleet.workers"}
"""Keys of a scenario file, dotted."""
GONE: dict[str, str] = {
    "messages.templates": 'is gone: write each template as a step of a role, such as [[roles]] name = "member", '
    'loop = [{ name = "order", send = \'{"id":{{id}}}\', expect = { "data.id" = "{{id}}" } }]. payload is now send (or '
    "json, hex, base64, file), reply_field with its key a path in expect, and weights belong to a step choose: "
    "see `wstui manual roles`",
}
"""Keys that have no successor of the same form."""
GONE_VALUES: dict[tuple[str, str], str] = {
    ("messages.exchange", "template"): "is gone: write [[roles]] with the steps of a client, and leave exchange out",
}
FLAGS = {"--box-python": "--host-python", "--every-line": "--progress-every", "--shards": "--workers"}
"""Options of the command line."""
