"""Jobs that wait have an order, and a kind of job may say more of how far it is."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("detail", sa.String, nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("position", sa.Integer, nullable=False, server_default="0"))
