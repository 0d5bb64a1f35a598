"""The people of the demonstration: who they are, their story, and a first thing each might say."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Opening:
    """A suggested first message. `channel` is one of sms, whatsapp, voice, mail, web."""

    channel: str
    text: str
    subject: str = ""


@dataclass(frozen=True)
class Person:
    key: str
    name: str
    locale: str
    phone: str
    email: str
    account_number: str
    plan: str
    story: Mapping[str, str]
    openings: tuple[Opening, ...]


def _person(
    number: int,
    key: str,
    name: str,
    locale: str,
    account_number: str,
    plan: str,
    story: tuple[str, str],
    *openings: Opening,
    email: str = "",
) -> Person:
    address = email or f"{name.lower().replace(' ', '.').replace('é', 'e')}@example.com"
    phone = f"+15550101{number:03}"
    told = {"en": story[0], "es": story[1]}
    return Person(key, name, locale, phone, address, account_number, plan, told, openings)


PEOPLE: tuple[Person, ...] = (
    _person(
        1, "maya", "Maya Chen", "en", "5500010011", "RES-FLAT",
        ("Wants to know her balance. On the web chat she proves who she is with a code sent to her phone.",
         "Quiere saber su saldo. En el chat web demuestra quién es con un código que llega a su teléfono."),
        Opening("web", "What is my balance?"), Opening("sms", "What's my balance?"),
        Opening("voice", "What is my balance?"),
    ),
    _person(
        2, "luis", "Luis Ortega", "es", "5500010029", "RES-TOU",
        ("Writes in Spanish on WhatsApp: what he owes and what he has used.",
         "Escribe en español por WhatsApp: cuánto debe y cuánto ha consumido."),
        Opening("whatsapp", "Hola, ¿cuánto debo?"), Opening("whatsapp", "¿Cuánta luz he gastado este mes?"),
    ),
    _person(
        3, "grace", "Grace Hall", "en", "5500010037", "RES-TIER",
        ("Her bill is higher than last month. She asks by email and answers in the same thread.",
         "Su factura es más alta que la del mes pasado. Pregunta por correo y responde en el mismo hilo."),
        Opening("mail", "Hello,\n\nmy bill is much higher than last month. Can you tell me why?\n\nGrace Hall",
                "Why is my bill so high?"),
    ),
    _person(
        4, "omar", "Omar Haddad", "en", "5500010045", "RES-FLAT",
        ("Pays his bill from a text message: a safe link, then a card or a bank account.",
         "Paga su factura desde un SMS: un enlace seguro y después tarjeta o cuenta bancaria."),
        Opening("sms", "I want to pay my bill"),
    ),
    _person(
        5, "rosa", "Rosa Jiménez", "es", "5500010053", "RES-TIER",
        ("Is behind with her bills and asks, in Spanish, to pay in instalments.",
         "Tiene facturas atrasadas y pide pagar a plazos."),
        Opening("whatsapp", "No puedo pagar todo de golpe, ¿puedo pagar a plazos?"),
        email="rosa.jimenez@example.com",
    ),
    _person(
        6, "ben", "Ben Walker", "en", "5500010060", "RES-TOU",
        ("His lights are out. He reports it by text and hears when the power is back.",
         "Se le ha ido la luz. Avisa por SMS y recibe noticia cuando vuelve."),
        Opening("sms", "My power is out"), Opening("voice", "My power is out"),
    ),
    _person(
        7, "ivy", "Ivy Novak", "en", "5500010078", "RES-FLAT",
        ("Books a technician's visit on the web chat, then moves it to another day.",
         "Reserva la visita de un técnico en el chat web y luego la cambia de día."),
        Opening("web", "I need to book a technician"),
    ),
    _person(
        8, "sam", "Sam Okafor", "en", "5500010086", "RES-FLAT",
        ("Would another plan be cheaper? He compares on his own usage, and switches.",
         "¿Sería más barato otro plan? Compara con su propio consumo y cambia."),
        Opening("web", "Is there a cheaper plan for me?"),
    ),
    _person(
        9, "nora", "Nora Lind", "en", "5500010094", "RES-FLAT",
        ("Has a meter without radio and texts the number on it.",
         "Tiene un contador sin radio y envía la lectura por SMS."),
        Opening("sms", "I want to submit a meter reading"),
    ),
    _person(
        10, "hugo", "Hugo Brandt", "en", "5500010102", "RES-TIER",
        ("Phones, and uses nothing but the keypad.", "Llama y usa solamente el teclado."),
        Opening("voice", "1"),
    ),
    _person(
        11, "dana", "Dana Price", "en", "5500010110", "RES-FLAT",
        ("Is angry and wants a person. You answer her in the CRM, then hand her back to the assistant.",
         "Está enfadada y quiere una persona. Usted le responde en el CRM y la devuelve al asistente."),
        Opening("web", "This is the third time I write. I want to talk to a person!"),
        Opening("sms", "I want to talk to a person"),
    ),
    _person(
        12, "cafe", "Café Sol LLC", "es", "5500010128", "BUS-DEMAND",
        ("Elena Ruiz runs a café; its bill has a charge for peak demand.",
         "Elena Ruiz lleva una cafetería; su factura incluye un cargo por demanda máxima."),
        Opening("whatsapp", "¿Por qué mi factura es tan alta?"),
        Opening("mail", "Hola:\n\n¿qué es el cargo por demanda de mi factura?\n\nElena Ruiz", "Cargo por demanda"),
        email="elena.ruiz@example.com",
    ),
)  # fmt: skip
