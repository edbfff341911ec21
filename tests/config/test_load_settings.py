"""Settings from flags, environment and files: which one counts, and what is said of faults."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.config import SecretRef, Settings, load_settings
from ventil.core.quota import Quota
from ventil.errors import SettingError


@dataclass(frozen=True)
class Profile:
    """What settings read of a shipped profile."""

    base_url: str = "https://api.example.org"
    quotas: tuple[str, ...] = ("0.45/s",)
    max_in_flight: int = 1
    cooldown_s: float | None = 3600.0
    timeout_s: float = 30.0


PROFILES = {
    "npm-downloads": Profile(),
    "pypi-stats": Profile(quotas=("30/min", "5000/d")),
    "anything": Profile(quotas=(), max_in_flight=8, cooldown_s=None),
}


@dataclass
class Desk:
    """A working directory, a home and an environment to load settings from."""

    cwd: Path
    home: Path
    environ: dict[str, str] = field(default_factory=dict)

    def file(self, text: str, name: str = "ventil.toml") -> None:
        (self.cwd / name).write_text(text, encoding="utf-8")

    def user_file(self, text: str) -> None:
        folder = self.home / ".config" / "ventil"
        folder.mkdir(parents=True)
        (folder / "ventil.toml").write_text(text, encoding="utf-8")

    def load(
        self, flags: Mapping[str, object] | None = None, config_file: Path | None = None
    ) -> Settings:
        return load_settings(
            flags=flags or {},
            environ={"HOME": str(self.home), **self.environ},
            cwd=self.cwd,
            config_file=config_file,
            profiles=PROFILES,
        )

    def fault(self, flags: Mapping[str, object] | None = None) -> str:
        """What the SettingError says, its hint included."""
        with pytest.raises(SettingError) as caught:
            self.load(flags)
        error = caught.value
        return error.message + (f"\nhint: {error.hint}" if error.hint else "")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty working directory and an empty home."""
    (tmp_path / "here").mkdir()
    (tmp_path / "home").mkdir()
    return Desk(tmp_path / "here", tmp_path / "home")


def test_without_any_setting_the_shipped_values_count(desk: Desk) -> None:
    """Nothing need be set: defaults, and the provider's profile."""
    settings = desk.load()
    assert settings.database_url == f"sqlite:///{desk.cwd}/.ventil/ventil.sqlite"
    assert settings.state_dir == desk.cwd / ".ventil"
    assert not settings.state_dir.exists()
    run = settings.run
    assert (run.chunk_size, run.chunks_at_once, run.retries, run.tries) == (100, 10, 1, 2)
    assert (run.retry_delay_s, run.reach_within_s, run.ledger_days) == (300.0, 60.0, 35)
    npm = settings.provider("npm-downloads")
    assert npm.base_url == "https://api.example.org"
    assert npm.quotas == (Quota(0.45, 1.0),)
    assert (npm.max_in_flight, npm.cooldown_s, npm.timeout_s) == (1, 3600.0, 30.0)
    assert not npm.loopback


def test_flag_before_environment_before_file_before_user_file_before_default(
    desk: Desk,
) -> None:
    """Key by key, the nearer layer counts, and each value knows where it is from."""
    desk.user_file("[run]\nchunk_size = 1\nchunks_at_once = 1\nretries = 0\ntries = 1\n")
    desk.file("[run]\nchunk_size = 2\nchunks_at_once = 2\nretries = 2\n")
    desk.environ |= {"VENTIL_RUN__CHUNK_SIZE": "3", "VENTIL_RUN__CHUNKS_AT_ONCE": "3"}
    settings = desk.load({"run.chunk_size": 4, "run.tries": None})
    run = settings.run
    assert (run.chunk_size, run.chunks_at_once, run.retries, run.tries) == (4, 3, 2, 1)
    sources = settings.sources
    assert sources["run.chunk_size"] == "the command line"
    assert sources["run.chunks_at_once"] == (
        "the environment variable VENTIL_RUN__CHUNKS_AT_ONCE"
    )
    assert sources["run.retries"] == "ventil.toml line 4"
    assert sources["run.tries"] == f"{desk.home}/.config/ventil/ventil.toml line 5"
    assert sources["run.retry_delay"] == "the default"
    assert sources["providers.npm-downloads.cooldown"] == "the shipped profile"
    assert sources["providers.npm-downloads.contact"] == "the default"


def test_the_example_of_the_design(desk: Desk) -> None:
    """Every key of the documented file is read, durations in seconds."""
    desk.file(
        """
        [providers.npm-downloads]
        base_url = "http://127.0.0.1:8123/"
        quotas = ["0.45/s"]
        max_in_flight = 1
        cooldown = "1h"
        timeout = "30s"
        access = ["Mon-Fri 22:00-06:00 Europe/Zurich"]
        maintenance = ["Sun 02:00-04:00 UTC"]
        contact = "ops@example.org"

        [run]
        chunk_size = 100
        chunks_at_once = 10
        retries = 1
        retry_delay = "5m"
        """
    )
    npm = desk.load().provider("npm-downloads")
    assert npm.base_url == "http://127.0.0.1:8123"
    assert npm.loopback
    assert npm.access == ("Mon-Fri 22:00-06:00 Europe/Zurich",)
    assert npm.maintenance == ("Sun 02:00-04:00 UTC",)
    assert npm.contact == "ops@example.org"
    assert (npm.cooldown_s, npm.timeout_s) == (3600.0, 30.0)


def test_environment_variables_of_a_provider(desk: Desk) -> None:
    """NPM_DOWNLOADS is npm-downloads; a list is split at commas or is JSON."""
    desk.environ |= {
        "VENTIL_PROVIDERS__NPM_DOWNLOADS__BASE_URL": "http://[::1]:9000",
        "VENTIL_PROVIDERS__NPM_DOWNLOADS__QUOTAS": "5/s, 100/min",
        "VENTIL_PROVIDERS__PYPI_STATS__QUOTAS": '["10/min", "5000/d"]',
        "VENTIL_PROVIDERS__PYPI_STATS__TIMEOUT": "500ms",
        "VENTIL_RUN__RETRY_DELAY": "",
        "VENTILATOR": "not ours",
    }
    settings = desk.load()
    assert settings.provider("npm-downloads").quotas == (Quota(5, 1.0), Quota(100, 60.0))
    pypi = settings.provider("pypi-stats")
    assert pypi.quotas == (Quota(10, 60.0), Quota(5000, 86_400.0))
    assert pypi.timeout_s == 0.5
    assert settings.run.retry_delay_s == 300.0


def test_a_named_file_takes_the_place_of_the_one_here(desk: Desk, tmp_path: Path) -> None:
    """--config FILE is read instead of ventil.toml, and must be there."""
    desk.file("[run]\ntries = 1\n")
    desk.file("[run]\nretries = 0\n", "other.toml")
    settings = desk.load(config_file=Path("other.toml"))
    assert (settings.run.tries, settings.run.retries) == (2, 0)
    with pytest.raises(SettingError, match=r"missing\.toml: there is no such settings file"):
        desk.load(config_file=tmp_path / "missing.toml")


def test_the_user_file_follows_xdg(desk: Desk, tmp_path: Path) -> None:
    """XDG_CONFIG_HOME counts when it is absolute."""
    desk.user_file("[run]\ntries = 1\n")
    (tmp_path / "xdg" / "ventil").mkdir(parents=True)
    (tmp_path / "xdg" / "ventil" / "ventil.toml").write_text("[run]\ntries = 3\n")
    desk.environ["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert desk.load().run.tries == 3
    desk.environ["XDG_CONFIG_HOME"] = "xdg"
    assert desk.load().run.tries == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[run]\nchunk_sise = 5",
            "run.chunk_sise (ventil.toml line 2): is not a setting"
            "\nhint: did you mean chunk_size?",
        ),
        (
            "[providers.npm-downloads]\n\ncooldwn = '2h'",
            "providers.npm-downloads.cooldwn (ventil.toml line 3): is not a setting"
            "\nhint: did you mean cooldown?",
        ),
        (
            "[providers.npm-download]\ncooldown = '2h'",
            "providers.npm-download.cooldown (ventil.toml line 2): there is no provider"
            " 'npm-download'\nhint: did you mean npm-downloads?",
        ),
        (
            "[providers.zzz]",
            "providers.zzz (ventil.toml line 1): there is no provider 'zzz'"
            "\nhint: known are npm-downloads, pypi-stats, anything",
        ),
        (
            "retry_delay = '5m'",
            "retry_delay (ventil.toml line 1): is not a setting"
            "\nhint: did you mean run.retry_delay?",
        ),
        (
            "[runs]\nretries = 1",
            "runs.retries (ventil.toml line 2): is not a setting"
            "\nhint: did you mean run.retries?",
        ),
        (
            "run = 5",
            "run (ventil.toml line 1): must be a table"
            "\nhint: write [run] and its keys below it",
        ),
        (
            "providers.'npm-downloads' = 5",
            "providers.npm-downloads (ventil.toml line 1): must be a table"
            "\nhint: write [providers.npm-downloads] and its keys below it",
        ),
    ],
)
def test_an_unknown_key_is_named_with_its_place_and_the_nearest(
    desk: Desk, text: str, said: str
) -> None:
    """A misspelt key, table or provider is never passed over."""
    desk.file(text)
    assert desk.fault() == said


def test_an_unknown_variable_is_named_with_the_nearest(desk: Desk) -> None:
    """A misspelt VENTIL_ variable is a fault too; one that is no setting can be let pass."""
    desk.environ["VENTIL_RUN__CHUNKSIZE"] = "5"
    assert desk.fault() == (
        "VENTIL_RUN__CHUNKSIZE is not a setting\nhint: did you mean VENTIL_RUN__CHUNK_SIZE?"
    )
    settings = load_settings(
        flags={},
        environ=desk.environ,
        cwd=desk.cwd,
        profiles=PROFILES,
        ignored_variables=frozenset({"VENTIL_RUN__CHUNKSIZE"}),
    )
    assert settings.run.chunk_size == 100


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("chunk_size = 0", "run.chunk_size = 0 (ventil.toml line 2): must be at least 1"),
        (
            "chunk_size = 'x'",
            "run.chunk_size = 'x' (ventil.toml line 2): must be a whole number",
        ),
        (
            "chunk_size = 1.5",
            "run.chunk_size = 1.5 (ventil.toml line 2): must be a whole number",
        ),
        ("retries = true", "run.retries = true (ventil.toml line 2): must be a whole number"),
        ("retries = 99", "run.retries = 99 (ventil.toml line 2): must be at most 10"),
        (
            "retry_delay = 'soon'",
            "run.retry_delay = 'soon' (ventil.toml line 2): is not a duration;"
            ' write "500ms", "30s", "5m", "1h30m", "1d", or a number of seconds',
        ),
        (
            "retry_delay = '9d'",
            "run.retry_delay = '9d' (ventil.toml line 2): must be at most 7d",
        ),
    ],
)
def test_a_bad_value_is_named_with_key_and_place(desk: Desk, line: str, said: str) -> None:
    """Key, value, place, and what would be right."""
    desk.file(f"[run]\n{line}\n")
    assert desk.fault() == said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("base_url = 'ftp://x'", "must be an http or https URL"),
        ("base_url = 'http://'", "must be an http or https URL"),
        ("base_url = 'http://x?y=1'", "must be an http or https URL"),
        ("base_url = 'http://x:99999'", "is not a URL"),
        ("base_url = 'http://x/a b'", "percent-encoded"),
        ("base_url = 7", "must be a text"),
        ("quotas = ['often']", "'often' is not a quota"),
        ("quotas = ['0/s']", "above 0"),
        ("quotas = 5", "must be a list"),
        ("quotas = '['", "is not a list"),
        ("access = ['Mon 25:00-26:00 UTC']", "Mon-Fri 22:00-06:00 Europe/Zurich"),
        ("access = ['Mon 22:00-23:00 Mars/Base']", "there is no time zone 'Mars/Base'"),
        ("maintenance = [7]", "write it as in"),
        ('contact = "a\\nb"', "printable ASCII"),
        ("timeout = 0", "must be at least 50ms"),
        ("i_have_permission = 'perhaps'", "must be true or false"),
        ("max_in_flight = 0", "must be at least 1"),
    ],
)
def test_a_bad_value_of_a_provider_is_named(desk: Desk, line: str, words: str) -> None:
    """Each kind of value has its own words."""
    desk.file(f"[providers.anything]\n{line}\n")
    said = desk.fault()
    assert said.startswith(f"providers.anything.{line.partition(' ')[0]} = ")
    assert "(ventil.toml line 2): " in said
    assert words in said
    assert "Value error" not in said
    assert "Input should" not in said


def test_all_faults_are_told_at_once(desk: Desk) -> None:
    """Several faults in several layers make one message."""
    desk.file("databse_url = 'x'\n[run]\nchunk_size = 0\nretry_delay = 'soon'\n")
    desk.environ["VENTIL_RUN__TRIES"] = "many"
    said = desk.fault({"providers.npm-downloads.max_in_flight": 4})
    assert said.splitlines()[0] == "5 settings are wrong:"
    for part in ("databse_url", "chunk_size = 0", "'soon'", "VENTIL_RUN__TRIES", "shipped 1"):
        assert part in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[run\n", "is not TOML"),
        (b"a = 1\na = 2\n", "is not TOML"),
        (b"[run]\ntries = 1 \xff", "is not UTF-8 (byte 16)"),
        (b"x = " + b"[" * 20_000, "is not TOML"),
    ],
)
def test_a_broken_file_is_named(desk: Desk, content: bytes, words: str) -> None:
    """What is no TOML in UTF-8 is said in one line, with the file's name."""
    (desk.cwd / "ventil.toml").write_bytes(content)
    said = desk.fault()
    assert said.startswith("ventil.toml: ")
    assert words in said


def test_a_byte_order_mark_does_no_harm(desk: Desk) -> None:
    """Editors that write one are forgiven."""
    (desk.cwd / "ventil.toml").write_bytes(b"\xef\xbb\xbf[run]\ntries = 1\n")
    assert desk.load().run.tries == 1


def test_a_folder_for_a_file_is_named(desk: Desk) -> None:
    """A directory of that name is a fault, not an absent file."""
    (desk.cwd / "ventil.toml").mkdir()
    assert "ventil.toml: the settings file cannot be read" in desk.fault()


@pytest.mark.parametrize(
    "line",
    [
        "quotas = ['0.45/s']",
        "quotas = ['0.4/s']",
        "quotas = ['0.45/s', '20/min']",
        "quotas = ['20/min', '0.45/s', '1000/d']",
        "quotas = ['1/3s']",
        "max_in_flight = 1",
        "cooldown = '1h'",
        "cooldown = '1d'",
        "timeout = '1m'",
        "timeout = '5s'",
    ],
)
def test_a_limit_may_be_tightened(desk: Desk, line: str) -> None:
    """What allows no more than the shipped profile needs nobody's permission."""
    desk.file(f"[providers.npm-downloads]\n{line}\n")
    desk.load()


LOOSER = [
    ("quotas = ['0.46/s']", "shipped 0.45/s"),
    ("quotas = ['5/s']", "shipped 0.45/s"),
    ("quotas = ['20/min']", "20 requests in 2s222ms, not 1"),
    ("quotas = []", "shipped 0.45/s"),
    ("max_in_flight = 2", "more than the shipped 1"),
    ("cooldown = '59m'", "shorter than the shipped 1h"),
    ("cooldown = 0", "shorter than the shipped 1h"),
]


@pytest.mark.parametrize(("line", "words"), LOOSER)
def test_loosening_asks_for_permission(desk: Desk, line: str, words: str) -> None:
    """The message says which value, the shipped one, and what to write."""
    desk.file(f"[providers.npm-downloads]\n{line}\n")
    said = desk.fault()
    assert said.startswith(f"providers.npm-downloads.{line.partition(' ')[0]} = ")
    assert "(ventil.toml line 2)" in said
    assert words in said
    assert "write i_have_permission = true under [providers.npm-downloads]" in said


@pytest.mark.parametrize(("line", "_"), LOOSER)
@pytest.mark.parametrize(
    "because",
    [
        "i_have_permission = true",
        "base_url = 'http://127.0.0.1:8123'",
        "base_url = 'http://127.8.9.1'",
        "base_url = 'https://[::1]:1'",
        "base_url = 'http://localhost:1/x'",
    ],
)
def test_permission_and_loopback_allow_it(desk: Desk, line: str, _: str, because: str) -> None:
    """A limit may be loosened with the provider's permission, and where it is nobody's API."""
    desk.file(f"[providers.npm-downloads]\n{line}\n{because}\n")
    desk.load()


@pytest.mark.parametrize("host", ["localhost.example.org", "10.0.0.1", "127.0.0.1.example.org"])
def test_another_host_is_still_somebodys(desk: Desk, host: str) -> None:
    """Only loopback addresses are nobody's API; a name that begins like one is not."""
    desk.file(f"[providers.npm-downloads]\nbase_url = 'http://{host}'\nmax_in_flight = 2\n")
    assert "more than the shipped 1" in desk.fault()


def test_each_shipped_window_counts(desk: Desk) -> None:
    """Leaving out one of two shipped windows is loosening, unless another covers it."""
    desk.file("[providers.pypi-stats]\nquotas = ['30/min']\n")
    assert "allows more than the shipped 5000/d: 43200 requests in 1d, not 5000" in desk.fault()
    desk.file("[providers.pypi-stats]\nquotas = ['3/min']\n")
    desk.load()


def test_an_unlimited_profile_has_nothing_to_loosen(desk: Desk) -> None:
    """Where nothing is shipped, any quota and cooldown is the user's own affair."""
    desk.file("[providers.anything]\nquotas = ['1000/s']\ncooldown = 0\n")
    desk.load()


SECRET = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"[providers.anything]\nbase_url = 'https://me:{SECRET}@example.org'",
        f"[providers.anything]\nbase_url = 'https://me:pass/{SECRET}@example.org'",
        f"[providers.anything]\nbase_url = 'https://{SECRET}@example.org'",
        f"[providers.anything]\ncredential = '{SECRET}'",
        f"[providers.anything]\ncredential = 'env:{SECRET}-'",
        f"database_url = 'mysql://me:{SECRET}@db/x'",
        f"database_url = 'me:{SECRET}@db'",
        f"database_url = 'postgresql:/me:{SECRET}@db/x'",
    ],
)
def test_a_secret_in_a_setting_is_refused_and_never_shown(desk: Desk, text: str) -> None:
    """Secrets come by reference; the message does not repeat what was written."""
    desk.file(text)
    assert SECRET not in desk.fault()


def test_a_reference_to_a_secret(desk: Desk, tmp_path: Path) -> None:
    """env: and file: say where the secret is; reading it is another step."""
    desk.file("[providers.anything]\ncredential = 'env:API_TOKEN'\n")
    settings = desk.load()
    reference = settings.provider("anything").credential
    assert reference == SecretRef("env", "API_TOKEN")
    assert reference.read({"API_TOKEN": f" {SECRET}\n"}) == SECRET
    with pytest.raises(SettingError, match="env:API_TOKEN': there is nothing in it"):
        reference.read({})
    (tmp_path / "token").write_text(f"{SECRET}\n")
    assert SecretRef.parse(f"file:{tmp_path}/token").read({}) == SECRET
    with pytest.raises(SettingError, match="cannot be read"):
        SecretRef.parse(f"file:{tmp_path}/nothing").read({})
    assert SECRET not in repr(settings)


def test_a_database_password_is_not_in_the_repr(desk: Desk) -> None:
    """A PostgreSQL URL may hold a password; nothing prints it by accident."""
    settings = desk.load({"database_url": f"postgresql://me:{SECRET}@db/ventil"})
    assert settings.database_url == f"postgresql://me:{SECRET}@db/ventil"
    assert settings.state_dir == desk.cwd / ".ventil"
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    "url", ["ventil.sqlite", "sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://db/x"]
)
def test_a_database_url_of_another_kind_is_refused(desk: Desk, url: str) -> None:
    """Only a SQLite file or PostgreSQL will do."""
    assert desk.fault({"database_url": url}).startswith(f"database_url = {url!r} (the command")


def test_a_bare_file_name_for_a_database_is_told_its_url(desk: Desk) -> None:
    """The commonest slip gets the exact text to write."""
    assert "write sqlite:///state/my.db" in desk.fault({"database_url": "state/my.db"})


def test_a_sqlite_path_is_made_absolute(desk: Desk, tmp_path: Path) -> None:
    """Relative to the working directory; an absolute one stays."""
    assert desk.load({"database_url": "sqlite:///s/x.db"}).database_url == (
        f"sqlite:///{desk.cwd}/s/x.db"
    )
    absolute = f"sqlite:///{tmp_path}/y.db"
    settings = desk.load({"database_url": absolute})
    assert (settings.database_url, settings.state_dir) == (absolute, tmp_path)


def test_an_unknown_provider_asked_for_by_name(desk: Desk) -> None:
    """The nearest known one is named."""
    with pytest.raises(SettingError) as caught:
        desk.load().provider("npm")
    assert caught.value.hint is not None
    assert "npm-downloads" in caught.value.hint


def test_settings_are_frozen(desk: Desk) -> None:
    """Nothing can change a setting after it was read."""
    settings = desk.load()
    with pytest.raises((AttributeError, TypeError, ValueError)):
        settings.run.tries = 9  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.providers["x"] = settings.provider("anything")  # type: ignore[index]


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *(f"run.{key}" for key in ("chunk_size", "retry_delay", "tries", "nonsense")),
                *(f"providers.anything.{key}" for key in ("base_url", "quotas", "access")),
                *(f"providers.npm-downloads.{key}" for key in ("quotas", "credential")),
                *("database_url", "providers", "run", "", "providers.npm-downloads"),
            ]
        ),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(max_size=30),
            st.lists(st.one_of(st.text(max_size=10), st.integers()), max_size=3),
            st.just({}),
        ),
    )
)
def test_any_value_is_taken_or_named(flags: dict[str, object]) -> None:
    """Whatever is written, the answer is settings or a SettingError, never a traceback."""
    with suppress(SettingError):
        load_settings(flags=flags, environ={}, cwd=Path("/nowhere"), profiles=PROFILES)


def test_the_site_of_changelogs(desk: Desk) -> None:
    """Where it will be read, and its title; nothing is assumed of the address."""
    site = desk.load().changelogs
    assert (site.base_url, site.title) == (None, "Changelogs")
    desk.file(
        '[changelogs]\nbase_url = "https://changes.example.org/"\ntitle = "What is new"\n'
    )
    site = desk.load().changelogs
    assert (site.base_url, site.title) == ("https://changes.example.org", "What is new")
    assert "changelogs.title" in desk.fault({"changelogs.title": "two\nlines"})
    assert "must be an http or https URL" in desk.fault({"changelogs.base_url": "ftp://x/"})
    assert "[changelogs]" in desk.fault({"changelogs": "x"})
