"""What a household can put off to another hour: assumptions, each with what it rests on.

As of November 2026. They are examples of a size people know, and no claim about anybody's own machines: what moving
them saves is the engine's to say, by the prices and the use of the home that asks.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """`hours` on end in which a machine takes `wh`, evenly. Its name is the kind `load.<code>`."""

    code: str
    wh: int
    hours: int


LOADS = (
    # ENERGY STAR allows a standard dishwasher 270 kWh a year (criteria of 2016); 10 CFR 430, subpart B, appendix C
    # counts 215 cycles in it: 1.26 kWh each, heated water included. A normal programme takes about two hours.
    Load("dishwasher", 1200, 2),
    # 57 miles at 0.35 kWh a mile (fueleconomy.gov, mixed driving): what a car is driven in about two days. A wall
    # box of 7.2 kW gives that in three hours.
    Load("car", 20_000, 3),
)
