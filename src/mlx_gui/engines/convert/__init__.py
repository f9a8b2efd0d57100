"""Foreign weight files become MLX folders."""
