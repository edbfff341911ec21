"""Who is in only to keep the pace has no slots, and is nobody to count on."""

from __future__ import annotations

from test_pacing import KEY, quick, tell, url, worker_of

from ventil.adapters.shared_lock import live_slots, live_workers
from ventil.adapters.worker_store import WorkerStore

__all__ = ["quick", "url"]  # fixtures


def test_a_visitor_is_no_worker(url: str, quick: None) -> None:
    """Neither for the scale hint, nor for who looks for a worker, nor for a shard."""

    async def story() -> None:
        visitor = worker_of(url, "visitor", [])
        visitor._row = (*visitor._row[:3], 0, visitor._row[4])  # slots, as of `visit`
        await visitor.join()
        store = WorkerStore(url, "visitor")
        assert live_slots(url, KEY) == (0, 0)
        assert live_workers(url, [KEY]) == live_workers(url) == 0
        assert store.live() == {}
        worker = worker_of(url, "worker", [])
        await worker.join()
        assert live_slots(url, KEY) == (1, 1)
        assert live_workers(url, [KEY]) == 1
        assert [*store.live()] == ["worker"]
        store.close()
        await visitor.leave()
        await worker.leave()

    tell(story)
