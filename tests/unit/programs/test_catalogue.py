from core import wording
from core.programs import catalogue


def test_every_program_can_be_named_in_every_language() -> None:
    codes = {entry["code"] for entry in catalogue.entries()}
    assert len(codes) >= 8
    for locale in ("en", "es"):
        worded = {kind for kind in wording.kinds(locale) if kind.startswith("program.") and kind.count(".") == 2}
        for code in codes:
            assert {f"program.{code}.name", f"program.{code}.about"} <= worded
