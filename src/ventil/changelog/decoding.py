"""From bytes to text, whatever the encoding; never an error."""

from __future__ import annotations

import codecs

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 4096  # bytes looked at to tell UTF-16 without a mark


def decode(data: bytes) -> str:
    """The text in `data`, without a byte-order mark.

    A mark decides. Without one: UTF-16 when nearly every other byte is NUL, UTF-8 when it
    is valid, else Windows-1252, whose few unused bytes become U+FFFD. Broken pieces of a
    marked text become U+FFFD too.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    sample = data[:_SAMPLE]
    half = len(sample) // 2
    if half > 4:
        if sample[1::2].count(0) > 0.7 * half and sample[::2].count(0) < 0.1 * half:
            return data.decode("utf-16-le", "replace")
        if sample[::2].count(0) > 0.7 * half and sample[1::2].count(0) < 0.1 * half:
            return data.decode("utf-16-be", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
