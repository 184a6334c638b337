"""The metadata quorum: replicates bytes and knows no record."""
