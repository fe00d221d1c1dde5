"""What people see in Prefect and what keeps its server tidy; it may import every other room of tasks."""
