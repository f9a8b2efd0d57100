"""Measurements of mlx-gui against the plain libraries, each as a ratio of interleaved pairs."""
