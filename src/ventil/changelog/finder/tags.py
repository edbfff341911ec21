"""Whose release is it? Told by tags, in repositories that hold several packages."""

from __future__ import annotations

import re

from ventil.changelog.finder.links import Repository
from ventil.changelog.finder.model import HostRelease

_TAG = re.compile(r"(?:(.*?)(?:@|==|[-_/])v?|v(?:ersion)?[-_. ]?|release[-_/]v?)?(\d[\w.+-]*)")


def own_releases(
    releases: list[HostRelease], name: str, repository: Repository
) -> list[HostRelease]:
    """Those of a repository's releases that are the package's called *name*.

    In a repository of several packages the tags bear names: "@scope/name@1.0", "name-v1.0".
    Those of this package are taken when there are any. Otherwise the tags without names
    are, or those that bear the repository's own name; never those of other packages.
    """
    bare = name.rpartition("/")[2]
    is_own = re.compile(
        rf"(?:[\w./@-]*/)?(?:{re.escape(name)}|{re.escape(bare)})(?:@|==|[-_/.])v?\d", re.I
    )
    product = repository.path.rpartition("/")[2].lower()
    own, plain, named = [], [], []
    for release in releases:
        found = _TAG.fullmatch(release.tag)
        prefix = (found[1] or "").lower() if found is not None else ""
        if is_own.match(release.tag) is not None:
            own.append(release)
        elif prefix in ("", "v", "release", "rel", "version", "ver", "r", "releases"):
            plain.append(release)
        elif prefix == product and not repository.folder:
            named.append(release)
    return own or plain or named
