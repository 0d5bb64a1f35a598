"""Who lives in Brightwater: the named customers of the stories, and neighbours made up from the seed. All fictional."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from ops_admin.seed.load import Habit


@dataclass(frozen=True)
class Person:
    """A customer as the seed makes them. `unpaid` is how many of the last bills they have not paid."""

    key: str | None
    name: str
    locale: str
    phone: str
    email: str
    account: str
    plan: str
    habit: Habit
    kind: str = "RESIDENTIAL"
    unpaid: int = 0
    register_meter: bool = False
    medical: bool = False
    floor_sqft: int | None = None
    heating: str | None = None
    solar_kw: float = 0.0  # panels, and a second meter for what they send out

    @property
    def dwelling(self) -> str | None:
        """What a home is, by the shape of its load; a business is none."""
        return {"home": "HOUSE", "apartment": "APARTMENT"}.get(self.habit.shape)


def stories(today: date, last_cycle: date) -> tuple[Person, ...]:
    """This will give the named customers, one per story, in the order of the README."""

    def person(
        number: int, key: str, name: str, locale: str, account: str, plan: str, habit: Habit, **more: object
    ) -> Person:
        if key in _FLOORS:
            more |= {"floor_sqft": _FLOORS[key], "heating": "OTHER"}
        address = str(more.pop("email", f"{name.lower().replace(' ', '.').replace('é', 'e')}@example.com"))
        return Person(key, name, locale, f"+15550101{number:03}", address, account, plan, habit, **more)  # type: ignore[arg-type]

    home, flat = "home", "RES-FLAT"
    return (
        person(1, "maya", "Maya Chen", "en", "5500010011", flat, Habit("apartment", 5200), unpaid=1),
        person(2, "luis", "Luis Ortega", "es", "5500010029", "RES-TOU", Habit(home, 8800, shift_hours=1), unpaid=1),
        person(
            3, "grace", "Grace Hall", "en", "5500010037", "RES-TIER",
            Habit(home, 9300, noise=0.12, step_up_from=date.fromordinal(last_cycle.toordinal() - 33), step_up_wh=620),
            unpaid=1,
        ),
        person(4, "omar", "Omar Haddad", "en", "5500010045", flat, Habit("apartment", 6100), unpaid=1),
        person(
            5, "rosa", "Rosa Jiménez", "es", "5500010053", "RES-TIER", Habit(home, 9900), unpaid=4,
            email="rosa.jimenez@example.com",
        ),
        person(6, "ben", "Ben Walker", "en", "5500010060", "RES-TOU", Habit(home, 7700)),
        person(7, "ivy", "Ivy Novak", "en", "5500010078", flat, Habit("apartment", 4300)),
        person(8, "sam", "Sam Okafor", "en", "5500010086", flat, Habit(home, 8200, shift_hours=2, evening_ev_kwh=7.5)),
        person(
            9, "nora", "Nora Lind", "en", "5500010094", flat, Habit("apartment", 4900, noise=0.1), register_meter=True
        ),
        person(10, "hugo", "Hugo Brandt", "en", "5500010102", "RES-TIER", Habit(home, 8400), unpaid=1),
        person(11, "dana", "Dana Price", "en", "5500010110", flat, Habit(home, 7900), unpaid=2),
        person(
            12, "cafe", "Café Sol LLC", "es", "5500010128", "BUS-DEMAND", Habit("restaurant", 118_000), unpaid=1,
            kind="BUSINESS", email="elena.ruiz@example.com",
        ),
        person(13, "paula", "Paula Stern", "en", "5500010136", "RES-SOLAR", Habit(home, 8600), solar_kw=4.2),
        person(14, "otto", "Otto Kline", "en", "5500010144", "RES-HOUR", Habit(home, 7200, shift_hours=2)),
    )  # fmt: skip


def neighbours(count: int, seed: int) -> tuple[Person, ...]:
    """This will make up the rest of the town, behind the named."""
    random = np.random.default_rng([seed, 1])
    built = np.random.default_rng([seed, 5])
    made: list[Person] = []
    for index in range(count):
        spanish = random.random() < 0.3
        business = index % 9 == 8
        if business:
            name = f"{_pick(random, _TRADES)} {_pick(random, _SURNAMES)} LLC"
            plan = "BUS-DEMAND" if random.random() < 0.35 else "BUS-FLAT"
            shape = "restaurant" if random.random() < 0.5 else "office"
            annual = float(random.lognormal(10.6, 0.35))
        else:
            name = f"{_pick(random, _FIRST_ES if spanish else _FIRST_EN)} {_pick(random, _SURNAMES)}"
            plan = str(random.choice(["RES-FLAT", "RES-TIER", "RES-TOU", "RES-EV"], p=[0.45, 0.25, 0.22, 0.08]))
            shape = "home" if random.random() < 0.65 else "apartment"
            annual = float(random.lognormal(9.0 if shape == "home" else 8.5, 0.28))
        car = 8.0 if plan == "RES-EV" else 0.0
        floor = round(float(np.clip(annual * 0.16 * built.lognormal(0, 0.18), 450, 4200)), -1)
        heating = "ELECTRIC" if built.random() < 0.35 else "OTHER"
        made.append(
            Person(
                key=None,
                name=name,
                locale="es" if spanish else "en",
                phone=f"+1555020{index + 1000:04}",
                email=f"customer{index + 1000}@example.com",
                account=f"56{index:08}",
                plan=plan,
                habit=Habit(shape, annual, shift_hours=int(random.integers(-1, 3)), evening_ev_kwh=car),
                kind="BUSINESS" if business else "RESIDENTIAL",
                unpaid=int(random.choice([0, 1, 2, 3], p=[0.62, 0.28, 0.06, 0.04])),
                medical=bool(random.random() < 0.02),
                floor_sqft=None if business else int(floor),
                heating=None if business else heating,
            )
        )
    return tuple(made)


# what the named told of their homes, in square feet
_FLOORS = {"maya": 820, "luis": 1450, "ben": 1300, "ivy": 760, "sam": 1500, "dana": 1250}
AREAS = ("Brightwater Harbor", "Brightwater Old Town", "Brightwater Hill", "Millbrook North", "Millbrook South")
STREETS = ("Elm Street", "Harbor Lane", "Mill Road", "Orchard Avenue", "River Drive", "Station Street", "Willow Court",
           "Lantern Way", "Quarry Road", "Sycamore Street", "Tannery Lane", "Union Street")  # fmt: skip
_FIRST_EN = ("Alice", "Andre", "Beth", "Carl", "Diane", "Edward", "Fiona", "George", "Helen", "Ian", "Joan", "Keith",
             "Laura", "Mark", "Nadia", "Oscar", "Priya", "Quinn", "Ruth", "Steve", "Tara", "Umar", "Vera",
             "Wen")  # fmt: skip
_FIRST_ES = ("Ana", "Bruno", "Carmen", "Diego", "Elisa", "Felipe", "Gloria", "Héctor", "Inés", "Jorge", "Lucía",
             "Mateo", "Nuria", "Pablo", "Raquel", "Sergio", "Teresa", "Víctor")  # fmt: skip
_SURNAMES = ("Adler", "Baker", "Castillo", "Dunn", "Estrada", "Fischer", "Garza", "Holt", "Ibarra", "Jansen", "Kim",
             "Lowe", "Medina", "Nash", "Olsen", "Pereira", "Quist", "Rivas", "Stone", "Tran", "Ueda", "Vargas", "Webb",
             "Young", "Zamora")  # fmt: skip
_TRADES = ("Bakery", "Barber", "Bookshop", "Clinic", "Diner", "Florist", "Garage", "Laundry", "Taquería", "Workshop")


def _pick(random: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[int(random.integers(len(names)))]
