"""Names of those who connect, in Kafka's form `<type>:<name>`; the only type here is User."""

USER_PREFIX = "User:"
ANONYMOUS = "User:ANONYMOUS"  # Whoever comes by a listener that asks for no proof.

_SPECIAL = frozenset(',+"\\<>;')


class InvalidPrincipal(ValueError):
    """The text is not `User:<name>` with a name."""


def check_principal(text: str) -> str:
    """Return `text` if it can name a principal. Raises InvalidPrincipal."""
    if not text.startswith(USER_PREFIX) or len(text) == len(USER_PREFIX):
        raise InvalidPrincipal("a principal is written as User:<name>")
    return text


def escaped(value: str) -> str:
    """Escape one attribute value of a distinguished name (RFC 2253 2.4)."""
    text = "".join(f"\\{char}" if char in _SPECIAL else char for char in value)
    if text.startswith(("#", " ")):
        text = "\\" + text
    if text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1] + "\\ "
    return text


def client_principal(credential_id: str, cluster_id: str) -> str:
    """Name the holder of a client certificate (durability.md 8), the same on both engines."""
    return f"{USER_PREFIX}CN={escaped(credential_id)},O={escaped(cluster_id)}"
