"""Fields: what may be asked for, in whatever words, and what never is."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.exceptions import ValidationException

from bff.representation import views
from bff.representation.fields import MOST_CHARACTERS, MOST_LEAVES, Field, Resource
from domain.model import Role

ORDERS = views.ORDERS[Role.CUSTOMER]


def paths(resource: Resource, prefix: str = "") -> list[str]:
    """Every leaf of a resource."""
    found = []
    for name, member in resource.members.items():
        if isinstance(member, Field):
            found.append(prefix + name)
        else:
            found += paths(member.resource, f"{prefix}{name}.")
    return found


LEAVES = paths(ORDERS)


def refused(text: str, resource: Resource = ORDERS) -> str:
    with pytest.raises(ValidationException) as refusal:
        resource.select(text)
    told: Any = refusal.value.extra
    (wrong,) = told
    assert wrong["key"] == "fields"
    return str(wrong["message"])


@given(st.lists(st.sampled_from(LEAVES), min_size=1, max_size=8), st.randoms())
def test_one_question_has_one_form_however_it_is_typed(asked: list[str], chance: Any) -> None:
    chosen = ORDERS.select(",".join(asked))
    assert set(chosen.key.split(",")) == set(asked)
    again = [*asked, chance.choice(asked)]
    chance.shuffle(again)
    same = ORDERS.select(" , ".join(again)[:MOST_CHARACTERS])
    assert same.key == chosen.key
    assert same.selection == chosen.selection


@given(st.text(max_size=60) | st.lists(st.sampled_from([*LEAVES, "items", ".", "a"])).map(".".join))
def test_whatever_is_typed_names_known_fields_or_is_refused(text: str) -> None:
    with suppress(ValidationException):
        assert set(ORDERS.select(text).key.split(",")) <= set(LEAVES)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("totalAmout", "do you mean totalAmount?"),
        ("items.quantty", "do you mean items.quantity?"),
        ("items.product.nmae", "do you mean items.product.name?"),
        ("items.nothing", "Known: items.productId, items.productName"),
        ("id.quantity", "no field 'id.quantity'"),
        ("user_id", "do you mean userId?"),
        ("items.__class__", "no field 'items.__class__'"),
        ("a.b.c.d.e", "deeper than 4"),
        ("", "at least one"),
        (" , ,", "at least one"),
        (",".join(f"f{n}" for n in range(MOST_LEAVES + 1)), "more than 64"),
        ("a" * (MOST_CHARACTERS + 1), "more than 512 characters"),
    ],
)
def test_what_is_refused_is_named_with_the_closest_that_is_known(text: str, hint: str) -> None:
    assert hint in refused(text)


def test_what_belongs_to_it_is_shown_by_its_default_unless_more_is_said() -> None:
    items = "items.productId,items.productName,items.quantity,items.unitPrice"
    assert ORDERS.select("items").key == items
    assert ORDERS.select("items,id").key == f"id,{items}"
    assert ORDERS.select("items,items.product.name").key == f"{items},items.product.name"
    assert ORDERS.select("items.quantity").key == "items.quantity"


def test_only_who_serves_a_person_sees_them_and_only_administrators_their_address() -> None:
    assert "no field 'customer'" in refused("customer.name")
    assert views.ORDERS[Role.STAFF].select("customer").key == "customer.id,customer.name"
    assert "no field" in refused("customer.email", views.ORDERS[Role.STAFF])
    assert views.ORDERS[Role.ADMIN].select("customer.email").key == "customer.email"


def test_a_row_is_sent_under_the_names_of_the_wire_and_its_relations_as_they_came() -> None:
    chosen = ORDERS.select("items.quantity,totalAmount,id")
    (row,) = chosen.rows([(7, 1205, '[{"quantity" : 2}]')])
    assert msgspec.json.encode(row) == (
        b'{"id":7,"totalAmount":"12.05","items":[{"quantity" : 2}]}'
    )


def test_a_view_is_sent_with_the_fields_that_were_chosen_and_no_others() -> None:
    view = views.ProductView(
        id=1,
        cafeteria_id=2,
        category_id=3,
        name="Paella",
        description="con pollo",
        price="8.25",
        stock=3,
        is_available=True,
        version=1,
        picture=views.PictureView("/p", "/p 1w", "100vw", 4, 3, None, "#aabbcc"),
    )
    chosen = views.PRODUCTS.select("picture.color,picture.width,price")
    assert msgspec.json.decode(msgspec.json.encode(chosen.shown([view]))) == [
        {"price": "8.25", "picture": {"width": 4, "color": "#aabbcc"}}
    ]
    without = msgspec.structs.replace(view, picture=None)
    assert msgspec.json.encode(chosen.shown([without])) == b'[{"price":"8.25","picture":null}]'


@pytest.mark.parametrize(
    ("resource", "view"),
    [
        (views.PRODUCTS, views.ProductView),
        (views.PICTURES, views.PictureView),
        (views.CATEGORIES, views.CategoryView),
        (views.CAFETERIAS, views.CafeteriaView),
    ],
)
def test_one_by_itself_is_all_of_its_view_if_nothing_is_named(
    resource: Resource, view: type[views.View]
) -> None:
    whole = [path.partition(".")[0] for path in resource.select_of_one(None).key.split(",")]
    names = [each.encode_name for each in msgspec.structs.fields(view)]
    assert list(dict.fromkeys(whole)) == names
    assert resource.select_of_one(names[0]).key == names[0]


def test_what_is_heavy_is_sent_to_who_asks_for_it_only() -> None:
    heavy = {"description", "picture.srcset", "picture.sizes", "items.quantity", "version"}
    for resource in (views.PRODUCTS, *views.ORDERS.values()):
        assert not heavy & set(resource.select(None).key.split(","))
