"""A page's text, taken apart."""

from html.parser import HTMLParser

__all__ = ["Page"]


class Page(HTMLParser):
    """What a reader without a browser finds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.data = ""
        self.words = ""
        self._in_data = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self._in_data = found.get("id") == "data"
        self.links += [value for name in ("href", "src") if (value := found.get(name))]
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag == "img" and "src" in found:  # those of the large view are filled by the script
            self.images.append(found)

    def handle_endtag(self, tag: str) -> None:
        self._in_data = self._in_data and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data
        else:
            self.words += data
