"""Gather a corpus of real changelogs, outside the repository, to measure the parser on.

    python scripts/changelog_corpus.py FOLDER              fetch, unpack, index
    python scripts/changelog_corpus.py FOLDER --no-fetch   only what the machine ships

It fetches the few dozen packages named below with the ordinary clients (`pip download`,
`npm pack`), asks the same clients for each package's list of versions, and adds the
changelogs that installed packages and the system's documentation ship. Texts of others
stay in FOLDER; nothing of it belongs into the repository. `bench.changelog` reads
FOLDER/index.json.

A text is *held out* when the hash of its package's name says so (a third of them): those
are not to be looked at while rules are written, so that the figures on them mean something.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Well-known packages, chosen for their differing styles.
PYPI = """
attrs click flask sphinx docutils lxml zope.interface zope.schema plone.api zc.buildout
tox coverage celery kombu gevent psutil pyramid webob sqlalchemy mako simplejson pygments
babel paramiko fabric twisted cffi cryptography python-dateutil beautifulsoup4 html5lib
cheroot tornado markdown pycparser humanize structlog aiohttp trio msgpack peewee pymongo
psycopg2 pyparsing lockfile reportlab requests django-debug-toolbar django-extensions
mistune wheel feedparser apscheduler pyzmq cherrypy httpx
""".split()
NPM = """
express debug mocha commander yargs async moment less handlebars socket.io q request
superagent mongoose rimraf glob ember-source acorn esprima source-map js-yaml highlight.js
sails grunt qs mime-types chai sinon should nodemailer mysql winston validator pug
bluebird codemirror lerna hammerjs ractive knex
""".split()

# A second lot, gathered when the rules stood, to see how they do on what they never saw.
PYPI += """
zope.component zope.testing Products.CMFPlone zc.recipe.egg pytest-cov pytest-xdist
django-allauth django-mptt flask-login wtforms kinto colander venusian sphinx-gallery
recommonmark readme-renderer virtualenv hypothesis nose2 python-subunit pylint
flake8-bugbear pydocstyle cmd2 urwid natsort arrow tzlocal bleach textile ftfy urllib3
httplib2 websockets redis amqp astropy pandas-datareader h5py networkx fiona pyproj nltk
zope.publisher plone.app.contenttypes collective.recipe.solr pytest-django
pytest-asyncio django-filter django-model-utils djangorestframework-simplejwt
""".split()
NPM += """
chalk inquirer ora nock supertest karma eslint-plugin-import eslint-plugin-react
prettier-eslint babel-eslint browserify watchify gulp-sass node-sass bunyan pino restify
hapi redux-form react-select enzyme cheerio marked showdown ws engine.io mysql2 pg
sequelize knex-migrate bcrypt jsonwebtoken passport formidable multer archiver yauzl
""".split()

CHANGELOG = re.compile(
    r"(?:^|/)(?:changelog|changes|change[-_]?log|history|news|release[-_ ]?notes|releases"
    r"|whatsnew|whats[-_]new|upgrade_log|releasenotes)"
    r"(?:[-_.]?[0-9][0-9.]*)?(?:\.(?:md|markdown|rst|rest|txt|adoc|asciidoc|rdoc|textile))?$"
    # one file a release
    r"|(?:^|/)(?:change\w*|history|news|release[-_ ]?\w*|what\w*new)/"
    r"[^/]*\d\.\d[^/]*\.(?:md|rst|txt)$",
    re.IGNORECASE,
)
QUIET = re.compile(
    r"(?:^|/)(?:readme|licen[cs]e|copying|contributing|code_of_conduct|authors|security|install)"
    r"(?:[-_.][\w.-]{0,20})?(?:\.(?:md|markdown|rst|txt|adoc|rdoc|textile))?$",
    re.IGNORECASE,
)
LARGEST = 4_000_000  # bytes of one text


def held_out(name: str) -> bool:
    """Whether texts of package `name` are kept unseen: about a third of the names."""
    return hashlib.sha256(name.lower().encode()).digest()[0] % 3 == 0


def run(command: list[str], seconds: int = 240) -> str:
    """Standard output of `command`, or nothing when it fails or takes too long."""
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""


def fetch_pypi(name: str, folder: Path) -> None:
    """The package's sdist and versions, once."""
    place = folder / "archives" / "pypi" / name
    if (place / "versions.json").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip"]
    run([*pip, "download", "--no-deps", "--no-binary", name, "-q", "-d", str(place), name])
    listing = run([*pip, "index", "versions", name])
    found = re.search(r"Available versions: (.+)", listing)
    versions = dict.fromkeys(found[1].split(", ")) if found else {}
    (place / "versions.json").write_text(json.dumps(versions))


def fetch_npm(name: str, folder: Path) -> None:
    """The package's tarball and versions with times, once."""
    place = folder / "archives" / "npm" / name.replace("/", "__")
    if (place / "versions.json").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    run(["npm", "pack", "--silent", "--pack-destination", str(place), name])
    try:
        times = json.loads(run(["npm", "view", name, "time", "--json"]) or "{}")
    except ValueError:
        times = {}
    versions = {v: t for v, t in times.items() if v not in {"created", "modified"}}
    (place / "versions.json").write_text(json.dumps(versions))


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Path and content of each changelog-like or quiet text of an archive."""

    def wanted(path: str, size: int) -> bool:
        inner = path.split("/", 1)[-1]
        deep = inner.count("/")
        if size > LARGEST or re.search(r"(?:^|/)(?:node_modules|tests?|vendor)/", inner):
            return False
        return bool(CHANGELOG.search(inner)) or (deep == 0 and bool(QUIET.search(inner)))

    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if not info.is_dir() and wanted(info.filename, info.file_size):
                    yield info.filename.split("/", 1)[-1], opened.read(info)
    elif archive.name.endswith((".tar.gz", ".tgz", ".tar.bz2")):
        with tarfile.open(archive) as opened:
            for member in opened:
                if member.isfile() and wanted(member.name, member.size):
                    content = opened.extractfile(member)
                    if content is not None:
                        yield member.name.split("/", 1)[-1], content.read()


def shipped() -> Iterator[tuple[str, str, str, bytes]]:
    """Origin, package, path and content of texts that this machine has installed."""
    for folder in sorted(Path("/usr/share/doc").iterdir()):
        if not folder.is_dir() or folder.is_symlink():
            continue
        for path in sorted(folder.iterdir()):
            name = path.name.removesuffix(".gz")
            if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
                continue
            plain = bool(CHANGELOG.search(name)) or name in {"changelog.Debian", "NEWS.Debian"}
            if plain or QUIET.search(name) or name == "copyright":
                data = path.read_bytes()
                yield (
                    "doc",
                    folder.name,
                    name,
                    gzip.decompress(data) if path.suffix == ".gz" else data,
                )
    places = [Path(p) for p in sys.path if p.endswith("site-packages")]
    places += [Path("/usr/lib/node_modules"), Path("/usr/share/nodejs")]
    for place in places:
        for path in sorted(place.rglob("*")):
            inner = str(path.relative_to(place))
            if not CHANGELOG.search(inner) and not QUIET.search(inner):
                continue
            if path.is_file() and not path.is_symlink() and path.stat().st_size < LARGEST:
                yield "installed", path.parent.name, inner, path.read_bytes()


def main() -> None:
    """Fetch, unpack and index."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--no-fetch", action="store_true")
    args = parser.parse_args()
    folder: Path = args.folder
    if not args.no_fetch:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: fetch_pypi(name, folder), PYPI))
            list(pool.map(lambda name: fetch_npm(name, folder), NPM))
    index, seen = [], set()

    def add(
        origin: str, package: str, path: str, data: bytes, versions: dict[str, str]
    ) -> None:
        digest = hashlib.sha256(data).hexdigest()[:12]
        if not data.strip() or digest in seen:
            return
        seen.add(digest)
        quiet = not CHANGELOG.search(path) and not path.endswith((".Debian", "NEWS"))
        place = folder / "texts" / f"{origin}__{package}__{path.replace('/', '__')}__{digest}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        index.append(
            {
                "file": f"texts/{place.name}",
                "origin": origin,
                "package": package,
                "path": path,
                "quiet": quiet,
                "held_out": held_out(package),
                "versions": versions,
            }
        )

    for origin in ("pypi", "npm"):
        for place in sorted((folder / "archives" / origin).glob("*")):
            known = place / "versions.json"
            versions = json.loads(known.read_text()) if known.exists() else {}
            for archive in sorted(place.iterdir()):
                for path, data in members(archive):
                    add(origin, place.name, path, data, versions)
    for origin, package, path, data in shipped():
        add(origin, package, path, data, {})
    (folder / "index.json").write_text(json.dumps(index, indent=1))
    logs = [entry for entry in index if not entry["quiet"]]
    print(f"{len(logs)} changelogs, {len(index) - len(logs)} quiet texts in {folder}")


if __name__ == "__main__":
    main()
