"""Models that speak on disk: which folders are some, their voices, what they need."""

from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.model import Model
from mlx_gui.engines.speech.architectures import supported_model_types
from mlx_gui.kinds.base import LoadAsked
from mlx_gui.kinds.registry import kind_of, recognise
from mlx_gui.kinds.speech_files import MODEL_TYPES, SpeechFacts
from mlx_gui.model_settings import resolve_model
from tests.unit.api.parts import config
from tests.unit.kinds.folders import write_model, write_safetensors

TENSORS = {"flow_lm.transformer.layers.0.linear1.weight": ("BF16", (4096, 1024))}
VOICE = {"audio_prompt": ("F32", (1, 5, 1024))}
POCKET: dict[str, object] = {
    "model_type": "pocket_tts",
    "flow_lm": {"transformer": {"d_model": 1024, "num_layers": 6}},
    "mimi": {"sample_rate": 24_000},
}
PHONON: dict[str, object] = {
    "flow_lm": {"d_model": 512, "num_layers": 4},
    "mimi": {"dimension": 512, "sample_rate": 24_000},
}


def speaking(folder: Path, *voices: str, config: dict[str, object] = POCKET) -> Path:
    write_model(folder, config=config, tensors=TENSORS)
    for voice in voices:
        (folder / voice).parent.mkdir(exist_ok=True)
        write_safetensors(folder / voice, VOICE)
    return folder


def own(folder: Path) -> SpeechFacts:
    recognised = recognise(folder)
    assert recognised.facts is not None, recognised.problem
    assert isinstance(recognised.facts.own, SpeechFacts)
    return recognised.facts.own


def test_pocket_tts_speaks_with_the_voices_in_its_folder(tmp_path: Path) -> None:
    folder = speaking(tmp_path, "voices/Bert.safetensors", "voices/anna.safetensors")

    recognised = recognise(folder)

    assert recognised.problem is None
    assert recognised.facts is not None
    assert (recognised.facts.kind, recognised.facts.model_type) == ("speech", "pocket_tts")
    assert recognised.facts.capabilities == ("speech",)
    assert recognised.facts.parameter_count == 4096 * 1024
    assert own(folder) == SpeechFacts("pocket_tts", ("bert", "anna"), "bert", 24_000, 1024, 6)


@pytest.mark.parametrize(
    ("voices", "default"),
    [
        (["voices/marius.safetensors", "voices/alba.safetensors"], "alba"),
        (["embeddings/alba.safetensors", "default-voice.safetensors"], "default"),
        (["embeddings/azelma.safetensors"], "azelma"),
    ],
)
def test_the_voice_of_a_model_is_the_one_that_the_library_takes(
    tmp_path: Path, voices: list[str], default: str
) -> None:
    assert own(speaking(tmp_path, *voices)).default_voice == default


def test_a_config_that_names_no_type_is_known_by_its_parts(tmp_path: Path) -> None:
    facts = own(speaking(tmp_path, "default-voice.safetensors", config=PHONON))

    assert facts == SpeechFacts("pocket_tts", ("default",), "default", 24_000, 512, 4)


def test_what_the_library_would_fetch_by_itself_is_a_problem(tmp_path: Path) -> None:
    without_voice = recognise(speaking(tmp_path / "one"))
    assert "no voice in its folder" in (without_voice.problem or "")

    folder = speaking(tmp_path / "two", "voices/anna.safetensors")
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer in its folder" in (recognise(folder).problem or "")


@pytest.mark.parametrize("name", ["../tokenizer.json", "/etc/passwd", "hf://some/where.json"])
def test_a_tokenizer_outside_of_the_folder_is_none(tmp_path: Path, name: str) -> None:
    config = {**POCKET, "tokenizer_name": name}
    folder = speaking(tmp_path / "one", "voices/anna.safetensors", config=config)
    (folder / "tokenizer.json").rename(tmp_path / "tokenizer.json")

    assert "no tokenizer" in (recognise(folder).problem or "")


@pytest.mark.parametrize(
    ("config", "because"),
    [
        ({"model_type": "kokoro"}, r"misaki.*GPL.*pip install mlx-audio \"misaki\[en\]\""),
        ({"istftnet": {}, "plbert": {}}, "misaki"),
        ({"model_type": "kitten_tts"}, "phonemizer and espeak-ng.*GPL"),
        ({"model_type": "voxtral_tts"}, r"mistral-common\[audio\]"),
        ({"model_type": "bark"}, "fetch their tokenizer or codec from another repo"),
        ({"model_type": "higgs_audio_v3"}, "have no voices: they imitate those of recordings"),
        ({"model_type": "soprano"}, "does not serve speech models of the type 'soprano' yet"),
    ],
)
def test_a_family_that_is_not_served_says_why(
    tmp_path: Path, config: dict[str, object], because: str
) -> None:
    folder = write_model(tmp_path, config=config, tensors=TENSORS)

    recognised = recognise(folder)

    assert recognised.facts is None
    assert recognised.problem is not None
    with pytest.raises(AssertionError, match=because):
        raise AssertionError(recognised.problem)


QWEN: dict[str, object] = {
    "model_type": "qwen3_tts",
    "tts_model_type": "custom_voice",
    "tts_model_size": "1b7",
    "talker_config": {
        "hidden_size": 2048,
        "num_hidden_layers": 28,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "spk_id": {"Serena": 3066, "vivian": 3065},
    },
}
CODEC: dict[str, object] = {
    "decoder_config": {
        "num_hidden_layers": 8,
        "num_key_value_heads": 16,
        "head_dim": 64,
        "decoder_dim": 1536,
    }
}


def qwen(folder: Path, **config: object) -> Path:
    write_model(folder, config={**QWEN, **config}, tensors=TENSORS)
    tensors = {"decoder.pre_conv.conv.weight": ("F32", (1024, 3, 512))}
    write_model(folder / "speech_tokenizer", config=CODEC, tensors=tensors)
    return folder


def test_qwen3_tts_has_the_voices_of_its_config_and_a_codec_beside_it(tmp_path: Path) -> None:
    folder = qwen(tmp_path)

    recognised = recognise(folder)

    assert recognised.problem is None
    assert recognised.facts is not None
    assert recognised.facts.model_type == "qwen3_tts"
    assert recognised.facts.model_type in supported_model_types()
    assert recognised.facts.parameter_count == 4096 * 1024 + 1024 * 3 * 512
    facts = own(folder)
    assert (facts.voices, facts.default_voice) == (("serena", "vivian"), "serena")
    assert facts.follows
    assert facts.kept == 2 * (28 * 8 * 128 + 8 * 16 * 64)
    assert (facts.rate_hz, facts.frames, facts.waves) == (24_000, 2048, 1536 * 1920)


def test_the_smaller_qwen3_tts_is_not_told_how_to_speak(tmp_path: Path) -> None:
    assert not own(qwen(tmp_path, tts_model_size="0b6")).follows


def test_how_long_a_qwen3_tts_may_speak_decides_what_it_needs(tmp_path: Path) -> None:
    folders = [qwen(tmp_path / name) for name in ("long", "short")]
    (folders[1] / "generation_config.json").write_text('{"max_new_tokens": 512}')

    long, short = (planned(each, "metal", 2**40, tmp_path).need for each in folders)

    slots = planned(folders[0], "metal", 2**40, tmp_path).spec.options.slots
    kept = 2 * (28 * 8 * 128 + 8 * 16 * 64) * 2 * (slots + 1)
    assert long.kv_bytes - short.kv_bytes == kept * (2048 - 512)


@pytest.mark.parametrize(
    ("config", "because"),
    [
        ({"tts_model_type": "base"}, "imitates those of recordings.*CustomVoice"),
        ({"tts_model_type": "voice_design"}, "of its description.*CustomVoice"),
        ({"tts_model_type": "sings"}, "'sings'"),
        ({"talker_config": {}}, "names no voices"),
    ],
)
def test_a_qwen3_tts_without_voices_of_its_own_says_why(
    tmp_path: Path, config: dict[str, object], because: str
) -> None:
    with pytest.raises(AssertionError, match=because):
        raise AssertionError(recognise(qwen(tmp_path, **config)).problem)


def test_a_qwen3_tts_without_its_other_files_says_so(tmp_path: Path) -> None:
    folder = qwen(tmp_path / "one")
    (folder / "speech_tokenizer" / "model.safetensors").unlink()
    assert "In its folder speech_tokenizer" in (recognise(folder).problem or "")

    folder = qwen(tmp_path / "two")
    (folder / "tokenizer.json").unlink()
    assert "tokenizer.json or vocab.json" in (recognise(folder).problem or "")


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    folder = speaking(tmp_path, "voices/anna.safetensors")
    (folder / "model.safetensors").write_bytes(b"no weights")

    assert "does not begin as a safetensors file" in (recognise(folder).problem or "")


def test_the_library_names_what_it_loads() -> None:
    supported = supported_model_types()

    assert "pocket_tts" in supported
    assert set(supported) <= set(MODEL_TYPES)


def planned(folder: Path, backend: Any, room_bytes: int, tmp_path: Path) -> Any:
    facts = recognise(folder).facts
    assert facts is not None
    return kind_of("speech").plan(
        LoadAsked(
            model=Model("org/one", str(folder), facts, None, 0, ""),
            facts=facts,
            device=DeviceFacts(backend, "test", 2**34, None, {}, {}),
            engine="engine",
            room_bytes=room_bytes,
            settings=resolve_model(config(tmp_path), {}),
            corrected=lambda _, need: need,
        )
    )


def test_a_processor_holds_wide_weights_where_they_fit(tmp_path: Path) -> None:
    folder = speaking(tmp_path / "model", "voices/anna.safetensors")

    wide = planned(folder, "cpu", 2**40, tmp_path)
    narrow = planned(folder, "cpu", 1, tmp_path)
    metal = planned(folder, "metal", 2**40, tmp_path)

    forms = [each.spec.weight_form for each in (wide, narrow, metal)]
    assert forms == ["float32", "stored", "stored"]
    assert wide.need.weights_bytes == 2 * narrow.need.weights_bytes
    assert 1 <= wide.spec.options.slots <= 4
