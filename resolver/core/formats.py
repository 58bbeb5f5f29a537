"""The formats that blueprints are read and written in."""

from __future__ import annotations

import enum


class DocumentFormat(enum.StrEnum):
    """How a resolved blueprint is written: its own text with the values in it, or the document as JSON."""

    YAML = "yaml"
    JSON = "json"


class DialectName(enum.StrEnum):
    """What a blueprint may be read as, where its version leaves that open."""

    CLOUDIFY = "cloudify"
    TOSCA_1 = "tosca_1"
    TOSCA_2 = "tosca_2"
    YORC = "yorc"
