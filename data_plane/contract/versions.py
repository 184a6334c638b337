"""The contract's version, and what each version added."""

CONTRACT_VERSION = 1  # 1: specs, reports, metric samples.
