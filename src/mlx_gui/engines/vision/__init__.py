"""Models that see: mlx-vlm's, with everything else the text engine's own."""
