"""`schedules.events` → schedules as the API shows them, with the verdict of each firing."""
