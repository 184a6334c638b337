"""How to connect, per library; certificates and host names are verified in every one of them.

They read the add-on's config vars from the environment and are complete: what they need as a file
they write themselves. `prefix` is the attachment's name, KAFKA if there is only one.
"""

from typing import NamedTuple


class Snippet(NamedTuple):
    label: str
    code: str


_SHELL = """\
ottla config -a {app}

# brokers, comma separated
{prefix}_URL
# the cluster's own authority
{prefix}_TRUSTED_CERT
# your certificate and its key
{prefix}_CLIENT_CERT
{prefix}_CLIENT_CERT_KEY
"""

_CONFLUENT = """\
import os
from confluent_kafka import Producer

producer = Producer({{
    "bootstrap.servers": os.environ["{prefix}_URL"].replace("kafka+ssl://", ""),
    "security.protocol": "SSL",
    "ssl.ca.pem": os.environ["{prefix}_TRUSTED_CERT"],
    "ssl.certificate.pem": os.environ["{prefix}_CLIENT_CERT"],
    "ssl.key.pem": os.environ["{prefix}_CLIENT_CERT_KEY"],
    "ssl.endpoint.identification.algorithm": "https",
    "enable.idempotence": True,
}})
"""

_SSL_CONTEXT = """\
import os, ssl, tempfile

def kafka_ssl():
    context = ssl.create_default_context(cadata=os.environ["{prefix}_TRUSTED_CERT"])
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
        for part in ("CLIENT_CERT", "CLIENT_CERT_KEY"):
            print(os.environ["{prefix}_" + part], file=pem)
        pem.flush()
        context.load_cert_chain(pem.name)
    return context

servers = os.environ["{prefix}_URL"].replace("kafka+ssl://", "").split(",")
"""

_KAFKA_PYTHON = (
    _SSL_CONTEXT
    + """
from kafka import KafkaProducer

producer = KafkaProducer(
    bootstrap_servers=servers, security_protocol="SSL", ssl_context=kafka_ssl(), acks="all"
)
"""
)

_AIOKAFKA = (
    _SSL_CONTEXT
    + """
from aiokafka import AIOKafkaProducer

producer = AIOKafkaProducer(
    bootstrap_servers=servers, security_protocol="SSL", ssl_context=kafka_ssl(), acks="all"
)
"""
)

_KAFKAJS = """\
const {{ Kafka }} = require("kafkajs");

const kafka = new Kafka({{
  brokers: process.env.{prefix}_URL.replaceAll("kafka+ssl://", "").split(","),
  ssl: {{
    ca: [process.env.{prefix}_TRUSTED_CERT],
    cert: process.env.{prefix}_CLIENT_CERT,
    key: process.env.{prefix}_CLIENT_CERT_KEY,
  }},
}});
"""

_JAVA = """\
var env = System.getenv();
var config = new Properties();
config.put("bootstrap.servers", env.get("{prefix}_URL").replace("kafka+ssl://", ""));
config.put("security.protocol", "SSL");
config.put("ssl.endpoint.identification.algorithm", "https");
config.put("ssl.truststore.type", "PEM");
config.put("ssl.truststore.certificates", env.get("{prefix}_TRUSTED_CERT"));
config.put("ssl.keystore.type", "PEM");
config.put("ssl.keystore.certificate.chain", env.get("{prefix}_CLIENT_CERT"));
config.put("ssl.keystore.key", env.get("{prefix}_CLIENT_CERT_KEY"));
"""

_FRANZ_GO = """\
pair, err := tls.X509KeyPair(
	[]byte(os.Getenv("{prefix}_CLIENT_CERT")), []byte(os.Getenv("{prefix}_CLIENT_CERT_KEY")))
if err != nil {{ log.Fatal(err) }}
roots := x509.NewCertPool()
roots.AppendCertsFromPEM([]byte(os.Getenv("{prefix}_TRUSTED_CERT")))
brokers := strings.ReplaceAll(os.Getenv("{prefix}_URL"), "kafka+ssl://", "")
client, err := kgo.NewClient(
	kgo.SeedBrokers(strings.Split(brokers, ",")...),
	kgo.DialTLSConfig(&tls.Config{{Certificates: []tls.Certificate{{pair}}, RootCAs: roots}}),
)
"""

_ALL = (
    ("Environment", _SHELL),
    ("Python · confluent-kafka", _CONFLUENT),
    ("Python · kafka-python", _KAFKA_PYTHON),
    ("Python · aiokafka", _AIOKAFKA),
    ("Node.js · KafkaJS", _KAFKAJS),
    ("Java", _JAVA),
    ("Go · franz-go", _FRANZ_GO),
)


def snippets(*, app: str, prefix: str) -> list[Snippet]:
    return [Snippet(label, code.format(app=app, prefix=prefix)) for label, code in _ALL]
