"""Bundles: what a run needs, put together where its files are, and read and resolved where it is kept."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from resolver.blueprint.context_file import make_context
from resolver.blueprint.text import BOM
from resolver.core.approvals import (
    ApprovedCall,
    Bundle,
    BundledBlueprint,
    BundledInput,
    ResolvedBundle,
)
from resolver.core.location import format_path
from resolver.dsl.values import GivenInput
from resolver.errors import UsageError
from resolver.protocol.codec import MalformedError, decode, encode
from resolver.resolution.resolve import resolve
from resolver.resolution.resolved import joined_text
from resolver.resolution.run import BlueprintRun, BlueprintText, Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.blueprint import Blueprint
    from resolver.core.formats import DocumentFormat
    from resolver.core.model import Caller
    from resolver.core.ports.service import ResolvingService
    from resolver.dsl.budget import Budget

_MOST_CALLS = 10_000
"""Most calls that are kept with a bundle, to be shown in place."""


def make_bundle(texts: Sequence[BlueprintText], options: Options, output_format: DocumentFormat) -> Bundle:
    """Put together what the server needs to resolve blueprints as this program would.

    Raises:
        BlueprintError: a blueprint can't be read, or something is wrong in it.
        UsageError: an input, the context or a file can't be sent as it is.
    """
    run = BlueprintRun(texts, options)
    run.begin()
    run.raise_problems()
    context = asdict(options.context)
    bundle = Bundle(
        blueprints=[
            BundledBlueprint(
                text.name,
                _text_of(tree.main),
                {branch.path: _text_of(branch.blueprint) for branch in tree.branches if branch.blueprint},
                tree.folder,
                has_tree=text.root is not None,
            )
            for tree, text in run.trees
        ],
        inputs={name: BundledInput(one.value, one.text) for name, one in options.inputs.items()},
        context={name: facts for name, facts in context.items() if facts and name != "tenant"},
        format=output_format,
        evaluate=options.evaluate,
        merge_imports=options.merge_imports,
        partial=options.partial,
        dialect=options.dialect,
        allow_duplicate_keys=options.allow_duplicate_keys,
    )
    try:
        is_same = decode(Bundle, encode(bundle)) == bundle
    except (MalformedError, TypeError):
        is_same = False
    if not is_same:
        raise UsageError(
            "an input or the context has what JSON can't say, and the server is sent JSON",
            hint="write dates and keys of mappings as text",
        )
    here = BlueprintRun(*_read(bundle, options.context.tenant, None))
    if here.digests != run.digests or here.imported.keys() != run.imported.keys():
        raise UsageError(
            "a file that is imported by a symbolic link can't be sent",
            hint="import the file that the link leads to",
        )
    return bundle


def _text_of(blueprint: Blueprint) -> str:
    text = (BOM if blueprint.has_bom else "") + blueprint.text.content
    if hashlib.sha256(text.encode()).hexdigest() != blueprint.digest:
        raise UsageError(f"{blueprint.name} can't be sent as it is", hint="write it as UTF-8")
    return text


def _read(bundle: Bundle, tenant: str, budget: Budget | None) -> tuple[list[BlueprintText], Options]:
    """The texts and options that a bundle holds."""
    texts = [
        BlueprintText(
            one.name,
            one.text.encode("utf-8", "surrogatepass"),
            Path("/", one.folder),
            Path("/") if one.has_tree else None,
            {path: text.encode("utf-8", "surrogatepass") for path, text in one.files.items()},
        )
        for one in bundle.blueprints
    ]
    options = Options(
        {name: GivenInput(one.value, one.text) for name, one in bundle.inputs.items()},
        make_context(bundle.context, tenant),
        bundle.partial,
        bundle.evaluate,
        bundle.merge_imports,
        dialect=bundle.dialect,
        allow_duplicate_keys=bundle.allow_duplicate_keys,
        budget=budget,
    )
    return texts, options


class BundleRunner:
    """Reads and resolves bundles. Satisfies `resolver.service.base.RunsBundles`."""

    def survey(self, bundle: Bundle, tenant: str, budget: Budget | None) -> Sequence[ApprovedCall]:
        """The calls whose keys are known before any value is; BlueprintError when something is wrong."""
        run = BlueprintRun(*_read(bundle, tenant, budget))
        uses = run.begin()
        run.raise_problems()
        files = {file.name: file for tree, _ in run.trees for file in (tree.main, *tree.imported)}
        found: list[ApprovedCall] = []
        for use in uses:
            for at in use.locations(_MOST_CALLS):
                start, file = at.position, files.get(at.source)
                end = file.end_of(start) if file is not None and start is not None else None
                (line, column), (end_line, end_column) = (
                    (one.line, one.column) if one is not None else (0, 0) for one in (start, end)
                )
                path = format_path(at.path)
                found.append(ApprovedCall(at.source, line, column, end_line, end_column, path, use.key))
        return found

    def resolve(
        self,
        service: ResolvingService,
        caller: Caller,
        tenant: str,
        bundle: Bundle,
        budget: Budget | None,
    ) -> ResolvedBundle:
        """Resolve a bundle, all of its blueprints or none."""
        resolution = resolve(service, caller, tenant, *_read(bundle, tenant, budget))
        text = joined_text(resolution.blueprints, bundle.format, budget)
        return ResolvedBundle(text, resolution.told, resolution.deferred, len(resolution.uses))
