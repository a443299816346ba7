"""Sound comes in: microphones and recordings, as 16 kHz mono blocks."""
