"""Concentration curves as a kind of data."""

from dlkit.settings.config import TABLE_SETTINGS
from dlkit.settings.deferred import deferred
from dlkit.settings.kinds import DataKind

PBPK = DataKind(
    name="pbpk",
    load=deferred("dlkit.data.pbpk.load:load_pbpk"),
    refuses=("bands", "size", "scale_target", *TABLE_SETTINGS),
    task="curves",
)
