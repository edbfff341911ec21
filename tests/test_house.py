"""The house keeps its shape: who may import whom, names, and what no file may contain.

The rooms are drawn in docs and in CONTRIBUTING. A direction that is wrong here is a
decision to take, not a line to add in passing.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "ventil"

# A room is a folder or file directly under src/ventil. Each may import itself, what is
# listed here, and the bare package for its __version__.
PURE = {"core", "errors"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "crashpoint": set(),
    "core": {"errors"},
    "changelog": PURE,
    "tasks": PURE | {"changelog"},  # started by adapters, in a process of its own
    "providers": PURE,
    "sources": PURE,
    "config": PURE,
    "ports": PURE,
    "engine": PURE | {"crashpoint", "ports"},
    "adapters": PURE | {"crashpoint", "ports"},
    "publish": PURE | {"changelog", "crashpoint", "ports"},
    "testing": PURE | {"ports"},
    "sim": PURE,  # never providers or engine: it must not share their parsing, or mistakes
    "wiring": PURE
    | {"adapters", "changelog", "config", "engine", "ports", "providers", "publish", "sources"}
    | {"crashpoint", "sim"},
    # `ventil serve` starts the server; web never sees cli.
    "cli": PURE | {"changelog", "ports", "sim", "sources", "web", "wiring"},
    "web": PURE | {"ports", "sources", "wiring"},
    "own": PURE | {"cli", "providers", "wiring"},
    "__init__": set(),
    "__main__": {"cli"},
}

# What is not ours stays behind one wall each, so that it can be replaced there.
KEPT_IN = {
    "dbos": ("adapters/durable.py",),
    "sqlalchemy": ("adapters/",),
    "psycopg": ("adapters/",),
    "aiohttp": ("adapters/", "sim/", "web/"),
    "pydantic": ("config/",),
    "pydantic_core": ("config/",),
    "cyclopts": ("cli/",),
    "rich": ("cli/",),
    "uvloop": ("wiring/loop.py",),
}

# Standard library too, but with a clock, I/O, the environment, logging or async in it.
NOT_IN_CORE = {
    "asyncio", "concurrent", "http", "io", "logging", "multiprocessing", "os", "pathlib",
    "secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess",
    "tempfile", "threading", "time", "urllib.request",
}  # fmt: skip
CLOCKS = {"now", "today", "utcnow"}

NAMELESS = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}

# In pieces, or this file would be the first to break its own rule.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("archive", "ubuntu", "com"),
    )
]
DOWNLOADS_API = ".".join(("api", "npmjs", "org"))
MACHINE_PATH = re.compile(
    r"(?<![\w./~-])/(?:" + "|".join(("wo" + "rk", "ro" + "ot", "fa" + "rm")) + r")/[\w.]"
    r"|(?<![\w./~-])/tm" + r"p/(?:venv|brief)|/opt/(?:wheels|py" + "pi)"
)


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The folder or file directly under the package that `path` belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    """The module, parsed once per test run."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of every import, those inside functions included."""
    package = ("ventil", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package[: len(package) - node.level + 1]
                base = ".".join((*above, base)) if base else ".".join(above)
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def project_files() -> list[Path]:
    """Every file of the project: tracked, or new and not ignored."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, or no git
        return [p for p in ROOT.rglob("*") if p.is_file() and ".venv" not in p.parts]
    return [
        path
        for name in listing.decode().split("\0")
        if name and (path := ROOT / name).is_file()
    ]


def text_files() -> Iterator[tuple[str, str]]:
    """Name and text of every file of the project that is text."""
    for path in project_files():
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            yield path.relative_to(ROOT).as_posix(), data.decode("utf-8", "replace")


def test_every_room_is_known() -> None:
    """A new folder or file directly under the package gets its place in the table first."""
    assert {room_of(path) for path in modules()} <= set(MAY_IMPORT)


def test_imports_point_down() -> None:
    """No room imports one above it or beside it that it is not meant to see."""
    wrong = []
    for path in modules():
        room = room_of(path)
        allowed = MAY_IMPORT.get(room, set()) | {room}
        for line, name in imports(path):
            parts = name.split(".")
            if parts[0] != "ventil" or parts[1:] == ["__version__"]:
                continue
            target = parts[1] if len(parts) > 1 else "__init__"
            if target not in allowed:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {room} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_each_library_stays_behind_its_wall() -> None:
    """The durable library is imported in one file, the others in one room each."""
    wrong = []
    for path in modules():
        place = path.relative_to(PACKAGE).as_posix()
        for line, name in imports(path):
            walls = KEPT_IN.get(name.split(".")[0])
            if walls is not None and not place.startswith(walls):
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {name} belongs in {walls}")
    assert not wrong, "\n".join(wrong)


def test_core_is_pure() -> None:
    """Core imports the standard library alone, and of it nothing that acts or tells time."""
    wrong = []
    for path in modules():
        if room_of(path) != "core":
            continue
        for line, name in imports(path):
            top = name.split(".")[0]
            if top == "ventil":
                continue
            acts = top in NOT_IN_CORE or any(name.startswith(f"{m}.") for m in NOT_IN_CORE)
            if acts or top not in sys.stdlib_module_names:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: imports {name}")
        for node in ast.walk(tree_of(path)):
            if isinstance(node, (ast.AsyncFunctionDef, ast.Await)):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: is async")
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id in {"open", "print", "input"}:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: calls {node.func.id}")
            if (
                isinstance(node.func, ast.Attribute)
                and node.func.attr in CLOCKS
                and ast.unparse(node.func.value).rsplit(".")[-1] in {"datetime", "date"}
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: reads a clock")
    assert not wrong, "\n".join(wrong)


def test_modules_are_named_for_what_they_hold() -> None:
    """No module is called utils, helpers, manager and the like."""
    found = [p for p in [*modules(), *(ROOT / "tests").rglob("*.py")] if p.stem in NAMELESS]
    assert not found


def test_packages_only_re_export() -> None:
    """An `__init__.py` holds imports, `__all__` and `__version__`: no code of its own."""
    wrong = []
    for path in modules():
        if path.name != "__init__.py":
            continue
        for node in tree_of(path).body:
            assigned = (
                {target.id for target in node.targets if isinstance(target, ast.Name)}
                if isinstance(node, ast.Assign)
                else set()
            )
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if not (
                docstring
                or isinstance(node, (ast.Import, ast.ImportFrom))
                or assigned & {"__all__", "__version__"}
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, "\n".join(wrong)


def export_order(name: str) -> tuple[int, str]:
    """The linter's order: constants, then classes, then the rest."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


@pytest.mark.parametrize(
    "path",
    [p for p in modules() if "__all__" in p.read_text(encoding="utf-8")],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_exported_names_exist_and_are_sorted(path: Path) -> None:
    """`__all__` is sorted, without doubles, and each name in it is there."""
    dotted = ".".join(("ventil", *path.relative_to(PACKAGE).with_suffix("").parts))
    module = importlib.import_module(dotted.removesuffix(".__init__"))
    exported = list(module.__all__)
    assert exported == sorted(set(exported), key=export_order)
    assert [name for name in exported if not hasattr(module, name)] == []


def test_no_registry_host_anywhere() -> None:
    """No file names the host of a package registry; those are the user's to configure."""
    found = [
        f"{name}: {host}" for name, text in text_files() for host in REGISTRIES if host in text
    ]
    assert not found, "\n".join(found)


def test_the_downloads_api_is_named_by_its_provider_alone() -> None:
    """The public service's host stands in one place, so nothing else can call it by chance."""
    found = [name for name, text in text_files() if DOWNLOADS_API in text]
    assert [name for name in found if not name.startswith("src/ventil/providers/")] == []


def test_no_path_of_one_machine() -> None:
    """No file holds an absolute path that exists on one developer's machine only."""
    found = [
        f"{name}: {match.group()}"
        for name, text in text_files()
        for match in MACHINE_PATH.finditer(text)
    ]
    assert not found, "\n".join(found)


def test_requirements_are_pinned_and_hashed() -> None:
    """Every requirement is one version with hashes, and names no index or link."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        joined = text.replace("\\\n", " ")
        lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
        assert lines
        for line in lines:
            assert re.match(r"[a-z0-9][a-z0-9._-]*==[^ ]+ ", line), line
            assert "--hash=sha256:" in line, line
        assert "://" not in text
        assert "--find-links" not in text
