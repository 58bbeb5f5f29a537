"""Who has access to which secret, and why: the policy's answers, gathered."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from resolver.core import policy
from resolver.core.model import Secret, Visibility
from resolver.core.permissions import SYSTEM_ROLE_PERMISSIONS, Permission, TenantRole

if TYPE_CHECKING:
    from resolver.core.model import Caller, Tenant


class Ground(enum.StrEnum):
    """A rule by which somebody has a right to a secret."""

    SYS_ADMIN = "sys_admin"
    MANAGER = "manager"
    USER = "user"
    OPERATIONS = "operations"
    VIEWER = "viewer"
    OWNER = "owner"
    ADMINISTERS = "administers"
    GLOBAL = "global"
    APPROVAL = "approval"


class SecretReader(Struct, frozen=True):
    """A user, one of a user's tokens, or a trust, that the rules give a secret's value.

    Args:
        username: the user; of a trust the one that its workloads act as.
        token_id: the public part of the token; empty for the user with the whole of their rights.
        trust: the name of the trust; empty for users and tokens.
        use: names of the tenants in which a blueprint that they resolve is given it.
        show: names of the tenants in which they are shown it.
        grounds: by which rules.
    """

    username: str
    token_id: str
    trust: str
    use: Sequence[str]
    show: Sequence[str]
    grounds: Sequence[Ground]


class RoleAccess(Struct, frozen=True):
    """What a role in a secret's tenant gives to whoever is not the secret's owner.

    Args:
        role: the role.
        use: whether a blueprint is given the value.
        show: whether they are shown it.
    """

    role: TenantRole
    use: bool
    show: bool


class WhoCan(Struct, frozen=True):
    """Everyone whom the rules give a secret's value.

    Args:
        secret: the secret.
        refused_to_all: whether it has expired, and blueprints are refused it for that.
        everywhere: whether uses of a global secret in other tenants than the one asked in were looked at;
            only for a caller who may read all audit trails.
        roles: what each role gives.
        readers: users, their tokens and trusts, by the name of the user.
    """

    secret: Secret
    refused_to_all: bool
    everywhere: bool
    roles: Sequence[RoleAccess]
    readers: Sequence[SecretReader]


class SecretAccess(Struct, frozen=True):
    """What somebody may do with one secret's value.

    Args:
        key: the secret's name.
        tenant: the name of the tenant that it lives in.
        use: whether a blueprint is given the value.
        show: whether they are shown it.
        grounds: by which rules.
    """

    key: str
    tenant: str
    use: bool
    show: bool
    grounds: Sequence[Ground]


class AccessPart(Struct, frozen=True):
    """What a user or a token may do in a tenant, as far as a part of its secrets is concerned.

    Args:
        username: the user.
        token_id: the public part of the token; empty for the user with the whole of their rights.
        tenant: the name of the tenant asked in.
        permissions: what they may do in it.
        items: those secrets of this part that they may use or be shown.
        total: how many secrets were looked at in all parts together.
    """

    username: str
    token_id: str
    tenant: str
    permissions: Sequence[Permission]
    items: Sequence[SecretAccess]
    total: int


def grounds(caller: Caller, permission: Permission, secret: Secret, asked_from: Tenant) -> tuple[Ground, ...]:
    """By which rules somebody has a right to a secret; none where any rule refuses it.

    Args:
        caller: who would ask.
        permission: `secret:use` or `secret:show`.
        secret: the secret.
        asked_from: the tenant that would be asked in.
    """
    is_local = secret.tenant.id == asked_from.id
    if (
        not (is_local or secret.visibility is Visibility.GLOBAL)
        or not policy.decide_in_tenant(caller, permission, asked_from).allowed
        or not policy.decide_key(caller, secret.key).allowed
        or not policy.decide(caller, permission, secret, asked_from).allowed
    ):
        return ()
    by_system = permission in SYSTEM_ROLE_PERMISSIONS[caller.system_role]
    found = [Ground.SYS_ADMIN if by_system else Ground(caller.roles[asked_from.id].value)]
    if secret.visibility is Visibility.PRIVATE or (secret.hidden and permission is Permission.SECRET_SHOW):
        found.append(Ground.OWNER if secret.owner.id == caller.user_id else Ground.ADMINISTERS)
    if not is_local:
        found.append(Ground.GLOBAL)
    if secret.protected_at is not None:
        found.append(Ground.APPROVAL)  # on top of the others: policy alone gives nobody its value
    return tuple(found)
