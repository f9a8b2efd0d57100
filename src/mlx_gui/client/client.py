"""The client itself: one server, and all that can be asked of it."""

from mlx_gui.client.answers import AnswerCalls
from mlx_gui.client.catalog import CatalogCalls
from mlx_gui.client.discover import DiscoverCalls
from mlx_gui.client.downloads import DownloadCalls
from mlx_gui.client.embeddings import EmbeddingCalls
from mlx_gui.client.jobs import JobCalls
from mlx_gui.client.logs import LogCalls
from mlx_gui.client.models import ModelCalls
from mlx_gui.client.requests import RequestCalls
from mlx_gui.client.sound import SoundCalls
from mlx_gui.client.speech import SpeechCalls
from mlx_gui.client.status import StatusCalls


class Client(
    StatusCalls,
    ModelCalls,
    CatalogCalls,
    DiscoverCalls,
    DownloadCalls,
    JobCalls,
    LogCalls,
    RequestCalls,
    AnswerCalls,
    EmbeddingCalls,
    SoundCalls,
    SpeechCalls,
):
    """One server. Calls block; use one client in one thread."""
