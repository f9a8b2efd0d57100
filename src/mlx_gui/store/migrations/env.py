"""Alembic's entry: runs the pending revisions on the connection that `store.migrate` hands in."""

from alembic import context

from mlx_gui.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
