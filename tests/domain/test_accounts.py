"""A login proves who is asking, and tells a stranger nothing; a session is one device's own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from threading import Event, Semaphore

import asyncpg
import jwt
import pytest
from pwdlib import PasswordHash

from domain.accounts import (
    ACCESS_TOKEN_LIFETIME,
    AccessTokens,
    Accounts,
    Device,
    Grant,
    Person,
    Principal,
    RefreshToken,
    Session,
    Sessions,
)
from domain.accounts.passwords import NOBODYS, Passwords, require_good
from domain.database import Cluster, Database, Limits
from domain.errors import (
    ConflictError,
    CredentialsError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from domain.model import Role
from infra.demo.campus import PASSWORD
from tests.domain.conftest import met_at

SECRET = "a secret for tests, long enough to sign with"
TOKENS = AccessTokens(SECRET)
PHONE = Device("My phone", "Comanda/1.0 (Android 16)")
STUDENT = "student1@campus.example"


@pytest.fixture
async def cluster(database: str) -> AsyncIterator[Cluster]:
    """One that waits for a lock as long as a test holds it."""
    cluster = Cluster(database, [], Limits(lock_timeout=60.0, statement_timeout=60.0))
    yield cluster
    await cluster.close()


@pytest.fixture
def sessions(campus: Database) -> Sessions:
    return Sessions(campus, TOKENS)


@pytest.fixture
def accounts(campus: Database, sessions: Sessions) -> Accounts:
    return Accounts(campus, sessions)


@pytest.fixture
async def student(connection: asyncpg.Connection) -> Person:
    number = await connection.fetchval("SELECT id FROM users WHERE email = $1", STUDENT)
    return Person(number, "Student", Role.CUSTOMER, None)


async def logged_in(
    campus: Database, sessions: Sessions, person: Person, device: Device = PHONE
) -> Grant:
    """A session as a login opens it, without the password, which takes long."""
    return await campus.write(lambda database: sessions.open(database, person, device))


async def devices(sessions: Sessions, grant: Grant) -> list[str | None]:
    return [each.device for each in await sessions.listed(grant.principal)]


async def test_a_login_gives_a_token_that_proves_who_it_is(
    accounts: Accounts, sessions: Sessions
) -> None:
    grant = await accounts.login("STAFF1@campus.example", PASSWORD, PHONE)
    assert grant.principal.role is Role.STAFF
    assert grant.principal.cafeteria_id == 1
    assert TOKENS.verify(grant.access_token) == grant.principal
    (session,) = await sessions.listed(grant.principal)
    assert (session.id, session.is_current) == (grant.principal.session_id, True)
    assert Device(session.device, session.user_agent) == PHONE


async def test_no_refusal_tells_which_part_was_wrong(
    accounts: Accounts, connection: asyncpg.Connection
) -> None:
    await connection.execute("UPDATE users SET is_active = false WHERE email LIKE 'student2@%'")
    words = set()
    for email, password in (
        (STUDENT, "wrong"),
        ("nobody@campus.example", PASSWORD),
        ("student2@campus.example", PASSWORD),
    ):
        with pytest.raises(CredentialsError) as refused:
            await accounts.login(email, password, PHONE)
        words.add(str(refused.value))
    assert len(words) == 1
    closed = await connection.fetchval("SELECT id FROM users WHERE email LIKE 'student2@%'")
    with pytest.raises(ForbiddenError):
        await accounts.change_password(Principal(closed, Role.CUSTOMER), PASSWORD, "correct horse")


async def test_an_unknown_address_takes_the_time_of_a_known_one(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []

    def verify(_: PasswordHash, password: str, password_hash: str) -> bool:
        verified.append(password)
        return password_hash.startswith("$argon2id$")

    monkeypatch.setattr(PasswordHash, "verify", verify)
    with pytest.raises(CredentialsError):
        await accounts.login("nobody@campus.example", "of nobody", PHONE)
    assert verified == ["of nobody"]
    await accounts.login(STUDENT, "of a student", PHONE)
    # As much work as a hash that is made today.
    assert not PasswordHash.recommended().current_hasher.check_needs_rehash(NOBODYS)


async def test_so_many_passwords_are_looked_at_at_once_so_many_wait_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running, go_on = Semaphore(0), Event()

    def slow_hash(_: PasswordHash, password: str) -> str:
        running.release()
        go_on.wait()
        return password

    passwords = Passwords()
    monkeypatch.setattr(PasswordHash, "hash", slow_hash)
    hashing = [asyncio.create_task(passwords.hash(str(number))) for number in range(2 + 64)]
    # They have come to where they wait.
    await asyncio.sleep(0)
    try:
        for _ in range(2):
            assert await asyncio.to_thread(running.acquire, timeout=60)
        async with asyncio.timeout(10):
            with pytest.raises(UnavailableError):
                await passwords.hash("one too many")
        assert not running.acquire(blocking=False)
    finally:
        go_on.set()
    assert len(await asyncio.gather(*hashing)) == 66


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
async def test_passwords_give_way_to_whatever_else_wants_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def own(*_: object) -> str:
        return str(os.getpriority(os.PRIO_PROCESS, 0))

    monkeypatch.setattr(PasswordHash, "hash", own)
    others = os.getpriority(os.PRIO_PROCESS, 0)
    assert int(await Passwords().hash("correct horse")) == min(others + 10, 19)
    assert os.getpriority(os.PRIO_PROCESS, 0) == others


async def test_of_two_who_register_an_address_at_once_one_is_a_customer_with_an_empty_wallet(
    accounts: Accounts, connection: asyncpg.Connection
) -> None:
    outcomes = await asyncio.gather(
        accounts.register("New.Student@Campus.example", " Nora ", "correct horse", PHONE),
        accounts.register("new.student@campus.example", "Noa", "battery staple", PHONE),
        return_exceptions=True,
    )
    (grant,) = (each for each in outcomes if isinstance(each, Grant))
    (refused,) = (each for each in outcomes if isinstance(each, ConflictError))
    assert "student" not in str(refused).lower()
    assert grant.name in ("Nora", "Noa")
    assert TOKENS.verify(grant.access_token) == grant.principal
    rows = await connection.fetch(
        "SELECT u.id, email, role, balance_minor, s.id AS session FROM users u"
        " LEFT JOIN wallets w ON w.user_id = u.id LEFT JOIN sessions s ON s.user_id = u.id"
        " WHERE lower(email) LIKE 'new.%'"
    )
    who = grant.principal
    assert [tuple(row) for row in rows] == [
        (who.id, "new.student@campus.example", "customer", 0, who.session_id)
    ]


async def test_an_accent_is_one_however_a_keyboard_writes_it(accounts: Accounts) -> None:
    apart, composed = "jose\u0301@campus.example", "JOS\u00c9@campus.example"
    made = await accounts.register(composed, "Jos\u00e9", "con una pi\u00f1a", PHONE)
    again = await accounts.login(apart, "con una pin\u0303a", PHONE)
    assert again.principal.id == made.principal.id
    with pytest.raises(ConflictError):
        await accounts.register(apart, "Jos\u00e9", "con una mesa", PHONE)


@pytest.mark.parametrize(
    ("email", "name", "password"),
    [
        ("a@b.example", " ", "correct horse"),
        # A letter that is two in lower case.
        ("\u0130" * 200 + "@b.example", "Nora", "correct horse"),
        ("a@b.example", "Nora", "short"),
        ("a@b.example", "Nora", "n\u0303" * 7),
        ("a@b.example", "Nora", "x" * 257),
        ("a@b.example", "Nora", "PassWord1"),
        ("nora@campus.example", "Nora", "Nora@Campus.example"),
        ("nora.garcia@campus.example", "Nora", "nora.garcia"),
    ],
)
async def test_a_registration_that_would_not_do_is_refused(
    accounts: Accounts, email: str, name: str, password: str
) -> None:
    with pytest.raises(InvalidError):
        await accounts.register(email, name, password, PHONE)


async def test_a_new_password_leaves_nobody_logged_in_elsewhere(
    campus: Database, accounts: Accounts, sessions: Sessions, student: Person
) -> None:
    here, there = [await logged_in(campus, sessions, student) for _ in range(2)]
    with pytest.raises(InvalidError):
        await accounts.change_password(here.principal, PASSWORD, STUDENT)
    with pytest.raises(ForbiddenError):
        await accounts.change_password(here.principal, "wrong", "correct horse")
    await sessions.refresh(there.refresh_token)
    await accounts.change_password(here.principal, PASSWORD, "correct horse")
    (left,) = await sessions.listed(here.principal)
    assert left.is_current
    with pytest.raises(CredentialsError):
        await sessions.refresh(there.refresh_token)
    await accounts.login(STUDENT, "correct horse", PHONE)


async def test_what_a_change_of_password_overtakes_is_refused(
    accounts: Accounts, connection: asyncpg.Connection, student: Person
) -> None:
    caller = Principal(student.id, Role.CUSTOMER)
    change = "UPDATE users SET password_hash = 'new' WHERE email LIKE 'student1@%'"
    async with met_at(connection, change, 2):
        login = asyncio.create_task(accounts.login(STUDENT, PASSWORD, PHONE))
        other = asyncio.create_task(accounts.change_password(caller, PASSWORD, "correct horse"))
    with pytest.raises(CredentialsError):
        await login
    with pytest.raises(ForbiddenError):
        await other
    assert await connection.fetchval("SELECT count(*) FROM sessions") == 0


async def test_a_refresh_replaces_the_token_and_tells_the_role_of_today(
    campus: Database, sessions: Sessions, student: Person, connection: asyncpg.Connection
) -> None:
    first = await logged_in(campus, sessions, student)
    await connection.execute(
        "UPDATE users SET role = 'staff', cafeteria_id = 2 WHERE id = $1", student.id
    )
    second = await sessions.refresh(first.refresh_token)
    third = await sessions.refresh(second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert third.principal == Principal(student.id, Role.STAFF, 2, first.principal.session_id)
    assert TOKENS.verify(third.access_token) == third.principal


async def test_who_reads_the_database_finds_no_token_in_it(
    campus: Database, sessions: Sessions, student: Person, connection: asyncpg.Connection
) -> None:
    grants = [await logged_in(campus, sessions, student)]
    grants.append(await sessions.refresh(grants[0].refresh_token))
    kept = str(await connection.fetchval("SELECT s::text FROM sessions s"))
    for grant in grants:
        token = RefreshToken.read(grant.refresh_token)
        assert token is not None
        assert token.hash.hex() in kept
        for part in (token.family.hex(), token.secret.hex(), grant.refresh_token):
            assert part not in kept


async def test_a_lost_answer_is_given_again_until_the_client_shows_that_it_came(
    campus: Database, sessions: Sessions, student: Person
) -> None:
    first = await logged_in(campus, sessions, student)
    second = await sessions.refresh(first.refresh_token)
    again = await sessions.refresh(first.refresh_token)
    assert again.refresh_token == second.refresh_token
    assert again.refresh_expires_at == second.refresh_expires_at
    third = await sessions.refresh(again.refresh_token)
    for token in (first.refresh_token, third.refresh_token):
        with pytest.raises(CredentialsError):
            await sessions.refresh(token)


async def test_an_old_token_that_comes_late_ends_its_session_and_no_other(
    campus: Database, sessions: Sessions, student: Person, connection: asyncpg.Connection
) -> None:
    stolen, other = [await logged_in(campus, sessions, student) for _ in range(2)]
    newest = await sessions.refresh(stolen.refresh_token)
    await connection.execute(
        "UPDATE sessions SET replaced_at = now() - interval '31 seconds' WHERE salt IS NOT NULL"
    )
    for token in (stolen.refresh_token, newest.refresh_token):
        with pytest.raises(CredentialsError):
            await sessions.refresh(token)
    await sessions.refresh(other.refresh_token)


async def test_refreshes_at_once_with_one_token_get_one_successor(
    campus: Database, sessions: Sessions, student: Person, connection: asyncpg.Connection
) -> None:
    first = await logged_in(campus, sessions, student)
    async with met_at(connection, "SELECT FROM sessions FOR UPDATE", 3):
        refreshes = [asyncio.create_task(sessions.refresh(first.refresh_token)) for _ in range(3)]
    (successor,) = {grant.refresh_token for grant in await asyncio.gather(*refreshes)}
    await sessions.refresh(successor)


@pytest.mark.parametrize(
    "over",
    [
        "UPDATE users SET is_active = false",
        "UPDATE sessions SET expires_at = now(), created_at = now() - interval '1 day'",
    ],
)
async def test_who_has_no_account_any_more_or_was_away_too_long_cannot_refresh(
    campus: Database,
    sessions: Sessions,
    student: Person,
    connection: asyncpg.Connection,
    over: str,
) -> None:
    grant = await logged_in(campus, sessions, student)
    await connection.execute(over)
    assert over.startswith("UPDATE users") or await sessions.listed(grant.principal) == []
    with pytest.raises(CredentialsError):
        await sessions.refresh(grant.refresh_token)
    assert await connection.fetchval("SELECT count(*) FROM sessions") == 0


async def test_a_session_that_is_used_lasts_but_not_for_ever(
    campus: Database, sessions: Sessions, student: Person, connection: asyncpg.Connection
) -> None:
    grant = await logged_in(campus, sessions, student)
    left = []
    for days in (20, 170):
        await connection.execute(
            "UPDATE sessions SET created_at = now() - make_interval(days => $1),"
            " expires_at = now() + interval '1 day'",
            days,
        )
        grant = await sessions.refresh(grant.refresh_token)
        left.append(round((grant.refresh_expires_at - datetime.now(UTC)) / timedelta(days=1)))
    assert left == [30, 10]


async def test_a_session_too_many_ends_the_one_that_was_unused_for_the_longest(
    campus: Database, sessions: Sessions, student: Person, connection: asyncpg.Connection
) -> None:
    grants = [await logged_in(campus, sessions, student, Device(f"phone {n}")) for n in range(10)]
    grants[0] = await sessions.refresh(grants[0].refresh_token)
    newest = await logged_in(campus, sessions, student, Device("phone 10"))
    left = [f"phone {n}" for n in (10, 0, 9, 8, 7, 6, 5, 4, 3, 2)]
    assert await devices(sessions, newest) == left
    await connection.execute(
        "UPDATE sessions SET expires_at = created_at + interval '1 microsecond'"
        " WHERE device <> 'phone 10'"
    )
    await logged_in(campus, sessions, student, Device("phone 11"))
    assert await connection.fetchval("SELECT count(*) FROM sessions") == 2


async def test_logins_at_once_leave_no_more_sessions_than_there_may_be(
    campus: Database,
    accounts: Accounts,
    sessions: Sessions,
    student: Person,
    connection: asyncpg.Connection,
) -> None:
    for _ in range(9):
        await logged_in(campus, sessions, student)
    lock = "SELECT FROM users WHERE email LIKE 'student1@%' FOR UPDATE"
    async with met_at(connection, lock, 2):
        logins = [asyncio.create_task(accounts.login(STUDENT, PASSWORD, PHONE)) for _ in range(2)]
    await asyncio.gather(*logins)
    assert await connection.fetchval("SELECT count(*) FROM sessions") == 10


async def test_one_sees_and_ends_sessions_of_ones_own_only(
    campus: Database, sessions: Sessions, student: Person, connection: asyncpg.Connection
) -> None:
    other = await connection.fetchval("SELECT id FROM users WHERE email LIKE 'student2@%'")
    mine, mine_too = [
        await logged_in(campus, sessions, student, Device(name)) for name in ("here", "there")
    ]
    theirs = await logged_in(campus, sessions, Person(other, "Else", Role.CUSTOMER, None))
    seen: list[Session] = await sessions.listed(mine.principal)
    assert [(each.device, each.is_current) for each in seen] == [("there", False), ("here", True)]
    for hidden in (theirs.principal.session_id, 10**9):
        assert hidden is not None
        with pytest.raises(NotFoundError):
            await sessions.end(mine.principal, hidden)
    await sessions.end(mine.principal, seen[0].id)
    with pytest.raises(CredentialsError):
        await sessions.refresh(mine_too.refresh_token)
    await sessions.log_out(mine.principal)
    await sessions.log_out(mine.principal)
    with pytest.raises(CredentialsError):
        await sessions.refresh(mine.refresh_token)
    await sessions.refresh(theirs.refresh_token)


def test_of_a_device_only_so_much_is_kept_as_can_be_shown() -> None:
    assert Device.told("", "\x00\r\n ") == Device(None, None)
    told = Device.told(" Caf\u00e9\x00 \ud800phone " + "x" * 100, "y" * 1000)
    assert told.name is not None
    assert told.name.startswith("Café phone x")
    assert (len(told.name) <= 80, told.user_agent) == (True, "y" * 256)


async def test_what_is_no_refresh_token_is_refused_and_ends_nothing(
    campus: Database, sessions: Sessions, student: Person
) -> None:
    token = (await logged_in(campus, sessions, student)).refresh_token
    wrong = ["", "A" * 64, "=" * 64, "\u00e9" * 64, token[:60], token + "AAAA", token + "\n"]
    for text in wrong:
        with pytest.raises(CredentialsError):
            await sessions.refresh(text)
    await sessions.refresh(token)


def test_a_good_password_is_taken() -> None:
    require_good("correct horse", STUDENT)


def forged(**changes: object) -> dict[str, object]:
    now = datetime.now(UTC)
    claims = {"sub": "1", "role": "admin", "cafeteria": None, "iat": now}
    return claims | {"exp": now + timedelta(minutes=1)} | changes


def test_a_token_of_the_right_secret_is_good() -> None:
    token = jwt.encode(forged(), SECRET, algorithm="HS256")
    assert AccessTokens(SECRET).verify(token) == Principal(1, Role.ADMIN)
    # Issued by a process whose clock is ahead.
    ahead = jwt.encode(forged(iat=datetime.now(UTC) + timedelta(seconds=30)), SECRET)
    assert AccessTokens(SECRET).verify(ahead) == Principal(1, Role.ADMIN)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "not.a.token",
        jwt.encode(forged(), "another secret, just as long as the first", algorithm="HS256"),
        jwt.encode(forged(), "", algorithm="none"),
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


async def test_a_token_that_was_good_a_moment_ago_expires_like_any() -> None:
    tokens = AccessTokens(SECRET)
    began = datetime.now(UTC) - ACCESS_TOKEN_LIFETIME + timedelta(seconds=4)
    token, _ = tokens.issue(Principal(1, Role.CUSTOMER), began)
    assert tokens.verify(token).id == 1

    async def as_long_as_it_is_good() -> None:
        while tokens.verify(token):  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    async with asyncio.timeout(30):
        with pytest.raises(CredentialsError):
            await as_long_as_it_is_good()
    # And is not kept for the sake of others.
    another, _ = tokens.issue(Principal(2, Role.CUSTOMER), datetime.now(UTC))
    assert tokens.verify(another).id == 2
    assert list(tokens._known) == [another]


def test_a_token_expires() -> None:
    issued = datetime.now(UTC) - ACCESS_TOKEN_LIFETIME - timedelta(seconds=1)
    tokens = AccessTokens(SECRET)
    token, expires_at = tokens.issue(Principal(1, Role.CUSTOMER), issued)
    assert expires_at == issued + ACCESS_TOKEN_LIFETIME
    with pytest.raises(CredentialsError):
        tokens.verify(token)
