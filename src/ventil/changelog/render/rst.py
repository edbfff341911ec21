"""reStructuredText through docutils' parser, without anything that reaches out of the text.

Two walls. docutils itself is told not to insert files, not to take raw HTML and not to read
configuration. And it never sees its own directives and roles: their names are looked up in
the tables here, which hold what a changelog may want, Sphinx's included; every other name
stands for its content. So nothing can include, read a table from a file or an address, run a
highlighter or a formula, read the clock, or change the parser for the next text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from docutils import nodes, utils
from docutils.frontend import get_default_settings
from docutils.parsers.rst import Directive, Parser, directives, states
from docutils.transforms import references

from ventil.changelog.render import doctree

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
    return doctree.to_html(document)


def definitions(text: str, most: int) -> dict[str, str]:
    """The link targets that *text* defines for names, at most *most*, the first of each."""
    found: dict[str, str] = {}
    for match in _DEFINITION.finditer(text):
        found.setdefault(match[1] or match[2], match[3])
        if len(found) >= most:
            break
    return found
