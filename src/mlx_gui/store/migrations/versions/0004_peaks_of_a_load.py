"""How high the memory of a worker rose while it loaded."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_COLUMNS = ("load_peak_bytes", "peak_rss_bytes")


def upgrade() -> None:
    for name in _COLUMNS:
        # 0 says that nobody has looked.
        op.add_column(
            "measurements", sa.Column(name, sa.Integer, nullable=False, server_default="0")
        )
