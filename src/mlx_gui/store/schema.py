"""The tables as the newest revision leaves them."""

from sqlalchemy import Column, Float, Integer, MetaData, String, Table

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009")
"""Every revision in order; each has its file in `migrations/versions`."""

METADATA = MetaData(
    # A constraint without a name could not be changed by a later revision.
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

models = Table(
    "models",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("discovered_at", String, nullable=False),
)

seen_models = Table(
    "seen_models",
    METADATA,
    Column("model", String, primary_key=True),
    # Where it was seen last and what it was, as JSON.
    Column("seen", String, nullable=False),
)

hidden_models = Table(
    "hidden_models",
    METADATA,
    Column("model", String, primary_key=True),
)

aliases = Table(
    "aliases",
    METADATA,
    Column("alias", String, primary_key=True),
    Column("model", String, nullable=False),
    Column("created_at", String, nullable=False),
)

trash_folders = Table(
    "trash_folders",
    METADATA,
    Column("base", String, primary_key=True),
)

settings = Table(
    "settings",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
    Column("changed_at", String, nullable=False),
)

measurements = Table(
    "measurements",
    METADATA,
    Column("spec_key", String, primary_key=True),
    Column("model", String, nullable=False),
    Column("active_bytes", Integer, nullable=False),
    Column("cache_bytes", Integer, nullable=False),
    Column("peak_bytes", Integer, nullable=False),
    Column("rss_bytes", Integer, nullable=False),
    Column("load_ms", Float, nullable=False),
    Column("measured_at", String, nullable=False),
    Column("load_peak_bytes", Integer, nullable=False, server_default="0"),
    Column("peak_rss_bytes", Integer, nullable=False, server_default="0"),
)

devices = Table(
    "devices",
    METADATA,
    Column("fingerprint", String, primary_key=True),
    Column("facts", String, nullable=False),
    Column("probed_at", String, nullable=False),
)

responses = Table(
    "responses",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("model", String, nullable=False),
    # Not a foreign key: what a response continues may be deleted before it.
    Column("previous_id", String),
    Column("created_at", String, nullable=False, index=True),
    Column("input", String, nullable=False),
    Column("output", String, nullable=False),
    Column("body", String, nullable=False),
)

model_settings = Table(
    "model_settings",
    METADATA,
    Column("model", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
    Column("changed_at", String, nullable=False),
)

jobs = Table(
    "jobs",
    METADATA,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("arguments", String, nullable=False),
    Column("title", String, nullable=False),
    Column("state", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("stage", String, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer),
    Column("unit", String, nullable=False),
    Column("error", String),
    Column("detail", String, nullable=False, server_default=""),
    Column("position", Integer, nullable=False, server_default="0"),
)

benchmarks = Table(
    "benchmarks",
    METADATA,
    Column("id", String, primary_key=True),
    Column("model", String, nullable=False, index=True),
    Column("version", String, nullable=False),
    Column("measured_at", Float, nullable=False),
    Column("context", Integer),
    Column("figures", String, nullable=False),
)
