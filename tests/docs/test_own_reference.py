"""The reference of `ventil.own`: it is current, its program runs, what it says holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ventil import own

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "reference" / "own.md"
STARS = {"alpha": 7, "beta": 0}


class Service(BaseHTTPRequestHandler):
    """Counts the stars of two things."""

    def do_GET(self) -> None:
        """The answer."""
        name = self.path.removeprefix("/stars/")
        self.send_response(200 if name in STARS else 404)
        body = json.dumps({"stars": STARS.get(name)}).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """Where the service is."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def program() -> str:
    """The one on the page."""
    [found] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    return str(found)


def run(folder: Path, text: str, url: str) -> tuple[int, str]:
    """The page's command: exit code, what was said."""
    (folder / "stars.py").write_text(text)
    (folder / "records.txt").write_text("alpha\nbeta\ngamma\n")
    done = subprocess.run(
        [sys.executable, "stars.py", "stars", "records.txt", "-o", "stars.jsonl"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "VENTIL_PROVIDERS__STARS__BASE_URL": url,
            "VENTIL_RUN__RETRY_DELAY": "0s",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_page_is_current() -> None:
    """`make docs` was run after the last change of a docstring; every public name is told."""
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts" / "own_reference.py", "--check"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert sorted(own.__all__) == own.__all__
    told = re.findall(r"^### (\w+)$", PAGE.read_text("utf-8"), re.M)
    assert sorted(told) == own.__all__


def test_the_program_runs(tmp_path: Path, url: str) -> None:
    """As it stands there; each record has the status that the recipe gives it."""
    code, said = run(tmp_path, program(), url)
    assert code == 0, said
    lines = [json.loads(line) for line in (tmp_path / "stars.jsonl").read_text().splitlines()]
    assert {line["key"]: (line["status"], line["value"]) for line in lines} == {
        "alpha": ("ok", 7),
        "beta": ("ok", 0),
        "gamma": ("unknown", None),
    }
    assert (tmp_path / "stars.report.json").exists()


def test_a_recipe_that_raises(tmp_path: Path, url: str) -> None:
    """Costs its record alone, and is named in the report."""
    text = program().replace("if reply.status == 404:", 'if key == "gamma":\n        1 / 0')
    text = text.replace(
        '        return [Sample(key, Status.UNKNOWN, detail="no such thing")]\n', ""
    )
    code, said = run(tmp_path, text, url)
    assert code == 3, said
    [record] = json.loads((tmp_path / "stars.report.json").read_text())["records"]
    assert record["key"] == "gamma"
    assert "ZeroDivisionError" in record["detail"]


def test_a_recipe_that_awaits_and_does_not_say_so(tmp_path: Path, url: str) -> None:
    """Its records fail, with words about that."""
    text = program().replace(
        "    reply = yield Request", "    yield Token()\n    reply = yield Request"
    )
    code, said = run(tmp_path, text.replace("import OwnJob", "import Token, OwnJob"), url)
    assert code == 3, said
    records = json.loads((tmp_path / "stars.report.json").read_text())["records"]
    assert len(records) == 3
    assert all("its job does not say so" in record["detail"] for record in records)


def test_what_cannot_be(tmp_path: Path, url: str) -> None:
    """A quota that is none and a file without records end with exit 2, a taken name at once."""
    code, said = run(tmp_path, program().replace('"5/s"', '"many"'), url)
    assert (code, "Traceback" in said) == (2, False), said
    assert "many" in said
    for name in ("npm-downloads", "doctor"):
        code, said = run(tmp_path, program().replace('name="stars"', f'name="{name}"'), url)
        assert code == 1
        assert "ValueError" in said
