"""What is used of mlx-vlm, whose modules say little of their types."""

from mlx_vlm.models.pixtral.image_processing_pixtral import (
    PixtralImageProcessor,
    get_resize_output_image_size,
)
from mlx_vlm.models.qwen3_vl.processing_qwen3_vl import (
    Qwen3VLImageProcessor,
)
from mlx_vlm.models.qwen3_vl.processing_qwen3_vl import (
    _qwen_vl_image_kwargs as qwen_picture_settings,
)
from mlx_vlm.quant_utils import quantize_model
from mlx_vlm.utils import load_model, save_config, save_weights, skip_multimodal_module

__all__ = [
    "PixtralImageProcessor",
    "Qwen3VLImageProcessor",
    "get_resize_output_image_size",
    "load_model",
    "quantize_model",
    "qwen_picture_settings",
    "save_config",
    "save_weights",
    "skip_multimodal_module",
]
