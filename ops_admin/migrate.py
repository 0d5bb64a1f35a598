"""Bringing a database to today's tables."""

import pathlib

from alembic import command
from alembic.config import Config

_FOLDER = pathlib.Path(__file__).parent / "migrations"


def configuration(url: str) -> Config:
    """This will give Alembic its configuration without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["url"] = url
    return config


def upgrade(url: str) -> None:
    """This will run every migration the database has not seen."""
    command.upgrade(configuration(url), "head")
