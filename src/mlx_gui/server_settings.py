"""The table of the settings of the server; `config.py` makes a Config of it."""

import os

from mlx_gui.core.network import (
    listed_collector,
    listed_endpoint,
    listed_network,
    listed_token,
)
from mlx_gui.core.origin import listed_origin
from mlx_gui.core.setting_row import Setting

SERVER_SETTINGS: tuple[Setting, ...] = (
    Setting("host", "text", "127.0.0.1", "Address to listen on.", restart=True),
    Setting(
        "port",
        "integer",
        8000,
        "Port to listen on; 0 takes a free one.",
        bounds=(0, 65535),
        restart=True,
    ),
    Setting(
        "data_dir",
        "text",
        None,
        "Folder of the database, models and caches.",
        in_data_dir=False,
        restart=True,
    ),
    Setting(
        "model_dirs",
        "list",
        None,
        "Folders searched for models; the default is `models/` in the data directory and the "
        "Hugging Face cache.",
        separator=os.pathsep,
    ),
    Setting(
        "watch_s",
        "number",
        10.0,
        "Time between two looks at whether the model folders have changed; 0 never looks.",
        bounds=(0, 86_400),
    ),
    Setting("max_loaded_models", "integer", 3, "Models kept in memory at once.", bounds=(1, 64)),
    Setting(
        "memory_limit_bytes",
        "integer",
        0,
        "Memory that models may use; 0 decides by the device.",
        bounds=(0, 2**50),
    ),
    Setting(
        "memory_reserve_bytes",
        "integer",
        0,
        "Memory that models leave to the system and other programs; 0 takes 2 GB, or a quarter of "
        "a memory under 8 GB.",
        bounds=(0, 2**50),
    ),
    Setting(
        "keep_alive_s",
        "integer",
        900,
        "Time a model stays loaded after its last request; 0 unloads at once, -1 never.",
        bounds=(-1, 10 * 365 * 86_400),
    ),
    Setting(
        "time_slice_s",
        "number",
        20.0,
        "Time a model that others wait for may go on before they take turns, where they do not fit "
        "into memory together.",
        bounds=(1, 3600),
    ),
    Setting("preload", "list", (), "Models that are loaded when the server starts.", restart=True),
    Setting(
        "slots", "integer", 32, "Sequences a model decodes together.", bounds=(1, 256), reload=True
    ),
    Setting(
        "max_context_tokens",
        "integer",
        "auto",
        "Longest context that models are loaded with, prompt and answer together; `auto` takes "
        "for each model what it was made for, up to 65,536, within an eighth of the budget.",
        bounds=(16, 10_000_000),
        words=("auto",),
        reload=True,
    ),
    Setting(
        "prefix_cache_bytes",
        "integer",
        512 * 1024 * 1024,
        "Memory in which a model keeps the prompts of earlier requests, to read them only once; "
        "0 keeps none. A model reserves at most twice what its context takes.",
        bounds=(0, 2**50),
        reload=True,
    ),
    Setting(
        "kv_bits",
        "integer",
        0,
        "Bits of a value in the KV cache; 0 leaves it as the model computes. With 4 or 8 a model "
        "answers one request at a time.",
        bounds=(0, 8),
        choices=("0", "4", "8"),
        reload=True,
    ),
    Setting(
        "tool_prompt",
        "text",
        "generic",
        "What becomes of tools where a model's template knows none: `generic` describes them in "
        "the prompt, `refuse` answers with an error.",
        choices=("generic", "refuse"),
        reload=True,
    ),
    Setting(
        "truncate",
        "switch",
        False,
        "Drop the oldest turns of a conversation that is longer than the context, and the end of "
        "a text to embed or to rank that is longer than the model reads.",
        reload=True,
    ),
    Setting(
        "max_queue", "integer", 256, "Requests that may wait for one model.", bounds=(1, 100_000)
    ),
    Setting("queue_timeout_s", "number", 300.0, "Longest wait in the queue.", bounds=(0.1, 86_400)),
    Setting(
        "load_timeout_s",
        "number",
        600.0,
        "Longest time a load may take.",
        bounds=(0.1, 86_400),
        reload=True,
    ),
    Setting(
        "health_timeout_s",
        "number",
        5.0,
        "Time a worker may take to answer a ping.",
        bounds=(0.1, 600),
    ),
    Setting(
        "hang_timeout_s",
        "number",
        60.0,
        "Time after which a worker that does not answer is ended and replaced; longer than the "
        "longest step of a slow machine.",
        bounds=(1, 3600),
        reload=True,
    ),
    Setting(
        "worker_memory_limit_bytes",
        "integer",
        0,
        "What one worker may allocate, held by the system and whatever was planned; 0 is no limit. "
        "On Linux only.",
        bounds=(0, 2**50),
        reload=True,
    ),
    Setting(
        "recycle_requests",
        "integer",
        0,
        "Answered requests after which an idle worker is replaced by a fresh one; 0 is never.",
        bounds=(0, 10**9),
    ),
    Setting(
        "warm_spare",
        "switch",
        True,
        "Keep a worker without a model ready while memory is plentiful, so that the next load need "
        "not wait for libraries.",
    ),
    Setting(
        "client_stall_s",
        "number",
        30.0,
        "A client that takes nothing of its answer, or sends nothing more of its request, for this "
        "long is cut off.",
        bounds=(0.1, 3600),
    ),
    Setting(
        "stream_commit_s",
        "number",
        5.0,
        "Time after which a stream's status line is sent although its request still waits.",
        bounds=(0, 600),
    ),
    Setting(
        "shutdown_grace_s",
        "number",
        30.0,
        "Time that running answers get when the server stops.",
        bounds=(0, 3600),
    ),
    Setting(
        "max_body_bytes",
        "integer",
        16 * 1024 * 1024,
        "Largest request body that is not a form with files.",
        bounds=(1024, 2**40),
    ),
    Setting(
        "max_upload_bytes",
        "integer",
        1024 * 1024 * 1024,
        "Largest form with files. They lie on the disk until their request has ended.",
        bounds=(1024, 2**40),
    ),
    Setting(
        "max_audio_bytes",
        "integer",
        512 * 1024 * 1024,
        "Largest file of sound.",
        bounds=(1024, 2**40),
    ),
    Setting(
        "max_audio_s",
        "number",
        14_400.0,
        "Longest sound, as it is played; a small file may hold days.",
        bounds=(1, 10_000_000),
    ),
    Setting(
        "max_speech_characters",
        "integer",
        4096,
        "Longest text that is spoken in one request; OpenAI's bound is the default.",
        bounds=(1, 1_000_000),
    ),
    Setting(
        "max_pictures",
        "integer",
        100,
        "Pictures in one request to a model that sees, those of earlier turns included.",
        bounds=(1, 4096),
    ),
    Setting(
        "max_picture_bytes",
        "integer",
        32 * 1024 * 1024,
        "Largest file of a picture.",
        bounds=(1024, 2**30),
    ),
    Setting(
        "max_picture_pixels",
        "integer",
        4 * 1024 * 1024,
        "Pixels of a picture that models are shown; one with more is scaled down.",
        bounds=(200_000, 64 * 1024 * 1024),
    ),
    Setting(
        "chat_audio_model",
        "text",
        "off",
        "Speech model that writes down sound in chats (`input_audio`); `off` refuses it.",
    ),
    Setting(
        "media_urls",
        "text",
        "off",
        "Addresses in requests that pictures are fetched from: `off` is none, `https`, or `http` "
        "as well. Only the public network is reached.",
        choices=("off", "https", "http"),
    ),
    Setting(
        "media_timeout_s",
        "number",
        20.0,
        "Longest time that fetching the pictures of one request may take.",
        bounds=(0.1, 600),
    ),
    Setting(
        "allowed_hosts",
        "list",
        (),
        "Host names besides loopback that requests may address; guards against DNS rebinding.",
    ),
    Setting(
        "allowed_origins",
        "list",
        (),
        "Origins of web pages and browser extensions that may use this server as its own interface "
        "does. Windows of native programs and pages of this machine may infer and read without "
        "being listed.",
        plain=listed_origin,
    ),
    Setting(
        "trusted_proxies",
        "list",
        (),
        "Addresses and networks of proxies whose headers say for whom they ask. From others, a "
        "request with such headers counts as one from elsewhere.",
        plain=listed_network,
    ),
    Setting(
        "log_level",
        "text",
        "info",
        "Least level that is logged.",
        choices=("debug", "info", "warning", "error"),
    ),
    Setting(
        "log_file",
        "switch",
        False,
        "Write the log into `logs/server.log` in the data directory instead of standard error. At "
        "10 MB the file is put aside; four of these are kept.",
        restart=True,
    ),
    Setting(
        "responses_retention_days",
        "integer",
        30,
        "Time that stored responses are kept after the last turn of their conversation; 0 stores "
        "none.",
        bounds=(0, 36_500),
    ),
    Setting(
        "samples_retention_days",
        "integer",
        30,
        "Time that samples of memory and work are kept for charts; 0 keeps none.",
        bounds=(0, 3650),
    ),
    Setting(
        "requests_retention_days",
        "integer",
        30,
        "Time that records of requests are kept, without prompts and answers; 0 keeps none.",
        bounds=(0, 3650),
    ),
    Setting(
        "requests_kept",
        "integer",
        100_000,
        "Records of requests that are kept, and 128 MB of them at most; 0 keeps none.",
        bounds=(0, 10_000_000),
    ),
    Setting(
        "otlp_endpoint",
        "text",
        "off",
        "Address of an OpenTelemetry collector that gets a trace of each request over HTTP, "
        "without prompts and answers; `off` sends none. It needs the extra `otel`.",
        plain=listed_collector,
    ),
    Setting(
        "downloads_at_once",
        "integer",
        2,
        "Models that are downloaded at the same time.",
        bounds=(1, 16),
    ),
    Setting(
        "download_connections",
        "integer",
        8,
        "Connections of one download; a large file comes by several of them at once.",
        bounds=(1, 32),
    ),
    Setting(
        "download_limit_bytes",
        "integer",
        0,
        "What all downloads together may bring a second; 0 is no limit.",
        bounds=(0, 2**40),
    ),
    Setting(
        "download_stall_s",
        "number",
        30.0,
        "Time after which a connection that brings nearly nothing is left for a new one. A "
        "download fails after four times as long without anything.",
        bounds=(1, 3600),
    ),
    Setting(
        "xet",
        "text",
        "auto",
        "What comes from the hub's Xet store: `auto` what plain HTTP does not give, which is files "
        "of more than 50 GB; `on` all that is there; `off` nothing.",
        choices=("auto", "on", "off"),
    ),
    Setting(
        "disk_reserve_bytes",
        "integer",
        0,
        "Space that downloads, imports and conversions leave on a disk; 0 takes 2 GB, or a "
        "twentieth of a smaller disk than 40 GB.",
        bounds=(0, 2**50),
    ),
    Setting(
        "trash_retention_days",
        "integer",
        7,
        "Time that removed models stay in the trash, where they take as much of the disk as "
        "before; 0 deletes them at once.",
        bounds=(0, 3650),
    ),
    Setting("offline", "switch", False, "Never reach out to the network."),
    Setting(
        "check_updates",
        "switch",
        False,
        "Ask the package index once a day, by pip and as pip is set up, whether there is a newer "
        "version. Nothing is installed.",
    ),
    Setting(
        "hub_endpoint",
        "text",
        None,
        "Address of the hub that models come from; the default is `HF_ENDPOINT`, else "
        "`https://huggingface.co`.",
        plain=listed_endpoint,
    ),
    Setting(
        "hub_token",
        "text",
        None,
        "Token for gated and private models on the hub. Without it the one that `HF_TOKEN` or "
        "`hf auth login` has set is taken.",
        secret=True,
        plain=listed_token,
    ),
    Setting(
        "notify_downloads",
        "switch",
        True,
        "The tray tells when a download has finished or failed.",
    ),
    Setting(
        "notify_failures",
        "switch",
        True,
        "The tray tells when a model has failed, or the server has ended by itself.",
    ),
    Setting(
        "notify_memory",
        "switch",
        True,
        "The tray tells when memory is nearly full.",
    ),
    Setting(
        "notify_evictions",
        "switch",
        True,
        "The tray tells when a model was unloaded to make room, and for which.",
    ),
    Setting(
        "blas",
        "text",
        "auto",
        "CPU matrix library of workers: `auto`, `off`, or the path of a CBLAS library.",
        restart=True,
    ),
    Setting(
        "engine",
        "text",
        "mlx",
        "`mlx`, or `fake`: scripted answers without any model, for tests and interface work. "
        "Models of `model_dirs`, where these are set, are answered for too.",
        choices=("mlx", "fake"),
        restart=True,
    ),
)
ROWS = {row.name: row for row in SERVER_SETTINGS}
