"""Pure rules: plans, names, states, prices."""
