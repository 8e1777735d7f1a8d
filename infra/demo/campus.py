"""A believable campus: five cafeterias with real hours, twelve categories, two hundred dishes."""

from datetime import date, time

from msgspec import Struct

# Every demo account has this password: it protects nothing.
PASSWORD = "comanda"  # noqa: S105
DOMAIN = "campus.example"
USERS = 2000
ADMINISTRATORS = 2
STAFF_PER_CAFETERIA = 4


class Place(Struct, frozen=True):
    """A cafeteria; `hours` are (ISO weekdays, opens, closes), closing the next day if earlier."""

    name: str
    location: str
    time_zone: str
    last_order_minutes: int
    hours: tuple[tuple[tuple[int, ...], str, str], ...]
    rests: bool = True


WEEKDAYS = (1, 2, 3, 4, 5)
EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)

PLACES = (
    # Never closes, so that there is an order to place whenever somebody looks at the demo.
    Place(
        "Cafetería Central",
        "Edificio A, planta baja",
        "Europe/Madrid",
        15,
        ((EVERY_DAY, "00:00", "00:00"),),
        rests=False,
    ),
    # A split shift: breakfast, then lunch.
    Place(
        "Comedor de Ingeniería",
        "Escuela Técnica Superior",
        "Europe/Madrid",
        20,
        ((WEEKDAYS, "08:00", "11:30"), (WEEKDAYS, "13:00", "16:30")),
    ),
    # Closed on Wednesdays and at the weekend.
    Place(
        "Cantina de Ciencias",
        "Facultad de Ciencias",
        "Europe/Madrid",
        10,
        (((1, 2, 4), "08:00", "18:00"), ((5,), "08:00", "15:00")),
    ),
    # Over midnight, longer at the weekend.
    Place(
        "La Nocturna",
        "Biblioteca, sala de 24 horas",
        "Europe/Madrid",
        30,
        (((1, 2, 3, 4, 7), "20:00", "02:00"), ((5, 6), "20:00", "04:00")),
    ),
    # An hour behind the peninsula.
    Place(
        "Quiosco Campus Sur",
        "Facultad de Turismo, Adeje",
        "Atlantic/Canary",
        10,
        ((EVERY_DAY, "08:00", "19:00"),),
    ),
)

# Days on which the whole campus rests, as (month, day).
HOLIDAYS = {
    (1, 1): "Año Nuevo",
    (1, 6): "Epifanía",
    (5, 1): "Fiesta del Trabajo",
    (10, 12): "Fiesta Nacional",
    (11, 1): "Todos los Santos",
    (12, 6): "Día de la Constitución",
    (12, 8): "Inmaculada Concepción",
    (12, 25): "Navidad",
}


class Section(Struct, frozen=True):
    """A category: its name, what its dishes cost (minor units, from and to), and the dishes."""

    slug: str
    name: str
    prices: tuple[int, int]
    dishes: str

    @property
    def names(self) -> list[str]:
        """The dishes, one by one."""
        return [name.strip() for name in self.dishes.split(",")]


# In the order of the menu; the slugs are those that infra.demo.pictures can draw.
SECTIONS = (
    Section(
        "breakfast",
        "Desayunos",
        (150, 480),
        "Tostada con tomate, Tostada con aguacate, Tostada de jamón serrano, Croissant a la "
        "plancha, Napolitana de chocolate, Tortitas con fruta, Bol de yogur y granola, Huevos "
        "revueltos, Porridge de avena, Churros con chocolate, Ensaimada, Gofre con frutos rojos, "
        "Pan de pueblo con aceite, Magdalena casera, Macedonia de desayuno, Bagel de salmón, "
        "Tostada francesa",
    ),
    Section(
        "sandwiches",
        "Bocadillos",
        (290, 650),
        "Bocadillo de tortilla, Bocadillo de jamón, Bocadillo de calamares, Bocadillo vegetal, "
        "Bocadillo de lomo, Bocadillo de atún, Sándwich mixto, Sándwich club, Bocadillo de "
        "chorizo, Bocadillo de queso manchego, Pepito de ternera, Serranito, Bocadillo de pollo "
        "al curri, Chapata caprese, Mollete de pringá, Panini de verduras, Bocadillo de bacón y "
        "queso",
    ),
    Section(
        "salads",
        "Ensaladas",
        (450, 790),
        "Ensalada mixta, Ensalada César, Ensalada de quinoa, Ensalada griega, Ensalada de pasta, "
        "Ensalada de garbanzos, Ensalada de queso de cabra, Ensalada caprese, Ensaladilla rusa, "
        "Ensalada de aguacate, Ensalada murciana, Ensalada de lentejas, Ensalada de arroz, "
        "Ensalada de salmón, Ensalada de pollo crujiente, Ensalada de remolacha, Ensalada "
        "templada de setas",
    ),
    Section(
        "soups",
        "Sopas y cremas",
        (320, 590),
        "Gazpacho, Salmorejo, Crema de calabaza, Crema de calabacín, Sopa de cocido, Sopa de "
        "fideos, Sopa castellana, Caldo gallego, Crema de champiñones, Sopa de pescado, Crema de "
        "zanahoria, Ajoblanco, Puré de verduras, Sopa de cebolla, Crema de espárragos, Ramen de "
        "verduras, Minestrone",
    ),
    Section(
        "rice",
        "Arroces",
        (590, 1150),
        "Paella valenciana, Paella de marisco, Arroz negro, Arroz a banda, Arroz con pollo, Arroz "
        "a la cubana, Arroz caldoso, Risotto de setas, Arroz con verduras, Arroz al horno, Arroz "
        "tres delicias, Fideuá, Arroz con bogavante, Arroz meloso de pato, Arroz integral con "
        "tofu, Poke de arroz, Arroz con costra",
    ),
    Section(
        "pasta",
        "Pastas",
        (520, 890),
        "Espaguetis boloñesa, Macarrones con chorizo, Lasaña de carne, Lasaña de verduras, "
        "Espaguetis carbonara, Tallarines al pesto, Raviolis de espinacas, Canelones de la "
        "abuela, Ñoquis cuatro quesos, Penne arrabiata, Tallarines con gambas, Tortellini con "
        "nata, Macarrones gratinados, Espaguetis aglio e olio, Fetuccini con setas, Rigatoni a "
        "la norma, Pasta fría con tomate",
    ),
    Section(
        "grill",
        "Parrilla",
        (690, 1290),
        "Entrecot con patatas, Pechuga de pollo, Secreto ibérico, Hamburguesa clásica, "
        "Hamburguesa con queso, Chuletas de cordero, Costillas a la barbacoa, Pinchos morunos, "
        "Churrasco, Lomo a la plancha, Muslos de pollo al ajillo, Solomillo a la pimienta, "
        "Albóndigas en salsa, Escalope empanado, Brocheta mixta, Salchichas parrilleras, "
        "Presa ibérica",
    ),
    Section(
        "fish",
        "Pescados",
        (720, 1390),
        "Merluza a la romana, Salmón a la plancha, Bacalao al pilpil, Atún encebollado, Dorada al "
        "horno, Lubina a la espalda, Calamares a la romana, Sepia a la plancha, Boquerones "
        "fritos, Pulpo a la gallega, Trucha a la navarra, Gambas al ajillo, Mejillones al vapor, "
        "Rape en salsa verde, Bonito con tomate, Lenguado menier, Sardinas asadas",
    ),
    Section(
        "vegetarian",
        "Vegetarianos",
        (520, 890),
        "Pisto manchego, Hamburguesa de lentejas, Curri de garbanzos, Berenjenas rellenas, Tofu "
        "salteado, Falafel con hummus, Parrillada de verduras, Tortilla de patatas, Croquetas de "
        "espinacas, Wok de verduras, Calabacín relleno, Buddha bowl, Quiche de puerros, Chili de "
        "alubias, Moussaka vegetal, Seitán a la plancha, Tacos de alubias",
    ),
    Section(
        "desserts",
        "Postres",
        (180, 450),
        "Flan de huevo, Arroz con leche, Tarta de queso, Tarta de Santiago, Crema catalana, "
        "Natillas, Brownie de chocolate, Fruta del día, Yogur natural, Tiramisú, Torrija, Helado "
        "de vainilla, Tarta de zanahoria, Mousse de limón, Leche frita, Macedonia, Cuajada con "
        "miel",
    ),
    Section(
        "hot-drinks",
        "Bebidas calientes",
        (110, 290),
        "Café solo, Café con leche, Cortado, Capuchino, Café americano, Café bombón, Té verde, Té "
        "negro, Infusión de manzanilla, Poleo menta, Chocolate a la taza, Latte macchiato, Moca, "
        "Rooibos, Café descafeinado",
    ),
    Section(
        "cold-drinks",
        "Bebidas frías",
        (100, 350),
        "Agua mineral, Agua con gas, Zumo de naranja, Limonada casera, Refresco de cola, Refresco "
        "de naranja, Té helado, Horchata, Batido de fresa, Batido de chocolate, Smoothie verde, "
        "Granizado de limón, Café con hielo, Kombucha, Zumo de piña",
    ),
)

# Separated by spaces.
FIRST_NAMES = (
    "Lucía Hugo Martina Mateo Sofía Martín Julia Leo Paula Daniel Valeria Alejandro Emma "
    "Manuel Daniela Pablo Carla Álvaro Alba Adrián Noa Mario Sara Diego Carmen Marcos "
    "Laia Izan Vega Javier Nerea Iker Ainhoa Unai Candela Gael Irene Biel Aitana Xoán"
)
LAST_NAMES = (
    "García Fernández González Rodríguez López Martínez Sánchez Pérez Martín Gómez Ruiz "
    "Díaz Hernández Álvarez Jiménez Moreno Muñoz Alonso Romero Navarro Gutiérrez Torres "
    "Domínguez Gil Vázquez Serrano Ramos Blanco Castro Suárez Ortega Rubio Sanz Iglesias "
    "Nuñez Medina Garrido Cortés Castillo Lozano"
)


def clock(text: str) -> time:
    """The wall time of "HH:MM"."""
    return time.fromisoformat(text)


def holidays(first_year: int, years: int = 2) -> dict[date, str]:
    """The days on which the campus rests, with their reasons."""
    return {
        date(year, month, day): reason
        for year in range(first_year, first_year + years)
        for (month, day), reason in HOLIDAYS.items()
    }
