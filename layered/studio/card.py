"""A checkpoint's card as Markdown that is safe to show: foreign text, which must not fetch anything nor pose as the page."""

from __future__ import annotations

import re

_FENCE = re.compile(r"(```+|~~~+)[^`]*$")  # at the margin only: inside a list or a quotation its end could be elsewhere
_CODE = re.compile(r"((?<![\\`])(`+)(?!`).+?(?<!`)\2(?!`))")
_HEADING = re.compile(r"^(#{1,4})(?=\s)")


def shown_card(card: str) -> str:
    """The card without its front matter; pictures become links, HTML becomes text, and headings go below the page's own.

    Gradio sanitises Markdown besides, but leaves pictures of other hosts, and the page asks no other host for anything.
    """
    lines = card.replace("\r\n", "\n").split("\n")
    if lines[0].strip() == "---" and "---" in (ends := [line.strip() for line in lines[1:]]):
        lines = lines[ends.index("---") + 2 :]
    shown, fence = [], ""
    for line in lines:
        if fence:
            fence = "" if line.startswith(fence) and not line.strip(fence[0] + " ") else fence
        elif found := _FENCE.match(line):
            fence = found[1]
        else:
            line = _HEADING.sub(r"##\1", _harmless(line))
        shown.append(line)
    return "\n".join(shown).strip()


def _harmless(line: str) -> str:
    """A line of text: what stands in back-quotes is kept, elsewhere ``![`` becomes a link and ``<`` a character."""
    pieces = _CODE.split(line) if len(line) < 2000 else [line]  # text, code, its quotes, text, …
    for i in range(0, len(pieces), 3):
        pieces[i] = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", pieces[i].replace("![", "["))
        if i + 2 < len(pieces):
            pieces[i + 2] = ""
    return "".join(pieces)
