"""Where records come from: text in, names and problems out."""

from ventil.sources.catalogue import Catalogue, NameFault, Problem, read_catalogue

__all__ = ["Catalogue", "NameFault", "Problem", "read_catalogue"]
