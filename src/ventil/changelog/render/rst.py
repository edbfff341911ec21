"""reStructuredText through docutils' parser, without anything that reaches out of the text.

Two walls. docutils itself is told not to insert files, not to take raw HTML and not to read
configuration. And it never sees its own directives and roles: their names are looked up in
the tables here, which hold what a changelog may want, Sphinx's included; every other name
stands for its content. So nothing can include, read a table from a file or an address, run a
highlighter or a formula, read the clock, or change the parser for the next text.

The tree is written out here too, for docutils' own writer looks at images' files, and knows
only one page with one set of names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, ClassVar

from docutils import nodes, utils
from docutils.frontend import get_default_settings
from docutils.parsers.rst import Directive, Parser, directives, states
from docutils.transforms import references

LONGEST_LINE = 10_000
"""Characters; a text with a longer line is shown as written."""


class _AnyOption(dict[str, Callable[[str], Any]]):
    def __bool__(self) -> bool:
        return True

    def __missing__(self, key: str) -> Callable[[str], Any]:
        return _unchanged


def _unchanged(argument: str | None) -> str:
    return argument or ""


class _Any(Directive):
    """Any directive: its content is parsed, its name forgotten."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[Any] = _AnyOption()

    def run(self) -> list[nodes.Node]:
        box = nodes.container()
        self._argument(box)
        self._content(box)
        return list(box.children)

    def _argument(self, box: nodes.Element) -> None:
        if self.arguments:
            inline, messages = self.state.inline_text(self.arguments[0], self.lineno)
            box += nodes.paragraph("", "", *inline)
            box += messages

    def _content(self, box: nodes.Element) -> None:
        self.state.nested_parse(self.content, self.content_offset, box)


class _Nothing(_Any):
    """What has no meaning on our pages, or reaches out of the text."""

    def run(self) -> list[nodes.Node]:
        return []


class _Literal(_Any):
    def run(self) -> list[nodes.Node]:
        text = "\n".join(self.content)
        return [nodes.literal_block(text, text)] if text else []


class _Note(_Any):
    def run(self) -> list[nodes.Node]:
        box = nodes.admonition()
        title = self.name.capitalize()
        if self.name in _VERSIONED and self.arguments:
            version, _, rest = self.arguments[0].partition(" ")
            title = f"{_VERSIONED[self.name]} {version}"
            self.arguments = [rest] if rest.strip() else []
        elif self.name == "admonition" and self.arguments:
            title = self.arguments.pop()
        box += nodes.title("", title)
        self._argument(box)
        self._content(box)
        return [box]


class _Rubric(_Any):
    def run(self) -> list[nodes.Node]:
        inline, messages = self.state.inline_text(" ".join(self.arguments), self.lineno)
        return [nodes.rubric("", "", *inline), *messages]


class _Image(_Any):
    def run(self) -> list[nodes.Node]:
        box = nodes.container()
        uri = "".join("".join(self.arguments).split())
        image = nodes.image(uri=uri, alt=self.options.get("alt", ""))
        if target := self.options.get("target"):
            box += nodes.reference("", "", image, refuri="".join(target.split()))
        else:
            box += image
        if self.content:
            self._content(box)
        return list(box.children)


class _Replace(_Any):
    """The text of a substitution."""

    def run(self) -> list[nodes.Node]:
        box = nodes.container()
        self._content(box)
        if len(box) == 1 and isinstance(box[0], nodes.paragraph):
            return list(box[0].children)
        inline, messages = self.state.inline_text(
            " ".join(self.arguments + list(self.content)), self.lineno
        )
        return inline + messages


class _Unicode(_Any):
    def run(self) -> list[nodes.Node]:
        words = " ".join(self.arguments).split()
        try:
            text = "".join(directives.unicode_code(word) for word in words)
        except ValueError:
            text = ""
        return [nodes.Text(text)]


_VERSIONED = {
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "versionremoved": "Removed in version",
    "deprecated": "Deprecated since version",
    "deprecated-removed": "Deprecated since version",
}
_DIRECTIVES: dict[str, type[Directive]] = {
    **dict.fromkeys(
        "include literalinclude raw csv-table date meta class role default-role title"
        " restructuredtext-test-directive contents sectnum section-numbering header footer"
        " target-notes toctree index currentmodule module py:module py:currentmodule highlight"
        " automodule autoclass autofunction automethod bibliography tabularcolumns".split(),
        _Nothing,
    ),
    **dict.fromkeys(
        "code code-block sourcecode parsed-literal math prompt doctest testcode console"
        " ipython productionlist graphviz digraph graph uml mermaid".split(),
        _Literal,
    ),
    **dict.fromkeys(
        "attention caution danger error hint important note tip warning admonition seealso"
        " todo".split(),
        _Note,
    ),
    **dict.fromkeys(_VERSIONED, _Note),
    **dict.fromkeys("image figure thumbnail".split(), _Image),
    "rubric": _Rubric,
    "replace": _Replace,
    "unicode": _Unicode,
}


def _directive(state: Any, match: re.Match[str], **presets: Any) -> Any:
    name = match.group(1).lower()
    return state.run_directive(_DIRECTIVES.get(name, _Any), match, name, presets)


class _Walled:
    """A state of docutils' parser that looks directives up here and nowhere else."""

    nested_sm_cache: ClassVar[list[Any]] = []
    explicit = states.Struct(**vars(states.Body.explicit))
    directive = _directive

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.nested_sm_kwargs = {"state_classes": _STATES, "initial_state": "Body"}


# The parser calls the functions in this list, not the methods of those names.
_Walled.explicit.constructs = [
    (_directive if function is states.Body.directive else function, pattern)
    for function, pattern in states.Body.explicit.constructs
]
_STATES = tuple(type(state.__name__, (_Walled, state), {}) for state in states.state_classes)

_PLAIN_ROLES = {
    "emphasis": nodes.emphasis,
    "strong": nodes.strong,
    "dfn": nodes.emphasis,
    "subscript": nodes.subscript,
    "sub": nodes.subscript,
    "superscript": nodes.superscript,
    "sup": nodes.superscript,
    "abbr": nodes.inline,
    "title-reference": nodes.emphasis,
    "title": nodes.emphasis,
    "t": nodes.emphasis,
    "user": nodes.inline,
    "ref": nodes.inline,
    "doc": nodes.inline,
    "term": nodes.inline,
    "pep": nodes.inline,
    "rfc": nodes.inline,
    "cve": nodes.inline,
    "guilabel": nodes.strong,
    "menuselection": nodes.strong,
    "raw": nodes.literal,
}
_NUMBERED = re.compile(
    r"(?:gh|github)?-?(?:issue|pr|pull|bug|ticket|gh|ghissue|ghpull|iss|bpo|user_pr|pull_request)s?",
    re.IGNORECASE,
)
_TITLED = re.compile(r"(?P<title>[^<>]{1,500}?)\s*<(?P<target>[^<>]{1,1000})>", re.S)


_OWN = {"interpreted", "__dict__", "__doc__", "__module__", "__qualname__", "__weakref__"}


class _Inliner(states.Inliner):
    """Roles by meaning: numbers of issues, words, and else code, as Sphinx's are."""

    # docutils fills its patterns from the class's own names, not the inherited ones.
    locals().update({n: v for n, v in vars(states.Inliner).items() if n not in _OWN})

    def interpreted(
        self, rawsource: str, text: str, role: str, lineno: int
    ) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        text = utils.unescape(text)
        titled = _TITLED.fullmatch(text)
        role = (role or "").lower().rsplit(":", 1)[-1]
        if _NUMBERED.fullmatch(role):
            numbers = re.split(r"[,\s]+", titled["title"] if titled else text.strip())
            said = ", ".join(f"#{n}" if n.isdecimal() else n for n in numbers if n)
            return [nodes.Text(said)], []
        if titled:
            text = titled["title"]
        elif text.startswith("~"):
            text = text.rsplit(".", 1)[-1].lstrip("~")
        text = text.removeprefix("!")
        if role == "user":
            text = "@" + text.removeprefix("@")
        elif role in {"pep", "rfc"}:
            text = f"{role.upper()} {text}"
        elif not role:
            return [nodes.emphasis(text, text)], []
        kind = _PLAIN_ROLES.get(role, nodes.literal)
        return [kind(text, text)], []


_SETTINGS = get_default_settings(Parser)
for _name, _value in {
    "_disable_config": True,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 6,
    "warning_stream": False,
    "line_length_limit": LONGEST_LINE,
    "language_code": "en",
    "smart_quotes": False,
    "syntax_highlight": "none",
    "pep_references": None,
    "rfc_references": None,
    "tab_width": 8,
    "id_prefix": "",
}.items():
    setattr(_SETTINGS, _name, _value)

_TRANSFORMS = (
    references.PropagateTargets,
    references.IndirectHyperlinks,
    references.ExternalTargets,
    references.InternalTargets,
)
_DEFINITION = re.compile(
    r"^[ \t]*\.\.[ ]_(?:`([^`\n]{1,200})`|([^:\n`]{1,200})):[ \t]+(\S{1,2000})[ \t]*\r?$", re.M
)


def to_html(source: str, links: Mapping[str, str]) -> str:
    """The HTML of *source*, not yet safe. *links* are targets for names it does not define.

    Raises whatever docutils raises on texts that it cannot digest, and ValueError for
    lines longer than `LONGEST_LINE`.
    """
    if any(len(line) > LONGEST_LINE for line in source.splitlines()):
        raise ValueError("a line is too long for docutils")
    own = {name.lower() for name in definitions(source, 1_000_000)}
    lowered = source.lower()
    wanted = "".join(
        f"\n.. _`{name}`: {target}"
        for name, target in links.items()
        if name.lower() not in own and name.lower() in lowered and "`" not in name
    )
    document = utils.new_document("changelog", _SETTINGS.copy())
    parser = Parser(inliner=_Inliner())
    parser.state_classes = _STATES
    parser.parse(source + "\n" + wanted + "\n", document)
    for transform in _TRANSFORMS:
        transform(document).apply()
    return _Writer(document.substitution_defs).write(document)


def definitions(text: str, most: int) -> dict[str, str]:
    """The link targets that *text* defines for names, at most *most*, the first of each."""
    found: dict[str, str] = {}
    for match in _DEFINITION.finditer(text):
        found.setdefault(match[1] or match[2], match[3])
        if len(found) >= most:
            break
    return found


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
