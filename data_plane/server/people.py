"""Settings for a person at work, where Kafka's defaults are for machines."""

# A person starts a group's members together and waits for them. Kafka's 3 s are long; its quick
# start's 0 is longer still for two members, as the first hears of the second only by its next
# heartbeat. A moment gathers both into the first generation.
PEOPLE_CONFIGS = {"group.initial.rebalance.delay.ms": "200"}
