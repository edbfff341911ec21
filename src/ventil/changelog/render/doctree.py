"""docutils' trees as plain HTML: every text once, no styles, no classes but our own.

docutils' own writer looks at the files of images, and knows only one page with one set of
names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from docutils import nodes

_SIMPLE = {
    nodes.paragraph: "p",
    nodes.bullet_list: "ul",
    nodes.list_item: "li",
    nodes.definition_list: "dl",
    nodes.term: "dt",
    nodes.definition: "dd",
    nodes.block_quote: "blockquote",
    nodes.emphasis: "em",
    nodes.strong: "strong",
    nodes.literal: "code",
    nodes.subscript: "sub",
    nodes.superscript: "sup",
    nodes.title_reference: "em",
    nodes.rubric: "h4",
    nodes.table: "table",
    nodes.thead: "thead",
    nodes.tbody: "tbody",
    nodes.row: "tr",
    nodes.option_list: "dl",
    nodes.option_group: "dt",
    nodes.description: "dd",
    nodes.attribution: "p",
    nodes.caption: "p",
    nodes.legend: "div",
    nodes.topic: "div",
    nodes.sidebar: "div",
    nodes.line_block: "p",
}
_SILENT = (
    nodes.comment,
    nodes.substitution_definition,
    nodes.target,
    nodes.pending,
    nodes.colspec,
    nodes.raw,
    nodes.label,
    nodes.decoration,
)


def to_html(document: nodes.document) -> str:
    """The HTML of a parsed document, not yet safe; its references are resolved already."""
    return _Writer(document.substitution_defs).write(document)


class _Writer:
    """A doctree as plain HTML: every text once, no styles, no classes but our own."""

    def __init__(self, substitutions: Mapping[str, nodes.Element]) -> None:
        self._out: list[str] = []
        self._depth = 0
        self._substitutions = {name.casefold(): node for name, node in substitutions.items()}
        self._inserting = False
        self._inserted = 0  # characters

    def write(self, node: nodes.Node) -> str:
        self._visit(node)
        return "".join(self._out)

    def _visit(self, node: nodes.Node) -> None:
        out = self._out
        if isinstance(node, nodes.Text):
            out.append(escape(str(node)))
        elif isinstance(node, _SILENT):
            return
        elif (tag := _SIMPLE.get(type(node))) is not None:
            self._wrapped(tag, node)
        elif isinstance(node, nodes.section):
            self._depth += 1
            self._children(node)
            self._depth -= 1
        elif isinstance(node, nodes.title):
            self._title(node)
        elif isinstance(node, nodes.literal_block | nodes.doctest_block):
            out.append(f"<pre><code>{escape(node.astext())}</code></pre>\n")
        elif isinstance(node, nodes.reference):
            self._reference(node)
        elif isinstance(node, nodes.image):
            alt, uri = escape(node.get("alt", "")), escape(node.get("uri", ""))
            out.append(f'<img src="{uri}" alt="{alt}">')
        elif isinstance(node, nodes.enumerated_list):
            start = node.get("start", 1)
            self._wrapped("ol", node, f' start="{start}"' if start != 1 else "")
        elif isinstance(node, nodes.line):
            self._children(node)
            out.append("<br>\n")
        elif isinstance(node, nodes.entry):
            self._entry(node)
        elif isinstance(node, nodes.transition):
            out.append("<hr>\n")
        elif isinstance(node, nodes.Admonition):
            self._wrapped("div", node, ' class="note"')
        elif isinstance(node, nodes.field):
            out.append('<p class="field"><strong>')
            self._children(node[0])
            out.append(":</strong> ")
            self._inside(node[1])
            out.append("</p>\n")
        elif isinstance(node, nodes.footnote | nodes.citation):
            label = node[0].astext() if node.children else ""
            out.append(f"<div>[{escape(label)}] ")
            self._children(node)
            out.append("</div>\n")
        elif isinstance(node, nodes.footnote_reference | nodes.citation_reference):
            out.append(f"[{escape(node.astext())}]")
        elif isinstance(node, nodes.substitution_reference):
            self._substitute(node)
        elif isinstance(node, nodes.problematic):
            out.append(escape(_undecorated(node.astext())))
        elif isinstance(node, nodes.system_message):
            self._complaint(node)
        elif isinstance(node, nodes.math | nodes.math_block):
            out.append(f"<code>{escape(node.astext())}</code>")
        else:
            self._children(node)

    def _children(self, node: nodes.Node) -> None:
        for child in node.children:
            self._visit(child)

    def _wrapped(self, tag: str, node: nodes.Node, attributes: str = "") -> None:
        self._out.append(f"<{tag}{attributes}>")
        self._children(node)
        self._out.append(f"</{tag}>" + ("" if isinstance(node, nodes.Inline) else "\n"))

    def _inside(self, node: nodes.Node) -> None:
        """The children, without the tags of a single paragraph."""
        if len(node.children) == 1 and isinstance(node.children[0], nodes.paragraph):
            self._children(node.children[0])
        else:
            self._children(node)

    def _title(self, node: nodes.title) -> None:
        if isinstance(node.parent, nodes.Admonition):
            self._wrapped("p", node, ' class="note-title"')
        elif isinstance(node.parent, nodes.table):
            self._wrapped("caption", node)
        elif isinstance(node.parent, nodes.topic | nodes.sidebar):
            self._wrapped("h4", node)
        else:
            self._wrapped(f"h{min(max(self._depth, 1) + 1, 6)}", node)
            self._out.append("\n")

    def _reference(self, node: nodes.reference) -> None:
        target = node.get("refuri", "")
        if not target or node.get("anonymous"):
            self._children(node)
            return
        self._wrapped("a", node, f' href="{escape(target)}"')

    def _entry(self, node: nodes.entry) -> None:
        tag = "th" if isinstance(node.parent.parent, nodes.thead) else "td"
        spans = ""
        for name, ours in (("morecols", "colspan"), ("morerows", "rowspan")):
            if name in node:
                spans += f' {ours}="{int(node[name]) + 1}"'
        self._out.append(f"<{tag}{spans}>")
        self._inside(node)
        self._out.append(f"</{tag}>")

    def _substitute(self, node: nodes.substitution_reference) -> None:
        """What |name| stands for: one level deep, and no more text in all than a book has.

        docutils' own transform expands substitutions within substitutions, and 25 lines
        of them to millions of words.
        """
        found = self._substitutions.get(" ".join(node.get("refname", "").split()).casefold())
        if found is None or self._inserting or self._inserted > _MOST_INSERTED:
            self._out.append(escape(node.astext()))
            return
        self._inserting = True
        first = len(self._out)
        self._children(found)
        self._inserted += sum(map(len, self._out[first:]))
        self._inserting = False

    def _complaint(self, node: nodes.system_message) -> None:
        """What the parser complains about is not for the reader; the text in it is."""
        for child in node.children:
            if not isinstance(child, nodes.literal_block):
                continue
            lines = child.astext().splitlines()
            words = [line for line in lines if line.strip() and not _RULE.fullmatch(line)]
            if len(words) == 1 and len(words) < len(lines) <= 3:  # a title and its rules
                self._out.append(f"<h4>{escape(words[0].strip())}</h4>\n")
            elif words and not words[0].lstrip().startswith(".."):
                self._out.append(f"<pre><code>{escape(chr(10).join(lines))}</code></pre>\n")


_MOST_INSERTED = 100_000
_RULE = re.compile(r"\s*([^\w\s])\1{2,}\s*")


def _undecorated(text: str) -> str:
    """`A name`_ as it is meant to be read when nothing defines it."""
    bare = re.fullmatch(r"`{1,2}([^`]*?)(?:\s*<[^<>`]*>)?`{1,2}_{0,2}|(\w[\w.-]*)_{1,2}", text)
    named = re.fullmatch(r"\|([^|]*)\|_{0,2}", text)
    return (bare and (bare[1] or bare[2])) or (named and named[1]) or text
