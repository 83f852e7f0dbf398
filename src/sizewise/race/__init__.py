"""The race: which trials are still worth running. Ask and tell, pure; it never sees an endpoint or a file.

`Race` is what a study drives; `walk` holds the evidence, `schedule` the order. Not covered: candidates that
enter late, items chosen by what was seen.
"""

from sizewise.race.race import Dropped, Race, RaceCandidate, RaceItem, RaceState

__all__ = ["Dropped", "Race", "RaceCandidate", "RaceItem", "RaceState"]
