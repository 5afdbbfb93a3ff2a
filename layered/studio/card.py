"""A checkpoint's card as Markdown that is safe to show: foreign text, which must not fetch anything nor pose as the page."""

from __future__ import annotations

import re

_FENCE = re.compile(r"(```+|~~~+)[^`]*$")  # at the margin only: inside a list or a quotation its end could be elsewhere
_CODE = re.compile(r"((?<![\\`])(`+)(?!`).+?(?<!`)\2(?!`))")
_JOINER = "\u2060"  # no width
_HEADING = re.compile(r"^(#{1,4})(?=\s)")


def shown_card(card: str) -> str:
    """The card without its front matter; pictures become links, HTML becomes text, and headings go below the page's own.

    Gradio sanitises Markdown besides, but leaves pictures of other hosts, and the page asks no other host for anything.
    """
    lines = card.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[0].strip() == "---" and "---" in (ends := [line.strip() for line in lines[1:]]):
        lines = lines[ends.index("---") + 2 :]
    shown, fence, sure = [], "", True  # sure: every reader of Markdown would see the same blocks of code so far
    for line in lines:
        if fence:
            if line.strip().startswith(fence) and not line.strip("`~ \t"):  # an end, or what some may take for one
                sure = not line.strip(" ").strip(fence[0]) and line[0] == fence[0]
                fence = ""
        elif sure and (found := _FENCE.match(line)):
            fence = found[1]
        else:
            line = _HEADING.sub(r"##\1", _harmless(line))
        shown.append(line)
    return "\n".join(shown).strip()


def _harmless(line: str) -> str:
    """A line of text: ``![`` becomes a link and ``<`` a character.

    What stands in back-quotes looks as it did, with a character of no width in it: a quotation that began on an earlier line
    makes text of what is quoted here.
    """
    pieces = _CODE.split(line) if len(line) < 2000 else [line]  # text, code, its quotes, text, …
    for i in range(0, len(pieces), 3):
        pieces[i] = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", re.sub(r"!+(?=\[)", "", pieces[i]))
        if i + 2 < len(pieces):
            pieces[i + 1] = re.sub(r"<(?=[A-Za-z/!?])|!(?=\[)", rf"\g<0>{_JOINER}", pieces[i + 1])
            pieces[i + 2] = ""
    return "".join(pieces)
