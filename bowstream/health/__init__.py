"""Whether all is well: counters, warnings, temperature."""
