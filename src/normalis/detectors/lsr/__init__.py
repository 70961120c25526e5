"""LSR: codes that are unlikely after those before them, and what the picture would be without."""
