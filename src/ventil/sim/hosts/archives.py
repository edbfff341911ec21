"""Published archives, built as the clients of each ecosystem build them. Small and made up."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from functools import lru_cache

from ventil.sim.hosts.world import ARCHIVE, SimPackage


def archive(package: SimPackage) -> bytes:
    """The archive of the package's latest version."""
    return _archive(package, package.current)


@lru_cache(maxsize=512)
def _archive(package: SimPackage, _current: int) -> bytes:
    if "bomb" in package.traps:
        return _bomb()
    version = package.version
    top = {
        "npm": "package/",
        "pypi": f"{package.name.replace('-', '_')}-{version}/",
        "gem": "",
        "cargo": f"{package.name}-{version}/",
    }[package.ecosystem]
    files = {
        f"{top}README.md": b"# " + package.name.encode(),
        f"{top}src/main.txt": b"source " * 200,
    }
    if package.ecosystem == "cargo":
        files[f"{top}Cargo.toml"] = _manifest(package)
        noted = {"git": {"sha1": "0" * 40}, "path_in_vcs": package.folder}
        files[f"{top}.cargo_vcs_info.json"] = json.dumps(noted).encode()
    if "vendored" in package.traps:
        files[f"{top}vendor/zlib/CHANGELOG.md"] = b"# Changelog\n\n## 9.9.9\n\n- Not ours.\n"
    if package.ships:
        path = package.path if package.where == ARCHIVE or package.path else "CHANGELOG.md"
        files[top + path] = package.text()
    if package.ecosystem != "gem":
        return gzip.compress(_tar(files), 6, mtime=0)
    inner = gzip.compress(_tar(files), 6, mtime=0)
    return _tar(
        {"metadata.gz": gzip.compress(b"--- !ruby/object\n", mtime=0), "data.tar.gz": inner}
    )


def _manifest(package: SimPackage) -> bytes:
    lines = ["[package]", f'name = "{package.name}"', f'version = "{package.version}"']
    link = repository_link(package)
    if link:
        lines.append(f'repository = "{link}"')
    return "\n".join(lines).encode()


def repository_link(package: SimPackage) -> str | None:
    """The repository as the package's author wrote it: perhaps by its old name."""
    if "unknown-host" in package.traps:
        return f"https://git.example.net/x/{package.name.rpartition('/')[2]}"
    repo = package.repo
    if repo is None:
        return None
    host = {"github": "github.com", "gitlab": "gitlab.com", "codeberg": "codeberg.org"}
    return f"https://{host[repo.host]}/{repo.old_path or repo.path}"


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    """A gzip stream of four gibibytes of zeros behind the head of a changelog."""
    info = tarfile.TarInfo("package/CHANGELOG.md")
    info.size = 4 * 2**30
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = squeeze.compress(info.tobuf()) + squeeze.flush(zlib.Z_FULL_FLUSH)
    mebibyte = squeeze.compress(bytes(2**20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    start = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
    return start + head + mebibyte * 4096 + b"\x03\x00" + bytes(8)
