"""What a URL in a package's metadata leads to: a repository, a file, releases, or elsewhere.

Metadata holds every spelling there is: `git+ssh://git@github.com/o/r.git`, `github:o/r`,
`o/r` (npm's shorthand), the page of a file or folder, a raw file, a list of issues. Only
hosts whose manners we know lead anywhere; nothing is fetched from others.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

LONGEST_URL = 2_000
"""Characters; what is longer is no URL that a person wrote."""

HOSTS = {
    "github.com": "github",
    "www.github.com": "github",
    "raw.githubusercontent.com": "github",
    "gitlab.com": "gitlab",
    "www.gitlab.com": "gitlab",
    "codeberg.org": "codeberg",
}
PAGES = {
    "github": "https://github.com",
    "gitlab": "https://gitlab.com",
    "codeberg": "https://codeberg.org",
}
"""Where people look at a repository."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
_OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+@-]{0,199}", re.ASCII)
_SCP = re.compile(r"(?:ssh://)?[\w.-]{1,40}@([\w.-]{1,100}):(?!\d+/)(.+)", re.ASCII | re.S)
_SHORT = re.compile(r"(?:(github|gitlab|codeberg):)?([\w.-]{1,100}/[\w.-]{1,100})", re.ASCII)
_USUAL_REFS = frozenset({"main", "master", "head", "default", "trunk"})
_RESERVED_OWNERS = frozenset(
    "about apps collections customer-stories enterprise explore features login marketplace"
    " orgs pricing search security settings sponsors topics trending users".split()
)


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at one of the code hosts we know.

    `path` is "owner/name", at GitLab possibly with more groups before. `folder` is the
    package's own folder in it, "" for the root. `page` is the address for people.
    """

    host: str
    path: str
    folder: str = ""

    @property
    def page(self) -> str:
        """The repository's page."""
        return f"{PAGES[self.host]}/{self.path}"


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file in a repository; `ref` is a branch, tag or commit, None the default branch."""

    repository: Repository
    path: str
    ref: str | None


@dataclass(frozen=True, slots=True)
class ReleasesLink:
    """The list of a repository's releases, or one of them."""

    repository: Repository


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A page of which nothing is known but its address; `url` is printable."""

    url: str


Target = Repository | FileLink | ReleasesLink | Elsewhere


def read_link(text: object) -> Target | None:
    """Where *text* leads; None when it is no link at all. Never raises."""
    if not isinstance(text, str):
        return None
    text = text.strip()
    if not text or len(text) > LONGEST_URL or not text.isprintable():
        return None
    short = _SHORT.fullmatch(text.removesuffix(".git").partition("#")[0])
    if short is not None:
        return _repository(short[1] or "github", short[2].split("/"))
    scp = _SCP.fullmatch(text.removeprefix("git+"))
    if scp is not None and "://" not in scp[2]:
        text = f"https://{scp[1]}/{scp[2]}"
    if text.startswith(("github.com/", "gitlab.com/", "codeberg.org/", "www.github.com/")):
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        scheme, host = parts.scheme.removeprefix("git+"), (parts.hostname or "").lower()
    except ValueError:
        return None
    if scheme not in ("http", "https", "git", "ssh") or not host:
        return None
    known = HOSTS.get(host)
    if known is None:
        return Elsewhere(text) if scheme in ("http", "https") else None
    pieces = [unquote(piece) for piece in parts.path.split("/") if piece]
    if host == "raw.githubusercontent.com":
        pieces[2:2] = ["raw"]
    return _read_path(known, pieces) or (
        Elsewhere(text) if scheme in ("http", "https") else None
    )


def _read_path(host: str, pieces: list[str]) -> Target | None:
    if host == "gitlab" and "-" in pieces:
        at = pieces.index("-")
        groups, rest = pieces[:at], pieces[at + 1 :]
    elif host == "gitlab":
        at = next((i for i, p in enumerate(pieces) if i > 1 and p in _OLD_GITLAB), len(pieces))
        groups, rest = pieces[:at], pieces[at:]
    else:
        groups, rest = pieces[:2], pieces[2:]
    repository = _repository(host, groups)
    if repository is None or not rest:
        return repository
    kind, rest = rest[0], rest[1:]
    if kind in ("releases", "tags", "release"):
        return ReleasesLink(repository)
    if host == "codeberg" and kind in ("src", "raw"):
        if rest[:1] and rest[0] in ("branch", "tag", "commit"):
            ref, path = _ref_and_path(rest[1:])
            return _file_or_folder(repository, ref, path)
        return repository
    if kind in ("blob", "raw", "blame"):
        ref, path = _ref_and_path(rest)
        return FileLink(repository, path, ref) if path else repository
    if kind == "tree":
        _, path = _ref_and_path(rest)
        return Repository(host, repository.path, path)
    return repository  # issues, pulls, wiki, actions: the repository at least is known


_OLD_GITLAB = frozenset({"blob", "tree", "raw", "tags", "releases", "issues", "merge_requests"})


def _file_or_folder(repository: Repository, ref: str | None, path: str) -> Target:
    if not path:
        return repository
    if "." in path.rpartition("/")[2] or path.rpartition("/")[2].isupper():
        return FileLink(repository, path, ref)
    return Repository(repository.host, repository.path, path)


def _ref_and_path(pieces: list[str]) -> tuple[str | None, str]:
    """A branch's name may hold slashes; nothing tells, so the first piece is taken."""
    if pieces[:2] == ["refs", "heads"] or pieces[:2] == ["refs", "tags"]:
        pieces = pieces[2:]
    if not pieces:
        return None, ""
    ref = pieces[0] if _REF.fullmatch(pieces[0]) else None
    if ref is not None and ref.lower() in _USUAL_REFS:
        ref = None  # the default branch may have been renamed since
    return ref, clean_path("/".join(pieces[1:])) or ""


def _repository(host: str, groups: list[str]) -> Repository | None:
    if len(groups) < 2 or len(groups) > (20 if host == "gitlab" else 2):
        return None
    groups = [*groups[:-1], groups[-1].removesuffix(".git")]
    if not all(_OWNER.fullmatch(group) for group in groups[:-1]):
        return None
    if not _NAME.fullmatch(groups[-1]) or groups[-1] in (".", "..", "-"):
        return None
    if groups[0].lower() in _RESERVED_OWNERS or groups[0] in (".", ".."):
        return None
    return Repository(host, "/".join(groups))


def clean_path(path: object) -> str | None:
    """A path inside a repository or archive, without "." and doubled slashes.

    "" is the root. None when it is none: absolute, leading outside, over 400 characters,
    or with backslashes or characters that cannot be printed.
    """
    if not isinstance(path, str) or len(path) > 400 or "\\" in path:
        return None
    if path.startswith("/") or not path.isprintable():
        return None
    path = posixpath.normpath(path)
    if path == ".":
        return ""
    return None if path == ".." or path.startswith("../") else path


# PEP 753 (accepted 2024-10-10): labels are compared without punctuation and space, in lower
# case. The aliases of its "changelog" are the first row; the second stand in no list and are
# seen often.
_CHANGELOG_LABELS = frozenset(
    "changelog changes whatsnew history releasenotes"
    " changelogs releases release news releasehistory versionhistory relnotes".split()
)
_SOURCE_LABELS = tuple(
    "source repository sourcecode github gitlab codeberg code repo git scm homepage home"
    " bugtracker issues tracker issuetracker bugreports documentation download".split()
)
_NO_LETTER = re.compile(r"[\W_]+")


def label(text: str) -> str:
    """A label of `project_urls` as it is compared: "What's New?" is "whatsnew"."""
    return _NO_LETTER.sub("", text[:100]).lower()


def changelog_links(urls: Mapping[str, object]) -> Iterator[Target]:
    """Those of a package's links whose labels say that the changelog is there."""
    found = {label(name): url for name, url in urls.items() if isinstance(name, str)}
    for name, url in sorted(found.items(), key=lambda item: item[0] != "changelog"):
        target = read_link(url) if name in _CHANGELOG_LABELS else None
        if target is not None:
            yield target


def source_of(urls: Mapping[str, object]) -> Repository | None:
    """The repository that a package's links lead to, the likeliest label first."""
    found = {label(name): url for name, url in urls.items() if isinstance(name, str)}
    for name in (*_SOURCE_LABELS, *sorted(set(found) - set(_SOURCE_LABELS))):
        repository = repository_of(read_link(found.get(name)))
        # A link to somebody to sponsor, or to a file of another project, is not the source.
        if repository is not None and name not in ("funding", "sponsor", "donate"):
            return repository
    return None


def repository_of(target: Target | None) -> Repository | None:
    """The repository in which *target* lies."""
    if isinstance(target, FileLink | ReleasesLink):
        return target.repository
    return target if isinstance(target, Repository) else None


_HOST_NAME = re.compile(r"(?=.{4,253}$)(?:[a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]{1,62}", re.ASCII)
_PRIVATE_ENDS = (".local", ".localhost", ".internal", ".lan", ".home", ".corp", ".intranet")


def origin_and_target(url: object) -> tuple[str, str] | None:
    """Origin and target of an absolute http(s) URL, as a request needs them; or None.

    The target is percent-encoded where the URL is not, without its fragment.
    """
    if not isinstance(url, str) or len(url) > LONGEST_URL:
        return None
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        return None
    origin = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}"
    if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
        origin += f":{port}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or not target.isprintable() or " " in target:
        return None
    return origin, target


def origin_fault(origin: str, base_url: str) -> str | None:
    """Why nothing may be fetched from *origin*, which an answer from *base_url* named.

    The origin of the base URL itself is always allowed. Any other must be https, on the
    usual port, and have a public-looking name: what a registry's answer says must not make
    us knock at doors inside the network that we run in. None when it is allowed.
    """
    own = origin_and_target(base_url)
    if own is not None and own[0] == origin:
        return None
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if own is not None and parts.scheme == "http":
        base_host = urlsplit(own[0]).hostname or ""
        if host == base_host and (host == "localhost" or host.startswith("127.")):
            return None  # a simulation: its ports are all on one loopback address
    if parts.scheme != "https":
        return f"{origin} is not https"
    if parts.port is not None:
        return f"{origin} is on an unusual port"
    if not _HOST_NAME.fullmatch(host) or host.endswith(_PRIVATE_ENDS):
        return f"{origin} is not a public host's name"
    return None
