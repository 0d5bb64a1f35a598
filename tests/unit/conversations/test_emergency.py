"""Danger is recognised in both languages, misspelt too; words of danger in peaceful sentences are not."""

import pytest

from core.conversations import emergency

DANGER = {
    "wire": [
        "There's a downed power line in front of my house",
        "a wire is down across the road and it's sparking",
        "power line down on Elm Street",
        "downd powr line on my street",
        "theres a cable hanging over the driveway",
        "Live wires on the ground after the storm!!",
        "a tree fell on the power lines behind us",
        "the branch is leaning against the wires",
        "my kid is touching a power line",
        "children climbing the utility pole near the transformer",
        "a truck hit the power pole and the lines are hanging",
        "LINE DOWN SPARKING ON MAPLE",
        "hay un cable caído en la calle",
        "se cayo un cable frente a mi casa",
        "un cable esta colgando sobre el carro",
        "hay cables sueltos echando chispas",
        "se cayó un poste de luz",
        "la línea eléctrica está caída en el patio",
        "un árbol cayó sobre los cables",
        "un niño está tocando el cable",
    ],
    "gas": [
        "I smell gas",
        "i smel gas in the basement",
        "there is a strong smell of gas near the meter",
        "We have a gas leak!",
        "it smells like rotten eggs in here",
        "huele a gas en mi casa",
        "hay un fuerte olor a gas",
        "tenemos una fuga de gas",
    ],
    "fire": [
        "the transformer is on fire",
        "transfomer exploded behind my house",
        "smoke coming from the breaker box",
        "my outlet is sparking",
        "There's a burning smell from the electrical panel",
        "my house is on fire",
        "flames at the substation",
        "i heard an explosion and then smoke",
        "the meter is smoking",
        "el transformador explotó",
        "hay humo saliendo del medidor",
        "el enchufe está echando chispas",
        "mi casa se está quemando",
        "huele a quemado en el tablero",
        "hay un incendio en el poste",
    ],
    "medical": [
        "my husband got electrocuted",
        "I got an electric shock from the washing machine",
        "he was shocked by the outlet",
        "someone is hurt, please hurry",
        "my mom is on oxygen and the power is out",
        "no power and I have a ventilator at home",
        "my dialysis machine stopped",
        "we lost power and my son is on life support",
        "the electricity went off, grandma's oxigen concentrator battery is low",
        "me dio una descarga eléctrica",
        "mi hijo se electrocutó",
        "hay alguien herido",
        "mi mamá usa oxígeno y se fue la luz",
        "estoy sin luz y tengo un respirador",
        "no tenemos electricidad y mi papa necesita dialisis",
    ],
}
PEACE = [
    "How do I register medical equipment?",
    "how can I sign up for the medical priority list, I use oxygen, in case the power goes out",
    "What happens to my oxygen concentrator if the power goes out?",
    "there's a fire sale at the store",
    "is the gas station on 5th a customer of yours",
    "do you also sell gas?",
    "why is my gas bill so high",
    "I was shocked by my bill",
    "sticker shock! my bill from December is crazy",
    "you should be fired",
    "can I pay by wire transfer",
    "my wireless router uses a lot of power",
    "does a smoke detector use much electricity",
    "what is the rebate for a gas furnace replacement",
    "I am burning through energy this month",
    "the power is out on my street",
    "my lights are flickering",
    "no power since 6",
    "my power went out, when will it be back",
    "my cable company said it's your fault",
    "the phone line is busy all day",
    "my son touched the thermostat",
    "your website is down",
    "what's my balance",
    "is my payment on the way down the line",
    "the meter reading is 12345",
    "hot line for outages",
    "I feel hurt by how you treated me",
    "do you trim trees near power lines?",
    "electric fireplace cost per hour",
    "my account is on hold",
    "please switch my plan",
    "I live on Sparks Street",
    "people are hurt by these rising prices",
    "cuánto debo",
    "se fue la luz",
    "estoy sin luz desde ayer",
    "mis gastos son muy altos",
    "cómo registro un equipo médico",
    "quiero descargar mi factura",
    "la cuenta corriente del banco",
    "el detector de humo consume mucho?",
    "se cayó la página de internet",
    "tengo seguro contra incendios",
    "tengo cable de television",
    "el ventilador de techo gasta mucho?",
    "la gasolinera de la esquina",
    "la lectura del medidor es 48213",
    "mi factura subió mucho",
    "me dio gusto hablar con usted",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in DANGER.items() for text in texts])
def test_danger_is_heard(kind: str, text: str) -> None:
    found = emergency.recognise(text)
    assert found is not None, text
    assert found.kind == kind


@pytest.mark.parametrize("text", PEACE)
def test_peace_is_left_alone(text: str) -> None:
    assert emergency.recognise(text) is None


def test_a_long_text_is_searched_quickly_and_wholly_at_its_start() -> None:
    text = "my bill is too high and the meter is wrong " * 60
    assert emergency.recognise(text) is None
    assert emergency.recognise("I smell gas. " + text) is not None
    assert emergency.recognise("") is None
