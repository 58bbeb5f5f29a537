"""Values that are made for secrets, by the room that has the cryptography for it."""

from resolver.crypto.generation import generate

__all__ = ["generate"]
