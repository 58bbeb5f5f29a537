"""What each reason code means and what helps, for reports that explain their codes."""

from __future__ import annotations

import msgspec

from resolver.dsl.problems import Reason


class Help(msgspec.Struct, frozen=True):
    """The explanation of a reason.

    Args:
        means: what is wrong, in a few words.
        remedy: what to do about it, in a sentence.
    """

    means: str
    remedy: str


HELP: dict[Reason, Help] = {
    Reason.NOT_UTF8: Help("the text is not UTF-8", "Save the file as UTF-8."),
    Reason.SYNTAX: Help("the text is not valid YAML", "Correct the text at the place shown."),
    Reason.EMPTY: Help(
        "there is no document in the text",
        "If the text came through a pipe, look at the command before it.",
    ),
    Reason.DUPLICATE_KEY: Help(
        "a key stands twice in one mapping, or two keys become one in JSON",
        "Remove or rename one of the two.",
    ),
    Reason.BAD_MAPPING_KEY: Help(
        "a list, a mapping or a call is used as a mapping key", "Use a text or a number as the key."
    ),
    Reason.BAD_SCALAR: Help("a value is not what its form or tag says", "Correct the value, or quote it."),
    Reason.RECURSIVE_ALIAS: Help(
        "an alias stands inside what it stands for", "Write out what the alias was meant to repeat."
    ),
    Reason.TOO_LARGE: Help(
        "the text, or a key in it, is over the limit on size", "Split the blueprint into several."
    ),
    Reason.TOO_DEEP: Help("the text is over the limit on nesting", "Nest less deeply."),
    Reason.TOO_MANY_NODES: Help(
        "the text is over the limit on nodes, aliases expanded", "Use fewer aliases of large parts."
    ),
    Reason.BUDGET_SPENT: Help(
        "the run takes more steps, characters or time than it has",
        "Resolve fewer blueprints at once, and use long values and large inputs less often.",
    ),
    Reason.CUSTOM_TAG: Help(
        "a node with a custom tag can't be written as JSON, and calls in it are not resolved",
        "Ask for YAML, or remove the tag.",
    ),
    Reason.SCHEMA: Help(
        "the blueprint breaks the schema of the DSL",
        "schemas/blueprint.schema.json says what may stand at the place shown.",
    ),
    Reason.BAD_DEFINITION: Help(
        "Cloudify would refuse what the blueprint defines: an unknown name, a missing or misfitting value",
        "Define what the message names, or write the name as it is defined.",
    ),
    Reason.CREDENTIAL: Help(
        "a value is most likely a credential, by its name or its form",
        "Make it a secret: `resolver extract` does, and leaves the rest of the file as it is.",
    ),
    Reason.IMPORT_REFUSED: Help(
        "an import leads out of the blueprint's folder, or can't be read",
        "Keep imported files inside the folder and name them by relative paths.",
    ),
    Reason.UNKNOWN_VERSION: Help(
        "the version of TOSCA is not known",
        "Give --dialect with the dialect that the file is to be read in.",
    ),
    Reason.IMPORT_HOLDS_CALLS: Help(
        "an imported file holds calls, which would not be resolved",
        "Give --merge-imports, or move what holds the calls into the blueprint.",
    ),
    Reason.NOT_A_CALL: Help(
        "get_secret stands beside another key, so it is not a call", "Give the call a mapping of its own."
    ),
    Reason.BAD_ARGUMENT: Help(
        "a function's argument has the wrong form", "Compare the argument with what the message asks for."
    ),
    Reason.BAD_INPUT: Help(
        "an input has no value, is not declared, or is malformed",
        "Give the input with --inputs, or declare it with a default.",
    ),
    Reason.BAD_CONTEXT: Help(
        "the context file is not valid YAML, or breaks its schema",
        "schemas/context.schema.json says what the file may have.",
    ),
    Reason.NOT_KNOWN_YET: Help(
        "the argument needs what is known at run time only",
        "--context supplies it; --partial keeps such calls for the orchestrator.",
    ),
    Reason.EXPIRED: Help(
        "the secret has expired",
        "Give it a new value and a new time: `resolver secrets update KEY --expires TIME`.",
    ),
    Reason.APPROVAL_NEEDED: Help(
        "the secret is protected, and nobody has approved this use of it",
        "Ask with `resolve --wait-approval 15m`; a manager of the tenant grants it.",
    ),
    Reason.NOT_PERMITTED: Help(
        "the user or the token may not use this secret, or none in this tenant",
        "`resolver whoami` shows what they may do; a manager of the tenant can give a role.",
    ),
    Reason.NOT_FOUND: Help(
        "there is no secret with this key that the user may know of",
        "Correct the key, or create the secret with `resolver secrets create`.",
    ),
    Reason.NOT_AT_PROVIDER: Help(
        "the secrets provider has no value for this secret",
        "Store it there, or correct where it is looked for: `resolver secrets update KEY -o OPTIONS`.",
    ),
    Reason.PROVIDER: Help(
        "the secrets provider can't be reached, or refuses",
        "`resolver secrets providers test` tells whether it answers.",
    ),
    Reason.UNAVAILABLE: Help(
        "the database or a key can't be reached", "Check the settings, and try again when it is back."
    ),
    Reason.UNREADABLE: Help(
        "the stored value does not decrypt, or can't be written into the text",
        "Store the value again with `resolver secrets update`.",
    ),
    Reason.NOT_JSON: Help(
        "steps were given, and the secret's value is not JSON",
        "Leave out the steps, or store a JSON document under the key.",
    ),
    Reason.NO_SUCH_STEP: Help(
        "a step leads nowhere in the value", "Compare the steps with the document that is stored."
    ),
    Reason.VALUE_HOLDS_CALL: Help(
        "a part of the value would put a function call into the blueprint",
        "A secret's content is data: rename the key in the stored document.",
    ),
    Reason.NEAR_MISS: Help(
        "a misspelt call of get_secret, or one inside a text, is data and not resolved",
        "Write { get_secret: KEY } as a value of its own.",
    ),
    Reason.UNDECLARED_INPUT: Help(
        "get_input names an input that nothing declares",
        "Correct the name, or declare the input.",
    ),
    Reason.TEXT_FOR_TYPE: Help(
        "a key alone gives text where the blueprint declares another type",
        "Store JSON under the key and give steps that lead to the value.",
    ),
    Reason.DUE: Help(
        "the secret's value is older than it should get",
        "Store a new value: `resolver secrets update KEY`.",
    ),
    Reason.UNUSED: Help(
        "a secret of the tenant is asked for by none of the blueprints",
        "Delete it, or check the blueprints that use it together with these.",
    ),
    Reason.SIMILAR_KEYS: Help(
        "two keys differ only by case or by `-`, `_` and `.`", "Keep one of them, and delete the other."
    ),
    Reason.TOO_VISIBLE: Help(
        "more may know of a secret than use it",
        "Make it again with a narrower visibility, if nobody else needs it.",
    ),
    Reason.IN_PARTS: Help(
        "a blueprint asks for several secrets that belong together",
        "Make one secret of JSON of them, and read its parts by steps.",
    ),
}
"""The explanation of each reason."""
