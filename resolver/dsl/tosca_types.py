"""The types that TOSCA Simple Profile in YAML 1.3 defines itself, as far as they say what a value is.

Facts of the specification, chapter 5: what derives from what, which properties there are, with their types
and defaults, which capabilities a node has, and what its requirements ask for. Versions 1.0 to 1.2 agree in
these. Where the specification and those who read it differ, a type is left out, and is not known:
`tosca.nodes.network.Network` (`dhcp_enabled`), those of storage (`size`), and
`tosca.capabilities.Container.Docker`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX: Final = "tosca"


def _may(type_name: str, **more: object) -> dict[str, Any]:
    """A property that may be left out."""
    return {"type": type_name, "required": False, **more}


def _entries(type_name: str) -> dict[str, Any]:
    return {"entry_schema": {"type": type_name}}


def _must(type_name: str, **more: object) -> dict[str, Any]:
    """A property that has to have a value, which may be its default."""
    return {"type": type_name, **more}


def _requirement(capability: str, relationship: str) -> dict[str, str]:
    return {
        "capability": f"tosca.capabilities.{capability}",
        "relationship": f"tosca.relationships.{relationship}",
    }


def _capabilities(**types: str) -> dict[str, Any]:
    return {name: {"type": f"tosca.capabilities.{type_name}"} for name, type_name in types.items()}


_HOST: Final = [{"host": _requirement("Container", "HostedOn")}]

_DATA: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "Root": ("", {}),
    "Credential": (
        "Root",
        {
            "protocol": _may("string"),
            "token_type": _must("string", default="password"),
            "token": _must("string"),
            "keys": _may("map", **_entries("string")),
            "user": _may("string"),
        },
    ),
    "TimeInterval": ("Root", {"start_time": _must("timestamp"), "end_time": _must("timestamp")}),
    "network.NetworkInfo": (
        "Root",
        {
            "network_name": _must("string"),
            "network_id": _must("string"),
            "addresses": _must("list", **_entries("string")),
        },
    ),
    "network.PortInfo": (
        "Root",
        {
            **{name: _must("string") for name in ("port_name", "port_id", "network_id", "mac_address")},
            "addresses": _must("list", **_entries("string")),
        },
    ),
    "network.PortSpec": (
        "Root",
        {
            "protocol": _must("string", default="tcp"),
            **{name: _may("integer") for name in ("source", "target")},
            **{name: _may("range") for name in ("source_range", "target_range")},
        },
    ),
}

_CAPABILITIES: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "Root": ("", {}),
    "Node": ("Root", {}),
    "Container": ("Root", {}),
    "Compute": (
        "Container",
        {
            "num_cpus": _may("integer"),
            "cpu_frequency": _may("scalar-unit.frequency"),
            **{name: _may("scalar-unit.size") for name in ("disk_size", "mem_size")},
        },
    ),
    "Network": ("Root", {"name": _may("string")}),
    "Endpoint": (
        "Root",
        {
            "protocol": _must("string", default="tcp"),
            "port": _may("integer"),
            "secure": _may("boolean", default=False),
            **{name: _may("string") for name in ("url_path", "port_name")},
            "network_name": _may("string", default="PRIVATE"),
            "initiator": _may("string", default="source"),
            "ports": _may("map", **_entries("tosca.datatypes.network.PortSpec")),
        },
    ),
    "Endpoint.Public": (
        "Endpoint",
        {
            "network_name": _must("string", default="PUBLIC"),
            "floating": _must("boolean", default=False),
            "dns_name": _may("string"),
        },
    ),
    "Endpoint.Admin": ("Endpoint", {"secure": _must("boolean", default=True)}),
    "Endpoint.Database": ("Endpoint", {}),
    "Attachment": ("Root", {}),
    "OperatingSystem": (
        "Root",
        {
            **{name: _may("string") for name in ("architecture", "type", "distribution")},
            "version": _may("version"),
        },
    ),
    "Scalable": (
        "Root",
        {
            **{name: _must("integer", default=1) for name in ("min_instances", "max_instances")},
            "default_instances": _may("integer"),
        },
    ),
    "network.Bindable": ("Node", {}),
    "network.Linkable": ("Node", {}),
}

_RELATIONSHIPS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "Root": ("", {}),
    "DependsOn": ("Root", {}),
    "HostedOn": ("Root", {}),
    "ConnectsTo": ("Root", {"credential": _may("tosca.datatypes.Credential")}),
    "AttachesTo": ("Root", {"location": _must("string"), "device": _may("string")}),
    "RoutesTo": ("ConnectsTo", {}),
    "network.LinksTo": ("DependsOn", {}),
    "network.BindsTo": ("DependsOn", {}),
}

_NODES: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "Root": ("", {}),
    "Abstract.Compute": ("Root", {}),
    "Compute": ("Abstract.Compute", {}),
    "SoftwareComponent": (
        "Root",
        {"component_version": _may("version"), "admin_credential": _may("tosca.datatypes.Credential")},
    ),
    "WebServer": ("SoftwareComponent", {}),
    "WebApplication": ("Root", {"context_root": _may("string")}),
    "DBMS": ("SoftwareComponent", {"root_password": _may("string"), "port": _may("integer")}),
    "Database": (
        "Root",
        {
            "name": _must("string"),
            "port": _may("integer"),
            **{name: _may("string") for name in ("user", "password")},
        },
    ),
    "Container.Runtime": ("SoftwareComponent", {}),
    "Container.Application": ("Root", {}),
    "network.Port": (
        "Root",
        {
            "ip_address": _may("string"),
            "order": _may("integer", default=0),
            "is_default": _may("boolean", default=False),
            **{name: _may("string") for name in ("ip_range_start", "ip_range_end")},
        },
    ),
    "LoadBalancer": ("Root", {"algorithm": _may("string")}),
}

_NODE_CAPABILITIES: Final = {
    "Root": _capabilities(feature="Node"),
    "Abstract.Compute": _capabilities(host="Compute"),
    "Compute": _capabilities(
        endpoint="Endpoint.Admin", os="OperatingSystem", scalable="Scalable", binding="network.Bindable"
    ),
    "WebServer": _capabilities(data_endpoint="Endpoint", admin_endpoint="Endpoint.Admin", host="Compute"),
    "WebApplication": _capabilities(app_endpoint="Endpoint"),
    "DBMS": _capabilities(host="Compute"),
    "Database": _capabilities(database_endpoint="Endpoint.Database"),
    "Container.Runtime": _capabilities(host="Compute", scalable="Scalable"),
    "LoadBalancer": _capabilities(client="Endpoint.Public"),
}

_NODE_REQUIREMENTS: Final[Mapping[str, list[dict[str, Any]]]] = {
    "Root": [{"dependency": _requirement("Node", "DependsOn")}],
    "Compute": [{"local_storage": _requirement("Attachment", "AttachesTo")}],
    **dict.fromkeys(("SoftwareComponent", "WebApplication", "Database", "Container.Application"), _HOST),
    "network.Port": [
        {"link": _requirement("network.Linkable", "network.LinksTo")},
        {"binding": _requirement("network.Bindable", "network.BindsTo")},
    ],
    "LoadBalancer": [{"application": _requirement("Endpoint", "RoutesTo")}],
}


def _named(kind: str, types: Mapping[str, tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Types by their names, whole and qualified; shortened ones (`Compute`) may be those of any import."""
    found: dict[str, dict[str, Any]] = {}
    for name, (parent, properties) in types.items():
        entry: dict[str, Any] = {"properties": properties}
        if parent:
            entry["derived_from"] = f"{_PREFIX}.{kind}.{parent}"
        if kind == "nodes":
            entry["capabilities"] = _NODE_CAPABILITIES.get(name, {})
            entry["requirements"] = _NODE_REQUIREMENTS.get(name, [])
        short = name.removeprefix("network.")
        for each in (f"{_PREFIX}.{kind}.{name}", f"{_PREFIX}:{short}"):
            found[each] = entry
    return found


NORMATIVE: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "data_types": _named("datatypes", _DATA),
    "capability_types": _named("capabilities", _CAPABILITIES),
    "relationship_types": _named("relationships", _RELATIONSHIPS),
    "node_types": _named("nodes", _NODES),
}
"""The types as a document has them, under both of their names."""
