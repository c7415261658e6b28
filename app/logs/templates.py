"""From lines to templates: what varies is taken out, what is alike becomes one (Drain, He et al., ICWS 2017)."""

from __future__ import annotations

from collections.abc import Sequence

from drain3.drain import Drain, LogCluster
from drain3.masking import LogMasker, MaskingInstruction

SIMILAR = 0.5
"""The share of words that two lines of one template have in common."""
MOST_CHARS, MOST_WORDS = 400, 40
_VARYING = (
    (r"(?<![0-9A-Za-z])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z])", "id"),
    (r"(?<![0-9A-Za-z])(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{12,}(?![0-9A-Za-z])", "id"),
    (r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?![\d.])", "address"),
    (r"(?<![A-Za-z])\d[\d.,*]*(?<![.,])", "number"),
)


class Templates:
    """The templates of one service, each with a number that stays while its words become fewer. Not thread-safe."""

    def __init__(self) -> None:
        self._varying = LogMasker([MaskingInstruction(pattern, name) for pattern, name in _VARYING], "<", ">")
        self._drain = Drain(sim_th=SIMILAR, max_children=50, param_str="<*>")

    def place(self, body: str) -> tuple[int, str]:
        """The number and the words of the template of a line, which may change it. Only its beginning counts."""
        cluster, _ = self._drain.add_log_message(self._words(body))
        return cluster.cluster_id, cluster.get_template()

    def find(self, body: str) -> int | None:
        """The number of the template that a line follows; None when it follows none. Nothing changes."""
        found = self._drain.match(self._words(body), full_search_strategy="fallback")
        return None if found is None else found.cluster_id

    def restore(self, template: str) -> int:
        """Takes in a template that was known before; returns its number."""
        self._drain.clusters_counter += 1
        cluster = LogCluster(template.split(), self._drain.clusters_counter)
        self._drain.id_to_cluster[cluster.cluster_id] = cluster
        self._drain.add_seq_to_prefix_tree(self._drain.root_node, cluster)
        return cluster.cluster_id

    def forget(self, number: int) -> None:
        """Forgets a template."""
        self._drain.id_to_cluster.pop(number, None)

    def _words(self, body: str) -> str:
        first = next((line for line in body.splitlines() if line.strip()), "")
        return " ".join(self._varying.mask(first[:MOST_CHARS]).split()[:MOST_WORDS])


def fixed_words(template: str) -> str:
    """The longest run of words that no line of a template lacks; "" when everything varies."""
    runs: list[Sequence[str]] = [[]]
    for word in template.split():
        if "<" in word:
            runs.append([])
        else:
            runs[-1] = [*runs[-1], word]
    return " ".join(max(runs, key=lambda run: sum(map(len, run))))
