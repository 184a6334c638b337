"""The contract's version, and what each version added."""

# 1: specs, reports, metric samples.
# 2: quotas of principals.
CONTRACT_VERSION = 2
