"""What is done on fetched bytes in a process of its own, by name; and that process."""

from ventil.tasks.registry import TASKS, Task, find

__all__ = ["TASKS", "Task", "find"]
