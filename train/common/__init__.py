"""What every stage stands on: settings, artefacts, epochs, progress, processes. Knows nothing of sound."""
