"""The contract's version, and what each version added."""

# 1: specs, reports, metric samples.
# 2: quotas of principals.
# 3: members: clusters of several brokers.
# 4: clusters over several nodes: peer ports, whose turn it is in a roll, how far replicas are.
# 5: upgrades: which software brokers shall run and do run, and the finalized level.
# 6: the principals of the agents of all nodes.
# 7: brokers that were moved to another node; which brokers live.
CONTRACT_VERSION = 7
