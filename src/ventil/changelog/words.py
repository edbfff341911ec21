"""The vocabulary of headings: labels, marks, and words that no heading of a release has."""

from __future__ import annotations

import re

WORD = re.compile(r"[^\W\d_][\w'’+-]*")

# Before a version they say "here comes a release" and are no package's name.
LABELS = frozenset(
    """version versions ver v rev revision release releases released rel changes changed
    change changelog changelogs log logs news new what's what’s whats whatsnew in for of the
    noteworthy notes note to tag build stable bugfix bug fix feature maintenance patch minor
    major security hotfix final upcoming current latest next history important significant
    notable highlights summary series update and development public official first initial
    milestone published versión version° versione versão wersja versio versie versjon
    änderungen neu neuerungen von der die das la le les des nouveautés изменения версия
    версии версія 版本 バージョン pre pre-release prerelease beta alpha rc dev lts at on date
    dated since from between versions overview with major made was is are""".split()
)

# A line with one of them before its version speaks about a version, it announces none.
SPEAKING = frozenset(
    """support supports supported supporting require requires required requirement requirements
    requiring upgrade upgrades upgraded upgrading updating updated migrate migrating
    migration migrated bump bumps bumped bumping drop dropped drops dropping compatible
    compatibility incompatible backward backwards backported backport deprecate deprecated
    deprecations
    deprecates breaking fixes fixed add added adds adding remove removed removes removing use
    uses using used need needs needed install installation installing via per until before
    after than see as were when if without by be been have has had not no
    only this that these those which under like it you your we our can will may should
    must works work working tested test tests against python3 pypy license licence licenses
    copyright gpl lgpl merge merged merges revert reverted reverts make makes made
    full compare default minimum least prior older newer known issues issue problem problems
    depends dependency dependencies switch switched moved move port ported introduced
    regression regressions thanks note: bugs docs documentation usage example examples
    roadmap todo plan planned supported-by""".split()
)
# Headings of licences name their own versions.
LICENCE = re.compile(r"licen[cs]e|copyright|agreement|warrant|permission|©", re.IGNORECASE)

# After the version (and date) they add nothing that would make a title.
TAIL = frozenset(
    """released release releases date dated on at in the of not yet unreleased development
    dev stable yanked pre-release prerelease beta alpha final lts current deprecated tbd tba
    unknown todo st nd rd th utc gmt est edt pst pdt cet cest bst jst aest am pm and latest
    security bugfix bug fix maintenance major minor patch feature update hotfix only version
    see published upcoming planned withdrawn next wip hidden broken internal never was to be
    announced soon preview candidate rc changes changelog build tag as by initial under
    progress work notes is has been out this full since first public""".split()
)
# Before a version, but never at the start of a line that announces one.
JOINING = frozenset("in for of to the at on by and from a an with was is are since".split())

_UNRELEASED = re.compile(
    r"\b(?:unreleased|not (?:yet )?(?:been )?released|tbd|tba|in (?:active )?development"
    r"|under development|in progress|wip|work in progress|upcoming|to be (?:released|announced)"
    r"|development version|planned|release date unknown|never released|non sorti"
    r"|unveröffentlicht|nicht veröffentlicht|no publicado|\?\?\?\?)\b"
    r"|[?x]{2,4}[-/.][?x]{2}(?!\w)",
    re.IGNORECASE,
)
_YANKED = re.compile(
    r"\b(?:yanked|withdrawn|retracted|unpublished|do not use)\b", re.IGNORECASE
)
CHANGELOG = re.compile(
    r"change[-_ ]?s?[-_ ]?log|changes|release[-_ ]?notes|releases|release[-_ ]?history"
    r"|history|news\b|what['’]?s[-_ ]?new|änderung|журнал|更新|変更",
    re.IGNORECASE,
)


def says_unreleased(text: str) -> bool:
    """Whether a heading says that its release is not out."""
    return bool(_UNRELEASED.search(text))


def says_yanked(text: str) -> bool:
    """Whether a heading says that its release was withdrawn."""
    return bool(_YANKED.search(text))
