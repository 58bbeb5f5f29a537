"""New passwords, random texts and key pairs."""

from __future__ import annotations

import base64
import secrets
import string
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from resolver.core.generated import GeneratedKind, GeneratedValue, GenerationRules
from resolver.core.model import SecretValue

if TYPE_CHECKING:
    from datetime import datetime

_RSA_BITS = 4096


def generate(kind: GeneratedKind, rules: GenerationRules, now: datetime) -> GeneratedValue:
    """Make a value of a kind.

    Args:
        kind: what it is.
        rules: how long it is, and what is in it.
        now: the time, for certificates.
    """
    match kind:
        case GeneratedKind.PASSWORD:
            return GeneratedValue(SecretValue(_password(rules.length, rules.symbols)))
        case GeneratedKind.HEX:
            return GeneratedValue(SecretValue(secrets.token_hex(rules.length)))
        case GeneratedKind.BASE64:
            return GeneratedValue(SecretValue(base64.b64encode(secrets.token_bytes(rules.length)).decode()))
        case GeneratedKind.UUID:
            return GeneratedValue(SecretValue(str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))))
        case GeneratedKind.SSH_ED25519:
            return _ssh(ed25519.Ed25519PrivateKey.generate())
        case GeneratedKind.SSH_RSA:
            return _ssh(rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS))
        case GeneratedKind.TLS:
            return _tls(rules, now)
        case _:
            assert_never(kind)


def _password(length: int, symbols: str) -> str:
    """A password with one of each class at least; each that fits is as likely as any other."""
    classes = [string.ascii_lowercase, string.ascii_uppercase, string.digits, *([symbols] if symbols else [])]
    alphabet = "".join(classes)
    while True:
        text = "".join(secrets.choice(alphabet) for _ in range(length))
        if all(any(one in text for one in group) for group in classes):
            return text


def _ssh(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> GeneratedValue:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return GeneratedValue(SecretValue(private.decode()), SecretValue(public.decode() + "\n"))


def _tls(rules: GenerationRules, now: datetime) -> GeneratedValue:
    """An EC P-256 key, and a certificate that it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, rules.hosts[0][:64])])
    end = now + timedelta(days=rules.days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(end)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in rules.hosts]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return GeneratedValue(
        SecretValue(private), SecretValue(certificate.public_bytes(Encoding.PEM).decode()), end
    )
