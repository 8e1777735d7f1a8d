"""A login proves who is asking, and tells a stranger nothing."""

from datetime import UTC, datetime, timedelta

import asyncpg
import jwt
import pytest

from domain.accounts import ACCESS_TOKEN_LIFETIME, AccessTokens, Accounts, Principal
from domain.database import Database
from domain.errors import CredentialsError
from domain.model import Role
from infra.demo.campus import PASSWORD

SECRET = "a secret for tests, long enough to sign with"


async def test_a_login_gives_a_token_that_proves_who_it_is(campus: Database) -> None:
    tokens = AccessTokens(SECRET)
    session = await Accounts(campus, tokens).login("STAFF1@campus.example", PASSWORD)
    assert session.principal.role is Role.STAFF
    assert session.principal.cafeteria_id == 1
    assert tokens.verify(session.token) == session.principal


async def test_no_refusal_tells_which_part_was_wrong(
    campus: Database, connection: asyncpg.Connection
) -> None:
    await connection.execute("UPDATE users SET is_active = false WHERE email LIKE 'student2@%'")
    accounts = Accounts(campus, AccessTokens(SECRET))
    words = set()
    for email, password in (
        ("student1@campus.example", "wrong"),
        ("nobody@campus.example", PASSWORD),
        ("student2@campus.example", PASSWORD),
    ):
        with pytest.raises(CredentialsError) as refused:
            await accounts.login(email, password)
        words.add(str(refused.value))
    assert len(words) == 1


def forged(**changes: object) -> dict[str, object]:
    now = datetime.now(UTC)
    claims = {"sub": "1", "role": "admin", "cafeteria": None, "iat": now}
    return claims | {"exp": now + timedelta(minutes=1)} | changes


def test_a_token_of_the_right_secret_is_good() -> None:
    token = jwt.encode(forged(), SECRET, algorithm="HS256")
    assert AccessTokens(SECRET).verify(token) == Principal(1, Role.ADMIN)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "not.a.token",
        jwt.encode(forged(), "another secret, just as long as the first", algorithm="HS256"),
        jwt.encode(forged(), None, algorithm="none"),
        jwt.encode(forged(), SECRET + SECRET, algorithm="HS512"),
        jwt.encode(forged(exp=datetime.now(UTC) - timedelta(seconds=1)), SECRET),
        jwt.encode(forged(role="superuser"), SECRET),
        jwt.encode(forged(sub="one"), SECRET),
        jwt.encode({"sub": "1", "role": "admin", "cafeteria": None}, SECRET),
    ],
)
def test_a_token_that_proves_nothing_is_refused(token: str) -> None:
    with pytest.raises(CredentialsError):
        AccessTokens(SECRET).verify(token)


def test_a_token_expires() -> None:
    issued = datetime.now(UTC) - ACCESS_TOKEN_LIFETIME - timedelta(seconds=1)
    tokens = AccessTokens(SECRET)
    token, expires_at = tokens.issue(Principal(1, Role.CUSTOMER), issued)
    assert expires_at == issued + ACCESS_TOKEN_LIFETIME
    with pytest.raises(CredentialsError):
        tokens.verify(token)
