"""The files of a folder, read again only when they change; a bad new one leaves the old one in force."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.slo.documents import File, found_keys, read_file
from app.slo.faults import DocumentFault, fault_of, refusal_of
from topology.slo.objectives import Slo
from topology.slo.openslo.documents import Document, House, read

Stamp = tuple[int, int, int]
ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Contents:
    """What the files of a folder say."""

    slos: tuple[Slo, ...] = ()
    foreign: tuple[Slo, ...] = ()
    notes: tuple[DocumentFault, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def at_fault(self) -> frozenset[str]:
        """The files that cannot be used as they are."""
        return frozenset(note.file for note in self.notes if not note.warning)


@dataclass
class Folder:
    """Follows the `*.yaml` and `*.yml` files directly in a folder; without the folder there are none."""

    path: Path
    _stamps: dict[Path, Stamp] = field(default_factory=dict)
    _files: dict[Path, File] = field(default_factory=dict)
    _good: dict[Path, File] = field(default_factory=dict)

    def changed(self) -> bool:
        """Looks at names, times and sizes, and reads what changed; True when anything did."""
        stamps = _stamps(self.path)
        if stamps == self._stamps:
            return False
        fresh = {path: read_file(path) for path, stamp in stamps.items() if self._stamps.get(path) != stamp}
        self._files = {path: fresh.get(path) or self._files[path] for path in stamps}
        self._good = {path: file for path, file in self._good.items() if path in stamps}
        self._stamps = stamps
        return True

    def contents(self, house: House, before: Sequence[Slo]) -> Contents:
        """The objectives of all files together. A file at fault is read as it last was without; `before` are the
        objectives so far, which stay where even that is impossible, because another file took away what it needs."""
        used: dict[Path, File | None] = dict(self._files)
        told: dict[DocumentFault, None] = {}
        while True:
            found = _read([file for file in used.values() if file], house)
            fresh = {path for path, file in used.items() if file is self._files[path]}
            bad = _to_replace(found, fresh)
            told |= dict.fromkeys(note for note in found.notes if note.file in bad)
            if not bad:
                break
            used |= {path: self._old(path) for path in fresh if str(path) in bad}
        self._good |= {path: file for path, file in used.items() if file and str(path) not in found.at_fault}
        lost = found.at_fault | {str(path) for path, file in used.items() if file is None}
        taken = {slo.name for slo in found.slos}
        rest = [slo for slo in before if slo.file in lost and slo.name not in taken]
        notes = sorted(told | dict.fromkeys(found.notes), key=lambda note: (note.file, note.line))
        return Contents((*found.slos, *rest), found.foreign, tuple(notes), tuple(self._files))

    def _old(self, path: Path) -> File | None:
        """The last version without fault, if that is another one."""
        good = self._good.get(path)
        return good if good is not self._files[path] else None

    def places_of(self, key: str) -> list[tuple[Path, int, object]]:
        """File, line and value of every place where a key is written, in the files as they are now."""
        found = []
        for path, file in self._files.items():
            for number, document in enumerate(file.documents):
                found += [(path, file.line(number, keys), value) for keys, value in found_keys(document, key)]
        return found


def _to_replace(found: Contents, fresh: Iterable[Path]) -> frozenset[str]:
    """The files to read as they last were: first those with faults of their own, since others may refer to them and
    be well once they are replaced."""
    names = frozenset(map(str, fresh))
    own = frozenset(note.file for note in found.notes if not note.warning and note.rule != "reference")
    return own & names or found.at_fault & names


def _read(files: Iterable[File], house: House) -> Contents:
    """Reads files together; the notes are in the order of files and lines."""
    listed = list(files)
    notes = [refusal for refusal in map(refusal_of, listed) if refusal]
    owners = [(file, number) for file in listed for number in range(len(file.documents))]
    documents = [Document(str(file.path), file.documents[number]) for file, number in owners]
    result = read(documents, house)
    notes += [fault_of(finding, *owners[finding.document]) for finding in result.findings]
    order = {str(file.path): number for number, file in enumerate(listed)}
    notes.sort(key=lambda note: (order[note.file], note.line))
    return Contents(result.slos, result.foreign, tuple(notes), tuple(file.path for file in listed))


def _stamps(path: Path) -> dict[Path, Stamp]:
    try:
        files = sorted(file for file in path.iterdir() if file.suffix in ENDINGS and not file.name.startswith("."))
    except OSError:
        return {}
    found = {}
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue
        if not file.is_dir():
            found[file] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found
