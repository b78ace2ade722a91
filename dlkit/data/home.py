"""Where downloaded and prepared data lie."""

import os
from pathlib import Path

from platformdirs import user_cache_path


def data_home() -> Path:
    """Return the folder for downloaded and prepared data: `$DLKIT_HOME`, else the user's cache folder."""
    home = os.environ.get("DLKIT_HOME")
    return Path(home).expanduser() if home else user_cache_path("dlkit")


def prepared_path(name: str) -> Path:
    """Return the place of a data set's prepared file."""
    return data_home() / "prepared" / f"{name}.safetensors"


def downloads_folder(name: str) -> Path:
    """Return the folder that a data set's files are downloaded into."""
    return data_home() / "downloads" / name
