"""The migrations make the same tables as the models, triggers included."""

from alembic import command
from sqlalchemy import create_engine, text

from ops_admin import migrate
from ops_admin.stack import embedded


def test_migrations_and_models_agree(postgres: embedded.EmbeddedPostgres) -> None:
    url = postgres.create_database("migrated")
    migrate.upgrade(url)
    migrate.upgrade(url)  # again changes nothing
    command.check(migrate.configuration(url))  # raises when a model knows something the migrations do not
    migrated, modelled = _triggers(url), _triggers(_modelled(postgres))
    assert migrated == modelled != set()


def _modelled(postgres: embedded.EmbeddedPostgres) -> str:
    from core import db
    from ops_admin import models  # noqa: F401 - fills the metadata

    url = postgres.create_database("modelled")
    engine = create_engine(url)
    with engine.begin() as connection:
        db.Base.metadata.create_all(connection)
    engine.dispose()
    return url


def _triggers(url: str) -> set[tuple[str, str]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal")
        ).all()
    engine.dispose()
    return {(row[0], row[1]) for row in rows}
