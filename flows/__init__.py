"""What happens: one flow a file, each readable aloud; audit and refusals only read the record."""

import tasks  # noqa: F401  its environment defaults must be set before Prefect is imported
