"""What API and dashboard share: dependencies, errors, pagination."""
