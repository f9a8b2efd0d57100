"""What makes MLX fast on a processor: a BLAS of the machine instead of the one that MLX brings."""
