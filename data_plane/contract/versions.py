"""The contract's version, and what each version added."""

# 1: specs, reports, metric samples.
# 2: quotas of principals.
# 3: members: clusters of several brokers.
CONTRACT_VERSION = 3
