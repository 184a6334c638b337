"""The sealer of this service, made from its SECRET_KEY; the door to `pki` for the edges."""

from control_plane.pki.seal import Sealer
from control_plane.settings import Settings

__all__ = ["Sealer", "sealer_from"]


def sealer_from(settings: Settings) -> Sealer:
    return Sealer(settings.sealing_key)
