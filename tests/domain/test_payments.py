"""Money comes once, goes once, and the ledger explains every balance, whatever happens at once."""

import asyncio
import random
from collections import Counter
from typing import Any

import asyncpg
import pytest

import domain.payments
from domain import wallet
from domain.accounts import Principal
from domain.database import Cluster, Database, Limits
from domain.errors import (
    ConflictError,
    ForbiddenError,
    InFlightError,
    InvalidError,
    KeyReusedError,
    NotFoundError,
)
from domain.events import Outbox, Relay
from domain.idempotency import Once
from domain.model import OrderStatus, PaymentStatus, Role
from domain.model.paging import Window
from domain.model.selection import columns
from domain.ordering import Basket, Line, Ordering
from domain.orders import Order
from domain.payments import STARTED, Payment, Payments
from domain.provider import Charge, Decline, PaymentProvider, ProviderError, SimulatedProvider
from domain.wallet import Wallets
from tests.domain.conftest import PLACE

LEDGER = "SELECT kind, amount_minor FROM transactions WHERE reference LIKE 'top-up:%'"


class Bank:
    """A provider that keeps its word on keys, loses its first answers, and remembers the money."""

    def __init__(self, *, slow: int = 0, lost: int = 0, decline: Decline | None = None) -> None:
        self.charged: Counter[str] = Counter()
        self.money: dict[str, int] = {}
        self._slow = slow
        self._lost = lost
        self._decline = decline

    async def charge(self, key: str, amount_minor: int) -> Charge:
        self.charged[key] += 1
        if self._decline is None:
            self.money[key] = amount_minor
        if self._slow > 0:
            self._slow -= 1
            await asyncio.Event().wait()
        if self._lost > 0:
            self._lost -= 1
            raise ProviderError("the line was cut")
        return Charge(f"bank-{len(self.money)}", self._decline)


def payments(database: Database, provider: PaymentProvider) -> Payments:
    return Payments(database, Outbox(database), provider)


def asked(caller: Principal, amount_minor: int, key: str = "a key") -> Once:
    return Once.of(caller.id, key, "top-up", amount_minor)


@pytest.fixture
async def admin(connection: asyncpg.Connection) -> Principal:
    found = await connection.fetchval("SELECT min(id) FROM users WHERE role = 'admin'")
    return Principal(found, Role.ADMIN)


async def balance(database: Database, who: Principal) -> int:
    return (await Wallets(database).statement(who, columns("id"), Window(1))).balance_minor


async def test_a_card_is_charged_once_a_key(
    campus: Database, connection: asyncpg.Connection, customer: Principal
) -> None:
    bank = Bank()
    service = payments(campus, bank)
    before = await balance(campus, customer)
    first = await service.top_up(customer, 1500, asked(customer, 1500))
    assert (first.status, first.amount_minor) == (PaymentStatus.SUCCEEDED, 1500)
    assert await service.top_up(customer, 1500, asked(customer, 1500)) == first
    assert await service.detail(customer, first.id) == first
    with pytest.raises(KeyReusedError):
        await service.top_up(customer, 1600, asked(customer, 1600))
    for amount in (99, 50_001):
        with pytest.raises(InvalidError):
            await service.top_up(customer, amount, asked(customer, amount, "another"))
    assert list(bank.money.values()) == [1500]
    assert [tuple(row) for row in await connection.fetch(LEDGER)] == [("top_up", 1500)]
    assert await balance(campus, customer) == before + 1500
    # Nothing is left for the relay to see to.
    waiting = "SELECT count(*) FROM outbox WHERE kind = $1 AND delivered_at IS NULL"
    assert await connection.fetchval(waiting, STARTED) == 0


async def test_a_declined_card_is_an_answer_with_its_reason_and_moves_no_money(
    campus: Database, connection: asyncpg.Connection, customer: Principal
) -> None:
    bank = Bank(decline=Decline.EXPIRED_CARD)
    declined = await payments(campus, bank).top_up(customer, 1500, asked(customer, 1500))
    assert (declined.status, declined.decline_reason) == ("declined", "expired-card")
    assert await payments(campus, Bank()).top_up(customer, 1500, asked(customer, 1500)) == declined
    assert await connection.fetch(LEDGER) == []
    events = "SELECT payload ->> 'status', delivered_at FROM outbox WHERE kind = 'payment:settled'"
    status, delivered_at = await connection.fetchrow(events)
    # For the record: it waits for nobody, or it would be told as stuck, and never be swept.
    assert status == "declined"
    assert delivered_at is not None


async def test_what_the_provider_did_before_a_crash_is_finished_by_the_outbox(
    campus: Database,
    connection: asyncpg.Connection,
    customer: Principal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bank = Bank(slow=1, lost=1)
    monkeypatch.setattr(domain.payments, "PATIENCE", 0.2)
    service = payments(campus, bank)
    before = await balance(campus, customer)
    pending = await service.top_up(customer, 1500, asked(customer, 1500))
    assert (pending.status, pending.settled_at) == (PaymentStatus.PENDING, None)
    with pytest.raises(InFlightError):
        await service.top_up(customer, 1500, asked(customer, 1500))
    assert await balance(campus, customer) == before

    # Twice: the first time the provider is still away.
    relay = Relay(Outbox(campus), {STARTED: service.see_to})
    for _ in range(2):
        await connection.execute("UPDATE outbox SET due_at = now()")
        assert await relay.round() == 1
    await connection.execute("UPDATE outbox SET due_at = now()")
    assert await relay.round() == 0
    done = await service.top_up(customer, 1500, asked(customer, 1500))
    assert (done.id, done.status) == (pending.id, PaymentStatus.SUCCEEDED)
    assert await balance(campus, customer) == before + 1500
    # One key at the provider, so one charge, however often it was asked.
    assert list(bank.charged.values()) == [3]
    assert len(bank.money) == 1


async def test_two_who_finish_a_payment_at_once_bring_its_money_once(
    campus: Database, connection: asyncpg.Connection, customer: Principal
) -> None:
    bank = Bank(lost=1)
    service = payments(campus, bank)
    before = await balance(campus, customer)
    pending = await service.top_up(customer, 1500, asked(customer, 1500))
    (event,) = await _due(campus, connection)
    await asyncio.gather(*(service.see_to(event) for _ in range(8)))
    assert (await service.detail(customer, pending.id)).status is PaymentStatus.SUCCEEDED
    assert await balance(campus, customer) == before + 1500
    assert await connection.fetchval("SELECT count(*) FROM outbox WHERE kind LIKE '%settled'") == 1
    # What is settled is nobody's question any more.
    asked_before = bank.charged.copy()
    await service.see_to(event)
    assert bank.charged == asked_before


async def _due(database: Database, connection: asyncpg.Connection) -> list[Any]:
    await connection.execute("UPDATE outbox SET due_at = now()")
    return await Outbox(database).take([STARTED])


async def test_cash_is_taken_by_the_counter_for_somebody_else(
    campus: Database, connection: asyncpg.Connection, customer: Principal, admin: Principal
) -> None:
    service = payments(campus, Bank())
    before = await balance(campus, customer)
    request = asked(admin, 2000)
    taken = await service.take_cash(admin, customer.id, 2000, request)
    assert await service.take_cash(admin, customer.id, 2000, request) == taken
    assert taken.status is PaymentStatus.SUCCEEDED
    assert await balance(campus, customer) == before + 2000
    assert await service.detail(customer, taken.id) == taken
    with pytest.raises(NotFoundError):
        await service.detail(Principal(customer.id + 1, Role.CUSTOMER), taken.id)
    refusals: list[tuple[Principal, int, int, type[Exception]]] = [
        (customer, customer.id + 1, 2000, ForbiddenError),
        (admin, admin.id, 2000, ForbiddenError),
        (admin, 10**9, 2000, NotFoundError),
        (admin, customer.id, 99, InvalidError),
        (admin, customer.id, 50_001, InvalidError),
    ]
    for number, (who, whose, amount, refusal) in enumerate(refusals):
        with pytest.raises(refusal):
            await service.take_cash(who, whose, amount, asked(who, amount, f"no {number}"))
    await connection.execute("UPDATE users SET is_active = id <> $1", customer.id)
    with pytest.raises(NotFoundError):
        await service.take_cash(admin, customer.id, 2000, asked(admin, 2000, "closed"))
    with pytest.raises(ForbiddenError):
        await service.top_up(customer, 2000, asked(customer, 2000))
    await connection.execute("UPDATE users SET is_active = id <> $1", admin.id)
    with pytest.raises(ForbiddenError):
        await service.take_cash(admin, customer.id, 2000, asked(admin, 2000, "by a closed one"))
    assert len(await connection.fetch(LEDGER)) == 1


async def test_a_simulated_provider_declines_its_share_and_answers_alike_each_time() -> None:
    provider = SimulatedProvider(0.2)
    answers = [await provider.charge(f"key {number}", 100) for number in range(2000)]
    again = [await SimulatedProvider(0.2).charge(f"key {number}", 100) for number in range(2000)]
    assert answers == again
    reasons = Counter(each.decline for each in answers if each.decline)
    assert sum(reasons.values()) == pytest.approx(400, abs=60)
    assert set(reasons) == set(Decline)
    for rate, declined in ((0.0, 0), (1.0, 50)):
        sure = [await SimulatedProvider(rate).charge(str(number), 100) for number in range(50)]
        assert sum(each.decline is not None for each in sure) == declined


async def test_an_audit_finds_what_the_ledger_does_not_explain(
    campus: Database, connection: asyncpg.Connection, customer: Principal
) -> None:
    await payments(campus, Bank()).top_up(customer, 1500, asked(customer, 1500))
    sound = await wallet.audit(campus)
    assert sound.is_sound
    assert sound.balances_minor == sound.ledger_minor > 0
    assert sound.lines == await connection.fetchval("SELECT count(*) FROM transactions")
    await connection.execute(
        "UPDATE wallets SET balance_minor = balance_minor + 1 WHERE user_id = $1", customer.id
    )
    broken = await wallet.audit(campus)
    assert not broken.is_sound
    ((who, held, total),) = broken.differing
    assert (who, held) == (customer.id, total + 1)
    await connection.execute(
        "UPDATE wallets SET balance_minor = balance_minor - 1 WHERE user_id = $1", customer.id
    )
    await connection.execute("UPDATE payments SET amount_minor = 1501")
    assert (await wallet.audit(campus)).unexplained_payments == 1


class Crowd:
    """Some people with little money, who do all there is to do, often twice and at once."""

    def __init__(self, database: Database, people: list[Principal], admin: Principal) -> None:
        self.done: dict[tuple[int, str], Payment | Order] = {}
        self.refunded: dict[int, Order] = {}
        self.refusals: Counter[str] = Counter()
        self._people = people
        self._admin = admin
        self._ordering = Ordering(database)
        self._payments = payments(database, SimulatedProvider(0.3))

    async def act(self, chance: random.Random, dishes: list[int], number: int) -> None:
        who = chance.choice(self._people)
        # A third comes again with a key that somebody else may be using right now.
        key = str(number - number % 3)
        kind = ("order", "order", "card", "cash", "cancel")[number // 3 % 5]
        try:
            if kind == "cancel":
                await self._cancel(who, chance)
            else:
                await self._do(kind, who, key, dishes[number // 3 % len(dishes)])
        except ConflictError as error:
            self.refusals[type(error).__name__] += 1

    async def _do(self, kind: str, who: Principal, key: str, dish: int) -> None:
        if kind == "order":
            basket = Basket(PLACE, [Line(dish, 3)])
            request = Once.of(who.id, key, "order", basket)
            answer: Payment | Order = await self._ordering.place(who, basket, request)
        elif kind == "card":
            answer = await self._payments.top_up(who, 1000, asked(who, 1000, key))
        else:
            request = asked(self._admin, 700, f"{who.id} {key}")
            answer = await self._payments.take_cash(self._admin, who.id, 700, request)
        assert self.done.setdefault((who.id, key), answer) == answer

    async def _cancel(self, who: Principal, chance: random.Random) -> None:
        own = [each for each in self.done.values() if isinstance(each, Order)]
        mine = [each for each in own if each.user_id == who.id]
        if mine:
            order = chance.choice(mine)
            await self._ordering.move(who, order.id, OrderStatus.CANCELLED, 1)
            assert order.id not in self.refunded
            self.refunded[order.id] = order

    def expected(self, who: Principal) -> int:
        """What the answers that were given come to."""
        total = 0
        for answer in self.done.values():
            if answer.user_id != who.id:
                continue
            if isinstance(answer, Order):
                total -= 0 if answer.id in self.refunded else answer.total_minor
            elif answer.status is PaymentStatus.SUCCEEDED:
                total += answer.amount_minor
        return total


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_happens_at_once_the_ledger_explains_every_balance(
    database: str, connection: asyncpg.Connection, admin: Principal, seed: int
) -> None:
    rows = await connection.fetch(
        "SELECT user_id, balance_minor FROM wallets ORDER BY user_id LIMIT 4"
    )
    people = [Principal(row["user_id"], Role.CUSTOMER) for row in rows]
    dishes = await connection.fetch(
        "UPDATE products SET stock = 12 WHERE cafeteria_id = $1 AND price_minor > 500"
        " RETURNING id", PLACE
    )  # fmt: skip
    chance = random.Random(seed)
    cluster = Cluster(
        database, [], Limits(connections=12, connect_timeout=60, pool_timeout=60, lock_timeout=60)
    )
    campus = Database(cluster)
    crowd = Crowd(campus, people, admin)
    for start in range(0, 180, 60):
        moment = range(start, start + 60)
        keys = [dish["id"] for dish in dishes]
        await asyncio.gather(*(crowd.act(chance, keys, number) for number in moment))
    for who, row in zip(people, rows, strict=True):
        held = await balance(campus, who)
        assert held == row["balance_minor"] + crowd.expected(who) >= 0
    assert (await wallet.audit(campus)).is_sound
    sold = "SELECT coalesce(sum(quantity), 0) FROM order_items WHERE order_id = ANY($1)"
    kept = [
        each.id
        for each in crowd.done.values()
        if isinstance(each, Order) and each.id not in crowd.refunded
    ]
    left = await connection.fetchval(
        "SELECT sum(12 - stock) FROM products WHERE id = ANY($1)", [d["id"] for d in dishes]
    )
    assert left == await connection.fetchval(sold, kept)
    # It was worth the trouble.
    assert crowd.refunded
    assert crowd.refusals["FundsError"]
    await cluster.close()
