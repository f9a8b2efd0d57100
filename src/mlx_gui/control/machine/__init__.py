"""What the machine says of itself and its memory, and what follows from that."""
