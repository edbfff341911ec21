"""Kinds of changelogs that are hard to read, each written for its trap."""

from __future__ import annotations

import datetime
from textwrap import dedent

import pytest

from ventil.changelog import Release, parse

# name -> file name, text, the versions with their dates ("" when none is written)
CASES: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "markdown, keep a changelog": (
        "CHANGELOG.md",
        """
        # Changelog
        All notable changes. The format follows Keep a Changelog 1.1.0.

        ## [Unreleased]
        ### Added
        - Something new that nobody has yet

        ## [1.1.0] - 2021-03-04
        ### Added
        - A door
        ### Fixed
        - The window from 1.0.0

        ## [1.0.0] - 2020-02-01 [YANKED]
        - First

        [Unreleased]: https://example.org/compare/v1.1.0...HEAD
        [1.1.0]: https://example.org/compare/v1.0.0...v1.1.0
        [1.0.0]: https://example.org/releases/tag/v1.0.0
        """,
        [("1.1.0", "2021-03-04"), ("1.0.0", "2020-02-01")],
    ),
    "markdown, links to tags and comparisons": (
        "CHANGELOG.md",
        """
        # [2.0.0](https://example.org/compare/v1.9.0...v2.0.0) (2022-05-06)
        ### Features
        * **core:** speak louder ([abc1234](https://example.org/commit/abc1234))

        # [1.9.0](https://example.org/compare/v1.8.9...v1.9.0) (2022-04-01)
        ### Bug Fixes
        * whisper in 1.8.9 ([#12](https://example.org/issues/12))

        ## [1.8.9](https://example.org/compare/v1.8.8...v1.8.9) (2022-03-30)
        * nothing to see
        """,
        [("2.0.0", "2022-05-06"), ("1.9.0", "2022-04-01"), ("1.8.9", "2022-03-30")],
    ),
    "markdown, setext headings": (
        "HISTORY.md",
        """
        1.3.8 / 2021-02-02
        ==================

          * deps: mime@1.6.0

        1.3.7 / 2019-04-29
        ==================

          * deps: negotiator@0.6.2
            - Fix sorting
        """,
        [("1.3.8", "2021-02-02"), ("1.3.7", "2019-04-29")],
    ),
    "markdown, bold lines": (
        "CHANGES.md",
        """
        **v0.3.0** (January 19, 2017)

        - sings in tune

        **v0.2.0** (19 Jan 2016)

        - sings

        **v0.1.0** (2015/12/24)

        - hums
        """,
        [("0.3.0", "2017-01-19"), ("0.2.0", "2016-01-19"), ("0.1.0", "2015-12-24")],
    ),
    "restructuredtext": (
        "CHANGES.rst",
        """
        =========
        Changelog
        =========

        2.1 (unreleased)
        ----------------

        - Nothing changed yet.


        2.0 (2019-11-05)
        ----------------

        Breaking changes:

        - Drop Python 2.7.

        1.0a1 (2018-01-02)
        ------------------

        - First alpha.
        """,
        [("2.1", ""), ("2.0", "2019-11-05"), ("1.0a1", "2018-01-02")],
    ),
    "restructuredtext, underlines too short and one missing": (
        "CHANGES.rst",
        """
        Changes
        =======

        Version 1.2.0 (2015-06-01)
        ---

        - three

        Version 1.1.0 (2015-05-01)

        - two, and somebody forgot the line

        Version 1.0.0 (2015-04-01)
        --------------------------

        - one
        """,
        [("1.2.0", "2015-06-01"), ("1.1.0", "2015-05-01"), ("1.0.0", "2015-04-01")],
    ),
    "restructuredtext, lines over and under, indented titles": (
        "NEWS.rst",
        """
        ---------------
         Release 0.12.0
        ---------------

        :Date: 2012-09-24

        * new

        ---------------
         Release 0.11.0
        ---------------

        :Date: 2011-08-11

        * old
        """,
        [("0.12.0", "2012-09-24"), ("0.11.0", "2011-08-11")],
    ),
    "sphinx changelog directive": (
        "changelog.rst",
        """
        =============
        0.9 Changelog
        =============

        .. changelog::
            :version: 0.9.2
            :released: March 3, 2014

            .. change::
                :tags: bug
                :tickets: 12

              Fixed what 0.9.1 broke.

        .. changelog::
            :version: 0.9.1
            :released:

            .. change::
                :tags: feature

              .. versionadded:: 0.9.1
        """,
        [("0.9.2", "2014-03-03"), ("0.9.1", "")],
    ),
    "sphinx release role": (
        "changelog.rst",
        """
        =========
        Changelog
        =========

        * :release:`1.2.1 <2017-05-06>`
        * :bug:`42` Stop at red lights.
        * :release:`1.2.0 <2017-04-01>`
        * :feature:`-` Go at green ones.
        """,
        [("1.2.1", "2017-05-06"), ("1.2.0", "2017-04-01")],
    ),
    "versionchanged is no heading": (
        "changes.rst",
        """
        Version 3.0
        -----------
        .. versionchanged:: 2.9
           The door opens outwards.

        .. versionadded:: 3.0
           A window.

        Version 2.9
        -----------
        .. deprecated:: 2.8
           The hatch.
        """,
        [("3.0", ""), ("2.9", "")],
    ),
    "bare lines": (
        "CHANGES",
        """
        1.2.0
          * Warm in winter
          * Works with libfoo 2.3.1

        1.1.0
          * Cold in summer

        1.0.0
          * First
        """,
        [("1.2.0", ""), ("1.1.0", ""), ("1.0.0", "")],
    ),
    "bare lines of one entry each": (
        "CHANGES.txt",
        """
        v0.3.0, 2012-03-03 -- Fixes a bug of 0.2.0
            that nobody saw.
        v0.2.0, 2012-02-02 -- Adds the spout.
        v0.1.0, 2012-01-01 -- Initial release.
        """,
        [("0.3.0", "2012-03-03"), ("0.2.0", "2012-02-02"), ("0.1.0", "2012-01-01")],
    ),
    "indented lines": (
        "ChangeLog.txt",
        """
        Changes of the teapot

            Version 2.1 (Nov 3, 2008)

                - lid fits

            Version 2.0 (Oct 3, 2008)

                - needs kettle 1.5 or newer
        """,
        [("2.1", "2008-11-03"), ("2.0", "2008-10-03")],
    ),
    "bulleted versions": (
        "CHANGELOG.md",
        """
        # Release history

        * 1.2.0 (2016-05-04)
            * Blue
            * Needs 3.5 V
        * 1.1.0 (2016-04-04)
            * Green
        * 1.0.0
            * Red
        """,
        [("1.2.0", "2016-05-04"), ("1.1.0", "2016-04-04"), ("1.0.0", "")],
    ),
    "dates before versions": (
        "CHANGELOG",
        """
        2015-09-08, Version 4.0.0 (Stable), @someone

        * **buffer**: faster

        2015-09-02, Version 3.3.0, @someone

        * **dns**: slower
        """,
        [("4.0.0", "2015-09-08"), ("3.3.0", "2015-09-02")],
    ),
    "dates on the next line": (
        "CHANGES.rst",
        """
        Changelog
        =========

        1.4.0
        -----

        *Released on May 4th, 2018*

        - force

        1.3.0
        -----
        Release date: 2018-04-01

        - fool

        1.2.0
        -----
        2018-03-01
        ~~~~~~~~~~
        - march

        1.1.0
        -----
        - the fix of 2018-02-01 was undone
        """,
        [
            ("1.4.0", "2018-05-04"),
            ("1.3.0", "2018-04-01"),
            ("1.2.0", "2018-03-01"),
            ("1.1.0", ""),
        ],
    ),
    "days first, in numbers": (
        "HISTORY.txt",
        """
        1.3 (13-11-2015)
        ================
        - c

        1.2 (03-10-2015)
        ================
        - b

        1.1 (02-09-2015)
        ================
        - a
        """,
        [("1.3", "2015-11-13"), ("1.2", "2015-10-03"), ("1.1", "2015-09-02")],
    ),
    "months first, with dots": (
        "CHANGELOG.md",
        """
        ## 0.4.0 (9.22.2014)
        - d
        ## 0.3.0 (8.30.2014)
        - c
        ## 0.2.0 (7.04.2014)
        - b
        """,
        [("0.4.0", "2014-09-22"), ("0.3.0", "2014-08-30"), ("0.2.0", "2014-07-04")],
    ),
    "odd ways to write months": (
        "CHANGES.txt",
        """
        Version 5 -- Feb.28, 2017
        -------------------------
        * e

        Version 4 -- 2017 Jan 19
        ------------------------
        * d

        Version 3 -- 2-Dec-2016
        -----------------------
        * c

        Version 2 -- the 1st of November, 2016
        --------------------------------------
        * b

        Version 1 -- Tue Oct 18 09:30:00 CEST 2016
        ------------------------------------------
        * a
        """,
        [
            ("5", "2017-02-28"),
            ("4", "2017-01-19"),
            ("3", "2016-12-02"),
            ("2", "2016-11-01"),
            ("1", "2016-10-18"),
        ],
    ),
    "months in other languages": (
        "CHANGELOG.md",
        """
        ## Version 1.6 (3. März 2020)
        - sechs
        ## Version 1.5 (14 février 2020)
        - cinq
        ## Versión 1.4 (5 de enero de 2020)
        - cuatro
        ## Версия 1.3 (7 декабря 2019)
        - три
        ## Version 1.2 (2019年11月8日)
        - 二
        """,
        [
            ("1.6", "2020-03-03"),
            ("1.5", "2020-02-14"),
            ("1.4", "2020-01-05"),
            ("1.3", "2019-12-07"),
            ("1.2", "2019-11-08"),
        ],
    ),
    "code names": (
        "changelog.rst",
        """
        Tutte (3.10.2.1)
        ================
        - c

        Erdos (3.10.2)
        ==============
        - b

        Euler (3.9)
        ===========
        - a
        """,
        [("3.10.2.1", ""), ("3.10.2", ""), ("3.9", "")],
    ),
    "from one version to the next": (
        "CHANGES",
        """
        CHANGES FROM 1.2 TO 1.2a

        * Fix a crash.

        CHANGES FROM 1.1 TO 1.2, 01 March 2012

        * Crash.

        CHANGES FROM 1.0 TO 1.1, 25 January 2012

        * Do not crash yet.
        """,
        [("1.2a", ""), ("1.2", "2012-03-01"), ("1.1", "2012-01-25")],
    ),
    "several packages in one file": (
        "CHANGELOG.md",
        """
        ## @acme/pot@2.1.0 (2023-03-03)
        - lid

        ## @acme/cup@1.4.1 (2023-03-03)
        - handle

        ## @acme/pot@2.0.0 (2023-02-01)
        - spout

        ## @acme/cup@1.4.0 (2023-01-09)
        - saucer
        """,
        [
            ("2.1.0", "2023-03-03"),
            ("1.4.1", "2023-03-03"),
            ("2.0.0", "2023-02-01"),
            ("1.4.0", "2023-01-09"),
        ],
    ),
    "versions in prose and links": (
        "CHANGELOG.md",
        """
        # Changelog

        ## 3.1.0

        Version 3.0.0 had a fault.
        1.2.3.4 is an address.

        - Bump foo from 1.2.3 to 1.2.4
        - 2.0.0 of bar is needed
        - See [v2.9.0](https://example.org/releases/tag/v2.9.0).

        **Full Changelog**: https://example.org/compare/v3.0.0...v3.1.0

        ## 3.0.0

        ### Python 2.7

        is no longer supported.
        """,
        [("3.1.0", ""), ("3.0.0", "")],
    ),
    "dates that look like versions": (
        "NEWS",
        """
        0.9 - 2014.9.22
        ---------------
        * b

        0.8 - 13.11.2013
        ----------------
        * a
        """,
        [("0.9", "2014-09-22"), ("0.8", "2013-11-13")],
    ),
    "calendar versions": (
        "CHANGES.rst",
        """
        2021.12.1 (2021-12-05)
        ----------------------
        - december

        2021.4 (2021-04-30)
        -------------------
        - april

        20.10
        -----
        - october
        """,
        [("2021.12.1", "2021-12-05"), ("2021.4", "2021-04-30"), ("20.10", "")],
    ),
    "versions that are days": (
        "changelog.md",
        """
        ### 2023.07.22
        * c

        ### 2023.05.07
        * b

        ### 2022.12.07
        * a
        """,
        [("2023.07.22", ""), ("2023.05.07", ""), ("2022.12.07", "")],
    ),
    "comments and code": (
        "CHANGELOG.md",
        """
        <!--
        ## 9.9.9 (2030-01-01)
        a template
        -->

        ## 1.1.0

        ```
        ## 8.8.8
        1.0.5
        ```

        <!-- ## 7.7.7 -->

        ## 1.0.0

        ~~~yaml
        # 6.6.6
        ~~~
        """,
        [("1.1.0", ""), ("1.0.0", "")],
    ),
    "asciidoc": (
        "CHANGELOG.adoc",
        """
        = Changelog
        Jane Doe <jane@example.org>

        == 1.1.0 (2020-05-01)

        === Added
        * this

        == 1.0.0 (2020-04-01)

        * that
        """,
        [("1.1.0", "2020-05-01"), ("1.0.0", "2020-04-01")],
    ),
    "rdoc": (
        "History.rdoc",
        """
        === 5.1.0 / 2010-12-12

        * 1 minor enhancement:
          * Faster

        === 5.0.0 / 2010-11-11

        * Born
        """,
        [("5.1.0", "2010-12-12"), ("5.0.0", "2010-11-11")],
    ),
    "textile": (
        "CHANGELOG.textile",
        """
        h1. Changelog

        h2. 0.2.0 (10/31/2011)

        * boo

        h2. 0.1.0 (10/01/2011)

        * first
        """,
        [("0.2.0", "2011-10-31"), ("0.1.0", "2011-10-01")],
    ),
    "debian": (
        "changelog",
        """
        teapot (1:2.4-1ubuntu1) focal; urgency=medium

          * New upstream version 2.4.
          * Needs cup (>= 1.0).

         -- Jane Doe <jane@example.org>  Fri, 28 Feb 2020 12:00:00 +0100

        teapot (1:2.3-2) unstable; urgency=low

          * Fix.

         -- Jane Doe <jane@example.org>  Mon, 06 Jan 2020 09:00:00 +0100
        """,
        [("1:2.4-1ubuntu1", "2020-02-28"), ("1:2.3-2", "2020-01-06")],
    ),
    "rpm": (
        "teapot.changes",
        """
        * Tue Mar 03 2020 Jane Doe <jane@example.org> - 2.4-1
        - Update to 2.4
        * Mon Jan 06 2020 Jane Doe <jane@example.org> - 2.3-2
        - Fix
        """,
        [("2.4-1", "2020-03-03"), ("2.3-2", "2020-01-06")],
    ),
    "gnu news": (
        "NEWS",
        """
        GNU teapot NEWS                                    -*- outline -*-

        * Noteworthy changes in release 3.8 (2021-08-14) [stable]

        ** Bug fixes

          pour no longer drips.
          [bug introduced in teapot 3.0]

        * Noteworthy changes in release 3.7 (2018-12-31) [stable]

        ** Improvements

          steams.
        """,
        [("3.8", "2021-08-14"), ("3.7", "2018-12-31")],
    ),
    "html headings": (
        "changes.html.md",
        """
        <a name="1.1.0"></a>
        <h2>1.1.0 <small>2014-02-03</small></h2>
        <ul><li>b</li></ul>

        <a name="1.0.0"></a>
        <h2>1.0.0 <small>2014-01-02</small></h2>
        <ul><li>a</li></ul>
        """,
        [("1.1.0", "2014-02-03"), ("1.0.0", "2014-01-02")],
    ),
    "a table": (
        "CHANGELOG.md",
        """
        # Version history

        | Version | Date       | Changes          |
        |---------|------------|------------------|
        | 1.2.0   | 2020-03-01 | Added steam      |
        | 1.1.0   | 2020-02-01 | Fixed drip       |
        | 1.0.0   | 2020-01-01 | First            |
        """,
        [("1.2.0", "2020-03-01"), ("1.1.0", "2020-02-01"), ("1.0.0", "2020-01-01")],
    ),
    "major, minor and patch on levels of their own": (
        "CHANGELOG.md",
        """
        # 2.0.0 (2020-05-01)
        - break
        ## 1.1.0 (2020-04-01)
        - add
        ### 1.0.1 (2020-03-01)
        - fix
        ### 1.0.0 (2020-02-01)
        - start
        """,
        [
            ("2.0.0", "2020-05-01"),
            ("1.1.0", "2020-04-01"),
            ("1.0.1", "2020-03-01"),
            ("1.0.0", "2020-02-01"),
        ],
    ),
    "an old part in another style": (
        "CHANGES.md",
        """
        ## 2.1.0 (2020-05-01)
        - new ways

        ## 2.0.0 (2020-04-01)
        - newer ways

        1.1 (2010-05-01)
        - old ways

        1.0 (2010-04-01)
        - oldest ways
        """,
        [
            ("2.1.0", "2020-05-01"),
            ("2.0.0", "2020-04-01"),
            ("1.1", "2010-05-01"),
            ("1.0", "2010-04-01"),
        ],
    ),
    "a series over its releases": (
        "changelog.rst",
        """
        =========
        Changelog
        =========

        1.2 series
        ==========

        1.2.1 (2020-02-01)
        ------------------
        - fix

        1.2.0 (2020-01-01)
        ------------------
        - add

        1.1.x
        =====

        1.1.0 (2019-01-01)
        ------------------
        - start
        """,
        [("1.2.1", "2020-02-01"), ("1.2.0", "2020-01-01"), ("1.1.0", "2019-01-01")],
    ),
    "oldest first": (
        "Changes",
        """
        Revision history for Perl module Tea::Pot

        0.01  Thu Jun  1 12:00:00 2006
            - original version

        0.02  2006-07-01
            - fix for perl 5.8.8

        0.03  2006-08-01
            - pod
        """,
        [("0.01", "2006-06-01"), ("0.02", "2006-07-01"), ("0.03", "2006-08-01")],
    ),
    "words between the version and its number": (
        "CHANGES.txt",
        """
        2.0 beta 2 (2010-03-01)
        -----------------------
        - b2

        2.0 beta 1 (2010-02-01)
        -----------------------
        - b1

        1.0 Release Candidate 1 (2010-01-01)
        ------------------------------------
        - rc
        """,
        [("2.0beta2", "2010-03-01"), ("2.0beta1", "2010-02-01"), ("1.0rc1", "2010-01-01")],
    ),
    "names with numbers in them": (
        "CHANGES.rst",
        """
        h5tea 2.1.0 (2020-02-02)
        ------------------------
        - hot

        h5tea 2.0.0 (2020-01-01)
        ------------------------
        - cold
        """,
        [("2.1.0", "2020-02-02"), ("2.0.0", "2020-01-01")],
    ),
    "one release in one file": (
        "whatsnew-2.5.rst",
        """
        .. _whatsnew-2.5:

        =============================
         What's new in Teapot 2.5
        =============================

        Teapot 2.5 needs Python 3.8 and kettle 1.2.

        Important notes
        ===============

        Upgrading from 2.4
        ------------------

        Boil first.
        """,
        [("2.5", "")],
    ),
    "backslashes, anchors and emoji": (
        "CHANGELOG.md",
        """
        ## :tada: 1\\.2\\.0 \\(2020-02-02\\) {#v120}
        - party

        ## 🎉 v1.1.0 — 2020-01-01
        - cake

        ## `v1.0.0` _(2019-12-31)_
        - invitation
        """,
        [("1.2.0", "2020-02-02"), ("1.1.0", "2020-01-01"), ("1.0.0", "2019-12-31")],
    ),
    "versions framed by signs": (
        "CHANGES",
        """
        --- 1.2.0 (2005-05-05) ---

        * b

        --- 1.1.0 (2005-04-04) ---

        * a
        """,
        [("1.2.0", "2005-05-05"), ("1.1.0", "2005-04-04")],
    ),
    "the next line is no date of release": (
        "CHANGES.rst",
        """
        1.1
        ---
        - Certificates from 2020-01-01 on are refused.

        1.0
        ---
        The data of 3 March 2019 was wrong; fetch it again before the next report.
        """,
        [("1.1", ""), ("1.0", "")],
    ),
    "settings of a site's generator": (
        "changelog.md",
        """
        ---
        title: Changes
        version: 3.3.3
        ---

        ## 1.1.0
        - b

        ## 1.0.0
        - a
        """,
        [("1.1.0", ""), ("1.0.0", "")],
    ),
    "a month is no date": (
        "CHANGES.rst",
        """
        1.1 (May 2020)
        --------------
        - b

        1.0 (2020)
        ----------
        - a
        """,
        [("1.1", ""), ("1.0", "")],
    ),
}


def outcome(found: list[Release]) -> list[tuple[str, str]]:
    """Versions and dates, as the table above has them."""
    return [(r.version, r.date.isoformat() if r.date else "") for r in found]


@pytest.mark.parametrize("name", CASES)
def test_releases_of_every_kind_of_changelog(name: str) -> None:
    """Each style is split into its releases, with the dates that are written."""
    filename, text, expected = CASES[name]
    assert outcome(parse(dedent(text).lstrip("\n"), filename)) == expected


@pytest.mark.parametrize("name", [n for n in CASES if n not in {"bulleted versions"}])
def test_the_file_name_is_a_hint_only(name: str) -> None:
    """Most styles are recognised without a name."""
    _, text, expected = CASES[name]
    assert outcome(parse(dedent(text).lstrip("\n"))) == expected


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_encodings_and_line_ends_make_no_difference(name: str, encoding: str) -> None:
    """Bytes in any Unicode encoding, with CRLF, give the same releases as the text."""
    filename, text, expected = CASES[name]
    data = dedent(text).lstrip("\n").replace("\n", "\r\n").encode(encoding)
    assert outcome(parse(data, filename)) == expected


def test_latin_1() -> None:
    """Bytes that are no UTF-8 are read as Windows-1252."""
    data = "1.1 (3. März 2020)\n------\n- für alle\n\n1.0 (2. März 2020)\n-----\n- «a»\n"
    found = parse(data.encode("latin-1"), "CHANGES.txt")
    assert outcome(found) == [("1.1", "2020-03-03"), ("1.0", "2020-03-02")]
    assert found[0].body == "- für alle"


def test_old_mac_line_ends() -> None:
    """Lines that end with a carriage return alone are lines."""
    found = parse("1.1 (2020-03-03)\r----\r- b\r\r1.0 (2020-03-02)\r----\r- a\r", "CHANGES.txt")
    assert outcome(found) == [("1.1", "2020-03-03"), ("1.0", "2020-03-02")]


def test_dates_are_dates() -> None:
    """A date is a `datetime.date`, and None when nothing is written."""
    found = parse("## 1.1 (2020-01-02)\n- b\n## 1.0\n- a\n", "CHANGELOG.md")
    assert found[0].date == datetime.date(2020, 1, 2)
    assert found[1].date is None
