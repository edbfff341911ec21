"""The plain words of a heading, without the markup around and inside them."""

from __future__ import annotations

import re

_SIGNS = re.compile(r"[`*_<>\[\]\\&:{|!~]")
# A sign that must be there for the step to matter, what goes, and what takes its place.
_STEPS = tuple(
    (sign, re.compile(pattern), replacement)
    for sign, pattern, replacement in (
        ("<!--", r"<!--.{0,200}?-->", " "),
        ("{", r"\{[:#.][^}]{0,80}\}", " "),  # {#anchor}
        ("![", r"!\[[^\]]{0,100}\]\([^)]{0,200}\)", " "),  # images
        ("[!", r"\[!\[[^\]]{0,100}\]", "["),
        ("\\", r"\\([\[\](){}.#*_`<>~-])", r"\1"),
        # [text](target), [text][label] (a label that is a date or version stays), [text]
        ("](", r"\[([^\[\]]{0,160})\]\((?:[^()]|\([^()]{0,80}\)){0,300}\)?", r" \1 "),
        ("][", r"\[([^\[\]]{1,160})\]\[[^\]\d]{0,80}\]", r" \1 "),
        ("][", r"\[([^\[\]]{1,160})\]\[\1\]", r" \1 "),
        # :role:`text <target>`, `text <target>`_, `text`_
        (":`", r":[A-Za-z][\w.+-]{0,30}:(?=`)", ""),
        ("`", r"`([^`<>]{0,160})<[^`<>]{0,300}>`_{0,2}", r" \1 "),
        ("`", r"`{1,2}([^`]{0,160})`{1,2}_{0,2}", r" \1 "),
        ("<", r"<(?:https?:|mailto:)[^>\s]{0,300}>", " "),
        ("<", r"</?[A-Za-z][^<>]{0,240}>", " "),  # HTML, <user@host>
        ("://", r"https?://\S{1,300}", " "),
        ("&", r"&(?:nbsp|ensp|emsp|thinsp);", " "),
        ("&", r"&[mn]dash;", "-"),
        (":", r":[a-z][a-z_]{2,30}:(?!\d)", " "),  # :tada:
        ("*", r"\*{1,3}", ""),
        ("~~", r"~~", ""),
        ("_", r"(?<!\w)_{1,2}(?=\S)|(?<=\S)_{1,2}(?!\w)", ""),
    )
)


def plain(text: str) -> str:
    """`text` (one short line) without inline markup of Markdown, RST, AsciiDoc or HTML.

    Of links their words stay. Brackets that are no links stay as well.
    """
    if not _SIGNS.search(text) and "://" not in text:
        return text
    for sign, pattern, replacement in _STEPS:
        if sign in text:
            text = pattern.sub(replacement, text)
    return text
