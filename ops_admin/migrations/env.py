"""Alembic's entry: one PostgreSQL, every model, in a transaction."""

from alembic import context
from sqlalchemy import create_engine, text

from core import db
from ops_admin import models  # noqa: F401 - fills the metadata


def run() -> None:
    engine = create_engine(context.config.attributes["url"])
    with engine.connect() as connection:
        # partitions come and go by the month (metering/partitions.py); to the models they are one table
        parts = set(connection.scalars(text("SELECT CAST(inhrelid AS regclass)::text FROM pg_inherits")))
        connection.rollback()
        context.configure(
            connection=connection,
            target_metadata=db.Base.metadata,
            compare_server_default=False,
            include_name=lambda name, kind, _: kind != "table" or name not in parts,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
