"""Jars of Apache Kafka from Maven Central by tests/toolchains/java/pom.xml, our code by javac."""

import functools
from typing import Final

from tests.conformance.toolchains.building import (
    BUILD,
    MANIFESTS,
    PROGRAMS,
    build_once,
    need,
    run,
)

JARS: Final = BUILD / "jars"
CLASSES: Final = BUILD / "classes"
POM: Final = MANIFESTS / "java" / "pom.xml"
SOURCES: Final = PROGRAMS / "java"


# Small heaps and one compiler tier: these are short programs on a small machine. What they log
# would stand between what they print.
QUICK: Final = (
    "-Xmx256m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
)


def command(main_class: str, *options: str) -> list[str]:
    """How a short program of Apache Kafka or of ours is run; arguments are appended."""
    return launched(main_class, *QUICK, *options)


def launched(main_class: str, *options: str) -> list[str]:
    """The same with none but these options of the virtual machine."""
    prepare()
    return [need("java"), *options, "-cp", f"{CLASSES}:{JARS}/*", main_class]


def kafka_version() -> str:
    """Of the jars that the pom names."""
    prepare()
    (jar,) = JARS.glob("kafka-clients-*.jar")
    return jar.stem.removeprefix("kafka-clients-")


@functools.cache
def prepare() -> None:
    java_files = sorted(SOURCES.glob("*.java"))
    build_once(JARS, [POM], _fetch_jars)
    build_once(CLASSES, [POM, *java_files], _compile)


def _fetch_jars() -> None:
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={JARS}"]
    run([need("mvn"), "-q", "-B", "-f", str(POM), *goal], MANIFESTS / "java")


def _compile() -> None:
    files = [str(path) for path in sorted(SOURCES.glob("*.java"))]
    run([need("javac"), "-nowarn", "-cp", f"{JARS}/*", "-d", str(CLASSES), *files], SOURCES)
