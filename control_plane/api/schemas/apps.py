"""Apps. Fields that other platforms' command lines insist on are there, with what is true here."""

from pydantic import Field

from control_plane.api.schemas.bodies import Body, Moment, Named, Out
from control_plane.models import App


class AppCreate(Body):
    name: str | None = Field(default=None, max_length=30)


class Owner(Out):
    id: str
    email: str


class AppOut(Out):
    id: str
    name: str
    owner: Owner
    region: Named
    stack: Named
    web_url: str | None = None
    git_url: str | None = None
    slug_size: int = 0
    repo_size: int = 0
    maintenance: bool = False
    created_at: Moment
    updated_at: Moment
    released_at: Moment | None = None


_HERE = Named(id="00000000-0000-0000-0000-000000000000", name="local")


def app_out(app: App) -> AppOut:
    return AppOut(
        id=str(app.id),
        name=app.name,
        owner=Owner(id=str(app.account.id), email=app.account.email),
        region=_HERE,
        stack=_HERE,
        created_at=app.created_at,
        updated_at=app.updated_at,
    )
