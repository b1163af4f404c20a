"""Whatever a task that waits hears, in any order and as often as it comes: it ends once, and its results are planned
once."""

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.planner.invoke.decide import apply_event, count
from services.planner.invoke.model import End, Transition, Wake
from shared.events.callbacks import TaskDue
from shared.events.tasks import TaskChanged, TaskState
from shared.specification.vendor_jobs import Reported
from tests.unit.planner.job_rows import job_row
from tests.unit.planner.submits import NOW, due, heard, resolved, waits


class Life(RuleBasedStateMachine):
    """A submit, the vendor, the clock and a broker that repeats and reorders what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.job = resolved(heartbeat="10m", status={"request": {"path": "/reports/{vendor_job}"}, "done": "body.ok"})
        self.task = waits()
        self.now = NOW
        self.log: list[TaskChanged | TaskDue] = []
        self.ends: list[TaskState] = []
        self.deadlines = [NOW + timedelta(hours=1)]
        self.planned = 0
        self.done_told = False
        self.id_known = False

    def hear(self, event: TaskChanged | TaskDue) -> None:
        """The handler loads the row, decides, and stores it; a row that was over stays as it was."""
        found = apply_event(Transition(self.task), self.job, event, self.now, paused=False)
        if not self.task.state.is_end:
            self.task = found.task
        if End() in found.effects:
            self.ends.append(found.task.state)
            self.planned += len(count(job_row(resolved=self.job), [found.task])[1])
        self.deadlines += [
            self.now + one.after for one in found.effects if isinstance(one, Wake) and one.kind == "deadline"
        ]

    @rule(known=st.booleans())
    def submit_is_recorded(self, known: bool) -> None:
        """Its outcome may be unknown, and with it the vendor's id."""
        self.log.append(heard(purpose="submit", vendor_job="r1" if known else None))
        self.id_known |= known and not self.task.state.is_end
        self.hear(self.log[-1])

    @rule(reported=st.sampled_from(["done", "failed", "progress"]), named=st.booleans())
    def callback(self, reported: Reported, named: bool) -> None:
        """The gateway lets one outcome pass; here, any number."""
        self.log.append(heard(reported=reported, vendor_job="r1" if named else None))
        self.hear(self.log[-1])

    @rule(reported=st.sampled_from([None, "done", "failed", "progress"]))
    def status_is_answered(self, reported: Reported | None) -> None:
        self.log.append(heard(reported=reported, purpose="status"))
        self.hear(self.log[-1])

    @rule(kind=st.sampled_from(["deadline", "heartbeat", "status"]), number=st.integers(0, 3))
    def timer_fires(self, kind: str, number: int) -> None:
        self.log.append(due(kind, beat=number, ask=number, due_at=self.now))
        self.hear(self.log[-1])

    @rule(minutes=st.integers(1, 50))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(kind=st.sampled_from(["deadline", "heartbeat"]), number=st.integers(0, 3), in_grace=st.booleans())
    def timer_fires_late(self, kind: str, number: int, in_grace: bool) -> None:
        """It ends nothing, unless the task had its grace."""
        ended = self.task.state.is_end
        self.log.append(due(kind, beat=number, due_at=self.now - timedelta(minutes=1), in_grace=in_grace))
        self.hear(self.log[-1])
        assert ended or in_grace or not self.task.state.is_end

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def message_comes_again(self, data: st.DataObject) -> None:
        """After a crash between commit and acknowledgement, or late."""
        self.hear(data.draw(st.sampled_from(self.log)))

    @invariant()
    def it_ends_once(self) -> None:
        assert len(self.ends) <= 1
        assert self.planned == (self.ends == [TaskState.COMPLETED])
        assert self.task.state.is_end == bool(self.ends)

    @invariant()
    def a_completed_task_had_what_its_results_need(self) -> None:
        if self.ends == [TaskState.COMPLETED]:
            assert self.task.vendor_job == "r1"

    def teardown(self) -> None:
        """Every wait ends: with a deadline that was asked for, at the latest, once the submit is answered."""
        self.submit_is_recorded(known=False)
        for at in self.deadlines:
            self.now = max(self.now, at)
            self.hear(due("deadline", due_at=self.now))
        assert len(self.ends) == 1


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
