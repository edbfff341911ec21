"""Nothing that strangers wrote runs, loads, submits, styles or navigates in a page."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import get_args

import attacks
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.changelog.document import (
    Document,
    Markup,
    Place,
    ReleaseEntry,
    SectionEntry,
    Tried,
    package_of,
)
from ventil.changelog.notes import notes_between
from ventil.changelog.render import Setting, render_body, sanitised
from ventil.changelog.render.forge import forge_of
from ventil.changelog.render.pages import (
    Site,
    notes_page,
    package_files,
    site_page,
    summary_of,
)

MARKUPS = get_args(Markup)
FORGE = forge_of("https://github.com/acme/pot")
SITE = Site("Changelogs", "https://notes.example.org")

TAGS = set(
    "a abbr b blockquote br caption cite code dd del details dfn div dl dt em h2 h3 h4 h5 h6 hr"
    " i ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td"
    " tfoot th thead tr tt u ul var wbr".split()
)
ATTRIBUTES = {"href", "title", "rel", "class", "id", "start", "value", "colspan", "rowspan"}
ATTRIBUTES |= {"scope"}
CLASSES = {"image", "ref", "note", "note-title", "field", "as-written"}
ADDRESS = re.compile(r"https?://[^/\s]|mailto:|#c:1:", re.IGNORECASE)
REL = "nofollow noopener noreferrer ugc"


class Judge(HTMLParser):
    """Collects what should not be in a body."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.wrong.append(f"<{tag}>")
        given = dict(attrs)
        self.wrong += [f"<{tag} {name}>" for name in given if name not in ATTRIBUTES]
        if "href" in given:
            if not ADDRESS.match(given["href"] or ""):
                self.wrong.append(f"href={given['href']!r}")
            if given.get("rel") != REL:
                self.wrong.append(f"rel={given.get('rel')!r}")
        if "id" in given and not str(given["id"]).startswith("c:"):
            self.wrong.append(f"id={given['id']}")
        if not set((given.get("class") or "").split()) <= CLASSES:
            self.wrong.append(f"class={given['class']}")

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"comment {data!r}")

    def handle_decl(self, decl: str) -> None:
        self.wrong.append(f"declaration {decl!r}")

    def handle_pi(self, data: str) -> None:
        self.wrong.append(f"instruction {data!r}")


def body(source: str, markup: str, **named: object) -> str:
    """The body as it would stand in a page, with a repository for links to lead to."""
    setting = Setting(markup, forge=FORGE, prefix="c:1:", **named)  # type: ignore[arg-type]
    return render_body(source, setting)


def test_the_list_is_long_enough() -> None:
    """Every class of attack has its strings."""
    assert len(set(attacks.ALL)) >= 250


@pytest.mark.parametrize("markup", MARKUPS)
def test_no_attack_survives(markup: str) -> None:
    """In any markup, alone, among text, in a list, in a table and as a heading."""
    frames = ["{}", "- a {} b\n- c\n", "# {}\n\n{}\n", "| {} | x |\n|-|-|\n", "*{}* `{}`"]
    for attack in attacks.ALL:
        for frame in frames[: 2 if markup == "rst" else None]:  # the slowest has no others
            html = body(frame.replace("{}", attack), markup)
            assert Judge(html).wrong == [], (attack, frame, html)


def test_cleaning_what_is_clean_changes_nothing() -> None:
    """A browser's second reading finds what the first did: no mutation."""
    for attack in attacks.ALL:
        once = sanitised(attack)
        assert sanitised(once) == once, attack
        for markup in ("html", "markdown"):
            html = body(attack, markup)
            assert sanitised(html) == html, attack


def test_targets_from_elsewhere_are_judged_like_others() -> None:
    """What a text defines for a label may be an attack too."""
    for address in re.findall(r'href="([^"]*)"', "\n".join(attacks.SCHEMES)):
        for markup, source in (("markdown", "[x]"), ("rst", "x_ and `x`_")):
            assert Judge(body(source, markup, links={"x": address})).wrong == [], address


def test_no_attack_survives_in_what_surrounds_a_body() -> None:
    """Names, versions, titles, reasons, addresses: escaped wherever they stand."""
    for attack in attacks.ALL:
        for name, data in pages_of(a_document(attack)).items():
            if name.endswith((".json", ".atom")):
                continue
            text = data.decode()
            found = re.findall(
                r"<(?:script|img|iframe|svg|math|form|object|embed|base|input|video)\b", text
            )
            assert found == [], (attack, name)
            assert len(re.findall("<style", text)) == 1
            assert len(re.findall("<meta", text)) == 5
            assert not re.search(r'href="\s*(?:javascript|data|vbscript|file|//)', text)


MARKS = st.sampled_from(
    [
        *"<>\"'`=/&;:#()[]{}|*_-.!\\ \t\n\x00x1\u2028",
        *("<a ", "href=", "javascript:", "onclick=", "style=", "<!--", "-->", "<svg", "<math"),
        *("<script", "</", "<style>", "<table>", "<p", "alert(1)", "](", "`_", "``", ":role:`"),
        *(".. raw:: html\n\n  ", "<![CDATA[", "]]>", "&#106;", "<img src=x ", "<template>"),
        *("<noscript>", "title='", "&lt;", "&quot;", "https://e.org/"),
    ]
)
PIECES = st.lists(MARKS | st.sampled_from(attacks.ALL) | st.text(max_size=6), max_size=14).map(
    "".join
)


@given(PIECES, st.sampled_from(MARKUPS))
def test_no_script_handler_form_or_style_in_any_text(source: str, markup: str) -> None:
    """A law: whatever the source, the body is of our few harmless tags, and stays so."""
    html = body(source, markup)
    assert Judge(html).wrong == []
    assert sanitised(html) == html


@given(PIECES)
def test_any_name_is_only_text(text: str) -> None:
    """A law for what surrounds the bodies."""
    for name, data in pages_of(a_document(text)).items():
        if name.endswith(".html"):
            page = data.decode()
            assert len(re.findall("<(?:script|style|img|form|iframe|svg)", page)) == 1
            assert len(re.findall("<meta", page)) == 5


def a_document(attack: str, markup: Markup = "html") -> Document:
    """One with the attack in every place that a stranger can fill."""
    attack = attack.replace("\x00", "").encode("utf-8", "replace").decode()
    release = ReleaseEntry(
        version=attack,
        normalised=attack,
        name=attack,
        title=attack,
        body=attack,
        sections=(SectionEntry(kind="breaking", title=attack, text=attack),),
        url=attack,
    )
    package = msgspec.structs.replace(
        package_of("pkg:npm/pot"), name=attack, latest_version=attack, repository=attack
    )
    place = Place(how=attack, url=attack, filename=attack, ref=attack)
    return Document(
        package=package,
        status="carried",
        why=attack,
        place=place,
        markup=markup,
        links={attack: attack},
        releases=(release,),
        tried=(Tried(how=attack, where=attack, result=attack),),
    )


def pages_of(document: Document) -> dict[str, bytes]:
    """All that is made of a document."""
    empty = msgspec.structs.replace(document, releases=(), status="none")
    summary = summary_of(document)
    return {
        **package_files(document, SITE),
        "empty.html": package_files(empty, SITE)["index.html"],
        "site.html": site_page([summary], SITE, page=1, pages=1, packages=1, releases=1),
        "notes.html": notes_page(document, notes_between(document, None, None)),
    }


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


class Listener(BaseHTTPRequestHandler):
    """Serves the pages and notes every request."""

    pages: dict[str, bytes]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        data = self.pages.get(self.path, b"")
        self.send_response(200 if data else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_HEAD = do_GET  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[type[Listener]]:
    """A server on this machine, at a port of its own."""
    handler = type("OneListener", (Listener,), {"pages": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.port = server.server_port  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def browse(address: str, profile: Path) -> tuple[str, str]:
    """The page's tree after it was loaded and its timers ran, and what the console said."""
    assert CHROMIUM is not None
    ended = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--no-first-run",
            "--disable-sync", "--disable-extensions", "--enable-logging=stderr",
            f"--user-data-dir={profile}", "--virtual-time-budget=3000", "--dump-dom", address,
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )  # fmt: skip
    return ended.stdout, "\n".join(li for li in ended.stderr.splitlines() if "CONSOLE" in li)


# Tells of any attack that works: it would call one of these, or the server.
WITNESS = """<script>
window.alert = window.confirm = window.prompt = (x) => {
  document.documentElement.dataset.fired = (document.documentElement.dataset.fired || "") + x;
};
addEventListener("load", () => {
  for (const node of document.querySelectorAll("*")) {
    for (const name of ["click", "mouseover", "focus", "pointerenter", "toggle", "wheel"]) {
      if (node.tagName !== "A" || name !== "click") node.dispatchEvent(new Event(name));
    }
    if (node.focus) node.focus();
  }
  document.documentElement.dataset.ran = "yes";
});
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
def test_nothing_happens_in_a_real_browser(listener: type[Listener], tmp_path: Path) -> None:
    """All attacks on one page, with no policy to help and a script that watches: silence.

    Then as published, policy and all: no violation is even tried, and nothing is asked for
    but the page itself. That the watching works is shown by an attack that is let through.
    """
    home = f"http://127.0.0.1:{listener.port}/home"  # type: ignore[attr-defined]
    listed = [attack.replace(attacks.HOME, home) for attack in attacks.ALL]
    bodies = "\n<hr>\n".join(
        render_body(attack, Setting(markup, forge=FORGE, prefix=f"c:{markup}{number}:"))
        for markup in ("html", "markdown", "rst", "textile")
        for number, attack in enumerate(listed)
    )
    bare = f"<!doctype html><meta charset=utf-8>{WITNESS}<body><div>{bodies}</div>"
    document = a_document("x")
    one_release = msgspec.structs.replace(
        document.releases[0], version="1.0", body="\n\n".join(listed), url=None
    )
    published = package_files(
        msgspec.structs.replace(document, markup="markdown", releases=(one_release,)), SITE
    )["index.html"]
    control = bare + f"<img src=x onerror=alert(1)><img src={home}/seen>"
    listener.pages = {
        "/bare": bare.encode("utf-8", "replace"),
        "/published": published,
        "/control": control.encode("utf-8", "replace"),
    }
    port = listener.port  # type: ignore[attr-defined]

    tree, _ = browse(f"http://127.0.0.1:{port}/control", tmp_path / "profile")
    assert 'data-fired="1"' in tree
    assert "/home/seen" in listener.asked

    listener.asked.clear()
    tree, console = browse(f"http://127.0.0.1:{port}/bare", tmp_path / "profile")
    assert 'data-ran="yes"' in tree
    assert "data-fired" not in tree
    assert console == ""
    assert set(listener.asked) <= {"/bare", "/favicon.ico"}

    listener.asked.clear()
    tree, console = browse(f"http://127.0.0.1:{port}/published", tmp_path / "profile")
    assert "<title>" in tree
    assert console == ""
    assert set(listener.asked) <= {"/published", "/favicon.ico"}
