"""The process's sealer, for callers that may not know the keys' package."""

from control_plane.pki.seal import Sealer
from control_plane.settings import Settings

__all__ = ["Sealer", "sealer_from"]


def sealer_from(settings: Settings) -> Sealer:
    return Sealer(settings.sealing_key)
