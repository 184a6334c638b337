"""S6: certificates and handshakes that must not get in, each wrong in one thing alone."""

import datetime as dt
import shutil
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

from data_plane.broker.config import TlsConfig
from data_plane.server.tls import server_context
from tests.fakes.certificates import CertificateAuthority, Pair
from tests.integration.data_plane.test_tls import CLUSTER_ID, Secured, secured_broker

API_VERSIONS = bytes.fromhex("0000000a00120000000000010000")
DAY = dt.timedelta(days=1)
Names = list[tuple[x509.ObjectIdentifier, str]]
OF_APP: Names = [(NameOID.ORGANIZATION_NAME, CLUSTER_ID), (NameOID.COMMON_NAME, "app")]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    yield from secured_broker(tmp_path_factory.mktemp("secured"))


class Signer:
    """Whoever signs certificates: the cluster's CA, or somebody who is none."""

    def __init__(self, pair: Pair | None = None, name: str = "nobody") -> None:
        self.key: ec.EllipticCurvePrivateKey = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.chain_pem = ""
        if pair is not None:
            key = serialization.load_pem_private_key(pair.key_pem.encode(), None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self.key = key
            self.name = x509.load_pem_x509_certificate(pair.certificate_pem.encode()).subject
            self.chain_pem = pair.certificate_pem

    def sign(
        self,
        names: Names = OF_APP,
        *,
        usage: x509.ObjectIdentifier = Usage.CLIENT_AUTH,
        begins: dt.timedelta = -DAY,
        ends: dt.timedelta = DAY,
        is_authority: bool = False,
        is_own: bool = False,
    ) -> Pair:
        """is_own: signed by its own key. is_authority: it may sign others, or claims so."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(*one) for one in names])
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if is_own else self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if not is_authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        certificate = builder.sign(key if is_own else self.key, hashes.SHA256())
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        secret = key.private_bytes(encoding, form, serialization.NoEncryption())
        return Pair(pem + self.chain_pem, secret.decode())


def below(signer: Signer, pair: Pair) -> Pair:
    """An app's certificate signed by `pair`, which shows its own chain."""
    return Signer(pair).sign()


Made = Callable[[Signer, CertificateAuthority], Pair]
WRONG: dict[str, Made] = {
    "self-signed": lambda ca, _: ca.sign(is_own=True),
    "of nobody": lambda _, __: Signer().sign(),
    "of a CA that has our CA's name": lambda _, __: Signer(name="test CA").sign(),
    "expired": lambda ca, _: ca.sign(begins=-3 * DAY, ends=-DAY),
    "not yet valid": lambda ca, _: ca.sign(begins=DAY, ends=3 * DAY),
    "for servers": lambda ca, _: ca.sign(usage=Usage.SERVER_AUTH),
    "for signing code": lambda ca, _: ca.sign(usage=Usage.CODE_SIGNING),
    "the broker's own": lambda _, authority: authority.server(),
    "signed by a client": lambda ca, _: below(ca, ca.sign()),
    "signed by a client that claims to be a CA": lambda ca, _: below(
        ca, ca.sign(is_authority=True)
    ),
    "of another cluster": lambda ca, _: ca.sign([(NameOID.ORGANIZATION_NAME, "x"), OF_APP[1]]),
    "of a cluster in capitals": lambda ca, _: ca.sign(
        [(NameOID.ORGANIZATION_NAME, CLUSTER_ID.upper()), OF_APP[1]]
    ),
    "of a cluster with a blank": lambda ca, _: ca.sign(
        [(NameOID.ORGANIZATION_NAME, CLUSTER_ID + " "), OF_APP[1]]
    ),
    "of two clusters": lambda ca, _: ca.sign([*OF_APP, (NameOID.ORGANIZATION_NAME, "x")]),
    "of no cluster": lambda ca, _: ca.sign([OF_APP[1]]),
    "of a cluster by another attribute": lambda ca, _: ca.sign(
        [(NameOID.ORGANIZATIONAL_UNIT_NAME, CLUSTER_ID), OF_APP[1]]
    ),
    "of a cluster inside of the name": lambda ca, _: ca.sign(
        [(NameOID.ORGANIZATION_NAME, "x"), (NameOID.COMMON_NAME, f"app,O={CLUSTER_ID}")]
    ),
    "without a name": lambda ca, _: ca.sign([OF_APP[0]]),
    "with two names": lambda ca, _: ca.sign([*OF_APP, (NameOID.COMMON_NAME, "admin")]),
    "with NUL in its name": lambda ca, _: ca.sign(
        [OF_APP[0], (NameOID.COMMON_NAME, "admin\x00app")]
    ),
    "with a line end in its name": lambda ca, _: ca.sign(
        [OF_APP[0], (NameOID.COMMON_NAME, "app\nadmin")]
    ),
    "that turns its name around": lambda ca, _: ca.sign(
        [OF_APP[0], (NameOID.COMMON_NAME, "app\u202enimda")]
    ),
}


def test_what_is_right_gets_in(secured: Secured, tmp_path: Path) -> None:
    """So that each of the others is refused for the one thing that is wrong with it."""
    assert not secured.is_refused(signer_of(secured).sign(), tmp_path)


@pytest.mark.parametrize("made", WRONG.values(), ids=WRONG)
def test_a_wrong_certificate_is_refused(secured: Secured, tmp_path: Path, made: Made) -> None:
    assert secured.is_refused(made(signer_of(secured), secured.authority), tmp_path)


def signer_of(secured: Secured) -> Signer:
    return Signer(secured.authority.as_pair())


def connected(secured: Secured, context: ssl.SSLContext, session: object = None) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", secured.process.port), timeout=30)
    try:
        return context.wrap_socket(plain, server_hostname="localhost", session=session)  # type: ignore[arg-type]  # what SSLSocket.session gave
    except BaseException:
        plain.close()
        raise


def client_context(secured: Secured, folder: Path, pair: Pair) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=secured.authority.certificate_pem)
    (folder / "client.pem").write_text(pair.certificate_pem + pair.key_pem)
    context.load_cert_chain(folder / "client.pem")
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(secured: Secured, tmp_path: Path, version: ssl.TLSVersion) -> None:
    context = client_context(secured, tmp_path, signer_of(secured).sign())
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # The client would speak it.
    context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        connected(secured, context).close()


@pytest.fixture
def own_ca(secured: Secured) -> Iterator[None]:
    """Gives the broker its CA back."""
    trusted = secured.folder / "ca.crt"
    kept = secured.folder / "kept.crt"
    shutil.copy(trusted, kept)
    yield
    shutil.copy(kept, trusted)
    reload(secured)


def reload(secured: Secured) -> None:
    """SIGHUP, and wait until it was heeded: the broker says so for each listener."""
    log = secured.process.process.stderr
    assert log is not None
    secured.process.process.send_signal(signal.SIGHUP)
    while "has read its certificate anew" not in log.readline():
        assert secured.process.process.poll() is None


def test_a_session_cannot_be_resumed_once_its_ca_is_gone(
    secured: Secured, tmp_path: Path, own_ca: None
) -> None:
    """A resumed handshake shows no certificate; it must not outlive what let the first one in."""
    context = client_context(secured, tmp_path, signer_of(secured).sign())
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # Its session is there after the handshake.
    with connected(secured, context) as first:
        first.sendall(API_VERSIONS)
        assert first.recv(4)
        session = first.session
    (secured.folder / "ca.crt").write_text(CertificateAuthority("new CA").certificate_pem)
    reload(secured)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        connected(secured, context, session).close()


def test_clients_cannot_renegotiate(secured: Secured) -> None:
    """The certificate was looked at once, when the connection began."""
    folder = secured.folder
    context = server_context(
        TlsConfig(folder / "server.crt", folder / "server.key", folder / "ca.crt")
    )
    assert context.options & ssl.OP_NO_RENEGOTIATION
