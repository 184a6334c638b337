"""Whether this process can do its work: it answers and its database does."""

from fastapi import APIRouter
from sqlalchemy import text

from control_plane.http.units import SessionDep, TransactionRoute

router = APIRouter(tags=["health"], route_class=TransactionRoute)


@router.get("/healthz")
def healthz(session: SessionDep) -> dict[str, str]:
    """200 while requests can be served; 503 while Postgres is out of reach."""
    session.execute(text("SELECT 1"))
    return {"status": "ok"}
