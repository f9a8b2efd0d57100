"""The list: what depends on the device, in the order in which one thing needs the other."""

from collections.abc import Callable
from functools import partial

from scripts.metal_check import desktop, device, memory
from scripts.metal_check.outcome import Outcome, Step
from scripts.metal_check.suites import suite

_ENGINES = "tests/engines"
_HOUR_S = 3600


def _tests(*nodes: str) -> Callable[[], Outcome]:
    return partial(suite, *nodes)


TEXT = (
    f"{_ENGINES}/test_text_engine.py::"
    "test_greedy_answers_equal_plain_mlx_lm_alone_in_a_batch_and_joining_late",
    f"{_ENGINES}/test_batch.py::test_whatever_is_asked_tokens_are_those_of_plain_mlx_lm",
    f"{_ENGINES}/test_scoring.py::test_scores_are_those_of_plain_mlx_lm",
    f"{_ENGINES}/test_answers.py::test_an_adapter_answers_as_plain_mlx_lm_with_it",
    f"{_ENGINES}/test_answers.py::test_a_quantized_cache_answers_as_plain_mlx_lm_with_it",
    f"{_ENGINES}/test_prefix_cache.py::test_a_warm_answer_is_the_cold_one_and_only_the_rest_is_fed",
)
PICTURES = (f"{_ENGINES}/test_vision.py", f"{_ENGINES}/test_gemma3n.py")
ENCODERS = (
    f"{_ENGINES}/test_embedding.py::test_each_family_makes_the_vectors_of_the_plain_library",
    f"{_ENGINES}/test_reranker.py::test_each_family_scores_as_the_plain_library",
    f"{_ENGINES}/test_real_encoders.py",
)
SOUND = (
    f"{_ENGINES}/test_transcription.py::test_real_speech_is_written_down_as_the_plain_library_does",
    f"{_ENGINES}/test_transcription.py::test_words_have_the_times_that_the_plain_library_finds",
    f"{_ENGINES}/test_speech.py::test_it_says_what_the_library_says",
    f"{_ENGINES}/test_speech.py::test_every_format_has_the_whole_of_it",
    f"{_ENGINES}/test_sound.py",
    f"{_ENGINES}/test_encoding.py",
)
MAKING = (f"{_ENGINES}/test_quantize.py", f"{_ENGINES}/test_gguf.py")
WATCHING = (
    "tests/unit/control/machine",
    "tests/unit/control/test_memory.py",
    "tests/unit/control/test_sharing.py",
)
CRASHES = ("tests/process/test_worker_life.py", "tests/process/test_out_of_memory.py")
STORMS = ("tests/process/test_storms.py",)
SERVICE = ("tests/unit/service", "tests/process/test_service.py")
TRAY = ("tests/unit/desktop", "tests/desktop")
TOUR = ("tests/test_unified_mlx.py", "tests/process/test_real_engine.py")

STEPS: tuple[Step, ...] = (
    Step(
        "machine", "The system and the probe tell what can be so; on a Mac, Metal.", device.machine
    ),
    Step("arithmetic", "MLX computes what numpy computes, in every form.", device.arithmetic),
    Step(
        "limits", "A worker has wired what Metal recommends, and bounds its cache.", device.limits
    ),
    Step("tour", "A server finds, loads, answers, evicts and unloads tiny models.", _tests(*TOUR)),
    Step("text", "Families of text answer as plain mlx-lm.", _tests(*TEXT), _HOUR_S),
    Step("pictures", "Models that see answer as plain mlx-vlm.", _tests(*PICTURES), _HOUR_S),
    Step(
        "encoders", "Vectors and scores are those of the plain library.", _tests(*ENCODERS), _HOUR_S
    ),
    Step("sound", "Speech is heard and said as by plain mlx-audio.", _tests(*SOUND), _HOUR_S),
    Step("making", "Weights are packed, and read out of GGUF.", _tests(*MAKING), _HOUR_S),
    Step("memory", "Workers that are filled take what was planned.", memory.plans, _HOUR_S),
    Step("returned", "An unloaded worker is gone, and so is what it held.", memory.returned),
    Step(
        "watching",
        "Memory is watched, and relieved, by the figures of each system.",
        _tests(*WATCHING),
    ),
    Step("pressure", "Under pressure, idle models leave.", memory.pressure),
    Step(
        "crashes",
        "A worker that dies, hangs or runs out harms no other.",
        _tests(*CRASHES),
        _HOUR_S,
    ),
    Step("storms", "Hang-ups and kills in a crowd leave nothing behind.", _tests(*STORMS), _HOUR_S),
    Step("service", "The file of the service, and installing it.", _tests(*SERVICE)),
    Step("tray", "The tray shows and does what its menu says.", _tests(*TRAY)),
    Step(
        "session",
        "The system starts the server, again after kill -9, and forgets it when told.",
        desktop.service,
        asked_for=True,
    ),
    Step(
        "menu-bar",
        "The icon is in the menu bar for twenty seconds: look at it, click it.",
        desktop.tray,
        asked_for=True,
    ),
)
