"""How fast models were here."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "benchmarks",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("measured_at", sa.Float, nullable=False),
        sa.Column("context", sa.Integer),
        sa.Column("figures", sa.String, nullable=False),
    )
    op.create_index("ix_benchmarks_model", "benchmarks", ["model"])
