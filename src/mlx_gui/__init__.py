"""mlx-gui: a private AI server on Apple's MLX."""
