"""What came of the steps of a recipe so far, so that a restart need not take them again.

A recipe is a pure generator: sent the same answers, it takes the same steps. What is noted
of a record under way are the answers that led to its next request; a restart sends them to
a new generator and goes on where the old one was. Noted just before that next request goes
out, so that a kill repeats what was in flight and nothing else. A body that only went on to
work is left out: its result is noted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

from ventil.core.exchange import (
    Await,
    Called,
    Done,
    Fault,
    FaultKind,
    Reply,
    Request,
    Response,
    TimeUp,
    Work,
    WorkFailed,
)
from ventil.core.masks import MASK

Step = Request | Work | Await
Answer = Reply | Done | WorkFailed | Called | TimeUp


class _Entry(msgspec.Struct, array_like=True, frozen=True):
    """An answer to `step`; `kind` is response, done, broke, called, time-up, or a fault's."""

    step: str
    kind: str
    detail: str = ""
    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""


class Journal:
    """The answers of one look at one record: those noted before, and those of this start."""

    def __init__(self, noted: Iterable[bytes]) -> None:
        self._noted: deque[_Entry] = deque(
            msgspec.msgpack.decode(one, type=_Entry) for one in noted
        )
        self._number = len(self._noted)
        self._new: list[_Entry] = []
        self._hidden: list[str] = []
        self._addresses: Callable[[str], str] | None = None

    def hide_addresses(self, masked: Callable[[str], str]) -> None:
        """*masked* leaves tokens of earlier starts, which nobody knows, out of a text."""
        self._addresses = masked

    def hide(self, token: str) -> None:
        """*token* is a secret, and another one at each start: it is left out of the names."""
        self._hidden.append(token)

    def hidden(self, text: str) -> str:
        """*text* without the secrets in it."""
        for token in self._hidden:
            text = text.replace(token, MASK)
        return text if self._addresses is None else self._addresses(text)

    def hidden_in(self, body: bytes) -> bytes:
        """*body* without the secrets in it."""
        if self._addresses is None:  # a job that has none
            return body
        return self.hidden(body.decode("latin-1")).encode("latin-1")

    def recalled(self, step: Step) -> Answer | None:
        """What *step* was answered with before; None when it is to be taken."""
        if not self._noted or self._noted[0].step != self.hidden(_name(step)):
            # Never but for a new version of the recipe, which asks something else.
            self._number -= len(self._noted)
            self._noted.clear()
            return None
        return _answer(self._noted.popleft())

    def add(self, step: Step, answer: Answer) -> None:
        """*step* was answered just now."""
        name = self.hidden(_name(step))
        if isinstance(step, Work) and self._new:
            last = self._new[-1]
            self._new[-1] = msgspec.structs.replace(last, body=b"")
        if isinstance(answer, Response):
            headers = {field: self.hidden(text) for field, text in answer.headers.items()}
            body = self.hidden_in(answer.body)  # some repeat the address that they were given
            entry = _Entry(name, "response", "", answer.status, headers, body)
        elif isinstance(answer, Fault):
            entry = _Entry(name, answer.kind.value, self.hidden(answer.detail))
        elif isinstance(answer, Done):
            entry = _Entry(name, "done", body=answer.result)
        elif isinstance(answer, Called):
            body = self.hidden_in(answer.body)
            entry = _Entry(name, "called", answer.content_type, body=body)
        elif isinstance(answer, TimeUp):
            entry = _Entry(name, "time-up", answer.detail)
        else:
            entry = _Entry(name, "broke", self.hidden(answer.detail))
        self._new.append(entry)

    def take_new(self) -> Sequence[tuple[int, bytes]]:
        """(number from 0, what is to be noted) of what came since this was last asked."""
        new, self._new = self._new, []
        first = self._number
        self._number += len(new)
        return [(first + n, msgspec.msgpack.encode(entry)) for n, entry in enumerate(new)]


def _name(step: Step) -> str:
    if isinstance(step, Work):
        return step.task
    if isinstance(step, Await):
        return f"await {step.token.number}"
    return f"{step.provider} {step.method} {step.origin or ''}{step.target}"


def _answer(entry: _Entry) -> Answer:
    if entry.kind == "response":
        return Response(entry.status, entry.headers, entry.body)
    if entry.kind == "done":
        return Done(entry.body)
    if entry.kind == "broke":
        return WorkFailed(entry.detail)
    if entry.kind == "called":
        return Called(entry.body, entry.detail)
    if entry.kind == "time-up":
        return TimeUp(entry.detail)
    return Fault(FaultKind(entry.kind), entry.detail)
