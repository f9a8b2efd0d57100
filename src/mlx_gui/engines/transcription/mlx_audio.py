"""What is used of mlx-audio, whose modules say little of their types."""

from mlx_audio.dsp import hanning, mel_filters, stft
from mlx_audio.stt.models.nemo.alignment import (
    AlignedToken,
    merge_longest_common_subsequence,
    merge_longest_contiguous,
    tokens_to_sentences,
)
from mlx_audio.stt.models.whisper.audio import (
    HOP_LENGTH,
    N_FFT,
    N_FRAMES,
    SAMPLE_RATE,
)
from mlx_audio.stt.models.whisper.decoding import DecodingOptions, DecodingTask, compression_ratio
from mlx_audio.stt.models.whisper.timing import add_word_timestamps
from mlx_audio.stt.models.whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE
from mlx_audio.stt.models.whisper.whisper import HFTokenizerWrapper
from mlx_audio.stt.utils import load_model
from mlx_audio.vad.utils import load_model as load_detector_model

__all__ = [
    "HOP_LENGTH",
    "LANGUAGES",
    "N_FFT",
    "N_FRAMES",
    "SAMPLE_RATE",
    "TO_LANGUAGE_CODE",
    "AlignedToken",
    "DecodingOptions",
    "DecodingTask",
    "HFTokenizerWrapper",
    "add_word_timestamps",
    "compression_ratio",
    "hanning",
    "load_detector_model",
    "load_model",
    "mel_filters",
    "merge_longest_common_subsequence",
    "merge_longest_contiguous",
    "stft",
    "tokens_to_sentences",
]
