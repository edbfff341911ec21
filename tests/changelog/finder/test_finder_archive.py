"""Archives of strangers: what is wanted of them, and what they must not do."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ventil.changelog.finder.archive import (
    Bounds,
    Contents,
    contents,
    payload,
    read_archive,
    read_task,
)
from ventil.changelog.finder.model import Unpack

TGZ, ZIP, GEM = Unpack("tgz"), Unpack("zip"), Unpack("gem")
TEXT = b"# Changelog\n\n## 1.0.0\n\n- First.\n"


def tar(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar with *files*."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def tgz(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A gzipped tar with *files*."""
    return gzip.compress(tar(files, form))


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip with *files*."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def gem(files: dict[str, bytes]) -> bytes:
    """A gem with *files*."""
    inner = tgz(files)
    return tar({"metadata.gz": gzip.compress(b"--- x"), "data.tar.gz": inner})


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_changelog_of_a_tarball(form: int) -> None:
    """Found below the archive's top folder, in every dialect of tar."""
    data = tgz({"package/index.js": b"x" * 700, "package/CHANGELOG.md": TEXT}, form)
    found = read_archive(data, TGZ)
    assert [(f.path, f.text) for f in found.files] == [("CHANGELOG.md", TEXT)]
    assert (found.entries, found.refused, found.fault) == (2, 0, "")


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(form: int) -> None:
    """Names beyond a header's hundred characters."""
    folder = "docs/" + "a" * 120
    data = tgz({f"p/{folder}/x": b"1", "p/docs/changelog.rst": TEXT, "p/é/n": b""}, form)
    assert [f.path for f in read_archive(data, TGZ).files] == ["docs/changelog.rst"]
    deep = f"packages/{'b' * 110}"
    data = tgz({f"p/{deep}/CHANGES.md": TEXT}, form)
    found = read_archive(data, Unpack("tar.gz", deep))
    assert [f.path for f in found.files] == [f"{deep}/CHANGES.md"]


def test_zip_and_gem() -> None:
    """The other two forms."""
    found = read_archive(zipped({"foo-1.0/CHANGES.txt": TEXT, "foo-1.0/setup.py": b""}), ZIP)
    assert [(f.path, f.text) for f in found.files] == [("CHANGES.txt", TEXT)]
    found = read_archive(gem({"CHANGELOG.md": TEXT, "lib/x.rb": b""}), GEM)
    assert [(f.path, f.text) for f in found.files] == [("CHANGELOG.md", TEXT)]


def test_the_manifest_of_a_crate_comes_along() -> None:
    """Cargo.toml names the repository, which saves a request to the API."""
    found = read_archive(tgz({"x-1.0/Cargo.toml": b"[package]\n"}), Unpack("tar.gz"))
    assert (found.manifest, found.files) == (b"[package]\n", ())


def test_a_task_is_bytes_in_and_bytes_out() -> None:
    """The task gives what the function gives."""
    data = tgz({"p/CHANGELOG.md": TEXT})
    assert contents(read_task(payload(TGZ, "x", data))) == read_archive(data, TGZ, name="x")


def test_hostile_paths_are_refused() -> None:
    """Absolute, leading outside, with backslashes or control characters."""
    names = ["/CHANGELOG.md", "p/../../CHANGELOG.md", "p\\..\\CHANGELOG.md", "p/\x1b[2J/NEWS"]
    found = read_archive(tgz(dict.fromkeys(names, TEXT)), TGZ)
    assert (found.files, found.refused) == ((), 4)
    found = read_archive(zipped(dict.fromkeys(names, TEXT)), ZIP)
    assert found.files == ()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_only_regular_files_are_read(kind: bytes) -> None:
    """A link to a file outside, a device, a pipe."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo("p/CHANGELOG.md")
        info.type, info.linkname = kind, "../../etc/passwd"
        archive.addfile(info)
        info = tarfile.TarInfo("p/HISTORY.md")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    found = read_archive(out.getvalue(), TGZ)
    assert [f.path for f in found.files] == ["HISTORY.md"]
    assert found.refused == 1


def test_a_bomb_is_put_down_without_holding_it() -> None:
    """A gibibyte of zeros in one megabyte: refused at the bound, in little memory."""
    squeeze = io.BytesIO()
    with gzip.GzipFile(fileobj=squeeze, mode="wb", compresslevel=9) as file:
        info = tarfile.TarInfo("p/CHANGELOG.md")
        info.size = 96 * 2**20
        file.write(info.tobuf())
        for _ in range(96):
            file.write(bytes(2**20))
    data = squeeze.getvalue()
    assert len(data) < 200_000
    tracemalloc.start()
    found = read_archive(data, TGZ, bounds=Bounds(unpacked_bytes=64 * 2**20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "unpacks to more than 64 MiB" in found.fault
    assert (found.files, found.too_large) == ((), ("CHANGELOG.md",))
    assert peak < 16 * 2**20


def test_millions_of_entries_end_at_the_bound() -> None:
    """What was found before is handed out all the same."""
    block = tarfile.TarInfo("p/x").tobuf()
    data = gzip.compress(tar({"p/NEWS": TEXT})[:1024] + block * 3000, 1)
    found = read_archive(data, TGZ, bounds=Bounds(entries=2000))
    assert "more than 2000 entries" in found.fault
    assert [f.path for f in found.files] == ["NEWS"]
    many = zipped({f"p/{n}": b"" for n in range(300)})
    assert "more than 200" in read_archive(many, ZIP, bounds=Bounds(entries=200)).fault


def test_a_header_of_gigabytes_is_not_read() -> None:
    """A pax header may announce any length."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**33 - 1
    found = read_archive(gzip.compress(info.tobuf()), TGZ)
    assert "a header of" in found.fault


def test_a_file_too_large_is_named_and_the_next_best_is_taken() -> None:
    """A changelog of many gigabytes does not keep us from the news."""
    data = tgz({"p/CHANGELOG.md": b"x" * 5000, "p/NEWS.md": TEXT})
    found = read_archive(data, TGZ, bounds=Bounds(file_bytes=4000))
    assert ([f.path for f in found.files], found.too_large) == (["NEWS.md"], ("CHANGELOG.md",))
    data = zipped({"p/CHANGELOG.md": b"x" * 5000, "p/NEWS.md": TEXT})
    found = read_archive(data, ZIP, bounds=Bounds(file_bytes=4000))
    assert ([f.path for f in found.files], found.too_large) == (["NEWS.md"], ("CHANGELOG.md",))


def test_thousands_of_candidates_are_not_all_held() -> None:
    """A tree full of CHANGELOG.md costs no more memory than a few."""
    data = tgz({f"p/{n}/CHANGELOG.md": b"x" * 1000 for n in range(1000)})
    found = read_archive(data, TGZ, bounds=Bounds(kept_bytes=50_000))
    assert (found.files, found.fault) == ((), "")


def test_a_zip_that_lies_about_its_sizes() -> None:
    """The directory says a few bytes, the data unpacks to more."""
    data = bytearray(zipped({"p/CHANGELOG.md": b"y" * 100_000}))
    at = data.find(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    found = read_archive(bytes(data), ZIP, bounds=Bounds(file_bytes=1000))
    assert all(len(file.text) <= 1000 for file in found.files)


def test_cut_and_broken_archives_say_so() -> None:
    """No exception, a reason."""
    whole = tgz({"p/CHANGELOG.md": random.Random(1).randbytes(4000)})
    assert read_archive(whole[: len(whole) // 2], TGZ).fault
    assert read_archive(b"", TGZ).fault
    assert read_archive(b"<html>", TGZ).fault
    assert read_archive(gzip.compress(b"no tar" * 300), TGZ).fault
    assert read_archive(b"PK\x05\x06", ZIP).fault
    assert read_archive(tar({"other": b""}), GEM).fault


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_is_survived(draw: st.DataObject) -> None:
    """Bytes turned, cut out or doubled: an answer, never an exception."""
    base, unpack = draw.draw(
        st.sampled_from(
            [
                (tar({"p/CHANGELOG.md": TEXT, "p/" + "d/" * 60 + "NEWS": TEXT}), "tar"),
                (zipped({"p/CHANGELOG.md": TEXT, "p/x": b"1"}), "zip"),
                (gem({"CHANGELOG.md": TEXT}), "gem"),
            ]
        )
    )
    data = bytearray(base)
    for _ in range(draw.draw(st.integers(0, 6))):
        at = draw.draw(st.integers(0, max(0, len(data) - 1)))
        match draw.draw(st.sampled_from(["turn", "cut", "double"])):
            case "turn":
                data[at : at + 1] = bytes([draw.draw(st.integers(0, 255))])
            case "cut":
                del data[at : at + draw.draw(st.integers(1, 700))]
            case "double":
                data[at:at] = data[at : at + draw.draw(st.integers(1, 700))]
    whole = gzip.compress(bytes(data), 1) if unpack == "tar" else bytes(data)
    form = "tgz" if unpack == "tar" else unpack
    assert isinstance(read_archive(whole, Unpack(form)), Contents)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000), st.sampled_from(["tgz", "zip", "gem", "?"]))
def test_any_bytes_are_survived(data: bytes, form: str) -> None:
    """Rubbish is no archive."""
    assert read_archive(data, Unpack(form)).files == ()
