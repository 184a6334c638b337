"""Provisions and bills; owns Postgres; never speaks to a log directly."""
