"""Danger, recognised before anything else: wires, gas, fire, and lives. English and Spanish. Pure.

Every text runs through here before the assistant sees it. The rule is: rather once too often, but not for a fire sale.
Texts are compared without accents and in small letters; a few long words are also known with one letter wrong.
"""

# ruff: noqa: E501 - a table of patterns reads better unbroken

import functools
import re
import string
import unicodedata
from dataclasses import dataclass

_LONGEST = 4000


@dataclass(frozen=True)
class Emergency:
    """What kind of danger: "wire", "gas", "fire" or "medical"."""

    kind: str


def recognise(text: str) -> Emergency | None:
    """This will say what danger a text tells of; None when it tells of none."""
    if not text:
        return None
    plain = normal(text[:_LONGEST])
    harmless = _HARMLESS.sub(" ", plain)
    for kind, patterns in _PATTERNS:
        if any(pattern.search(harmless) for pattern in patterns):
            return Emergency(kind)
    if _MEDICAL_NEED.search(harmless) and not _HYPOTHETICAL.search(harmless):
        return Emergency("medical")
    return None


def normal(text: str) -> str:
    """This will give a text in small letters, without accents, apostrophes and doubled spaces, and with the known long
    words put right.
    """
    bare = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(letter for letter in bare if not unicodedata.combining(letter))
    bare = re.sub(r"['’`´]", "", bare)
    words = re.findall(r"[a-z0-9]+|[.!?;,\n]", bare)
    known = _misspelt()
    return " ".join(known.get(word, word) for word in words)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_VOCABULARY = _words(
    "electrocuted electrocution electrocute transformer oxygen ventilator dialysis exploded explosion dangling powerline "
    "powerlines electrocuto electrocutado electrocutada transformador oxigeno respirador dialisis exploto chispas "
    "incendio electricidad chispeando unconscious inconsciente colgando"
)


@functools.lru_cache(maxsize=1)
def _misspelt() -> dict[str, str]:
    """Every spelling one letter away (wrong, missing, extra, swapped) from the words above."""
    near: dict[str, str] = {}
    for word in _VOCABULARY:
        for at in range(len(word) + 1):
            head, tail = word[:at], word[at:]
            if tail:
                near.setdefault(head + tail[1:], word)
                near.update({head + c + tail[1:]: word for c in string.ascii_lowercase})
            if len(tail) > 1:
                near.setdefault(head + tail[1] + tail[0] + tail[2:], word)
            near.update({head + c + tail: word for c in string.ascii_lowercase})
    near.update({word: word for word in _VOCABULARY})
    near.update(
        {
            "powr": "power",
            "pwer": "power",
            "poewr": "power",
            "donw": "down",
            "downd": "downed",
            "dwon": "down",
            "wier": "wire",
            "wirre": "wire",
            "sparkin": "sparking",
            "sparcing": "sparking",
            "smel": "smell",
            "smels": "smells",
            "gass": "gas",
            "huelle": "huele",
            "guele": "huele",
            "cabel": "cable",
            "fier": "fire",
            "hangin": "hanging",
            "shok": "shock",
            "electric": "electric",
            "explotion": "explosion",
            "eletrocuted": "electrocuted",
        }
    )
    return near


def _any(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)


# what contains a word of danger and is none
_HARMLESS = re.compile(
    r"\b(?:fire (?:sale|place|department|station|drill|pit|hydrant|insurance|alarms?|wall|works?|extinguishers?|stick)|"
    r"smoke (?:detectors?|alarms?|shop|free)|carbon monoxide detectors?|"
    r"gas (?:station|bills?|prices?|stove|furnace|heating|grill|company|card|mileage|customers?|service)|"
    r"wire transfers?|wired? money|sticker shock|burning (?:question|through)|"
    r"electrical fire (?:insurance|prevention|safety)|"
    r"(?:cable|linea) (?:de |del )?(?:tv|television|internet|telefono|telefonica)|cable (?:bill|company)|"
    r"detector(?:es)? de humo|alarmas? (?:de|contra) incendios?|(?:seguro|extintor|proteccion)\w* (?:de|contra) "
    r"incendios?|"
    r"(?:cuenta|mes|lectura) corriente|juegos? de luces)\b"
)

_WIRE = (
    r"(?:wires?|cables?|power ?lines?|powerlines?|(?:electric|electrical|utility|live|transmission|service|high voltage) "
    r"(?:wires?|lines?|cables?)|(?:power|utility|electric|electrical|telephone|light) ?poles?)"
)
_WIRE_STATE = (
    r"(?:down|downed|fallen|fell|falling|hanging|dangling|hangs|snapped|broken|broke|ripped|torn|loose|sparking|sparks|"
    r"sparked|arcing|arching|burning|smoking|on fire|exposed|came down|"
    r"(?:on|onto|in|across|over) (?:the |my |our |a )?(?:ground|road|street|driveway|car|lawn|yard|fence|house|roof|"
    r"sidewalk|garden|truck|bus))"
)
_CABLE = (
    r"(?:cables?|alambres?|tendido electrico|linea\w* (?:electrica|electricas|de luz|de corriente|de alta tension|de alta|"
    r"de energia)|poste\w*)"
)
_CABLE_STATE = (
    r"(?:caid[oa]s?|cayo|caer|cayeron|cayendo|cae|colgando|colgad[oa]s?|cuelgan?|suelt[oa]s?|rot[oa]s?|tirad[oa]s?|"
    r"reventad[oa]s?|revento|arrancad[oa]s?|pelad[oa]s?|chisp\w+|echando|"
    r"(?:en|sobre|por) (?:el|la|mi|un|una) (?:suelo|piso|calle|carretera|acera|via|patio|jardin|carro|coche|casa|techo|"
    r"camino|banqueta|vereda))"
)
_EQUIPMENT = (
    r"(?:transformers?|meters?|breakers?|breaker box|(?:electric|electrical|fuse|breaker) (?:panel|box)|panels?|fuse ?box|"
    r"outlets?|sockets?|plugs?|switch|switchboard|substation|power ?poles?|utility poles?|poles?|wiring|power strip|"
    r"power lines?|wires?|junction box|charger)"
)
_EQUIPMENT_STATE = (
    r"(?:on fire|in flames|flames?|caught fire|catching fire|burning|burnt|smoking|smoke|smokes|sparking|sparks|sparked|"
    r"exploded|exploding|explosion|explodes|blew up|blown up|melting|melted|arcing)"
)
_APARATO = (
    r"(?:transformador\w*|medidor\w*|contador\w*|postes?|panel\w*|tableros?|enchufes?|tomacorrientes?|tomas?|breakers?|"
    r"interruptor\w*|subestacion|cables?|caja (?:de luz|electrica|de fusibles)|instalacion electrica|apagador)"
)
_APARATO_STATE = (
    r"(?:humo|humeando|fuego|llamas|quemando|quemandose|quemo|quema|quemado|ardiendo|arde|explot\w+|explosion|revento|"
    r"reventado|chisp\w+|incendi\w+|derriti\w+|derrite)"
)
_ANYONE = (
    r"(?:some ?one|somebody|person|man|woman|guy|lady|child|children|kids?|boy|girl|baby|toddler|worker|lineman|neighbor|"
    r"neighbour|husband|wife|son|daughter|mother|mom|father|dad|brother|sister|friend|people)"
)
_ALGUIEN = (
    r"(?:alguien|personas?|hombre|mujer|senora?|nin[oa]s?|bebe|hij[oa]s?|vecin[oa]|espos[oa]|mama|papa|madre|padre|"
    r"herman[oa]|trabajador|abuel[oa]|amig[oa]|gente|muchach[oa])"
)

_PATTERNS: tuple[tuple[str, tuple[re.Pattern[str], ...]], ...] = (
    (
        "gas",
        _any(
            r"\bsmell(?:s|ed|ing)?\b[^.!?]{0,25}\bgas\b",
            r"\bgas (?:smell|leak|leaking|odou?r|is leaking|escaping)",
            r"\b(?:leak|leaking|odou?r)\b[^.!?]{0,12}\bgas\b",
            r"\bsmell(?:s|ed|ing)?\b[^.!?]{0,20}\b(?:rotten eggs?|sulfur|sulphur)\b",
            r"\b(?:huele|olor|oliendo|oler|olia|olemos|huelo)\b[^.!?]{0,20}\b(?:gas|huevos? podridos?)\b",
            r"\b(?:fuga|escape|escapando|fugando)\b[^.!?]{0,8}\bgas\b",
            r"\bgas\b[^.!?]{0,12}\b(?:se esta escapando|escapandose|fugandose)\b",
        ),
    ),
    (
        "medical",
        _any(
            r"\belectrocut\w*",
            r"\b(?:electric|electrical) shock\b",
            r"\b(?:got|get|gets|getting|gave|received|felt|a) (?:a |an |me )?(?:bad |big |small |mild )?shock\b"
            r"[^.!?]{0,30}\b(?:from|when|off|touch\w*|outlet|wire|switch|meter|panel)\b(?![^.!?]*\b(?:bill|price|saw)\b)",
            r"\b(?:shocked|zapped)\b[^.!?]{0,25}\b(?:outlet|wires?|panel|meter|switch|power ?lines?|fence|breaker|box|"
            r"socket|appliance|touching|plug|faucet)\b",
            rf"\b{_ANYONE}\b[^.!?]{{0,25}}\b(?:hurt|injured|unconscious|not breathing|isnt breathing|bleeding|collapsed|"
            r"dying)\b(?! by (?:your|the|these|this|how|high|rising))",
            r"\b(?:need|send|call|calling) (?:an |the )?(?:ambulance|paramedics)\b",
            r"\b(?:dio|pego|dieron|da|pega)\b[^.!?]{0,12}\b(?:descargas?|corrientazo|calambrazo|toques?|corriente|"
            r"calambre)\b",
            r"\bdescargas? electricas?\b",
            rf"\b{_ALGUIEN}\b[^.!?]{{0,25}}\b(?:herid[oa]s?|lesionad[oa]s?|inconsciente|no respiran?|sangrando|"
            r"quemad[oa]s?|desmayad[oa]|muriendo)\b",
            r"\b(?:necesito|necesitamos|manden|envien|llamen) (?:a )?una ambulancia\b",
        ),
    ),
    (
        "wire",
        _any(
            rf"\b{_WIRE}\b[^.!?]{{0,40}}\b{_WIRE_STATE}\b",
            rf"\b(?:downed|fallen|hanging|dangling|sparking|live|arcing|exposed|broken|snapped|loose) (?:\w+ ){{0,2}}{_WIRE}\b",
            rf"\b(?:fell|came down|knocked down|knocked over|took down|sparks?|sparking|arcing)\b[^.!?]{{0,25}}\b{_WIRE}\b",
            r"\blines? (?:is |are |s )?(?:down|downed|fallen|hanging)\b[^.!?]{0,30}\b(?:spark\w*|road|street|yard|ground|"
            r"arcing|live|tree|car)\b",
            r"\bdowned (?:\w+ )?lines?\b",
            rf"\b(?:tree|branch|limb|car|truck)\b[^.!?]{{0,25}}\b(?:on|onto|into|against|touching|hit|hits|leaning|took out|"
            rf"fell|fallen|struck)\b[^.!?]{{0,20}}\b(?:{_WIRE}|lines)\b",
            rf"\b(?:{_ANYONE}|dog)\b[^.!?]{{0,25}}\b(?:touch\w*|grabb\w*|climb\w*|playing|holding)\b[^.!?]{{0,25}}\b"
            rf"(?:{_WIRE}|transformers?|substation|lines?|poles?)\b",
            rf"\b{_CABLE}\b[^.!?]{{0,40}}\b{_CABLE_STATE}\b",
            rf"\b(?:se cayo|cayo|se cayeron|se solto|se revento|se rompio|tiro|tumbo|derribo|cuelga|cuelgan|chispas|"
            rf"colgando)\b[^.!?]{{0,25}}\b{_CABLE}\b",
            r"\blineas? (?:caidas?|chispeando)\b[^.!?]{0,30}\b(?:calle|suelo|patio|carretera|chisp\w+|arbol|carro|poste)\b",
            rf"\b(?:arbol|rama|carro|coche|camion)\b[^.!?]{{0,30}}\b(?:sobre|encima|cayo|choco|toca\w*|contra|golpeo)\b"
            rf"[^.!?]{{0,20}}\b{_CABLE}\b",
            rf"\b(?:{_ALGUIEN}|perro)\b[^.!?]{{0,25}}\b(?:toc\w+|agarr\w+|trep\w+|subi\w+|jugando)\b[^.!?]{{0,25}}\b"
            rf"(?:{_CABLE}|transformador|lineas?|subestacion)\b",
        ),
    ),
    (
        "fire",
        _any(
            rf"\b{_EQUIPMENT}\b[^.!?]{{0,30}}\b{_EQUIPMENT_STATE}\b",
            rf"\b(?:smoke|sparks?|sparking|flames?|fire|burning|explosion|smoking|exploding|exploded)\b[^.!?]{{0,25}}\b"
            rf"(?:from|in|at|on|out|near|by|inside|of)\b[^.!?]{{0,15}}\b{_EQUIPMENT}\b",
            rf"\bburning {_EQUIPMENT}\b",
            r"\b(?:house|home|building|kitchen|basement|garage|apartment|roof|attic|wall|room|barn|shed|it|its|everything|"
            r"something|tree|car)\b[^.!?]{0,15}\b(?:on fire|in flames|burning down|caught fire|is burning|catching fire)\b",
            r"\b(?:theres|there is|we have|i have|i see|see) (?:a |an |some |smoke and )?(?:\w+ )?(?:fire|flames)\b",
            r"\belectrical fire\b",
            r"\bsmoke (?:is )?(?:coming|pouring|billowing|filling|everywhere)\b",
            r"\b(?:theres|there is|i see|seeing) (?:a lot of |lots of |some |black |white )?smoke\b",
            r"\bburning (?:smell|odou?r|plastic)\b",
            r"\bsmell(?:s|ing|ed)?\b[^.!?]{0,20}\b(?:burning|burnt|smoke)\b",
            r"\b(?:an|big|huge|loud|heard|saw|was|gas) explosion\b",
            rf"\b{_APARATO}\b[^.!?]{{0,35}}\b{_APARATO_STATE}\b",
            rf"\b(?:humo|fuego|llamas|chispas|explosion|exploto|incendio|incendiando|quemando|quema|quemo|ardiendo|revento)\b"
            rf"[^.!?]{{0,25}}\b{_APARATO}\b",
            r"\b(?:hay|veo|sale|saliendo|tenemos|huelo|vemos)\b[^.!?]{0,12}\b(?:humo|fuego|incendio|llamas)\b",
            r"\bse (?:me |nos )?(?:esta |estan )?(?:quemando|incendiando|prendiendo|incendia|incendio|prendio fuego|"
            r"prendio en fuego)\b",
            r"\b(?:casa|cocina|edificio|apartamento|garaje|techo|sotano)\b[^.!?]{0,15}\b(?:quema|quemando|incendia|en llamas|"
            r"incendio|ardiendo|incendiando)\b",
            r"\b(?:olor|huele|oliendo|huelo)\b[^.!?]{0,12}\b(?:quemad[oa]|quema|humo|plastico quemado)\b",
            r"\b(?:una|hubo|fuerte|gran|escuche|oi|oimos) explosion\b",
        ),
    ),
)

_DEVICE = (
    r"(?:oxygen|ventilator|respirator|dialysis|life support|breathing machine|iron lung|oxygen concentrator|concentrator|"
    r"cpap|bipap|nebulizer|feeding (?:tube|pump)|suction machine|heart (?:pump|monitor)|medical (?:equipment|device|"
    r"devices|machine|machines)|apnea monitor|insulin|oxigeno|respirador|ventilador (?:mecanico|medico|pulmonar)|dialisis|"
    r"soporte vital|concentrador|nebulizador|equipos? medicos?|maquina (?:de respirar|para respirar|de dialisis|medica)|"
    r"marcapasos)"
)
_VITAL = (
    r"(?:oxygen|ventilator|respirator|dialysis|life support|breathing machine|concentrator|oxigeno|respirador|dialisis)"
)
_NO_POWER = (
    r"(?:no (?:power|electricity|lights?)|(?:power|electricity|lights?|electric)(?: is| are| has been| have been| just| went|"
    r" has| s| been| have)*(?: out| off| gone| cut| down)|without (?:power|electricity|lights?)|lost (?:power|electricity)|"
    r"power (?:outage|failure|cut)|outage (?:right )?now|shut ?off (?:my|our|the|his|her) (?:power|electricity)|"
    r"batter(?:y|ies) (?:is |are |s )?(?:low|dying|dead|almost|running|about|going|wont)|"
    r"sin (?:luz|electricidad|energia|corriente)|no (?:hay|tengo|tenemos|tiene) (?:luz|electricidad|energia|corriente)|"
    r"se (?:me |nos )?(?:fue|corto|ha ido) la (?:luz|electricidad|energia|corriente)|apagon|"
    r"(?:cortaron|quitaron) la (?:luz|electricidad|corriente)|"
    r"bateria[^.!?]{0,20}(?:acab\w+|agot\w+|baja|termin\w+|muriendo))"
)
_MEDICAL_NEED = re.compile(
    rf"\b{_DEVICE}\b.{{0,90}}\b{_NO_POWER}\b|\b{_NO_POWER}\b.{{0,90}}\b{_DEVICE}\b|"
    rf"\b{_VITAL}\b[^.!?]{{0,30}}\b(?:stopped|isnt working|is not working|not working|failed|failing|shut down|died|"
    r"se apago|dejo de funcionar|no funciona|no esta funcionando|apagad[oa])\b"
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|in case|whenever|should there be|register\w*|sign up|enroll\w*|apply|application|program|rebate|discount|"
    r"certificate|priority list|si se|en caso|registr\w+|inscrib\w+|programa|descuento|certificado|solicitud)\b"
)
