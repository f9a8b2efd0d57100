"""Pictures that a request names by their addresses, fetched together."""

import asyncio
from collections.abc import Sequence

import msgspec

from mlx_gui.api.encoded_pictures import checked_picture
from mlx_gui.api.media import Media, MediaBounds
from mlx_gui.api.picture_files import R, with_parts
from mlx_gui.config import Config
from mlx_gui.core.blob import Content, open_content
from mlx_gui.core.errors import InvalidRequest, Offline
from mlx_gui.core.generation import ImagePart
from mlx_gui.core.picture_formats import HEAD_BYTES
from mlx_gui.store.uploads import RequestFiles

_AT_ONCE = 4


async def with_linked(
    request: R,
    links: Sequence[tuple[ImagePart, str]],
    media: Media,
    config: Config,
    *,
    files: RequestFiles,
) -> R:
    """The request with what is at the addresses of `links`.

    Raises as `Media.fetch` does, also where all together take too long; Offline where the server
    is, and what `checked_picture` raises.
    """
    if config.offline:
        raise Offline(
            "The server is offline and fetches no pictures.",
            hint="Send them as data URLs, or set `offline` to false.",
        )
    # All together bring no more than a form may.
    most_bytes = min(config.max_picture_bytes, config.max_upload_bytes // len(links))
    bounds = MediaBounds(encrypted=config.media_urls == "https", most_bytes=most_bytes)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def fetched(part: ImagePart, url: str) -> tuple[int, ImagePart]:
        async with gate:
            content = await media.fetch(url, where=part.where, bounds=bounds, files=files)
        await asyncio.to_thread(_check, content, part.where)
        return id(part), msgspec.structs.replace(part, data=content)

    tasks = [asyncio.create_task(fetched(part, url)) for part, url in links]
    try:
        async with asyncio.timeout(config.media_timeout_s):
            return with_parts(request, dict(await asyncio.gather(*tasks)))
    except TimeoutError:
        raise InvalidRequest(
            f"What is at the addresses of the pictures has not come within "
            f"{config.media_timeout_s:g} s.",
            hint="Send the pictures as data URLs, or raise media_timeout_s.",
            param=links[0][0].where,
        ) from None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _check(content: Content, where: str) -> None:
    with open_content(content) as file:
        checked_picture(file.read(HEAD_BYTES), where=where)
