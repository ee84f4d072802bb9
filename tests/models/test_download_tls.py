"""Downloads over https, from servers with certificates that are trusted and that are not."""

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from sakuga.errors import DownloadError
from sakuga.models.weights import ensure_weights
from sakuga.settings import Settings
from tests.models import weights_server as servers
from tests.models.weights_server import DATA, WeightsServer, card_of, files, serve, settings

pytestmark = pytest.mark.slow

__all__ = ["settings"]

x509 = pytest.importorskip("cryptography.x509")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine that its own key has signed, with that key, in one file."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[WeightsServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serve(DATA, tls=context) as running:
        yield running


def test_a_server_with_a_trusted_certificate_gives_the_file(
    settings: Settings, server: WeightsServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server.cut = 150_000
    (path,) = ensure_weights(card_of(server.address), settings, cancelled=lambda: False)
    assert path.read_bytes() == DATA
    assert server.ranges == [None, "bytes=150000-", "bytes=300000-"]


def test_a_server_with_another_certificate_is_refused(settings: Settings, server: WeightsServer) -> None:
    with pytest.raises(DownloadError, match=r"(?i)certificate"):
        ensure_weights(card_of(server.address), settings)
    assert server.paths == []
    assert files(settings) == set()


def test_a_redirect_from_https_to_http_is_refused(
    settings: Settings, server: WeightsServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serve(DATA) as open_server:
        server.answer = servers.redirect(f"{open_server.address}/net.pth")
        with pytest.raises(DownloadError, match="not safe"):
            ensure_weights(card_of(server.address), settings)
        assert open_server.paths == []
