IS_KNOWN: bool
