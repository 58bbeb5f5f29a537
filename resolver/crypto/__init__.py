"""Fernet, the key ring, root key sources and password hashes."""
