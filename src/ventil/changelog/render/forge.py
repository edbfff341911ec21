"""What GitHub, GitLab and Codeberg make of a text: #123, @user, commits, relative links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from posixpath import normpath
from urllib.parse import quote, unquote, urlsplit

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HOSTS = {"github.com": "", "gitlab.com": "/-", "codeberg.org": ""}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:")
_PATH = re.compile(r"[^\x00-\x20\"<>\\^`{|}]{1,1000}")


@dataclass(frozen=True, slots=True)
class Forge:
    """A repository at a host whose addresses we know.

    `root` is the repository's page without a slash at the end, `infix` what GitLab puts
    before its own pages; `ref` the branch, tag or commit that relative links point into,
    `folder` the changelog's folder in the repository ("" for the root).
    """

    host: str
    root: str
    infix: str
    ref: str
    folder: str

    def issue(self, number: str) -> str:
        """The page of an issue or pull request."""
        return f"{self.root}{self.infix}/issues/{number}"

    def commit(self, sha: str) -> str:
        """The page of a commit."""
        return f"{self.root}{self.infix}/commit/{sha}"

    def user(self, name: str) -> str:
        """The page of a user."""
        return f"https://{self.host}/{name}"

    def other_issue(self, repository: str, number: str) -> str:
        """The page of another repository's issue."""
        return f"https://{self.host}/{repository}{self.infix}/issues/{number}"

    def file(self, path: str) -> str | None:
        """The page of a file by its path, relative to the changelog's folder.

        From the repository's root when it begins with a slash. None when the path leads
        out of the repository, or is none.
        """
        path, _, fragment = path.partition("#")
        path = unquote(path.partition("?")[0])
        if not path or not _PATH.fullmatch(path):
            return None
        base = "" if path.startswith("/") else self.folder
        whole = normpath(f"{base}/{path}".lstrip("/"))
        if whole == ".." or whole.startswith("../"):
            return None
        tree = "src/" + self.ref if self.host == "codeberg.org" else "blob/" + self.ref
        name = "" if whole == "." else "/" + quote(whole)
        anchor = f"#{quote(fragment)}" if fragment else ""
        return f"{self.root}{self.infix}/{tree}{name}{anchor}"


def forge_of(
    repository: str | None, *, ref: str | None = None, filename: str | None = None
) -> Forge | None:
    """The forge of a repository's web address, None when it is at none that we know.

    Takes what registries hold: with or without `git+`, `.git`, a path below; only the
    host, owner and name of it are used (groups within groups at GitLab).
    """
    if not repository:
        return None
    address = repository.removeprefix("git+").replace("git://", "https://", 1)
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or host not in _HOSTS:
        return None
    names = parts.path.partition("/-/")[0].strip("/").split("/")
    if host != "gitlab.com":
        names = names[:2]
    names[-1] = names[-1].removesuffix(".git")
    if not 2 <= len(names) <= 6 or not all(_NAME.fullmatch(name) for name in names):
        return None
    if not re.fullmatch(r"[\w.+/-]{1,200}", ref or "HEAD") or ".." in (ref or ""):
        ref = None
    folder = "" if filename is None else filename.strip("/").rpartition("/")[0]
    return Forge(
        host, f"https://{host}/" + "/".join(names), _HOSTS[host], ref or "HEAD", folder
    )


def resolved(address: str, forge: Forge | None) -> str | None:
    """An absolute web address for a link as it was written, None when it leads nowhere.

    A relative one leads into the repository, when that is known; "//host" means https.
    Other schemes than http, https and mailto lead nowhere.
    """
    address = re.sub(r"[\x00-\x20]+", " ", address).strip()
    if address.startswith(("//", "\\\\", "/\\", "\\/")):
        address = "https:" + address.replace("\\", "/")
    scheme = _SCHEME.match(address)
    if scheme:
        if scheme.group().lower() not in {"http:", "https:", "mailto:"}:
            return None
        return address if scheme.group().lower() == "mailto:" or _has_host(address) else None
    if address.startswith("www."):
        return "https://" + address
    if forge is None or not address or address[0] in "#?":
        return None
    return forge.file(address)


def _has_host(address: str) -> bool:
    try:
        return bool(urlsplit(address).hostname)
    except ValueError:
        return False


_PLACES = re.compile(
    r"(?P<url>\bhttps?://[^\s<>\"'`\x00-\x1f]{3,2000})"
    r"|(?<![\w/.@-])(?P<repository>[A-Za-z0-9][\w.-]{0,38}/[A-Za-z0-9][\w.-]{0,99})"
    r"#(?P<elsewhere>[0-9]{1,9})(?![\w-])"
    r"|(?<![\w/&#.@-])(?P<issue>(?:GH-|gh-|\#)(?P<number>[0-9]{1,9}))(?![\w-])"
    r"|(?<![\w/.@`+-])@(?P<user>[A-Za-z0-9](?:[A-Za-z0-9]|-(?=[A-Za-z0-9])){0,38})(?![\w/@.-]*[/@]|-)"
    r"|(?<![\w/.-])(?P<sha>[0-9a-f]{40})(?![\w-])"
)
_TRAILING = ".,;:!?'\"*_~"


def places_in(text: str, forge: Forge | None) -> list[tuple[int, int, str, str]]:
    """What is a link in plain *text*: start, end, address, and the words to show."""
    found = []
    for match in _PLACES.finditer(text):
        start, end = match.span()
        if match["url"]:
            url = match["url"].rstrip(_TRAILING)
            while url.endswith(")") and url.count("(") < url.count(")"):
                url = url[:-1].rstrip(_TRAILING)
            if _has_host(url):
                found.append((start, start + len(url), url, url))
        elif forge is None:
            continue
        elif match["repository"]:
            address = forge.other_issue(match["repository"], match["elsewhere"])
            found.append((start, end, address, match.group()))
        elif match["issue"]:
            found.append((start, end, forge.issue(match["number"]), match.group()))
        elif match["user"]:
            found.append((start, end, forge.user(match["user"]), match.group()))
        else:
            found.append((start, end, forge.commit(match["sha"]), match["sha"][:8]))
    return found
