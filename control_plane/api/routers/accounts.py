"""Accounts: sign-up where it is open, and who am I."""

from fastapi import APIRouter, Request

from control_plane.api.schemas.accounts import AccountCreate, AccountOut, account_out
from control_plane.domain.errors import Forbidden
from control_plane.http.auth import AccountDep
from control_plane.http.context import ContextDep, client_host
from control_plane.http.units import SessionDep, TransactionRoute
from control_plane.services import accounts

router = APIRouter(tags=["accounts"], route_class=TransactionRoute)


@router.post("/accounts", status_code=201)
def create_account(
    request: Request, body: AccountCreate, session: SessionDep, context: ContextDep
) -> AccountOut:
    """Sign up. Closed unless the service runs with SIGNUP=open."""
    if context.settings.signup != "open":
        raise Forbidden("Sign-up is closed on this service; its operator makes accounts.")
    context.sign_ins_by_host.check(client_host(request))
    account = accounts.create(
        session, email=body.email, password=body.password, now=context.clock.now()
    )
    return account_out(account)


@router.get("/account")
def read_account(account: AccountDep) -> AccountOut:
    return account_out(account)
