"""Dishes without meat or fish."""

import random

from PIL import Image

from infra.demo.pictures import noise, props, vessels
from infra.demo.pictures.arrange import batch, heap, ring, strew
from infra.demo.pictures.curves import Colour, Stops, dye, flat, gain, ramp
from infra.demo.pictures.dish import above
from infra.demo.pictures.food import dairy, fruit, leaves, meat, starch, vegetables
from infra.demo.pictures.relief import Piece, Relief, disc, dome, mould
from infra.demo.pictures.shapes import Points, Sketch, arc, polar, room, round_outline, silhouette

_SIDES = (
    props.glass,
    props.bread,
    props.herbs,
    props.side_bowl,
    props.tomatoes,
    props.lemon,
)
_TOFU: Stops = ((176, 110, 40), (222, 166, 84), (242, 206, 134))
_SESAME: Stops = ((206, 186, 140), (240, 228, 196))
_HUMMUS: Stops = ((204, 168, 112), (228, 200, 150), (242, 222, 180))
_PAPRIKA: Stops = ((150, 30, 10), (190, 60, 20))
_OMELETTE: Stops = ((186, 112, 20), (230, 170, 44), (244, 200, 88), (250, 216, 120))
_COURGETTE: tuple[Colour, Colour] = ((44, 88, 30), (210, 210, 134))
_AUBERGINE: tuple[Colour, Colour] = ((48, 24, 50), (206, 188, 140))


def bol(relief: Relief, rng: random.Random) -> None:
    """Chickpeas, carrot, tomatoes, cabbage, tofu and rice, each in its field; avocado on top."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    vessels.bowl(relief, rng, 350, 96)

    def leaf() -> Piece:
        kind = rng.choice(("spinach", "rocket", "lettuce"))
        return leaves.leaf(rng, kind, rng.uniform(120, 170))

    heap(relief, rng, batch(leaf, 8), 34, (270, 262), 20, 34)
    carrot, cabbage = vegetables.CARROT, vegetables.CABBAGE
    grain = rng.choice((starch.BROWN_RICE, starch.WHITE_RICE))
    fields = [
        (batch(lambda: vegetables.chickpea(rng), 6), 46),
        (batch(lambda: vegetables.strip(rng, rng.uniform(70, 110), 11, carrot), 8), 46),
        (batch(lambda: vegetables.cherry_tomato(rng, rng.uniform(28, 34)), 6), 13),
        (batch(lambda: vegetables.strip(rng, rng.uniform(60, 100), 13, cabbage), 8), 40),
        (batch(lambda: fruit.cube(rng, rng.uniform(34, 44), _TOFU), 6), 17),
        ([starch.rice_bed(rng, disc(86), grain)], 1),
    ]
    rng.shuffle(fields)
    for (pieces, count), (x, y, _) in zip(fields, ring(6, 176, rng.uniform(0, 60)), strict=True):
        spread = (88, 84) if count > 1 else (1, 1)
        heap(relief, rng, pieces, count, spread, 46, 34, (x, y), tip=18)
    turn = rng.uniform(0, 360)
    for k in range(6):
        slice_ = vegetables.avocado_slice(rng, 130, turn + rng.uniform(-5, 5))
        relief.add(slice_, *polar(turn, 22 * (k - 2.5)), 76 + 2 * k)
    strew(relief, rng, lambda: vegetables.berry(rng, 5, *_SESAME, squeeze=0.6), 70, (220, 210))


def parrillada(relief: Relief, rng: random.Random) -> None:
    """Grilled courgette, aubergine, peppers, mushrooms, asparagus."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    if rng.random() < 0.5:
        vessels.board(relief, rng, 760, 560, slate=rng.random() < 0.6)
    else:
        vessels.plate(relief, rng, 365)
    turn = rng.uniform(-20, 20)
    for i in range(5):
        spear = vegetables.asparagus(rng, 320, turn + rng.uniform(-8, 8))
        relief.add(spear, rng.uniform(-30, 10), -150 + 22 * i, 20)
    for colours, y in ((_COURGETTE, -10), (_AUBERGINE, 86)):
        for k in range(6):
            piece = vegetables.disc_slice(rng, rng.uniform(60, 70), *colours, 0.85)
            place = (82 * (k - 2.5) + rng.uniform(-8, 8), y + rng.uniform(-10, 10))
            relief.add(piece, *place, 26 + 5 * k, (-16, 0))

    def pepper() -> Piece:
        return vegetables.grilled_pepper(rng, rng.uniform(150, 180), rng.random() < 0.3)

    strew(relief, rng, pepper, 7, (210, 40), (0, 190))
    strew(
        relief,
        rng,
        lambda: vegetables.mushroom_slice(rng, rng.uniform(70, 88)),
        6,
        (220, 60),
        (0, -110),
    )
    strew(relief, rng, lambda: vegetables.cherry_tomato(rng), 5, (230, 190))
    strew(relief, rng, lambda: leaves.chopped(rng, 7), 40, (260, 220))


def tortilla(relief: Relief, rng: random.Random) -> None:
    """Potato omelette, a wedge cut and drawn out."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    vessels.plate(relief, rng, 370, 0.82)
    radius, start, gap = 285, rng.uniform(0, 360), 44
    middle = start + gap / 2
    rest = [*arc(radius, start + gap, start + 360, 60), (0.0, 0.0)]
    wedge = [*arc(radius, start, start + gap, 14), (0.0, 0.0)]
    for outline, out in ((rest, 0.0), (wedge, rng.uniform(46, 80))):
        x, y = polar(middle, out)
        side = silhouette(outline, 6)
        for up in range(0, 66, 8) if relief.rise else ():
            relief.stain(flat(side.size, (214, 156, 52)), side, x, y - up * relief.rise)
        relief.add(_omelette(rng, outline), x, y, 14)
    strew(relief, rng, lambda: leaves.chopped(rng, 7), 26, (200, 190))
    relief.add(leaves.parsley(rng, 120), rng.uniform(-60, 60), rng.uniform(-60, 60))
    at = polar(middle + 52, 250)
    strew(relief, rng, lambda: leaves.leaf(rng, "rocket", 120), 5, (40, 40), at)
    strew(relief, rng, lambda: vegetables.cherry_tomato(rng), 3, (40, 40), at)


def _omelette(rng: random.Random, outline: Points) -> Piece:
    """Set egg: golden, browned in patches, potato showing through."""
    size = room(outline, 6)
    mask = Sketch(size, fine=2).fill(outline, 255).done()
    tone = Image.blend(noise.swatch(size, "broad", rng), noise.swatch(size, "soft", rng), 0.4)
    albedo, edge = dye(tone, *_OMELETTE), dome(mask, 20, 2.4)
    brown = noise.swatch(size, "broad", rng).point(ramp(150, 235)).point(gain(0.75))
    spots = noise.swatch(size, "soft", rng).point(ramp(190, 240)).point(gain(0.5))
    rim = edge.point(ramp(230, 120)).point(gain(0.5))
    albedo.paste((132, 70, 20), (0, 0), brown)
    albedo.paste((120, 64, 18), (0, 0), spots)
    albedo.paste((238, 196, 96), (0, 0), rim)
    height = noise.rough(noise.rough(edge, rng, 0.12, "broad"), rng, 0.1)
    return mould(mask, albedo, height, 52, 96)


def hummus(relief: Relief, rng: random.Random) -> None:
    """With a well of oil; falafel round it, and vegetables to dip."""
    props.surround(relief, rng, props.bread, _SIDES)
    vessels.plate(relief, rng, 365, 0.82)
    vessels.bowl(relief, rng, 180, 60)
    face = dye(noise.swatch((240, 240), "soft", rng), *_HUMMUS)
    vessels.liquid(relief, rng, face, 160, 48, (172, 60), 50, 26)
    oil = Sketch((200, 200)).fill(round_outline(rng, 78, 70, 0.14, 5), 200).done()
    relief.stain(flat(oil.size, (196, 150, 30)), oil, 0, -48 * relief.rise)
    strew(relief, rng, lambda: vegetables.chickpea(rng), 9, (50, 46))
    strew(relief, rng, lambda: vegetables.berry(rng, 2.6, *_PAPRIKA, gloss=20), 60, (120, 110))
    relief.add(leaves.parsley(rng, 84), 0, 0)
    falafel = batch(lambda: meat.meatball(rng, rng.uniform(44, 50)).lit(1.25), 5)
    stick = rng.choice((vegetables.CARROT, vegetables.RED_PEPPER, vegetables.YELLOW_PEPPER))
    for i, (x, y, _) in enumerate(ring(16, 252, rng.uniform(0, 360))):
        if i % 8 < 4:
            relief.add(rng.choice(falafel), x, y, 16)
        elif i < 8:
            relief.add(vegetables.strip(rng, 130, 26, stick, bend=0.05), x, y, 16)
        else:
            relief.add(vegetables.cucumber_slice(rng, 46), x, y, 16 + 3 * (i % 3), (0, -14))
    strew(relief, rng, lambda: leaves.leaf(rng, "mint", 60), 6, (250, 240))


def verduras(relief: Relief, rng: random.Random) -> None:
    """Roast vegetables with cheese."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    vessels.bowl(relief, rng, 350, 84)
    pieces = [
        *batch(lambda: vegetables.broccoli(rng, rng.uniform(48, 62)), 13),
        *batch(lambda: vegetables.potato(rng, rng.uniform(44, 58)), 13),
        *batch(lambda: vegetables.carrot_slice(rng, rng.uniform(32, 42)), 14),
        *batch(lambda: vegetables.grilled_pepper(rng, rng.uniform(110, 150), False), 7),
        *batch(lambda: vegetables.onion_ring(rng, rng.uniform(36, 52)), 7),
        *batch(lambda: vegetables.mushroom_slice(rng, rng.uniform(64, 80)), 8),
    ]
    heap(relief, rng, pieces, 70, (245, 235), 26, 66, tip=16)
    strew(relief, rng, lambda: dairy.mozzarella(rng, rng.uniform(22, 30)), 12, (190, 180))
    strew(relief, rng, lambda: leaves.chopped(rng, 7), 40, (240, 230))


DISHES = above(bol, parrillada, tortilla, hummus, verduras)
