"""Which names can be packages at npm."""

import pytest

from ventil.providers.npm_names import name_fault


@pytest.mark.parametrize(
    "name",
    [
        "express",
        "a",
        "-",
        "0",
        "lodash.merge",
        "htmx.ext...chunked-transfer",
        "snake_case",
        "Base64",
        "JSONStream",
        "~tilde",
        "excited!",
        "it's",
        "(parens)*",
        "@aws-cdk/core",
        "@a/b",
        "@types/node",
        "@s/_private",
        "@s/-x",
        "@0/0",
        "a" * 214,
        "@s/" + "a" * 211,
        "node_modules2",
        "@s/node_modules",
    ],
)
def test_a_valid_name(name: str) -> None:
    """Names that are, or were once, allowed."""
    assert name_fault(name) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("a" * 215, "215 characters"),
        ("a" * 100_000, "100000 characters"),
        ("@s/" + "a" * 212, "215 characters"),
        (" a", "white space"),
        ("a b", "white space"),
        ("a\u3000b", "unprintable"),
        ("a\tb", "control"),
        ("a\x00", "control"),
        ("a\n", "control"),
        ("\ud800", "unprintable"),
        ("a\u200b", "unprintable"),
        (".a", "starts with '.'"),
        ("..", "starts with '.'"),
        (".", "starts with '.'"),
        ("_a", "starts with '_'"),
        ("a/b", "no scope"),
        ("/a", "no scope"),
        ("@s", "@scope/name"),
        ("@", "@scope/name"),
        ("@/a", "@scope/name"),
        ("@s/", "@scope/name"),
        ("@s/..", "dot segment"),
        ("@s/.", "dot segment"),
        ("@../a", "dot segment"),
        ("@s/.a", "starts with '.'"),
        ("@.s/a", "starts with '.'"),
        ("@_s/a", "starts with '_'"),
        ("@s/a/b", "'/'"),
        ("@s//a", "'/'"),
        ("@S/a", "capital"),
        ("@s/A", "capital"),
        ("@s/a!", "no scoped name has"),
        ("a,b", "','"),
        ("a%2fb", "'%'"),
        ("a?b", "'?'"),
        ("a#b", "'#'"),
        ("a:b", "':'"),
        ("a@1.0.0", "'@'"),
        ("é", "'é'"),
        ("日本", "'日'"),
        ("a\\b", r"'\\'"),
        ("node_modules", "does not allow"),
        ("NODE_MODULES", "does not allow"),
        ("favicon.ico", "does not allow"),
    ],
)
def test_a_bad_name_is_explained(name: str, said: str) -> None:
    """In words for the person who wrote the list."""
    fault = name_fault(name)
    assert fault is not None
    assert said in fault
    assert len(fault) < 120
