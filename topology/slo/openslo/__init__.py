"""OpenSLO v1 documents (github.com/OpenSLO/OpenSLO) as plain values, read into objectives; every fault is collected."""
