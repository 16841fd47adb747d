"""What keeps the repository in order: set-up, checks, generators. Invariant: nothing in src imports from here."""
