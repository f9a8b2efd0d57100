"""Speech models on disk: which folders are some, what they can do, what they need."""

from pathlib import Path
from typing import Any

import pytest
from mlx_audio.registry import supported_model_types as supported_model_types_of

from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.model import Model
from mlx_gui.engines.transcription.architectures import supported_model_types
from mlx_gui.kinds.base import LoadAsked
from mlx_gui.kinds.registry import kind_of, recognise
from mlx_gui.kinds.transcription_facts import DETECTOR_TYPES, TranscriptionFacts
from mlx_gui.model_settings import resolve_model
from tests.unit.api.parts import config
from tests.unit.kinds.folders import write_model, write_safetensors

WHISPER: dict[str, object] = {
    "model_type": "whisper",
    "d_model": 384,
    "encoder_layers": 4,
    "decoder_layers": 4,
    "encoder_attention_heads": 6,
    "vocab_size": 51_865,
    "max_source_positions": 1500,
}
PARAKEET: dict[str, object] = {
    "target": "nemo.collections.asr.models.rnnt_bpe_models.EncDecRNNTBPEModel",
    "encoder": {"d_model": 1024, "n_heads": 8, "n_layers": 24},
}
TENSORS = {"encoder.conv1.weight": ("F16", (384, 3, 80)), "decoder.ln.weight": ("F16", (384,))}


def test_whisper_is_one_that_translates_where_it_knows_other_languages(tmp_path: Path) -> None:
    many = recognise(write_model(tmp_path / "many", config=WHISPER, tensors=TENSORS))
    english = recognise(
        write_model(tmp_path / "en", config={**WHISPER, "vocab_size": 51_864}, tensors=TENSORS)
    )

    assert many.problem is None
    assert many.facts is not None
    assert (many.facts.kind, many.facts.model_type) == ("transcription", "whisper")
    assert many.facts.capabilities == ("transcription", "translation")
    assert many.facts.parameter_count == 384 * 3 * 80 + 384
    assert many.facts.own == TranscriptionFacts("whisper", 384, 6, 1500, 4, 51_865, translates=True)
    assert english.facts is not None
    assert english.facts.capabilities == ("transcription",)


@pytest.mark.parametrize("named", [{}, {"model_type": "parakeet_tdt"}, {"model_type": "parakeet"}])
def test_parakeet_is_one_by_its_target_or_its_type(
    tmp_path: Path, named: dict[str, object]
) -> None:
    recognised = recognise(write_model(tmp_path, config={**PARAKEET, **named}, tensors=TENSORS))

    assert recognised.problem is None
    assert recognised.facts is not None
    assert recognised.facts.model_type in supported_model_types()
    own = recognised.facts.own
    assert isinstance(own, TranscriptionFacts)
    assert (own.family, own.width, own.attention_heads) == ("parakeet", 1024, 8)


def test_an_old_whisper_without_a_tokenizer_says_so(tmp_path: Path) -> None:
    config = {"model_type": "whisper", "n_mels": 80, "n_vocab": 51_865}
    folder = write_model(tmp_path, config=config, tensors=TENSORS)
    (folder / "tokenizer.json").unlink()

    recognised = recognise(folder)

    assert recognised.facts is None
    assert "It has no tokenizer" in (recognised.problem or "")


def test_an_old_whisper_with_a_tokenizer_has_its_weights_in_another_file(tmp_path: Path) -> None:
    folder = write_model(tmp_path, config=WHISPER, tensors=TENSORS)
    (folder / "model.safetensors").unlink()
    write_safetensors(folder / "weights.safetensors", TENSORS)

    recognised = recognise(folder)

    assert recognised.problem is None
    assert recognised.facts is not None


def test_a_family_that_is_not_driven_here_is_left_to_the_list_of_the_library(
    tmp_path: Path,
) -> None:
    recognised = recognise(write_model(tmp_path, config={"model_type": "wav2vec2"}))

    assert recognised.facts is not None
    assert recognised.facts.model_type not in supported_model_types()


def test_the_library_names_what_it_loads() -> None:
    assert {"whisper", "parakeet", "parakeet_tdt"} <= set(supported_model_types())


def planned(folder: Path, backend: Any, room_bytes: int, tmp_path: Path) -> Any:
    facts = recognise(folder).facts
    assert facts is not None
    model = Model("org/one", str(folder), facts, None, 0, "")
    device = DeviceFacts(backend, "test", 2**34, None, {}, {})
    return kind_of("transcription").plan(
        LoadAsked(
            model=model,
            facts=facts,
            device=device,
            engine="engine",
            room_bytes=room_bytes,
            settings=resolve_model(config(tmp_path), {}),
            corrected=lambda _, need: need,
        )
    )


def test_a_processor_holds_wide_weights_where_they_fit(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", config=WHISPER, tensors=TENSORS)

    wide = planned(folder, "cpu", 2**40, tmp_path)
    narrow = planned(folder, "cpu", 1, tmp_path)
    metal = planned(folder, "metal", 2**40, tmp_path)

    assert [each.spec.weight_form for each in (wide, narrow, metal)] == [
        "float32",
        "stored",
        "stored",
    ]
    assert wide.need.weights_bytes == 2 * narrow.need.weights_bytes
    assert wide.need.total_bytes > metal.need.total_bytes
    assert 1 <= wide.spec.options.slots <= 8


def test_what_a_parakeet_makes_of_a_window_is_planned(tmp_path: Path) -> None:
    """30 s are 3,000 spectra, which its first convolution halves both ways, in 256 channels."""
    encoder = {"d_model": 1024, "n_heads": 8, "feat_in": 128, "pos_emb_max_len": 5000}
    wide = {**encoder, "subsampling_conv_channels": 256}
    needs = [
        planned(
            write_model(tmp_path / name, config={**PARAKEET, "encoder": part}, tensors=TENSORS),
            "cpu",
            2**40,
            tmp_path,
        ).need
        for name, part in (("narrow", encoder), ("wide", wide))
    ]

    assert needs[1].mlx_bytes - needs[0].mlx_bytes == 9 * 1500 * 64 * 256
    assert needs[0].weights_bytes > 2 * 5000 * 1024 * 4
    # What is measured of the process when a model is loaded has no request in it yet.
    assert needs[0].load_peak_bytes >= needs[0].process_bytes + needs[0].weights_bytes
    assert needs[0].requests_bytes > 0


def test_what_tells_speech_from_other_sound_answers_nothing_by_itself(tmp_path: Path) -> None:
    recognised = recognise(write_model(tmp_path, config={"model_type": "silero_vad"}))

    assert recognised.facts is not None
    assert (recognised.facts.kind, recognised.facts.capabilities) == ("transcription", ())
    assert "tells speech from other sound" in (recognised.problem or "")


def test_the_library_has_all_that_tell_speech_from_other_sound() -> None:
    assert set(DETECTOR_TYPES) <= supported_model_types_of("vad")
