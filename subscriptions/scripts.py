"""The scripts that Valkey runs: files of `lua/`. Each states its KEYS, ARGV and answer."""

from pathlib import Path

_FOLDER = Path(__file__).parent / "lua"


def read_script(*names: str) -> str:
    """Return the text of a script: what is common to all, then the named files in order."""
    return "".join((_FOLDER / f"{name}.lua").read_text("utf-8") for name in ("keys", *names))
