"""Pictures that requests bring, as pixels: read by Pillow, without MLX."""
