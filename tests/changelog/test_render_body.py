"""Bodies in every markup become HTML that says the same, with links that lead somewhere."""

from __future__ import annotations

import pytest

from ventil.changelog.render import Setting, link_targets, markup_of, render_body
from ventil.changelog.render.forge import Forge, forge_of, resolved

FORGE = forge_of("git+https://github.com/acme/pot.git", filename="docs/CHANGES.md")
assert FORGE is not None


def rendered(source: str, markup: str = "markdown", **named: object) -> str:
    """The body, with a known repository, and `rel` left out for reading."""
    html = render_body(source, Setting(markup, forge=FORGE, **named))  # type: ignore[arg-type]
    return html.replace(' rel="nofollow noopener noreferrer ugc"', "")


def test_links_of_every_kind_lead_into_the_repository() -> None:
    """Numbers, people, commits and relative paths, as its host would link them."""
    html = rendered("by @bob in #12, GH-3 and x/y#4; [a](a.md) [b](/b.md) [c](../c.md#d)")
    root = "https://github.com/acme/pot"
    for target in (
        "https://github.com/bob",
        f"{root}/issues/12",
        f"{root}/issues/3",
        "https://github.com/x/y/issues/4",
        f"{root}/blob/HEAD/docs/a.md",
        f"{root}/blob/HEAD/b.md",
        f"{root}/blob/HEAD/c.md#d",
    ):
        assert f'href="{target}"' in html
    sha = "0123456789abcdef" * 2 + "01234567"
    assert f'href="{root}/commit/{sha}"' in rendered(f"see {sha}")


@pytest.mark.parametrize(
    "source",
    ["`#12`", "a\n\n    #12", "a#12", "&#12;", "me@acme.org", "[#12](https://e.org)", "#12a"],
)
def test_what_only_looks_like_a_number_is_none(source: str) -> None:
    """In code, in links, in words and in addresses."""
    assert "issues/" not in rendered(source)
    assert 'github.com/acme"' not in rendered(source)


def test_nothing_is_linked_without_a_repository() -> None:
    """An issue of an unknown place has no address; a relative link loses it and stays text."""
    html = render_body("#12 by @bob, [a](a.md), https://e.org/x.", Setting("markdown"))
    assert html.count("<a ") == 1
    assert 'href="https://e.org/x"' in html
    assert ">a<" not in html


def test_images_become_links() -> None:
    """A page asks no other server for anything."""
    html = rendered(
        "![The new look](shots/new.png) [![build](https://b.org/s.svg)](https://b.org)"
    )
    assert "<img" not in html
    assert (
        '<a class="image" href="https://github.com/acme/pot/blob/HEAD/docs/shots/new.png">'
        in html
    )
    assert '<a href="https://b.org"><span class="image">build</span></a>' in html


def test_headings_stand_below_the_pages_own() -> None:
    """Whatever level the text begins with; the steps between stay."""
    assert "<h3>A</h3>" in rendered("# A\n\n## B")
    assert "<h4>B</h4>" in rendered("# A\n\n## B")
    assert "<h3>A</h3>" in rendered("##### A")
    assert "<h2>A</h2>" in rendered("### A", top=2)


def test_names_are_prefixed() -> None:
    """No body's names meet another's or the page's; links inside the body still work."""
    html = rendered('<h2 id="x">X</h2>\n\n[to x](#x) [gone](#page-top)', prefix="r7-")
    assert 'id="r7-x"' in html
    assert 'href="#r7-x"' in html
    assert "page-top" not in html


def test_markdown_as_it_is_written_in_changelogs() -> None:
    """Tables, strikethrough, tasks, folded details, alerts, labels defined elsewhere."""
    html = rendered(
        "- [x] done ~~not~~\n\n|a|b|\n|-|-|\n|1|2|\n\n<details><summary>More</summary>\n\n"
        "text\n\n</details>\n\n> [!WARNING]\n> careful\n\n[1.2]\n",
        links={"1.2": "https://e.org/1.2"},
    )
    for piece in ("☑ done", "<s>not</s>", "<td>1</td>", "<summary>More</summary>", "Warning"):
        assert piece in html
    assert '<a href="https://e.org/1.2">1.2</a>' in html


RST = """
- :issue:`12` and :class:`~a.b.Pot`, ``code``, `Named`_, unknown_, |name| by :user:`bob`.

  .. versionchanged:: 1.2
     Louder.

.. |name| replace:: the *word*

.. code-block:: python

   pot("<x>")

.. custom-thing:: with words

   and content
"""


def test_rst_with_the_words_of_sphinx() -> None:
    """Roles and directives that docutils does not know are read by their meaning."""
    html = rendered(RST, "rst", links={"Named": "https://e.org/n"})
    for piece in (
        'href="https://github.com/acme/pot/issues/12"',
        "<code>Pot</code>",
        "<code>code</code>",
        '<a href="https://e.org/n">Named</a>',
        "unknown",
        "the <em>word</em>",
        "https://github.com/bob",
        "Changed in version 1.2",
        "Louder.",
        'pot("&lt;x&gt;")',
        "with words",
        "and content",
    ):
        assert piece in html, piece
    assert "unknown_" not in html
    assert "problematic" not in html


REACHING_OUT = [
    ".. include:: {file}",
    ".. literalinclude:: {file}",
    ".. raw:: html\n   :file: {file}",
    ".. raw:: html\n   :url: file://{file}",
    ".. csv-table:: t\n   :file: {file}",
    ".. csv-table:: t\n   :url: file://{file}",
    ".. |x| include:: {file}\n\n|x|",
    "- .. include:: {file}",
    "* a\n\n  .. include:: {file}",
    "+---------------------------+\n| .. include:: {file}\n+---------------------------+",
    ".. note::\n\n   .. include:: {file}",
    ".. INCLUDE:: {file}",
    ".. include:: {file}\n   :literal:",
    ".. include:: {file}\n   :parser: markdown",
    ".. role:: raw-html(raw)\n   :format: html\n\n:raw-html:`<b class=secret>x</b>`",
    ".. image:: {file}\n   :scale: 50%\n   :loading: embed",
    ".. math:: \\input{{{file}}}",
    ".. default-role:: raw\n\n`x`",
    ".. code:: python\n   :include: {file}",
    ".. settings::\n   :file_insertion_enabled: yes\n\n.. include:: {file}",
    '.. end of inclusion from "x"',
]


@pytest.mark.parametrize("source", REACHING_OUT)
def test_rst_reaches_nothing_outside_of_the_text(source: str, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """No directive opens a file or an address, at any depth and in any writing."""
    secret = tmp_path / "secret.txt"
    secret.write_text("a,secret\n")

    def opened(*arguments: object, **named: object) -> None:
        raise AssertionError(f"opened {arguments}")

    monkeypatch.setattr("builtins.open", opened)
    monkeypatch.setattr("urllib.request.urlopen", opened)
    html = rendered(source.format(file=secret), "rst")
    assert ",secret" not in html
    assert "<b" not in html


def test_one_text_does_not_change_the_next() -> None:
    """Roles that a text defines are gone with it."""
    before = rendered("`x` :strange:`y`", "rst")
    rendered(".. role:: strange(strong)\n.. default-role:: strong\n\n`x`", "rst")
    assert rendered("`x` :strange:`y`", "rst") == before


def test_lighter_languages() -> None:
    """Headings, lists, code and links by their look; all text is there, escaped."""
    source = "== Fixes\n* one *two* `three`\n  goes on\n** deeper\n\nhttps://e.org[Words] <x>\n"
    html = rendered(source, "asciidoc")
    for piece in (
        "<h3>Fixes</h3>",
        "one <strong>two</strong> <code>three</code> goes on",
        "<li>deeper</li>",
        '<a href="https://e.org">Words</a> &lt;x&gt;',
    ):
        assert piece in html
    assert "<h3>Fixes</h3>" in rendered("h3. Fixes", "textile")
    assert '<a href="https://e.org">this</a>' in rendered('"this":https://e.org', "textile")
    assert "<code>Pot#call</code>" in rendered("calls +Pot#call+ now", "rdoc")


@pytest.mark.parametrize("markup", ["markdown", "rst", "asciidoc", "plain"])
def test_no_word_is_lost(markup: str) -> None:
    """Broken markup costs formatting, never text."""
    source = "Title\n=\n\n* `one_ *two |three\n   four:: [five](\n\n-- six\n    seven\n"
    html = rendered(source, markup)
    for word in "Title one two three four five six seven".split():
        assert word in html


def test_too_long_is_cut_and_said() -> None:
    """A body has a bound; the page says that there is more."""
    html = rendered("word " * 50_000, "plain")
    assert len(html) < 210_000
    assert "The text is longer" in html


@pytest.mark.parametrize(
    ("text", "name", "markup"),
    [
        ("# 1.0\n\n- a [b](https://e.org)\n", "CHANGELOG.md", "markdown"),
        ("1.0\n====\n\n* :issue:`1`\n\n.. note:: x\n", "CHANGES.txt", "rst"),
        ("# 1.0\n\n- a [b](https://e.org)\n\n## 0.9\n\n```\nx\n```\n", "CHANGES", "markdown"),
        ("= 1.0\n\n* a\n", "CHANGELOG.adoc", "asciidoc"),
        ("=== 1.0 / 2015\n\n* a\n", "History.rdoc", "rdoc"),
        ("h2. 1.0\n\n* a\n\nh2. 0.9\n", "CHANGES", "textile"),
        ("1.0\n  - a thing\n", "CHANGES", "plain"),
        ("", None, "plain"),
    ],
)
def test_the_markup_is_told_by_the_text(text: str, name: str | None, markup: str) -> None:
    """The ending is a hint."""
    assert markup_of(text, name) == markup


def test_targets_defined_anywhere_serve_every_release() -> None:
    """In Markdown and reStructuredText."""
    assert link_targets("x\n\n[1.0]: https://e.org/1\n[^1]: note\n", "markdown") == {
        "1.0": "https://e.org/1"
    }
    assert link_targets(".. _#12: https://e.org/12\n.. _`a b`: https://e.org/b\n", "rst") == {
        "#12": "https://e.org/12",
        "a b": "https://e.org/b",
    }


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVa\tScRiPt:x",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/x",
        "https://",
        "http:",
        "//",
        "ftp://e.org",
        "blob:x",
        " \x01javascript:x",
        "\x00",
        "#x",
        "",
    ],
)
def test_addresses_that_lead_nowhere(address: str) -> None:
    """Only http, https and mailto are links."""
    assert resolved(address, None) is None
    found = resolved(address, FORGE)
    assert found is None or found.startswith("https://github.com/acme/pot/blob/HEAD/")


@pytest.mark.parametrize(
    "repository",
    [
        "https://evil.example/acme/pot",
        "https://github.com",
        "https://github.com/acme",
        "x",
        "https://github.com.evil.example/a/b",
        "https://github.com@evil.example/a/b",
        "http://[",
        "https://github.com/../..",
        "javascript:alert(1)",
        "",
    ],
)
def test_unknown_hosts_have_no_links(repository: str) -> None:
    """Only hosts whose addresses we know."""
    assert forge_of(repository) is None


def test_gitlab_and_codeberg() -> None:
    """Each has its own addresses."""
    gitlab = forge_of("https://gitlab.com/group/sub/pot/-/tree/main")
    assert isinstance(gitlab, Forge)
    assert gitlab.issue("1") == "https://gitlab.com/group/sub/pot/-/issues/1"
    codeberg = forge_of("https://codeberg.org/acme/pot.git")
    assert codeberg is not None
    assert codeberg.issue("1") == "https://codeberg.org/acme/pot/issues/1"


BOMBS = {
    "substitutions": "\n".join(f".. |a{n}| replace:: |a{n + 1}| |a{n + 1}|" for n in range(30))
    + "\n.. |a30| replace:: boom\n\n|a0|\n",
    "one long substitution": ".. |a| replace:: " + "x " * 9_000 + "\n\n" + "|a| " * 4_000,
    "a circle": ".. |a| replace:: |b|\n.. |b| replace:: |a|\n\n|a| |b|\n",
    "a circle of targets": ".. _a: b_\n.. _b: a_\n\na_ b_\n",
    "brackets": "[" * 20_000,
    "images": "![a" * 7_000,
    "links": "[a](" * 5_000,
    "stars": "**a*" * 5_000,
    "quotes": "> " * 10_000,
    "tags": "<div>" * 4_000,
    "comments": "<!--" * 5_000,
    "indents": "".join(" " * n + "a\n\n" for n in range(120)),
    "nested notes": "".join("  " * n + ".. note::\n\n" for n in range(150)),
    "nested items": "".join("  " * n + "- a\n" for n in range(150)),
    "headings": "#\n" * 1_500,
    "rules": "=\n" * 1_500,
    "titles": "".join(f"t\n{c * 4}\n\n" for c in "=-~^+*#<>" * 40),
    "fields": ":a: b\n" * 800,
    "a wide table": "|a" * 9_000 + "\n" + "|-" * 9_000 + "\n" + "|a" * 9_000,
    "one line": "a" * 50_000,
    "NULs": "\x00" * 20_000,
    "blanks": " " * 50_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_texts_made_to_blow_up_do_not(name: str) -> None:
    """In no markup does a text grow out of all proportion, or take for ever."""
    source = BOMBS[name]
    for markup in ("markdown", "rst", "textile", "html"):
        assert len(rendered(source, markup)) < 40 * len(source) + 500_000
