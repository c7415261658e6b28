"""The newest error lines: how many are held, and that a restart neither loses nor doubles them."""

from engine_run import Run
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from app.error_lines import KEPT_CHARS, MOST, PER_SERVICE, ErrorLines
from collectors.contract import Signal
from collectors.otlp.logs import LogLine
from topology.model import Service


def said(run: Run, *words: str, service: str = "orders") -> Run:
    """Takes in error lines of a service that were said just now, one a request."""
    for number, body in enumerate(words):
        wire = ExportLogsServiceRequest()
        sent = wire.resource_logs.add()
        sent.resource.attributes.add(key="service.name").value.string_value = service
        record = sent.scope_logs.add().log_records.add(severity_number=17)
        record.time_unix_nano = run.clock.ns() - 1_000_000 * (len(words) - number)
        record.body.string_value = body
        record.trace_id = b"t" * 16
        run.take(wire.SerializeToString(), Signal.LOGS)
    return run


def bodies(run: Run) -> list[str]:
    """What the list of error lines shows, newest first."""
    return [line["body"] for line in run.engine.logs()]


def line(service: str, time_s: float, body: str = "no") -> LogLine:
    """An error line of a service."""
    return LogLine(time_s, Service("prod", "", service), "error", body)


def test_error_lines_outlive_a_crash_and_are_there_once(tmp_path):
    """Lines before the last commit come back with their trace and masked, lines after it are read from the journal, in
    their order, as often as the product ends."""
    run = said(Run(tmp_path), "first 卡号 6222021234567890128", "second").settle(12)
    run = said(run, "third").step()
    before = run.engine.logs()
    assert [shown["body"].split()[0] for shown in before] == ["third", "second", "first"]
    for _ in range(3):
        run = run.crashed()
        assert run.engine.logs() == before
    run = said(run, "fourth").stopped()
    assert bodies(run)[:2] == ["fourth", "third"]
    assert len(bodies(run.stopped().crashed())) == 4
    assert before[2]["trace_id"] == (b"t" * 16).hex()
    assert "6222021234567890128" not in str(before) + str(run.store.checkpoints())


def test_unchanged_lines_are_written_once(tmp_path):
    """A quiet service costs a commit nothing: its lines are not written again."""
    run = said(Run(tmp_path), "once").settle(12)
    kept = run.store.checkpoints()["error_lines"]
    run.settle(30)
    assert run.store.checkpoints()["error_lines"] is kept


def test_lines_are_bounded_for_a_service_and_altogether():
    """The oldest go first; who was quiet for longest loses its lines when all together are too many."""
    held = ErrorLines()
    for number in range(PER_SERVICE + 50):
        held.add([line("loud", number)], number)
    assert [shown.time_s for shown in held.all()] == [*range(PER_SERVICE + 49, 49, -1)]
    for number in range(MOST // PER_SERVICE):
        held.add([line(f"service-{number}", k) for k in range(PER_SERVICE)], 1000)
    assert len(held.all()) == MOST
    assert all(shown.service.name != "loud" for shown in held.all())


def test_what_every_service_said_last_is_kept_first():
    """Where not everything has room, every service keeps its newest lines, and no one service takes it all."""
    held, back = ErrorLines(), ErrorLines()
    for name in ("quiet", "loud", "louder"):
        for number in range(2 if name == "quiet" else PER_SERVICE):
            held.add([line(name, number, "x" * 2000)], number)
    assert len(held.content()) < KEPT_CHARS * 1.1
    back.restore(held.content(), PER_SERVICE)
    names = [shown.service.name for shown in back.all()]
    assert names.count("quiet") == 2
    assert abs(names.count("loud") - names.count("louder")) <= 1
    assert [shown.time_s for shown in back.all() if shown.service.name == "loud"][:2] == [99, 98]
