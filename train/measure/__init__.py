"""How good a model is: held-out recordings on the device's path, false events, noise, float against int8, cost."""
