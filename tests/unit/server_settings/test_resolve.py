"""Settings out of file, interface, environment and command line."""

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_gui.config import (
    Config,
    SettingsError,
    misspelled_variables,
    resolve,
)
from mlx_gui.server_settings import SERVER_SETTINGS


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path


def resolved(data_dir: Path, file: str = "", *, flags=None, environment=None, overrides=None):
    (data_dir / "config.toml").write_text(file, encoding="utf-8")
    return resolve(
        flags={"data_dir": str(data_dir), **(flags or {})},
        environment=environment or {},
        overrides=overrides,
    )


def refusal(data_dir: Path, file: str = "", **layers) -> str:
    with pytest.raises(SettingsError) as caught:
        resolved(data_dir, file, **layers)
    return str(caught.value)


def test_config_has_a_field_for_every_row() -> None:
    assert [field.name for field in fields(Config)] == [row.name for row in SERVER_SETTINGS] + [
        "sources"
    ]


def test_every_row_has_help_and_every_number_bounds() -> None:
    for row in SERVER_SETTINGS:
        assert row.help.endswith(".")
        assert row.type not in ("integer", "number") or max(map(abs, row.bounds)) < float("inf")


def test_defaults_stand_when_nothing_else_is_said(data_dir: Path) -> None:
    config = resolved(data_dir, environment={"XDG_CACHE_HOME": "/cache"})
    assert (config.host, config.port, config.offline) == ("127.0.0.1", 8000, False)
    assert config.model_dirs == (data_dir / "models", Path("/cache/huggingface/hub"))
    assert {source for name, source in config.sources.items() if name != "data_dir"} == {"default"}


@pytest.mark.parametrize(
    ("environment", "cache"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, "/b/hub"),
        ({"HF_HOME": "~/b"}, str(Path.home() / "b/hub")),
        ({}, str(Path.home() / ".cache/huggingface/hub")),
    ],
)
def test_the_hub_cache_is_found_by_the_hubs_own_rules(
    data_dir: Path, environment: dict[str, str], cache: str
) -> None:
    assert resolved(data_dir, environment=environment).model_dirs[1] == Path(cache)


@pytest.mark.parametrize(
    ("file", "environment", "endpoint"),
    [
        ("", {}, "https://huggingface.co"),
        ("", {"HF_ENDPOINT": "https://mirror.test/"}, "https://mirror.test/"),
        (
            "hub_endpoint = 'http://10.0.0.1:8080/hf/'",
            {"HF_ENDPOINT": "x"},
            "http://10.0.0.1:8080/hf",
        ),
    ],
)
def test_the_hub_is_that_of_the_setting_then_of_its_own_variable(
    data_dir: Path, file: str, environment: dict[str, str], endpoint: str
) -> None:
    config = resolved(data_dir, file, environment=environment)
    assert (config.hub_endpoint, config.hub_token) == (endpoint, None)


@pytest.mark.parametrize(
    "address",
    ["huggingface.co", "ftp://hub.test", "file://localhost/etc", "https://", "https://me:word@hub.test",
     "https://hub.test/?a=b", "https://hub.test/#a", "https://hub.test:99999", "https://a b"],
)  # fmt: skip
def test_an_address_that_no_hub_can_have_is_refused(data_dir: Path, address: str) -> None:
    assert "an address like `https://huggingface.co`" in refusal(
        data_dir, f"hub_endpoint = {address!r}"
    )


def test_a_token_that_no_header_can_carry_is_refused_and_not_repeated(data_dir: Path) -> None:
    said = refusal(data_dir, environment={"MLX_GUI_HUB_TOKEN": "hf_secret with a space"})
    assert "must be a token" in said
    assert "hf_secret" not in said


def test_later_sources_win_and_each_value_knows_its_own(data_dir: Path) -> None:
    config = resolved(
        data_dir,
        "port = 1\nslots = 1\nmax_queue = 1\nmax_loaded_models = 1",
        overrides={"slots": 2, "max_queue": 2, "max_loaded_models": 2},
        environment={"MLX_GUI_MAX_QUEUE": "3", "MLX_GUI_MAX_LOADED_MODELS": "3"},
        flags={"max_loaded_models": 4},
    )
    found = (config.port, config.slots, config.max_queue, config.max_loaded_models)
    assert found == (1, 2, 3, 4)
    names = ("host", "port", "slots", "max_queue", "max_loaded_models")
    assert [config.sources[name] for name in names] == [
        "default",
        "file",
        "interface",
        "environment",
        "command line",
    ]


def test_a_flag_that_was_not_given_decides_nothing(data_dir: Path) -> None:
    config = resolved(data_dir, flags={"port": None}, environment={"MLX_GUI_PORT": "7"})
    assert (config.port, config.sources["port"]) == (7, "environment")


def test_the_data_directory_comes_from_flag_then_environment(tmp_path: Path) -> None:
    by_both = resolve(
        flags={"data_dir": str(tmp_path / "flag")},
        environment={"MLX_GUI_DATA_DIR": str(tmp_path / "variable")},
    )
    by_variable = resolve(flags={}, environment={"MLX_GUI_DATA_DIR": "~/somewhere"})
    assert by_both.data_dir == tmp_path / "flag"
    assert by_variable.data_dir == Path.home() / "somewhere"
    assert by_variable.sources["data_dir"] == "environment"


def test_variables_without_the_prefix_are_nobodys_business(data_dir: Path) -> None:
    assert resolved(data_dir, environment={"PORT": "x", "MLX_GUI": "x"}).port == 8000


@pytest.mark.parametrize("word", ["true", "YES", " on ", "1"])
def test_switches_are_read_out_of_words(data_dir: Path, word: str) -> None:
    assert resolved(data_dir, environment={"MLX_GUI_OFFLINE": word}).offline is True


def test_folders_are_set_apart_as_in_path_and_hosts_by_commas(data_dir: Path) -> None:
    config = resolved(
        data_dir,
        environment={
            "MLX_GUI_MODEL_DIRS": os.pathsep.join(["/a, b", "~/c", ""]),
            "MLX_GUI_ALLOWED_HOSTS": "one.local, two.local",
        },
    )
    assert config.model_dirs == (Path("/a, b"), Path.home() / "c")
    assert config.allowed_hosts == ("one.local", "two.local")


def test_an_empty_list_is_a_list(data_dir: Path) -> None:
    assert resolved(data_dir, environment={"MLX_GUI_MODEL_DIRS": ""}).model_dirs == ()
    assert resolved(data_dir, "model_dirs = []").model_dirs == ()


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("prot = 1", ["prot", "config.toml", "Did you mean port?"]),
        ("zzz = 1", ["zzz", "Known are host, port,"]),
        ("port = 99999", ["port", "99999", "from 0 to 65535", "Port to listen on"]),
        ("port = '8000'", ["'8000'", "a whole number"]),
        ("port = true", ["True", "a whole number"]),
        ("port = 8000.5", ["8000.5", "a whole number"]),
        ("queue_timeout_s = nan", ["nan", "a number from 0.1 to 86400"]),
        ("queue_timeout_s = inf", ["inf", "a number"]),
        ("offline = 'yes'", ["'yes'", "true or false"]),
        ("log_level = 'loud'", ["'loud'", "debug, info, warning, error"]),
        ("host = ''", ["''", "printable"]),
        ('host = "a\\u0000b"', ["printable"]),
        ("model_dirs = '/a'", ["a list of texts"]),
        ("model_dirs = [1]", ["[1]", "printable"]),
        ("[server]\nport = 1", ["server", "is not a setting"]),
        ("data_dir = '/a'", ["data_dir", "MLX_GUI_DATA_DIR"]),
        ("port = ", ["not valid TOML"]),
        ("a = " + "[" * 5000, ["not valid TOML"]),
    ],
)
def test_a_bad_file_is_refused_with_what_to_write_instead(
    data_dir: Path, file: str, parts: list[str]
) -> None:
    message = refusal(data_dir, file)
    assert [part for part in parts if part not in message] == []


def test_a_file_in_another_encoding_is_refused(data_dir: Path) -> None:
    (data_dir / "config.toml").write_bytes(b"host = '\xff'")
    with pytest.raises(SettingsError, match="not valid TOML"):
        resolve(flags={"data_dir": str(data_dir)}, environment={})


def test_a_folder_in_the_files_place_is_refused(data_dir: Path) -> None:
    (data_dir / "config.toml").mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        resolve(flags={"data_dir": str(data_dir)}, environment={})


@pytest.mark.parametrize(
    ("environment", "parts"),
    [
        ({"MLX_GUI_PORT": "many"}, ["MLX_GUI_PORT in the environment", "'many'"]),
        ({"MLX_GUI_PORT": ""}, ["''", "a whole number"]),
        ({"MLX_GUI_PORT": "9" * 5000}, ["99999...", "a whole number"]),
        ({"MLX_GUI_QUEUE_TIMEOUT_S": "nan"}, ["'nan'", "a number"]),
        ({"MLX_GUI_OFFLINE": "maybe"}, ["'maybe'", "true or false"]),
        ({"MLX_GUI_DATA_DIR": "~nobody-of-this-name/x"}, ["~nobody-of-this-name/x"]),
    ],
)
def test_a_bad_variable_is_refused_by_its_own_name(
    data_dir: Path, environment: dict[str, str], parts: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(flags={}, environment={"MLX_GUI_DATA_DIR": str(data_dir), **environment})
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("MLX_GUI_PROT", "Did you mean MLX_GUI_PORT?"),
        ("MLX_GUI_port", "Did you mean MLX_GUI_PORT?"),
        ("MLX_GUI_MAX_CONTEXT_TOKEN", "Did you mean MLX_GUI_MAX_CONTEXT_TOKENS?"),
        ("MLX_GUI_", "`mlx-gui config` shows"),
        ("MLX_GUI_WWW", "`mlx-gui config` shows"),
        ("MLX_GUI_SERVICE", "is not a setting"),
        ("MLX_GUI_PORT_8000", "Did you mean MLX_GUI_PORT?"),
        ("MLX_GUI_NAME", "is not a setting"),
    ],
)
def test_an_unknown_variable_is_ignored_and_the_nearest_one_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    assert resolved(data_dir, environment={name: "a-secret"}).port == 8000

    monkeypatch.setenv(name, "a-secret")
    (sentence,) = (each for each in misspelled_variables() if each.startswith(f"{name} "))
    assert nearest in sentence
    assert "a-secret" not in sentence


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MLX_GUI_PORT", "tcp://10.0.0.11:8000"),
        ("MLX_GUI_PORT", "udp://10.0.0.11:8000"),
        ("MLX_GUI_WEB_PORT", "tcp://10.0.0.11:8000"),
        ("MLX_GUI_SERVICE_HOST", "10.0.0.11"),
        ("MLX_GUI_SERVICE_PORT", "8000"),
        ("MLX_GUI_SERVICE_PORT_HTTP", "8000"),
        ("MLX_GUI_WEB_SERVICE_HOST", "10.0.0.11"),
        ("MLX_GUI_PORT_8000_TCP", "tcp://10.0.0.11:8000"),
        ("MLX_GUI_PORT_8000_TCP_ADDR", "10.0.0.11"),
        ("MLX_GUI_PORT_8000_TCP_PORT", "8000"),
        ("MLX_GUI_PORT_8000_TCP_PROTO", "tcp"),
        ("MLX_GUI_PORT_53_UDP_ADDR", "10.0.0.11"),
        ("MLX_GUI_WEB_PORT_80_TCP_ADDR", "10.0.0.11"),
        ("MLX_GUI_NAME", "/chat/mlx_gui"),
        ("MLX_GUI_ENV_MLX_GUI_PORT", "9000"),
        ("MLX_GUI_SKIP_WEB_BUILD", "1"),
        ("MLX_GUI_UI_BUILD", "a1b2"),
        ("MLX_GUI_ADDRESS", "http://127.0.0.1:8000"),
        ("MLX_GUI_BENCH_MODEL", "a"),
        ("MLX_GUI_TEST_CACHE", "/a"),
    ],
)
def test_links_of_containers_and_our_own_builds_variables_are_nobodys_business(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    config = resolved(data_dir, "port = 7000", environment={name: text})
    assert (config.port, config.sources["port"]) == (7000, "file")

    monkeypatch.setenv(name, text)
    assert [each for each in misspelled_variables() if each.startswith(f"{name} ")] == []


@pytest.mark.parametrize("text", ["tcp:10.0.0.1", "http://10.0.0.11:8000", "tcp//", "10.0.0.1:80"])
def test_a_port_that_is_no_link_is_still_refused(data_dir: Path, text: str) -> None:
    assert "MLX_GUI_PORT" in refusal(data_dir, environment={"MLX_GUI_PORT": text})


def test_bad_flags_and_overrides_are_refused(data_dir: Path) -> None:
    assert "port on the command line is -1" in refusal(data_dir, flags={"port": -1})
    assert "port in the interface is '1'" in refusal(data_dir, overrides={"port": "1"})
    assert "lies in the data directory" in refusal(data_dir, overrides={"data_dir": "/a"})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://chat.example", "https://chat.example"),
        ("HTTPS://Chat.Example/", "https://chat.example"),
        ("http://10.0.0.7:3000", "http://10.0.0.7:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("app://obsidian.md", "app://obsidian.md"),
        ("chrome-extension://*", "chrome-extension://*"),
        ("null", "null"),
        ("file://", "file://"),
        ("FILE://", "file://"),
    ],
)
def test_origins_are_read_as_browsers_write_them(data_dir: Path, written: str, read: str) -> None:
    from_text = resolved(data_dir, environment={"MLX_GUI_ALLOWED_ORIGINS": f"{written}, app://b"})
    from_list = resolved(data_dir, f"allowed_origins = ['{written}', 'app://b']")
    assert from_text.allowed_origins == from_list.allowed_origins == (read, "app://b")


@pytest.mark.parametrize(
    "written",
    [
        "chat.example",
        "https://",
        "https://*",
        "http://*",
        "https://*.example",
        "https://chat.example/path",
        "https://user@chat.example",
        "https://chat.example.",
        "https://chat.example:99999",
        "://*",
        "a" * 10_000,
    ],
)
def test_what_is_no_origin_is_refused(data_dir: Path, written: str) -> None:
    assert "must be a list of origins" in refusal(data_dir, f"allowed_origins = ['{written}']")


def test_all_origins_are_refused_while_there_are_no_keys(data_dir: Path) -> None:
    for layers in (
        {"environment": {"MLX_GUI_ALLOWED_ORIGINS": "app://a, *"}},
        {"flags": {"allowed_origins": "*"}},
        {"file": "allowed_origins = ['*']"},
    ):
        message = refusal(data_dir, **layers)
        assert "must be without `*`: every web page could use this server" in message
        assert "no keys" in message


def test_proxies_are_addresses_and_networks(data_dir: Path) -> None:
    environment = {"MLX_GUI_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8, ::1, fd00::/8"}
    config = resolved(data_dir, environment=environment)
    assert config.trusted_proxies == ("127.0.0.1/32", "10.0.0.0/8", "::1/128", "fd00::/8")


@pytest.mark.parametrize(
    "written", ["*", "localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "a b"]
)
def test_what_is_no_network_is_refused(data_dir: Path, written: str) -> None:
    assert "must be a list of addresses" in refusal(data_dir, f"trusted_proxies = ['{written}']")


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from([row.environment_name for row in SERVER_SETTINGS]),
    text=st.text(max_size=40) | st.integers().map(str) | st.floats().map(str),
)
def test_any_text_gives_a_value_within_the_bounds_or_a_settings_error(name: str, text: str) -> None:
    try:
        config = resolve(flags={"data_dir": "/nowhere"}, environment={name: text})
    except SettingsError:
        return
    for row in SERVER_SETTINGS:
        value = getattr(config, row.name)
        assert not row.choices or str(value) in row.choices
        if row.type in ("integer", "number") and value not in row.words:
            assert row.bounds[0] <= value <= row.bounds[1]


def test_importing_the_settings_brings_no_large_library() -> None:
    code = "import mlx_gui.config, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"pydantic", "httpx", "sqlalchemy", "asyncio", "difflib", "msgspec"}
    assert heavy.isdisjoint(loaded)
