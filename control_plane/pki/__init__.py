"""Certificate authorities, issued certificates, secrets at rest."""
