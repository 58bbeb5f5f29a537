"""Which columns are under a MAC, and which are not and why."""

from __future__ import annotations

from resolver.store import tables as t
from resolver.store.aggregates import BY_KIND, CHAINED, UNDECIDED


def sorted_out() -> dict[str, str]:
    """Each column, and the list that it is in."""
    found = {str(column): "decides" for one in BY_KIND.values() for column in one.decides}
    for one in BY_KIND.values():
        found[f"{one.table.name}.{t.ROW_MAC}"] = "the MAC"
        if one.children is not None:
            found |= {
                str(column): "decides"
                for column in (one.children.parent, one.children.key, one.children.value)
            }
    return found | dict.fromkeys(UNDECIDED, "does not decide")


def test_every_column_is_in_a_list() -> None:
    """A new column is authenticated, or is named with the reason why changing it decides nothing."""
    columns = {
        str(column) for table in t.metadata.sorted_tables if table.name not in CHAINED for column in table.c
    }
    assert set(sorted_out()) == columns
    assert all(UNDECIDED.values())


def test_a_column_is_in_one_list_only() -> None:
    """What decides is in no list of what does not; the tables with chains are there."""
    decides = {str(column) for one in BY_KIND.values() for column in one.decides}
    assert not decides & set(UNDECIDED)
    assert set(t.metadata.tables) >= CHAINED


def test_only_what_changes_at_each_use_is_left_out_of_an_aggregate() -> None:
    """The columns of aggregates that are under no MAC; one more is a decision to be made."""
    roots = {one.table.name for one in BY_KIND.values()}
    assert {name for name in UNDECIDED if name.partition(".")[0] in roots} == {
        "user_account.first_login_at",
        "user_account.last_login_at",
        "access_token.last_used_at",
        "console_session.last_used_at",
        "secret_version.data_key_id",
        "secret_version.token",
        "approval.bundle",
        "approval.data_key_id",
        *(
            f"webhook_event.{name}"
            for name in ("state", "attempts", "answered", "tried_at", "status", "error")
        ),
    }
