"""An HTML page as tests look at it."""

from __future__ import annotations

import json
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Document(HTMLParser):
    """What a page holds: ids, attributes of every element, and the JSON by its id. Raises where tags do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.json: dict[str, dict] = {}
        self.open: list[str] = []
        self.script = ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.elements.append((tag, named))
        self.ids += [named["id"]] if "id" in named else []
        self.script = named["id"] if named.get("type") == "application/json" else ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.script = ""

    def handle_data(self, data: str) -> None:
        if self.script:
            self.json[self.script] = json.loads(data)
