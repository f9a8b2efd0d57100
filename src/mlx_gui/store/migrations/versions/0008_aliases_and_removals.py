"""Other names of models, where they were seen last, which are hidden, and where trash lies."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "seen_models",
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("seen", sa.String, nullable=False),
    )
    op.create_table("hidden_models", sa.Column("model", sa.String, primary_key=True))
    op.create_table(
        "aliases",
        sa.Column("alias", sa.String, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
    )
    op.create_table("trash_folders", sa.Column("base", sa.String, primary_key=True))
