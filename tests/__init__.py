"""unit/ mirrors src; integration/ uses real processes and sockets; conformance/ compares with what Node and asyncio do;
architecture/ reads the source; known_issues/ holds what is wrong and not repaired yet."""
