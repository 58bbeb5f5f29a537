"""The formats that resolved blueprints are written in."""

from __future__ import annotations

import enum


class DocumentFormat(enum.StrEnum):
    """How a resolved blueprint is written: its own text with the values in it, or the document as JSON."""

    YAML = "yaml"
    JSON = "json"
