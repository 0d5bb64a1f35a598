"""The environment, read once. Nobody below this floor looks at it."""

from datetime import UTC, datetime

from pydantic_settings import BaseSettings, SettingsConfigDict

from core.settings import Settings


class _Environment(BaseSettings, Settings):
    """Every setting by its own name in upper case (``DATABASE_URL``), from the environment or a ``.env`` file."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)


def load(**overrides: object) -> Settings:
    """This will read the settings; pydantic's ValidationError names whatever cannot be right."""
    return Settings(**_Environment(**overrides).model_dump())  # type: ignore[arg-type]


def now() -> datetime:
    """This will read the clock. The one place that does."""
    return datetime.now(UTC)
