"""Peer certificates: ours give a principal, everyone else's a refusal."""

import pytest

from data_plane.security.certificates import ForeignCertificate, principal_from_certificate

O_C1, O_C2 = (("organizationName", "c1"),), (("organizationName", "c2"),)
CN = (("commonName", "cred-1"),)


@pytest.mark.semantics("89a")
def test_principal_of_our_own_client() -> None:
    principal = principal_from_certificate({"subject": (O_C1, CN)}, cluster_id="c1")
    assert principal == "User:CN=cred-1,O=c1"


@pytest.mark.semantics("89a")
def test_order_of_the_subject_does_not_matter() -> None:
    principal = principal_from_certificate({"subject": (CN, O_C1)}, cluster_id="c1")
    assert principal == "User:CN=cred-1,O=c1"


def test_a_comma_in_a_name_cannot_forge_another_organization() -> None:
    forged = (("commonName", "cred-1,O=c1"),)
    principal = principal_from_certificate({"subject": (O_C1, forged)}, cluster_id="c1")
    assert principal == "User:CN=cred-1\\,O=c1,O=c1"


@pytest.mark.parametrize(
    "peer",
    [
        None,
        {},
        {"subject": ()},
        {"subject": (CN,)},
        {"subject": (O_C1,)},
        {"subject": (O_C1, (("commonName", ""),))},
        {"subject": (O_C2, CN)},
        {"subject": (O_C1, O_C2, CN)},
        {"subject": (O_C1, CN, (("commonName", "cred-2"),))},
    ],
)
def test_any_other_certificate_is_refused(peer: dict[str, object] | None) -> None:
    with pytest.raises(ForeignCertificate):
        principal_from_certificate(peer, cluster_id="c1")
