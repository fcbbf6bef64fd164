"""Run `docker compose up` for real where no image can be pulled."""
