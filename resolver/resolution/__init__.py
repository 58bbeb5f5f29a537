"""One run over one or several blueprints: read, plan, obtain values, substitute them."""

from resolver.resolution.resolve import Resolution, check, resolve, resolve_good
from resolver.resolution.run import BlueprintText, Options

__all__ = ["BlueprintText", "Options", "Resolution", "check", "resolve", "resolve_good"]
