"""What happens: one flow a file, each readable aloud; a flow may import every room of tasks."""

import tasks  # noqa: F401  its environment defaults must be set before Prefect is imported
