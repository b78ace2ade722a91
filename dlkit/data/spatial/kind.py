"""Points with coordinates as a kind of data."""

from dlkit.settings.config import SPATIAL_PANEL
from dlkit.settings.deferred import deferred
from dlkit.settings.kinds import DataKind

SPATIAL = DataKind(
    name="spatial",
    load=deferred("dlkit.data.spatial.load:load_spatial"),
    option="coords",
    panel=SPATIAL_PANEL,
    refuses=("augment", "bands", "num_workers", "size"),
    check_samples=deferred("dlkit.data.spatial.check:check_neighbors"),
    baselines=deferred("dlkit.evaluation.baselines.spatial:spatial_baselines"),
    distances=deferred("dlkit.evaluation.spatial_distances:nearest_distances"),
    drawings=deferred("dlkit.data.spatial.split:drawings"),
)
