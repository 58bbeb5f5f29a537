"""The rules of access, the records that all rooms share, and the ports that the edges implement.

Pure: the standard library, msgspec and `resolver.errors` only. No I/O, no SQL, no cryptography, no YAML.
"""
