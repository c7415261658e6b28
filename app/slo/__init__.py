"""Service level objectives as a house writes them: OpenSLO documents in a folder, checked and watched."""
