"""The pages of the manual: list them, read one, find words in all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, partial
from importlib import resources

from wstui.manual import reference
from wstui.scenario.conversation.known_dialects import DIALECTS

Sections = Mapping[str, Callable[[], str]]
"""Makes the Markdown of a generated section, by the name in its mark: `<!-- generated: NAME -->`."""

TOPICS = (
    "start", "tutorial", "dashboard", "presets", "scenario", "messages", "roles", "identity", "login", "rooms",
    "pushes", "heartbeats", "binary", "scripts", "protocols", "socketio", "graphql", "mqtt", "stomp", "signalr",
    "phoenix", "actioncable", "pusher", "centrifugo", "ocpp", "wamp", "jsonrpc", "realtime", "dialect",
    "record", "side-by-side", "mistakes", "arrivals", "network", "breakpoint", "suites", "hosts", "scale",
    "runs", "control", "ci", "container", "python", "odin", "numbers", "accuracy", "keys", "flags", "fields",
    "metrics", "result", "exit-status", "house", "changelog",
)  # fmt: skip
"""In the order of the list: guides first, then reference."""
SECTIONS: Sections = {
    "fields": reference.fields,
    "metrics": reference.metrics,
    "protocols": reference.protocols,
    "result": reference.result,
    "control": reference.control,
    "client": reference.client,
    "attached": reference.attached,
    "house": reference.diagram,
    **{f"protocol-{name}": partial(reference.protocol, name) for name in DIALECTS},
}
"""The sections that need neither the commands nor the screens."""
_GENERATED = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)
_MARK = re.compile(r"^<!-- /?[\w-]+ -->\n", re.MULTILINE)
_PICTURE = re.compile(r"!\[[^]]*\]\([^)]*\) ?")
_EMPTY_ROWS = re.compile(r"^\|[^|\n]*\|\s*\|\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Place:
    """A paragraph or row of a page that has the words looked for, under its heading."""

    topic: str
    heading: str
    line: str


class Manual:
    """All pages. Callers above add the sections that are made from their own code."""

    def __init__(self, sections: Sections | None = None) -> None:
        self._sections = {**SECTIONS, **(sections or {})}
        self._texts: dict[str, str] = {}

    def text(self, topic: str) -> str:
        """Return a page as Markdown, with its generated sections; without pictures, which a terminal can't show."""
        if topic not in self._texts:
            self._texts[topic] = self._read(topic)
        return self._texts[topic]

    def _read(self, topic: str) -> str:
        text = _EMPTY_ROWS.sub("", _PICTURE.sub("", _MARK.sub("", source(topic))))
        text = _GENERATED.sub(lambda found: self._sections[found[1]]() if found[1] in self._sections else "", text)
        return re.sub(r"\n{3,}", "\n\n", text)

    @cached_property
    def summaries(self) -> dict[str, str]:
        """Each topic with the first sentence of its page."""
        return {topic: source(topic).split("\n\n")[1].replace("\n", " ") for topic in TOPICS}

    def find(self, words: str) -> list[Place]:
        """Return the paragraphs and rows that have all words; if none has, those with any, of pages that have all."""
        asked = words.casefold().split()
        if not asked:
            return []
        return list(self._lines(lambda line: all(word in line for word in asked))) or [
            place
            for topic in TOPICS
            if all(word in self.text(topic).casefold() for word in asked)
            for place in self._lines(lambda line: any(word in line for word in asked), (topic,))
        ]

    def _lines(self, wanted: Callable[[str], bool], topics: Iterable[str] = TOPICS) -> Iterable[Place]:
        for topic in topics:
            heading = ""
            for line in _unwrapped(self.text(topic)):
                if line.startswith("#"):
                    heading = line.lstrip("# ")
                if wanted(line.casefold()):
                    yield Place(topic, heading, " ".join(line.strip("#| ").split()))


def _unwrapped(text: str) -> Iterable[str]:
    """Return the lines with each paragraph and list item on one; rows of tables and code stay as they are."""
    code = False
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        code ^= line.startswith("```")
        if paragraph and (code or not line.strip() or line.startswith(("#", "|", "- ", "```"))):
            yield " ".join(paragraph)
            paragraph = []
        if code or line.startswith(("#", "|", "```")):
            if not line.startswith(("```", "|---")):
                yield line
        elif line.strip():
            paragraph.append(line.strip())


def source(topic: str) -> str:
    """Return the file of a page as it stands in the package."""
    return resources.files("wstui.manual").joinpath(f"{topic}.md").read_text(encoding="utf-8")


def nearest_topic(wrong: str) -> str:
    """Return the topic that was probably meant, or ""."""
    wrong = wrong.casefold()
    inside = [topic for topic in TOPICS if len(wrong) > 2 and (wrong in topic or topic in wrong)]
    return next(iter(inside or get_close_matches(wrong, TOPICS, 1, 0.5)), "")
