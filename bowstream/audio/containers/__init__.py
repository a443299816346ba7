"""How sound lies in files: where a recording begins and ends, whatever their headers state."""
