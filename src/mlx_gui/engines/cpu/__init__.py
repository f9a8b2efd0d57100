"""What makes MLX fast on a processor: another BLAS, and on x86-64 other functions of numbers."""
