"""What is fetched from an address, and what never is, from a real server on this machine."""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from mlx_gui.api.media import Media, MediaBounds, Resolve, resolved
from mlx_gui.core.blob import Blob, Content, open_content
from mlx_gui.core.errors import InvalidRequest, MlxGuiError, PayloadTooLarge, UnsupportedMedia
from mlx_gui.core.public_addresses import is_public
from mlx_gui.store.uploads import Uploads
from tests.support.media import PNG, MediaServer, media_server

HOST = "pictures.test"
DEADLINE_S = 60
MOST_BYTES = 1_000_000


@pytest.fixture(scope="module")
def media() -> Iterator[MediaServer]:
    with media_server() as server:
        yield server


@pytest.fixture(autouse=True)
def forgotten(media: MediaServer) -> None:
    media.asked.clear()
    media.leads_to.clear()


def leads_to(*answers: Sequence[str]) -> Resolve:
    """A resolver that gives these answers in turn, and the last one from then on."""
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        if not left[0]:
            raise OSError("no such host")
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


def only_here(address: str) -> bool:
    """What these tests permit besides the public network: the server of this module."""
    return address == "127.0.0.1" or is_public(address)


def fetched(
    tmp_path: Path,
    url: str,
    *,
    resolve: Resolve | None = None,
    permitted: Callable[[str], bool] = only_here,
    trusted: ssl.SSLContext | None = None,
    encrypted: bool = False,
    time_s: float = DEADLINE_S,
) -> bytes:
    """All that came from `url`."""

    async def fetch() -> bytes:
        uploads = Uploads(tmp_path)
        fetcher = Media(
            uploads,
            resolve=resolve or leads_to(["127.0.0.1"]),
            permitted=permitted,
            trusted=trusted,
        )
        bounds = MediaBounds(encrypted=encrypted, most_bytes=MOST_BYTES)
        async with uploads.of_request() as files, asyncio.timeout(time_s):
            content = await fetcher.fetch(url, where="images[0]", bounds=bounds, files=files)
            with open_content(content) as file:
                data = file.read()
        await uploads.close()
        return data

    return asyncio.run(fetch())


def refusal(tmp_path: Path, url: str, **how: object) -> MlxGuiError:
    with pytest.raises((InvalidRequest, UnsupportedMedia, PayloadTooLarge)) as raised:
        fetched(tmp_path, url, **how)  # type: ignore[arg-type]
    assert raised.value.details["param"] == "images[0]"
    assert "images[0]" in raised.value.message
    return raised.value


@pytest.mark.parametrize("path", ["a.png", "untyped"])
def test_a_picture_is_fetched_with_nothing_that_says_who_asks(
    media: MediaServer, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")

    assert fetched(tmp_path, f"http://{HOST}:{media.port}/{path}") == PNG

    ((_, headers),) = media.asked
    assert headers["host"] == f"{HOST}:{media.port}"
    assert headers.keys() == {"host", "user-agent", "accept", "accept-encoding", "connection"}


def test_what_is_large_is_kept_in_a_file(media: MediaServer, tmp_path: Path) -> None:
    async def fetch() -> Content:
        uploads = Uploads(tmp_path)
        fetcher = Media(uploads, resolve=leads_to(["127.0.0.1"]), permitted=only_here)
        bounds = MediaBounds(encrypted=False, most_bytes=MOST_BYTES)
        url = f"http://{HOST}:{media.port}/large.png"
        async with uploads.of_request() as files:
            content = await fetcher.fetch(url, where="", bounds=bounds, files=files)
        await uploads.close()
        return content

    assert isinstance(asyncio.run(fetch()), Blob)
    assert not list((tmp_path / "uploads").iterdir())


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["fe80::1%lo"],
        ["224.0.0.1"],
        ["0.0.0.0"],
        ["93.184.216.34", "127.0.0.1"],
    ],
    ids=" ".join,
)
def test_a_name_that_leads_into_a_network_of_ours_is_refused(
    media: MediaServer, tmp_path: Path, addresses: list[str]
) -> None:
    url = f"http://{HOST}:{media.port}/a.png"
    refused = refusal(tmp_path, url, resolve=leads_to(addresses), permitted=is_public)

    assert "not public" in refused.message
    assert not any(address in refused.message for address in addresses)
    assert media.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
        "0", "localhost", "localhost.", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:0001]", "[64:ff9b::7f00:1]", "169.254.169.254", "0xa9fea9fe",
        "10.0.0.1", "192.168.1.1", "100.64.0.1", "[fe80::1]", "[ff02::1]", "255.255.255.255",
    ],
)  # fmt: skip
def test_this_machine_is_refused_however_it_is_written(
    media: MediaServer, tmp_path: Path, host: str
) -> None:
    url = f"http://{host}:{media.port}/a.png"

    refusal(tmp_path, url, resolve=resolved, permitted=is_public)

    assert media.asked == []


def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_checked(
    media: MediaServer, tmp_path: Path
) -> None:
    changing = leads_to(["127.0.0.1"], ["10.0.0.1"], ["10.0.0.1"])

    assert fetched(tmp_path, f"http://{HOST}:{media.port}/a.png", resolve=changing) == PNG


def test_a_name_that_changes_after_its_check_leads_nowhere_else(
    media: MediaServer, tmp_path: Path
) -> None:
    """192.0.2.1 answers nobody; whoever resolved again would reach the server."""
    changing = leads_to(["192.0.2.1"], ["127.0.0.1"])
    url = f"http://{HOST}:{media.port}/a.png"

    with pytest.raises((TimeoutError, InvalidRequest)):
        fetched(tmp_path, url, resolve=changing, permitted=lambda _: True, time_s=2)

    assert media.asked == []


def test_the_next_address_is_tried_where_one_is_not_there(
    media: MediaServer, tmp_path: Path
) -> None:
    url = f"http://{HOST}:{media.port}/a.png"
    resolve = leads_to(["127.0.0.2", "127.0.0.1"])

    assert fetched(tmp_path, url, resolve=resolve, permitted=lambda _: True) == PNG


def test_three_redirects_are_followed_and_no_more(media: MediaServer, tmp_path: Path) -> None:
    media.leads_to |= {"/1": "2", "/2": "/3", "/3": f"//{HOST}:{media.port}/a.png", "/0": "/1"}

    assert fetched(tmp_path, f"http://{HOST}:{media.port}/1") == PNG
    assert "more than 3 times" in refusal(tmp_path, f"http://{HOST}:{media.port}/0").message


@pytest.mark.parametrize(
    "location",
    [
        "file:" + "//" + "/secret.png", "ftp://pictures.test/", "gopher://pictures.test/1",
        "http://user:word@pictures.test/", "http://[", "data:image/png;base64,AAAA",
        "javascript:1",
    ],
)  # fmt: skip
def test_a_redirect_leads_to_no_other_scheme_and_gives_no_name(
    media: MediaServer, tmp_path: Path, location: str
) -> None:
    media.leads_to["/1"] = location

    refusal(tmp_path, f"http://{HOST}:{media.port}/1")

    assert media.paths == ["/1"]


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254"])
def test_a_redirect_is_checked_as_the_first_address_was(
    media: MediaServer, tmp_path: Path, inside: str
) -> None:
    media.leads_to["/1"] = f"http://inside.test:{media.port}/a.png"

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"] if host == HOST else [inside]

    allowed = iter([True])
    refused = refusal(
        tmp_path,
        f"http://{HOST}:{media.port}/1",
        resolve=resolve,
        permitted=lambda _: next(allowed, False),
    )

    assert "not public" in refused.message
    assert media.paths == ["/1"]


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("page.png", UnsupportedMedia, "text/html"),
        ("packed.png", InvalidRequest, "gzip"),
        ("declared.png", PayloadTooLarge, "1000000"),
        ("endless.png", PayloadTooLarge, "1000000"),
        ("short.png", InvalidRequest, "broke"),
        ("headers.png", InvalidRequest, "RemoteProtocolError"),
        ("missing.png", InvalidRequest, "404"),
    ],
)
def test_what_brings_no_picture_is_refused(
    media: MediaServer, tmp_path: Path, path: str, error: type[MlxGuiError], said: str
) -> None:
    refused = refusal(tmp_path, f"http://{HOST}:{media.port}/{path}")

    assert type(refused) is error
    assert said in refused.message


@pytest.mark.parametrize("path", ["slow.png", "silent.png"])
def test_whoever_waits_may_stop_waiting(media: MediaServer, tmp_path: Path, path: str) -> None:
    with pytest.raises(TimeoutError):
        fetched(tmp_path, f"http://{HOST}:{media.port}/{path}", time_s=0.5)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://user:word@pictures.test/a.png", "user's name"),
        ("http:///a.png", "a host"),
        ("http://pictures.test:99999/a.png", "no port 99999"),
        ("http://pictures.test:0/a.png", "no port 0"),
        ("http://pictures.test/\n", "it is none"),
        (f"http://pictures.test/{'a' * 9000}", "8192 characters"),
        ("file:" + "//" + "/secret.png", "http:// or https://"),
    ],
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str, said: str) -> None:
    assert said in refusal(tmp_path, url).message


@pytest.mark.parametrize("host", [HOST, "xn--", "xn--a.test"])
def test_a_host_that_nobody_knows_is_refused(tmp_path: Path, host: str) -> None:
    assert "no such host" in refusal(tmp_path, f"http://{host}/", resolve=leads_to([])).message


def test_a_name_that_stands_for_nothing_is_asked_as_it_is(
    media: MediaServer, tmp_path: Path
) -> None:
    assert fetched(tmp_path, f"http://xn--a:{media.port}/a.png") == PNG


def test_nobody_at_the_address_is_told(tmp_path: Path) -> None:
    assert "cannot be reached" in refusal(tmp_path, f"http://{HOST}:1/a.png").message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def secured(folder: Path) -> Iterator[MediaServer]:
    with media_server(folder, named=HOST) as server:
        yield server


@pytest.fixture
def trusted(secured: MediaServer, folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "tls.pem"))


def test_by_https_a_picture_is_fetched_from_whom_the_certificate_names(
    secured: MediaServer, trusted: ssl.SSLContext, tmp_path: Path
) -> None:
    url = f"https://{HOST}:{secured.port}/a.png"

    assert fetched(tmp_path, url, trusted=trusted, encrypted=True) == PNG


def test_by_https_another_name_is_refused(
    secured: MediaServer, trusted: ssl.SSLContext, tmp_path: Path
) -> None:
    url = f"https://other.test:{secured.port}/a.png"

    assert "certificate" in refusal(tmp_path, url, trusted=trusted).message


def test_a_certificate_of_nobody_known_is_refused(secured: MediaServer, tmp_path: Path) -> None:
    url = f"https://{HOST}:{secured.port}/a.png"

    assert "certificate" in refusal(tmp_path, url).message


def test_nothing_goes_without_encryption_where_the_setting_wants_it(
    media: MediaServer,
    secured: MediaServer,
    trusted: ssl.SSLContext,
    tmp_path: Path,
) -> None:
    plain = f"http://{HOST}:{media.port}/a.png"
    secured.leads_to["/down"] = plain

    assert "https" in refusal(tmp_path, plain, encrypted=True).message
    leads_down = f"https://{HOST}:{secured.port}/down"
    assert "encrypt" in refusal(tmp_path, leads_down, trusted=trusted).message
    assert media.asked == []
