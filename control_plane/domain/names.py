"""Names: made up for people (kafka-shiny-2345), checked for apps, add-ons, vars and topics."""

import random
import re
from collections.abc import Container

from control_plane.domain.errors import Invalid

_ADJECTIVES = [
    "amber",
    "ample",
    "brisk",
    "calm",
    "clear",
    "crisp",
    "curly",
    "deep",
    "dry",
    "early",
    "fair",
    "fine",
    "flat",
    "fresh",
    "gentle",
    "glad",
    "golden",
    "grand",
    "green",
    "happy",
    "hazy",
    "keen",
    "kind",
    "late",
    "light",
    "lively",
    "lucky",
    "mellow",
    "mild",
    "misty",
    "neat",
    "nimble",
    "noble",
    "opal",
    "patient",
    "plain",
    "polished",
    "proud",
    "quick",
    "quiet",
    "rapid",
    "ripe",
    "round",
    "rustic",
    "shiny",
    "silent",
    "silver",
    "sleek",
    "slender",
    "smooth",
    "snowy",
    "solid",
    "spry",
    "steady",
    "sunny",
    "swift",
    "tidy",
    "trim",
    "vivid",
    "warm",
]
_NOUNS = [
    "basin",
    "bay",
    "beacon",
    "bend",
    "bridge",
    "brook",
    "canyon",
    "cedar",
    "cliff",
    "cloud",
    "coast",
    "cove",
    "creek",
    "delta",
    "dune",
    "falls",
    "field",
    "fjord",
    "forest",
    "garden",
    "glade",
    "grove",
    "harbor",
    "hill",
    "island",
    "lagoon",
    "lake",
    "ledge",
    "marsh",
    "meadow",
    "mesa",
    "moor",
    "oasis",
    "peak",
    "pine",
    "plain",
    "pond",
    "prairie",
    "reef",
    "ridge",
    "river",
    "shore",
    "spring",
    "stream",
    "summit",
    "terrace",
    "tide",
    "trail",
    "valley",
]
COLOURS = [
    "AMBER",
    "AQUA",
    "AZURE",
    "BLACK",
    "BLUE",
    "BRONZE",
    "BROWN",
    "COBALT",
    "COPPER",
    "CORAL",
    "CRIMSON",
    "CYAN",
    "EMERALD",
    "FUCHSIA",
    "GOLD",
    "GRAY",
    "GREEN",
    "INDIGO",
    "IVORY",
    "JADE",
    "LIME",
    "MAROON",
    "MAUVE",
    "NAVY",
    "OLIVE",
    "ORANGE",
    "PINK",
    "PURPLE",
    "RED",
    "ROSE",
    "RUBY",
    "SILVER",
    "TEAL",
    "UMBER",
    "VIOLET",
    "WHITE",
    "YELLOW",
]
DEFAULT_ATTACHMENT = "KAFKA"
# Names of a cluster's own topics; the brokers make them, nobody else may.
INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state", "__cluster_metadata"})

_APP = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")
_ADDON = re.compile(r"[a-z][a-z0-9-]{1,254}")
_ATTACHMENT = re.compile(r"[A-Z][A-Z0-9_]{0,254}")
_CONFIG_VAR = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")


def addon_name(rng: random.Random) -> str:
    """Make up an add-on name: kafka-shiny-2345. Not promised unused: the caller checks."""
    return f"kafka-{rng.choice(_ADJECTIVES)}-{rng.randint(1000, 99999)}"


def app_name(rng: random.Random) -> str:
    """Make up an app name: shiny-river-2345. Not promised unused."""
    return f"{rng.choice(_ADJECTIVES)}-{rng.choice(_NOUNS)}-{rng.randint(1000, 99999)}"


def attachment_name(rng: random.Random, taken: Container[str]) -> str:
    """Choose KAFKA, or KAFKA_<COLOUR> if that is taken; raises Invalid when colours run out."""
    if DEFAULT_ATTACHMENT not in taken:
        return DEFAULT_ATTACHMENT
    free = [f"KAFKA_{colour}" for colour in COLOURS if f"KAFKA_{colour}" not in taken]
    if not free:
        raise Invalid("This app has no free attachment name left: choose one.", field="name")
    return rng.choice(free)


def check_app_name(name: str) -> str:
    if not _APP.fullmatch(name):
        raise Invalid(
            f"{name!r} is not an app name: 3 to 30 lower-case letters, digits and dashes, "
            "beginning with a letter and not ending with a dash.",
            field="name",
        )
    return name


def check_addon_name(name: str) -> str:
    if not _ADDON.fullmatch(name):
        raise Invalid(
            f"{name!r} is not an add-on name: 2 to 255 lower-case letters, digits and dashes, "
            "beginning with a letter.",
            field="name",
        )
    return name


def check_attachment_name(name: str) -> str:
    if not _ATTACHMENT.fullmatch(name):
        raise Invalid(
            f"{name!r} is not an attachment name: capital letters, digits and underscores, "
            "beginning with a letter.",
            field="name",
        )
    return name


def check_config_var_name(name: str) -> str:
    if not _CONFIG_VAR.fullmatch(name):
        raise Invalid(
            f"{name!r} is not a config var name: letters, digits and underscores, "
            "not beginning with a digit.",
            field=name,
        )
    return name


def check_email(email: str) -> str:
    """Return the address in the form in which it is stored and compared: lower case."""
    if not _EMAIL.fullmatch(email):
        raise Invalid(f"{email!r} is not an e-mail address.", field="email")
    return email.lower()


def check_topic_name(name: str) -> str:
    """Kafka's own rules (letters, digits, dot, underscore, dash; at most 249), said clearly."""
    if name in {".", ".."}:
        raise Invalid(f"A topic cannot be named {name!r}.", field="name")
    if name in INTERNAL_TOPICS:
        raise Invalid(f"{name!r} belongs to the brokers themselves.", field="name")
    if not _TOPIC.fullmatch(name):
        raise Invalid(
            f"{name!r} is not a topic name: 1 to 249 letters, digits, dots, underscores and "
            "dashes.",
            field="name",
        )
    return name


def topics_collide(one: str, other: str) -> bool:
    """Say whether Kafka takes two names for one: in metric names a dot becomes an underscore."""
    return one.replace(".", "_") == other.replace(".", "_")


def config_var_names(attachment: str) -> dict[str, str]:
    """Map each part of the credentials to its config var; the URL comes first.

    Readers take the first name that ends in _URL (heroku-contract.md a.4).
    """
    return {
        "url": f"{attachment}_URL",
        "trusted_cert": f"{attachment}_TRUSTED_CERT",
        "client_cert": f"{attachment}_CLIENT_CERT",
        "client_cert_key": f"{attachment}_CLIENT_CERT_KEY",
    }
