"""Changelogs as safe HTML, feeds and merged notes. Pure: documents in, text out."""

from ventil.changelog.render.body import Setting, link_targets, render_body, setting_of
from ventil.changelog.render.language import markup_of
from ventil.changelog.render.sanitise import sanitised

__all__ = ["Setting", "link_targets", "markup_of", "render_body", "sanitised", "setting_of"]
