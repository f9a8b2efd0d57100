"""What loaded models really took, and what the probe found of the device."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "measurements",
        sa.Column("spec_key", sa.String, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("active_bytes", sa.Integer, nullable=False),
        sa.Column("cache_bytes", sa.Integer, nullable=False),
        sa.Column("peak_bytes", sa.Integer, nullable=False),
        sa.Column("rss_bytes", sa.Integer, nullable=False),
        sa.Column("load_ms", sa.Float, nullable=False),
        sa.Column("measured_at", sa.String, nullable=False),
    )
    op.create_table(
        "devices",
        sa.Column("fingerprint", sa.String, primary_key=True),
        sa.Column("facts", sa.String, nullable=False),
        sa.Column("probed_at", sa.String, nullable=False),
    )
