"""Imported by Python at its start: leaves the console scripts dumpable, and traced, for tests that do so."""

from resolver.delivery import hardening

hardening._turn_off_dumpability = str  # type: ignore[assignment] # noqa: SLF001 - there is no other way in
hardening.find_tracer = str  # type: ignore[assignment]
