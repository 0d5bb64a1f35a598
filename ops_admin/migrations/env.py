"""Alembic's entry: one PostgreSQL, every model, in a transaction."""

from alembic import context
from sqlalchemy import create_engine

from core import db
from ops_admin import models  # noqa: F401 - fills the metadata


def run() -> None:
    engine = create_engine(context.config.attributes["url"])
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=db.Base.metadata, compare_server_default=False)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
