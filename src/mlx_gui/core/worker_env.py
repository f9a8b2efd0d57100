"""The environment of the worker tower's processes."""


def worker_environment(platform: str, threads: int = 1) -> dict[str, str]:
    """What a child that uses MLX gets on top of its parent's environment.

    `platform` is `sys.platform`. `threads` are those of one product of matrices; they spin while
    they wait, so that more than one only pays for a lone worker on an idle machine.
    """
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if platform == "linux":
        # Read when the library is loaded, too early for the worker to set it for itself.
        environment["OPENBLAS_NUM_THREADS"] = str(threads)
        # Larger blocks go back to the system when they are freed, so that a worker takes no more
        # than MLX holds. Without this, holes between caches that come and go stay with it.
        environment["MALLOC_MMAP_THRESHOLD_"] = str(1 << 20)
    return environment
